"""Reads what a trainer wrote on one line of a log, by the words that name steps and losses."""

import re
from typing import Final, NamedTuple

from coherence.signals.loss import kind_beside

TRAINING: Final = 0
ESTIMATE: Final = 1
VALIDATION: Final = 2
POLICY: Final = 3

NAMED: Final = 0
GENERAL: Final = 1
BAR: Final = 2


class LogEntry(NamedTuple):
    """What a trainer wrote on one line.

    Attributes:
        step: None if the trainer names none, like the Hugging Face Trainer.
        loss: None if the line holds another figure.
        kind: of the loss: that of a training step, an estimate over the training data as nanoGPT makes it
            from time to time, that of validation, or that of a policy, which is not read.
        grad_norm: on the same line.
        beside: another figure there that shows that the loss is not a cross-entropy.
        epoch: if the line names one: steps may be counted from 1 again in each.
        length: of the epoch or of the whole run, in steps.
        certain: how the line was recognised: by a trainer's shape, by any step and loss, or as a bar.
    """

    step: int | None
    loss: float | None = None
    kind: int = TRAINING
    grad_norm: float | None = None
    beside: str | None = None
    epoch: float | None = None
    length: int | None = None
    certain: int = NAMED


# Possessive quantifiers (`++`): a long row of digits takes time in proportion to its length.
NUMBER = r"[-+]?(?:\d++(?:\.\d*+)?+(?:e[-+]?\d++)?+|nan|inf)(?![\w.])"
_FIGURE = rf"(?:[-+]?\d++(?:,\d++)++(?:\.\d++)?+(?:e[-+]?\d++)?+(?![\w.])|{NUMBER})"
"""A number that may have commas: at every third digit, or one before the decimals."""

COUNT = r"(?:\d{1,3}(?:,\d{3})++(?![\d,])|\d{1,9}+(?:\.\d{1,9}+)?+[kM](?![\w.])|\d++)"
_VALUE = re.compile(NUMBER, re.IGNORECASE)
_LOSS = re.compile(
    rf"(?<![A-Za-z0-9])(?:loss(?: train)?|xent) {{0,4}}[:=]? {{0,4}}({_FIGURE})", re.IGNORECASE
)
_NORM = re.compile(
    rf"(?<![\w./])(?:grad(?:ient)?[ _-]?|g)?norm {{0,4}}[:=]? {{0,4}}({NUMBER})", re.IGNORECASE
)
_FIELD_NAME = re.compile(r"([\w/.]{1,40}) {0,4}[:=]")
_POLICY = re.compile(
    r"(?:pg|[Pp]olicy|[Aa]ctor|[Cc]ritic|ppo|grpo)[_ /-]?[Ll]oss|actor/|critic/|rollout/|verage reward",
)

_POLICY_WORDS = ("olicy", "ctor", "critic", "Critic", "pg_loss", "ppo", "grpo", "rollout/", "verage reward")
"""One of these is in every match of the pattern."""

# Any line: a loss in any spelling, a step by any name.
_ANY_LOSS = re.compile(
    r"(?<![A-Za-z])loss(?:[ _/.-](?:train|step|avg))?['\"]?\)? {0,4}[:=]?(?: is)?"
    rf" {{0,9}}(?:(?:tensor|Array|array|(?:np|numpy|jnp)\.\w{{1,10}})\()?[\[('\"]?({_FIGURE})",
    re.IGNORECASE,
)

