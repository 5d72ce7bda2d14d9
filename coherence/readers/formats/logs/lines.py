"""What a line of a training log tells: the step, and perhaps a loss, in the words of each trainer."""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from coherence.readers.formats.logs.prefix import strip, without_colours
from coherence.readers.lines import Part, Problems, read_whole_lines
from coherence.signals.loss import kind_beside
from coherence.signals.steps import LARGEST_STEP

TRAINING: Final = 0
ESTIMATE: Final = 1
VALIDATION: Final = 2

LONGEST: Final = 4096
"""Characters; no trainer writes a longer line, and none is searched for one."""


class LogEntry(NamedTuple):
    """What a trainer wrote on one line.

    Attributes:
        step: None where the trainer names none, as the Hugging Face Trainer.
        loss: None where the line holds another figure.
        kind: whose loss it is: of a training step, of the training data as nanoGPT estimates it from time to
            time, or of validation.
        grad_norm: beside it.
        beside: what else is, that tells that it is not a cross-entropy.
    """

    step: int | None
    loss: float | None = None
    kind: int = TRAINING
    grad_norm: float | None = None
    beside: str | None = None


# What is matched is never given back (`++`): a long row of digits takes time in proportion to its length.
_NUMBER = r"[-+]?(?:\d++(?:\.\d*+)?+(?:e[-+]?\d++)?+|nan|inf)(?![\w.])"
_VALUE = re.compile(_NUMBER, re.IGNORECASE)
_BAR = re.compile(r"(?:[^|]{0,100}: )? *\d+%\|[^|]{0,400}\| *([\d.]+\w?)/[\d.]+\w? *\[[^\]]{0,100}\]?")

# What loggers, launchers and schedulers write before a line.
_PREFIX = re.compile(
    r"(?:\[[^\]]{0,80}\]:? *|\d{4}-\d\d-\d\d[ T][\d:.,]+Z? *(?:[-|] *)?|(?:INFO|DEBUG)[:\s|-]+(?:\w+:)?)*",
)

# `step    1/18865 | train loss 11.0`, `iter 100: loss 2.45`, `step:5/1390 val_loss:3.3`, `Step 1 | loss:2.1`
_STEP = re.compile(
    r"(?:iter_dt [\d.]+ms; )?(?:epoch {0,4}[:=#]? {0,4}[\d.]+(?:/\d+)?[\s,|:;-]*)?"
    r"[\[(]?(?:global[_ ])?(?:step|iter(?:ation)?)[\s:=#]*(\d++)(?: {0,9}/ {0,9}\d++)?+(?![\d.]*\w)(.*)",
    re.IGNORECASE | re.DOTALL,
)
_LOSS = re.compile(
    r"(?<![\w./])(?:(?:(val|valid|validation|eval|evaluation|test|dev)"
    r"|(aux\w*|balanc\w*|kl|mtp\w*|policy|router|value|z)|train|training|lm)[ _/])?"
    rf"loss {{0,4}}[:=]? {{0,4}}({_NUMBER})",
    re.IGNORECASE,
)
_NORM = re.compile(rf"(?<![\w./])(?:grad(?:ient)?[ _-]?)?norm {{0,4}}[:=]? {{0,4}}({_NUMBER})", re.IGNORECASE)

_FIELD_NAME = re.compile(r"([\w/.]{1,40}) {0,4}[:=]")

# Lines that tell the step without a loss: `Step 00250 | Validation bpb: 0.9`, `step:5/1390 train_time:...`
_STEP_ALONE = re.compile(r"step:\d+/\d+ \w+:|Step \d+ \| [\w ]+: [\d.]+$")

_NAMES_STEP = re.compile(r"[Ss][Tt][Ee][Pp]|[Ii][Tt][Ee][Rr]")
_BEGINS_SHORT = frozenset("s[0123456789 ")

