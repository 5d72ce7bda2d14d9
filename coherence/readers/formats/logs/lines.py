"""The lines of a training log as a terminal shows them, each with what a trainer wrote on it."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import NamedTuple

from coherence.readers.formats.logs import shapes
from coherence.readers.formats.logs.entries import (
    BAR,
    GENERAL,
    LONGEST_STEP,
    NUMBER,
    POLICY,
    TRAINING,
    VALIDATION,
    LogEntry,
    count,
    general,
    is_of_policy,
    loss_alone,
)
from coherence.readers.formats.logs.prefix import (
    Stripped,
    are_dated,
    strip,
    without_colours,
    without_date,
    without_shipper,
)
from coherence.readers.lines import Part, Problems, read_whole_lines

ENOUGH = 50
"""After this many lines in a trainer's shape, lines of no trainer's shape are no longer looked for."""

LOOKED_AT = 20
"""Lines at the beginning of a log that show whether there is a date before each line."""

_BAR = re.compile(r"(?:([^|]{0,100}): )? *\d+%\|[^|]{0,400}\| *([\d.]+\w?)/([\d.]+\w?) *\[([^\]]{0,400})\]?")
_DRAWN = re.compile(r"\d+|\d{1,9}(?:\.\d{1,9})?[kM]")
_BAR_LOSS = re.compile(
    r"(?<![A-Za-z])(?:train(?:ing)?[_/ ])?loss(?:_step)?[=:] ?([\d.e+-]{1,20}|nan|inf)(?![\w])"
)
_BAR_EPOCH = re.compile(r"(?:epoch|ep)\W{0,3}(\d{1,9})(?!\d*%)", re.IGNORECASE)
_EPOCH = re.compile(
    r"[-=*# ]{0,80}+(?:start(?:ing)? )?epoch[ :#]{0,4}\[?(\d{1,9})(?: ?(?:/|of) ?\d{1,9})?\]?[-=*#:. ]{0,80}",
    re.IGNORECASE,
)
_EPOCH_FIRST = re.compile(r"\W{0,9}epoch[ :#]{0,4}\[?(\d{1,9})\b", re.IGNORECASE)
_VALIDATES = re.compile(r"val|eval|test", re.IGNORECASE)
_VALIDATION = r"(?:val|valid|validation|eval|evaluation|test|dev|held[ -]?out)"
_OF_VALIDATION = re.compile(rf"[\[(|] {{0,3}}{_VALIDATION} {{0,3}}(?:[\])|,'\"]| |$)")
_SPLIT = re.compile(
    rf"(?:split|phase|mode|stage|set) {{0,3}}[:=] {{0,3}}['\"]?{_VALIDATION} {{0,3}}(?:[\])|,'\"]| |$)"
)
_VALIDATION_FIRST = re.compile(rf"{_VALIDATION}(?:[ :|-]|$)", re.IGNORECASE)

_OF_WHAT = (
    rf"(?:the )?{_VALIDATION}"
    r"(?:[ _-](?:set|split|data|dataset|step|pass|phase|results?|metrics|done|finished|completed?))?"
)
_FIGURES = re.compile(r"\d[\w%./]*+")
_SEPARATORS = r"[\s:|,;()\[\]>-]*+"
_BETWEEN = re.compile(  # a figure and the loss: `step 5: eval done, loss 2.5`
    rf"{_SEPARATORS}(?<!-)(?:(?:running|on|over|for|full|final|avg|mean) )*{_OF_WHAT}{_SEPARATORS}",
    re.IGNORECASE,
)
_BEHIND = re.compile(  # directly: `loss 2.5 (eval)`, `loss 2.5 on the test set`
    rf"loss['\"]? {{0,4}}[:=]? {{0,4}}['\"]?{NUMBER}['\"]?,? {{0,3}}"
    rf"(?:[\[(](?:(?:on|over|for) )?{_OF_WHAT}[\])]"
    rf"|(?:on|over|for) {_OF_WHAT}(?= *(?:$|[|,;)]|\.(?:\s|$))))",
    re.IGNORECASE,
)
_TRAINING_LOSS = re.compile(r"train(?:ing)?[ _/.-]loss", re.IGNORECASE)
_BACKSPACES = re.compile("\x08+")


class Bar(NamedTuple):
    """A progress bar: its title, and how far it is."""

    name: str
    done: int
    total: int


class Line(NamedTuple):
    """A line of a log.

    Attributes:
        number: of the line, from 1.
        text: of the line, without colours and bars.
        entry: what a trainer wrote on it, if anything.
        logged: whether a logger wrote it: it has a time or a level before it.
    """

    number: int
    text: str
    entry: LogEntry | None
    logged: bool = False


class Seen(NamedTuple):
    """A line of a log with its context.

    Attributes:
        line: the line; if it is only a progress bar, its text is empty.
        rank: of the process that wrote it, if it is stated.
        bar: the progress bar before the text, or the whole line.
        blank: whether a logger wrote its prefix and nothing else.
    """

    line: Line
    rank: int | None = None
    bar: Bar | None = None
    blank: bool = False

    @property
    def is_bar(self) -> bool:
        """Whether it is only a bar."""
        return self.bar is not None and not self.line.text.strip()


def read_pieces(part: Part, problems: Problems) -> Iterator[tuple[int, str]]:
    """Yield the lines of a log with their numbers, without colours; overwritten text counts as lines."""
    return pieces_of(read_whole_lines(part, problems))


def pieces_of(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    r"""Yield numbered lines without colours; overwritten text counts as lines.

    >>> list(pieces_of([(1, "10%\r20%\n"), (2, "\x1b[1mready\x1b[0m\n")]))
    [(1, '10%'), (1, '20%'), (2, 'ready')]
    """
    shown = ((number, without_shipper(without_colours(raw.rstrip("\r\n")))) for number, raw in lines)
    first = list(islice(shown, LOOKED_AT))
    dated = are_dated(line for _, line in first)
    for number, line in chain(first, shown):
        if dated:
            line = without_date(line)
        if "\x08" in line:
            line = _BACKSPACES.sub("\r", line)
        if "\r" not in line:
            yield number, line
        else:
            yield from ((number, piece) for piece in line.split("\r") if piece.strip())


def seen_in(pieces: Iterable[tuple[int, str]]) -> Iterator[Seen]:
    """Yield numbered lines with what a trainer wrote on each; bars are lines too."""
    reader = _Reader()
    for number, piece in pieces:
        yield reader.read(number, piece)


def bare_lines_of(pieces: Iterable[tuple[int, str]]) -> Iterator[tuple[Line, bool]]:
    """Yield numbered lines without what a trainer wrote on them, and whether each is only a bar."""
    for number, piece in pieces:
        bar = _BAR.match(piece) if "%|" in piece else None
        shown = piece[bar.end() :] if bar else piece
        yield Line(number, shown, None, strip(shown).logged), bar is not None and not shown.strip()


class _Reader:
    """Reads one line after another: some trainers write the step on one and the loss on the next."""

    def __init__(self) -> None:
        self._named = 0
        self._above: LogEntry | None = None
        self._epoch: int | None = None
        self._epochs = -1
        self._heading: int | None = None
        self._torn = ""
        self._of_epoch: int | None = None

    def read(self, number: int, piece: str) -> Seen:
        bar = _BAR.match(piece) if "%|" in piece else None
        if bar is None:
            stripped = strip(piece)
            line = Line(number, piece, self._entry(piece, stripped), stripped.logged)
            return Seen(line, stripped.rank, None, stripped.logged and not stripped.text)
        shown, drawn = piece[bar.end() :], _bar(bar)
        if not shown.strip():
            return Seen(Line(number, "", _entry_of_bar(bar, drawn)), bar=drawn)
        stripped = strip(shown)
        line = Line(number, shown, self._entry(shown, stripped), stripped.logged)
        return Seen(line, stripped.rank, drawn, stripped.logged and not stripped.text)

    def _entry(self, shown: str, stripped: Stripped) -> LogEntry | None:
        found = self._found(shown, stripped)
        if found is None or found.loss is None or found.kind != TRAINING:
            return found
        return found._replace(kind=VALIDATION) if _validates(shown, stripped.text) else found

    def _found(self, shown: str, stripped: Stripped) -> LogEntry | None:
        text = stripped.text
        if self._above is not None and (below := self._below(shown)) is not None:
            return below
        found = shapes.entry_of(self._mended(text))
        if found is None and len(text) < len(shown):
            found = shapes.entry_of(shown)
        if found is not None:
            self._named += found.loss is not None and found.kind == TRAINING
            return self._within(found)
        if not shown or len(shown) > shapes.LONGEST:
            return None
        if text[:1] == "[" and (header := self._begun(text)) is not None:
            return header
        if (text[:6] == "Epoch " or self._epoch is not None) and (fitted := self._of_keras(text)) is not None:
            return fitted
        if "poch" in text or "POCH" in text:
            self._see_heading(text)
        if self._named >= ENOUGH or ("oss" not in text and "OSS" not in text):
            return None
        anyhow = general(text)
        return self._below_epoch(text) if anyhow is None else self._within(anyhow)

    def _see_heading(self, text: str) -> None:
        if heading := _EPOCH.fullmatch(text):
            self._heading = int(heading[1])
        if "oss" not in text and (alone := _EPOCH_FIRST.match(text)):
            self._of_epoch = int(alone[1])

    def _below_epoch(self, text: str) -> LogEntry | None:
        """Return the loss of an epoch that a line above names: the first loss after that line."""
        if self._of_epoch is None or (loss := loss_alone(text)) is None:
            return None
        epoch, self._of_epoch = self._of_epoch, None
        return LogEntry(epoch, loss, certain=GENERAL)

    def _mended(self, text: str) -> str:
        """Return a line; if a bar has torn a dictionary in two, the second part yields the whole."""
        begun, self._torn = self._torn, ""
        if begun and "{" not in text and text.rstrip().endswith("}"):
            return begun + text
        if "{'loss'" in text and "}" not in text:
            self._torn = text[: shapes.LONGEST]
        elif begun and not text.strip():
            self._torn = begun
        return text

    def _within(self, entry: LogEntry) -> LogEntry:
        """Return an entry with the epoch of a line above it, if it names none."""
        if self._heading is None or entry.epoch is not None or entry.step is None:
            return entry
        return entry._replace(epoch=self._heading)

    def _begun(self, text: str) -> LogEntry | None:
        """Return the step of a line that holds only a step; the figures below belong to it."""
        if (match := shapes.HEADER.fullmatch(text)) is None:
            return None
        step = int(match[3])
        if match[1] and match[4] and len(match[4]) <= LONGEST_STEP:
            step += max(int(match[1]) - 1, 0) * int(match[4])
        self._above = LogEntry(step)
        return self._above

    def _below(self, shown: str) -> LogEntry | None:
        """Return the entry of a figure below such a step; None for a line that is no longer below it."""
        above = self._above
        if above is None or not shapes.FIELD.fullmatch(shown):
            self._above = None
            return None
        if match := shapes.BELOW.fullmatch(shown):
            self._named += 1
            return above._replace(loss=float(match[1]))
        return above

    def _of_keras(self, text: str) -> LogEntry | None:
        if text.startswith("Epoch ") and (match := shapes.KERAS_EPOCH.fullmatch(text)):
            epoch, epochs = int(match[1]), int(match[2])
            # Scripts that draw samples call fit for one epoch at a time, so that each is called 1/1.
            self._epoch = (self._epochs + 1) if epochs == 1 else epoch - 1
            self._epochs = self._epoch
            return LogEntry(None)
        if self._epoch is None or (found := shapes.keras_losses(text)) is None:
            return None
        full, losses = found
        if not full or TRAINING not in losses:
            return LogEntry(None)
        return LogEntry(self._epoch, losses[TRAINING])


def _validates(shown: str, text: str) -> bool:
    """Tell whether a line says that its loss is of validation, other than by the name of the loss.

    >>> [_validates(line, line) for line in ("step 5 loss 2.5 (eval)", "step 5: eval done, loss 2.5")]
    [True, True]
    >>> [_validates(line, line) for line in ("step 5 loss 2.5 (eval 2.6)", "step 5 | out/eval/a | loss 2.5")]
    [False, False]
    """
    lower = shown.lower()
    if _OF_VALIDATION.search(lower.partition("loss")[0]) or _VALIDATION_FIRST.match(text):
        return True
    if _TRAINING_LOSS.search(text):
        return False
    between = _FIGURES.split(text[: text.lower().find("loss")])[-1]
    return any((_SPLIT.search(lower), _BETWEEN.fullmatch(between), _BEHIND.search(text)))


def _drawn(digits: str) -> int:
    """Return a number that a bar shows, perhaps in thousands: `1.2k`; 0 of anything else."""
    return (count(digits) or 0) if _DRAWN.fullmatch(digits) else 0


def _bar(match: re.Match[str]) -> Bar:
    done, total = (_drawn(digits) for digits in (match[2], match[3]))
    return Bar((match[1] or "").strip(), done, total)


def _entry_of_bar(match: re.Match[str], bar: Bar) -> LogEntry | None:
    """Return the loss after a bar, or before it."""
    if "oss" not in match[0] or not bar.total:
        return None
    found = _BAR_LOSS.search(match[4]) or _BAR_LOSS.search(bar.name)
    if is_of_policy(match[0]):
        return LogEntry(bar.done, None, POLICY, certain=BAR)
    try:
        loss = float(found[1]) if found else None
    except ValueError:
        return None
    if loss is None:
        return None
    epoch = _BAR_EPOCH.search(bar.name)
    kind = VALIDATION if _VALIDATES.search(bar.name) else TRAINING
    return LogEntry(
        bar.done, loss, kind, epoch=int(epoch[1]) if epoch else None, length=bar.total, certain=BAR
    )