# The words before "loss", which say what it is of.
_WORDS_BEFORE = re.compile(r"(?:(?<![A-Za-z0-9])(?:[A-Za-z][A-Za-z0-9]*[ _/.-]{1,2}|\d+[_/]))+\Z")
_WORD = re.compile(r"cross[ _-]?entropy|(?:held|hold)[ _-]?out|[a-z0-9]+")
_LONGEST_NAME = 60
_TIMED = re.compile(r"\d min \Z")
_OF_VALIDATION = re.compile(r"val|valid|validation|eval|evaluation|test|dev|(?:held|hold)[ _-]?out")
_OF_TRAINING = frozenset(("train", "training", "lm"))
_PLAIN = re.compile(
    r"ce|nll|mlm|clm|xent|cross[ _-]?entropy|language|model(?:l?ing)?|avg|average|averaged|mean|total|overall"
    r"|batch|microbatch|step|iter|epoch|global|running|moving|reduced|smooth|smoothed|cur|current"
    r"|per|token|set|split|data|dataset"
)
_OTHER = re.compile(
    r"aux\w*|balanc\w*|kl|kd|mtp\w*|policy|pg|actor|critic|router|value|z|dpo|reward|contrastive|logits"
    r"|scaled?|best|min|minimum|lowest|max|maximum|highest|worst|prev|previous|old|target|stop|initial|ema"
    r"|reg|regulari[sz]\w*|distill?\w*|commit|commitment|vq|codebook|entropy|recon\w*|adv|adversarial"
    r"|discriminator|l1|l2"
)
_ANY_STEP = re.compile(
    r"(?<![A-Za-z])((?:global|optimizer|opt|training|train)?[ _]?steps?|iter(?:ation)?s?|(?:num[ _])?updates?"
    r"|batch(?:es)?|epochs?|ep|it)(?:\((?:train|training)\))?(?:[ _](?:idx|no|number|num))?['\"]?"
    rf" {{0,4}}[:=#]? {{0,9}}[\[(|#'\"]? {{0,9}}({COUNT})(?![\d.]*+\w|\.\d)(?: {{0,9}}/ {{0,9}}({COUNT}))?+",
    re.IGNORECASE,
)
_STEP_FIRST = re.compile(r"\[? {0,9}(\d++) {0,9}/ {0,9}(\d++)(?![\w.])")
_STEPS_BEFORE = re.compile(r"(?<![\d.])(\d++) {0,9}/ {0,9}(\d++) (batches|steps|iters|iterations|updates)\b")
_GROUPED = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(\.\d+)?")
_WITH_COMMA = re.compile(r"[-+]?\d+,\d+(?:e[-+]?\d+)?", re.IGNORECASE)
_POINT = re.compile(r"\d\.\d")
_PREFERENCE = ("step", "update", "iter", "batch", "ep", "it")
LONGEST_STEP = 15
_TIMES = {"k": 1000, "M": 1_000_000}


def number(value: str | None) -> float | None:
    """Return a number as logs write it, which may not be finite; None for anything else.

    >>> number("2.5"), number("nan"), number("1e-3x"), number(None)
    (2.5, nan, None, None)
    """
    return float(value) if value is not None and _VALUE.fullmatch(value) else None


def count(digits: str | None) -> int | None:
    """Return a whole number as logs write it; None if it is too long.

    >>> count("1,000"), count("1.2k"), count("007"), count("9" * 16), count("")
    (1000, 1200, 7, None, None)
    """
    bare = (digits or "").replace(",", "")
    if (times := _TIMES.get(bare[-1:])) is not None:
        return round(float(bare[:-1]) * times)
    return int(bare) if 0 < len(bare) <= LONGEST_STEP else None


def _figure(value: str, line: str) -> float:
    """Return the value of a figure; a comma groups digits or is the decimal sign."""
    if "," not in value:
        return float(value)
    grouped = _GROUPED.fullmatch(value)
    if grouped and (grouped[1] or value.count(",") > 1 or _POINT.search(line)):
        return float(value.replace(",", ""))
    return float(value.replace(",", ".") if _WITH_COMMA.fullmatch(value) else value.partition(",")[0])


def losses_in(text: str) -> dict[int, float]:
    """Return the losses that a text names, of each kind the first of those that are named most plainly.

    >>> losses_in("train loss 2.5, val loss 2.6, aux loss 0.1"), losses_in("mean loss 2.4, loss 2.5")
    ({0: 2.5, 2: 2.6}, {0: 2.5})
    >>> losses_in("train loss 2,5"), losses_in("train loss 12,345.0"), losses_in("train loss 2,500 | lr 0.1")
    ({0: 2.5}, {0: 12345.0}, {0: 2500.0})
    """
    return _losses(_LOSS, text, as_one_word=False)


def _losses(pattern: re.Pattern[str], text: str, as_one_word: bool = True) -> dict[int, float]:
    """Return the first of the plainest losses of each kind.

    Args:
        pattern: of "loss" and its figure.
        text: to search.
        as_one_word: whether a name like `nll_loss` counts; it may be any figure next to the loss.
    """
    found: dict[int, tuple[int, float]] = {}
    for match in pattern.finditer(text):
        kind, rank = _named(text, match.start())
        if kind is None or (rank and not as_one_word and text[match.start() - 1] in "_/."):
            continue
        if kind not in found or rank < found[kind][0]:
            found[kind] = rank, _figure(match[1], text)
    return {kind: value for kind, (_, value) in found.items()}