_LLM_C = re.compile(r"s:(\d+) (trl|tel|eval):(\S+)(?:.* norm:(\S+))?")
_BUILD_NANOGPT = re.compile(r"(\d+) (train|val|hella) (\S+)")
_GPT2_SIMPLE = re.compile(r"\[(\d+) \| [\d.]+\] loss=(\S+) avg=\S+")
_MEGATRON = re.compile(r" iteration +(\d+)/ *\d+ \|.*\|")
_MEGATRON_VALIDATION = re.compile(r" *validation[\w ]* loss at iteration (\d+) .*?\| lm loss value: (\S+)")
_MEGATRON_FIELD = re.compile(r"\| ([a-z][a-z ]*): +([^\s|]+) (?=\|)")
_HUGGING_FACE = re.compile(r"(?:.*\])?\s*(\{'[^']+': .*\})\s*")
_HUGGING_FACE_NAME = re.compile(r"'([^']+)':")
_HUGGING_FACE_FIELD = re.compile(r"'(\w+)': '?([^,'}\s]+)")

# Without a step and without a training loss, but of a trainer and of no model.
_ASIDE = re.compile(
    r"val(?:idation)? loss:? [\d.naif]+$|HellaSwag(?: accuracy)?: \d|evaluating HellaSwag"
    r"|(?:saving|Saving|Saved|Writing|wrote) (?:the )?(?:model|checkpoint|state|optimizer)"
    r"|total average iteration time|final \d+ iters avg|[Pp]eak memory |Total training time: "
    r"|Minimum validation |skipping update due to "
)


class Line(NamedTuple):
    """A line of a log.

    Attributes:
        number: of the line, from 1.
        text: as it stands there, without colours and bars.
        entry: what a trainer wrote there, if it did.
        logged: whether a logger wrote it: a time or a level stands before it.
    """

    number: int
    text: str
    entry: LogEntry | None
    logged: bool = False


def read_log(part: Part, problems: Problems) -> Iterator[Line]:
    """Yield the lines of a log as a terminal shows them: without colours and bars of progress."""
    return lines_of(_pieces(part, problems))


def _pieces(part: Part, problems: Problems) -> Iterator[tuple[int, str]]:
    for number, raw in read_whole_lines(part, problems):
        line = raw.rstrip("\r\n")
        line = without_colours(line)
        if "\r" not in line:
            yield number, line
        else:
            yield from ((number, piece) for piece in line.split("\r") if piece.strip())


def lines_of(pieces: Iterable[tuple[int, str]]) -> Iterator[Line]:
    """Yield numbered lines with what a trainer wrote on them.

    A loss without a step, as the Hugging Face Trainer prints it, has that of the bar of progress drawn right
    behind it. Where there is none it has its number among the losses, unless other lines tell the steps.
    """
    steps, held = _Steps(), None
    for number, piece in pieces:
        bar = _BAR.match(piece)
        if held is not None:
            yield steps.named(held, bar[1] if bar else "")
            held = None
        shown = piece[bar.end() :] if bar else piece
        if bar and not shown.strip():
            continue
        stripped = strip(shown)
        line = Line(number, shown, entry_of(stripped.text) or entry_of(shown), stripped.logged)
        if line.entry is not None and line.entry.step is None and line.entry.loss is not None:
            held = line
        else:
            steps.see(line.entry)
            yield line
    if held is not None:
        yield steps.named(held, "")


class _Steps:
    """Gives a step to losses that have none."""

    def __init__(self) -> None:
        self._others = False
        self._count = 0
        self._last: int | None = None

    def see(self, entry: LogEntry | None) -> None:
        self._others = self._others or (entry is not None and entry.step is not None)

    def named(self, line: Line, bar: str) -> Line:
        """Return a line with the step that the bar behind it shows, or else the next best."""
        self._count += 1
        if bar.isdecimal() and len(bar) <= 15:
            self._last = int(bar)
        step = self._last if self._last is not None else None if self._others else self._count
        return line._replace(entry=line.entry and line.entry._replace(step=step))


def entry_of(line: str) -> LogEntry | None:
    """Return what a trainer wrote on a line; None for a line of anything else.

    >>> entry_of("step    1/18865 | train loss 11.009 | norm 15.4")
    LogEntry(step=1, loss=11.009, kind=0, grad_norm=15.4, beside=None)
    >>> entry_of("the loss fell at every step") is None
    True
    """
    if len(line) > LONGEST:
        return None
    for reader in _readers(line):
        if (found := reader(line)) is not None:
            return found if found.step is None or found.step <= LARGEST_STEP else None
    return LogEntry(None) if _ASIDE.match(line) else None


