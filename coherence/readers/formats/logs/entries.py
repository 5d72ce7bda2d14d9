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
    r"(?<![\w./])(?:(?:(val|valid|validation|eval|evaluation|test|dev)"
    r"|(aux\w*|balanc\w*|kl|mtp\w*|policy|router|value|z)|train|training|lm)[ _/])?"
    rf"(?:loss(?: train)?|xent) {{0,4}}[:=]? {{0,4}}({_FIGURE})",
    re.IGNORECASE,
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

# Any line: a loss by any name, a step by any name.
_ANY_LOSS = re.compile(
    r"(?<![A-Za-z])(?:(val|valid|validation|eval|evaluation|test|dev)[ _/.-]{1,2})?"
    r"(?:(aux\w{0,20}|balanc\w{0,20}|kl|kd|mtp\w{0,20}|policy|pg|actor|critic|router|value|z|best|min|dpo"
    r"|reward|contrastive|logits|scaled?|lowest|previous|prev|old|target|stop)[ _/.-])?"
    r"(?:(?:train|training|lm|ce|nll|mlm|avg|average|mean|total|batch|step|epoch|running|reduced|smoothed|cur"
    r"|current|cross[ _]?entropy)[ _/.-]{1,2}){0,3}+"
    rf"loss(?:[ _/.-](?:train|step|avg))?['\"]?\)? {{0,4}}[:=]?(?: is)?"
    rf" {{0,9}}(?:(?:tensor|Array|array|(?:np|numpy|jnp)\.\w{{1,10}})\()?[\[('\"]?({_FIGURE})",
    re.IGNORECASE,
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
    """Return the losses that a text names, the first of each kind.

    >>> losses_in("train loss 2.5, val loss 2.6, aux loss 0.1")
    {0: 2.5, 2: 2.6}
    >>> losses_in("train loss 2,5"), losses_in("train loss 12,345.0"), losses_in("train loss 2,500 | lr 0.1")
    ({0: 2.5}, {0: 12345.0}, {0: 2500.0})
    """
    losses: dict[int, float] = {}
    for validation, of_a_part, value in _LOSS.findall(text):
        if not of_a_part:
            losses.setdefault(VALIDATION if validation else TRAINING, _figure(value, text))
    return losses


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
    losses: dict[int, float] = {}
    for validation, of_a_part, value in _ANY_LOSS.findall(line):
        if not of_a_part:
            losses.setdefault(VALIDATION if validation else TRAINING, _figure(value, line))
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
    found = ((of_a_part or validation, value) for validation, of_a_part, value in _ANY_LOSS.findall(line))
    return next((_figure(value, line) for other, value in found if not other), None)


def _kind_of_step(word: str) -> str:
    word = word.lower()
    return next(kind for kind in _PREFERENCE if kind in word)