def _named(text: str, end: int) -> tuple[int | None, int]:
    """Return the kind of the loss before which a text ends, None for one of another thing, and its rank.

    The rank is 0 for "loss" alone or of training, 1 for an average, a total and the like, 2 for a loss with
    an unknown word before it.

    >>> [_named(name, len(name)) for name in ("step 5 ", "train ", "step 5 mean ", "my valid-", "9 tok/s ")]
    [(0, 0), (0, 0), (0, 1), (2, 0), (0, 2)]
    >>> [_named(name, len(name)) for name in ("step 5 | z-", "best val ", "held-out ")]
    [(None, 0), (None, 0), (2, 0)]
    """
    before = _WORDS_BEFORE.search(text, max(end - _LONGEST_NAME, 0), end)
    kind, rank = TRAINING, 0
    for place, word in enumerate(reversed(_WORD.findall(before[0].lower()) if before else [])):
        if _OTHER.fullmatch(word):
            return (kind, 2) if word == "min" and _TIMED.search(text, 0, end) else (None, 0)
        if _OF_VALIDATION.fullmatch(word):
            kind, rank = VALIDATION, 0
        elif _PLAIN.fullmatch(word):
            rank = 0 if kind == VALIDATION else 1
        elif word not in _OF_TRAINING:
            return kind, rank if place else 2
    return kind, rank


def is_of_policy(text: str) -> bool:
    """Tell whether a line is from reinforcement learning, where the loss means something else.

    >>> is_of_policy("actor/pg_loss:0.1"), is_of_policy("loss: 2.5, reward: 0.1")
    (True, False)
    """
    for word in _POLICY_WORDS:
        if word in text:
            return _POLICY.search(text) is not None
    return False


def entry(step: int | None, rest: str, epoch: float | None = None, length: int | None = None) -> LogEntry:
    """Return the figures that follow the step on a line: its loss, the norm of the gradient, other signs.

    >>> entry(5, "loss 2.5, norm 0.1")
    LogEntry(step=5, loss=2.5, kind=0, grad_norm=0.1, beside=None, epoch=None, length=None, certain=0)
    """
    if is_of_policy(rest):
        return LogEntry(step, None, POLICY)
    losses = losses_in(rest)
    if not losses:
        return LogEntry(step)
    norm = _NORM.search(rest)
    if TRAINING not in losses:
        return LogEntry(step, losses[VALIDATION], VALIDATION)
    # If both are on one line, both were estimated, as nanoGPT does between its steps.
    kind = ESTIMATE if VALIDATION in losses else TRAINING
    beside = kind_beside(_FIELD_NAME.findall(rest))
    return LogEntry(step, losses[TRAINING], kind, norm and float(norm[1]), beside, epoch, length)


def general(line: str) -> LogEntry | None:
    """Return the entry of a line with a word for a step and a word for a loss, each with a number.

    Such lines are a trainer's only if there are many and their steps do not fall.

    >>> general("Ep 1 (Step 000010): Train loss 9.78")
    LogEntry(step=10, loss=9.78, kind=0, grad_norm=None, beside=None, epoch=1, length=None, certain=1)
    >>> general("the loss was 2.5 times as high") is None
    True
    """
    steps: dict[str, tuple[int, int | None]] = {}
    for word, digits, total in _ANY_STEP.findall(line):
        if (step := count(digits)) is not None:
            steps.setdefault(_kind_of_step(word), (step, count(total)))
    for digits, total, word in _STEPS_BEFORE.findall(line):
        if max(len(digits), len(total)) <= LONGEST_STEP:
            steps.setdefault(_kind_of_step(word), (int(digits), int(total)))
    first = _STEP_FIRST.match(line) if steps.keys() <= {"ep"} else None
    if first is not None and max(map(len, first.groups())) <= LONGEST_STEP:
        steps["step"] = int(first[1]), int(first[2])
    chosen = next((word for word in _PREFERENCE if word in steps), None)
    losses = _losses(_ANY_LOSS, line)
    if chosen is None or not losses:
        return None
    if is_of_policy(line):
        return LogEntry(steps[chosen][0], None, POLICY)
    # For an epoch both are known, and neither is an estimate.
    both = VALIDATION in losses and chosen != "ep"
    kind = VALIDATION if TRAINING not in losses else ESTIMATE if both else TRAINING
    norm = _NORM.search(line)
    epoch = steps.get("ep", (None, None))[0] if chosen != "ep" else None
    step, length = steps[chosen]
    loss = losses[VALIDATION if kind == VALIDATION else TRAINING]
    beside = kind_beside(_FIELD_NAME.findall(line))
    return LogEntry(step, loss, kind, norm and float(norm[1]), beside, epoch, length, GENERAL)


def loss_alone(line: str) -> float | None:
    """Return the training loss that a line names, whatever its step; None if it names none.

    >>> loss_alone("Train Loss: 4.5 | Train PPL: 90.0"), loss_alone("Val. Loss: 4.6")
    (4.5, None)
    """
    return _losses(_ANY_LOSS, line).get(TRAINING)


def _kind_of_step(word: str) -> str:
    word = word.lower()
    return next(kind for kind in _PREFERENCE if kind in word)