def _readers(line: str) -> Iterator[Callable[[str], LogEntry | None]]:
    """Yield what a line may be read by: most lines of a log by nothing, and that must be quick."""
    if line[:1] in _BEGINS_SHORT:
        yield _short
    if " iteration" in line:
        yield _megatron
    if "{'" in line:
        yield _hugging_face
    if _NAMES_STEP.search(line):
        yield _stepped


def _short(line: str) -> LogEntry | None:
    """Return what the lines tell that are figures alone: of llm.c, build-nanogpt, gpt-2-simple."""
    if match := _LLM_C.fullmatch(line.strip()):
        kind = {"trl": TRAINING, "tel": VALIDATION}.get(match[2])
        return _entry(match[1], match[3], kind, match[4])
    if match := _BUILD_NANOGPT.fullmatch(line.strip()):
        kind = {"train": TRAINING, "val": VALIDATION}.get(match[2])
        return _entry(match[1], match[3], kind)
    if match := _GPT2_SIMPLE.fullmatch(line.strip()):
        return _entry(match[1], match[2], TRAINING)
    return None


def _entry(step: str, loss: str, kind: int | None, grad_norm: str | None = None) -> LogEntry | None:
    if not _VALUE.fullmatch(loss) or len(step) > 20:
        return None
    if kind is None:
        return LogEntry(int(step))
    norm = grad_norm if grad_norm and _VALUE.fullmatch(grad_norm) else None
    return LogEntry(int(step), float(loss), kind, None if norm is None else float(norm))


def _megatron(line: str) -> LogEntry | None:
    """Return what a line of Megatron tells.

    A loss that is not finite it leaves out; of a step that was skipped it writes none, or 0.
    """
    if match := _MEGATRON_VALIDATION.match(line):
        return _entry(match[1], match[2], VALIDATION)
    if (match := _MEGATRON.search(line)) is None or len(match[1]) > 20:
        return None
    fields = dict(_MEGATRON_FIELD.findall(line))
    loss, norm = (_float(fields.get(name)) for name in ("lm loss", "grad norm"))
    skipped, nans = (_float(fields.get(f"number of {kind} iterations")) for kind in ("skipped", "nan"))
    if nans or (loss is None and norm is not None and not math.isfinite(norm)):
        loss = math.nan
    elif skipped and not loss:
        loss = None
    return LogEntry(int(match[1]), loss, TRAINING, norm)


def _hugging_face(line: str) -> LogEntry | None:
    """Return what a dictionary tells that the Hugging Face Trainer printed; there is no step in it."""
    if (match := _HUGGING_FACE.fullmatch(line)) is None:
        return None
    fields = dict(_HUGGING_FACE_FIELD.findall(match[1]))
    if not fields.keys() & {"loss", "eval_loss", "train_runtime", "eval_runtime"}:
        return None
    beside = kind_beside(_HUGGING_FACE_NAME.findall(match[1]))
    return LogEntry(None, _float(fields.get("loss")), TRAINING, _float(fields.get("grad_norm")), beside)


def _stepped(line: str) -> LogEntry | None:
    """Return what a line tells that begins with the step, as most trainers write it."""
    body = line.strip()
    match = _STEP.fullmatch(body)
    if match is None and (prefix := _PREFIX.match(body)):
        body = body[prefix.end() :]
        match = _STEP.fullmatch(body)
    if match is None or len(match[1]) > 20:
        return None
    step, rest = int(match[1]), match[2]
    losses: dict[int, float] = {}
    for validation, of_a_part, value in _LOSS.findall(rest):
        if not of_a_part:
            losses.setdefault(VALIDATION if validation else TRAINING, float(value))
    if not losses:
        return LogEntry(step) if _STEP_ALONE.match(body) else None
    if "verage reward" in rest:  # of reinforcement learning, whose loss is another thing
        return LogEntry(step)
    norm = _NORM.search(rest)
    grad_norm = None if norm is None else float(norm[1])
    if TRAINING not in losses:
        return LogEntry(step, losses[VALIDATION], VALIDATION)
    # Where both stand together, both were estimated, as nanoGPT does it between its steps.
    kind = ESTIMATE if VALIDATION in losses else TRAINING
    return LogEntry(step, losses[TRAINING], kind, grad_norm, kind_beside(_FIELD_NAME.findall(rest)))


def _float(value: str | None) -> float | None:
    return float(value) if value is not None and _VALUE.fullmatch(value) else None
