"""A file that another process writes, read as it grows: each of its samples and losses comes once.

Source: docs/watch.md, "What is read".
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

from coherence.readers import storage
from coherence.readers.folders import File
from coherence.readers.format import USUAL, Fields
from coherence.readers.lines import LONGEST_LINE, Part, Problems
from coherence.readers.read import Piece, line_count, losses_in, samples_in, with_prompt
from coherence.signals.settings import LaterFormat

Role = Literal["samples", "losses"]
"""What is read from a file; if a file holds both, they are read separately."""

STRETCH = 2**20
"""Bytes of JSON lines that are read at once."""

COMPARED = 1024
"""Bytes before the position at which reading continues; they show whether the file is still the same."""


class Row(NamedTuple):
    """What was read: a sample, perhaps with the loss at its step; or a loss alone, with None as its text."""

    step: int | None
    text: str | None = None
    prompt: str | None = None
    loss: float | None = None
    source: str | None = None
    beside: str | None = None


class Position(NamedTuple):
    """How far a file was read.

    Attributes:
        start: the byte from which JSON lines are read; 0 for a file that is read as a whole.
        before: a digest of the bytes before it.
        taken: how many rows from there on were taken.
        seen: a digest of them.
        size, time: size and modification time of a file that was read as a whole, when its end was reached.
    """

    start: int = 0
    before: str = ""
    taken: int = 0
    seen: str = ""
    size: int = -1
    time: int = -1


class Taken(NamedTuple):
    """A row, its file, and how far the file is read once the row is recorded."""

    row: Row
    source: "Source"
    after: Position


class Source:
    r"""A file of samples or of losses.

    JSON lines are read from the end of the last reading to the last complete line. A file of any other
    format is read again when it has changed, and the rows that were taken are skipped; while it is still
    changing, its last row is left for later, because it may be incomplete. A file whose beginning has changed
    was replaced or cut short, and is read from its beginning; then `rewound` is true.

    Args:
        file: the file and its format.
        role: what is read from it.
        fields: which fields of a row hold what, as the user said.
        step: the step of all its samples; None to take the step from each row.
        key: identifies the file.

    Attributes:
        position: how far it was read.
        rewound: whether the last reading started at the beginning again.
        problems: what the last reading could not use.
        runs: the runs that its rows name.
        seconds: how long the last reading took.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "samples.jsonl")
    ...     _ = path.write_text('{"step": 1, "text": "Once"}\n{"step": 2, "te')
    ...     source = Source(File(str(path), "jsonl"), "samples")
    ...     [(taken.row.step, taken.row.text) for taken in source.rows(settled=False)]
    [(1, 'Once')]
    """

    def __init__(
        self, file: File, role: Role, fields: Fields = USUAL, step: int | None = None, key: str = ""
    ) -> None:
        self.file, self.role, self.step, self.key = file, role, step, key
        self._fields = fields
        self.position = Position()
        self.rewound = False
        self.problems = Problems()
        self.runs: set[str] = set()
        self.seconds = 0.0
        self._reached = self.position

    @property
    def is_appended(self) -> bool:
        """Whether reading continues at a byte, as it does for JSON lines that are not compressed."""
        if self.file.format != "jsonl":
            return False
        with storage.open_raw(self.file.path) as file:
            return storage.compression(file.read(6)) is None

    def is_behind(self) -> bool:
        """Return whether the file may hold rows that were not taken yet."""
        try:
            found = Path(self.file.path).stat()
        except OSError:
            return False
        start, *_, size, time = self.position
        return found.st_size != start if start else (found.st_size, found.st_mtime_ns) != (size, time)

    def rows(self, settled: bool) -> Iterator[Taken]:
        """Yield the rows that were not taken yet; call `take` with each.

        Args:
            settled: whether the file has not changed for a while, so that its last row is complete.
        """
        self.rewound, self.problems, self.seconds = False, Problems(), 0.0
        self._reached = self.position
        try:
            yield from self._timed(self._read_on() if self.is_appended else self._read_whole(settled))
        except LaterFormat:
            raise
        except (OSError, ValueError) as error:
            if settled:  # until then it is being written
                self.problems.add(self.file.path, 0, f"not read on from here: {error}")
                self._pass_over()

    def _timed(self, rows: Iterator[Taken]) -> Iterator[Taken]:
        while True:
            started = time.monotonic()
            row = next(rows, None)
            self.seconds += time.monotonic() - started
            if row is None:
                return
            yield row

    def _pass_over(self) -> None:
        """Do not read the file again until it changes."""
        with suppress(OSError):
            found = Path(self.file.path).stat()
            self._reached = self._reached._replace(size=found.st_size, time=found.st_mtime_ns)

    def take(self, taken: Taken) -> None:
        """Note that a row was recorded."""
        self.position = taken.after

    def finish(self) -> None:
        """Note that all rows that were yielded are recorded."""
        self.position = self._reached

    def _read_on(self) -> Iterator[Taken]:
        position = self.position
        if not self._is_as_before(position):
            self.rewound, self._reached, position = True, Position(), Position()
        while (end := _end_of_lines(self.file.path, position.start)) is not None:
            part = Part(self.file.path, position.start, end)
            rows = self._rows_of(part)
            if not _passed(rows, position):
                self.rewound, position = True, Position()
                continue
            yield from self._numbered(rows, position)
            position = Position(end, _digest_before(self.file.path, end))
            self._reached = position

    def _read_whole(self, settled: bool) -> Iterator[Taken]:
        found = Path(self.file.path).stat()
        position, part = self.position, Part(self.file.path)
        rows = self._rows_of(part)
        if not _passed(rows, position):
            self.rewound, position, rows = True, Position(), self._rows_of(part)
        for taken in self._numbered(rows if settled else _but_the_last(rows), position):
            position = taken.after
            yield taken
        if settled:
            position = position._replace(size=found.st_size, time=found.st_mtime_ns)
        self._reached = position

    def _numbered(self, rows: Iterator[Row], position: Position) -> Iterator[Taken]:
        for row in rows:
            position = Position(
                position.start, position.before, position.taken + 1, _chained(position.seen, row)
            )
            yield Taken(row, self, position)

    def _rows_of(self, part: Part) -> Iterator[Row]:
        if not part.start:
            self.problems = Problems()
        piece, noted = Piece(part, self.file.format), Problems()
        try:
            yield from self._rows_in(piece, noted)
        finally:
            before = line_count(piece._replace(part=Part(part.path, 0, part.start))) if part.start else 0
            noted.listed = [each._replace(line=each.line + before) for each in noted.listed]
            self.problems += noted

    def _rows_in(self, piece: Piece, noted: Problems) -> Iterator[Row]:
        if self.role == "losses":
            for each in losses_in(piece, noted, self._fields):
                self.runs.add(each.run or "")
                yield Row(each.step, None, None, each.loss, each.source, each.beside)
            return
        for sample in samples_in(piece, noted, self._fields):
            self.runs.add(sample.run or "")
            step = sample.step if self.step is None else self.step
            yield Row(step, sample.text, with_prompt(sample).prompt, sample.loss, None, sample.beside)

    def _is_as_before(self, position: Position) -> bool:
        return not position.start or _digest_before(self.file.path, position.start) == position.before


def _passed(rows: Iterator[Row], position: Position) -> bool:
    """Skip the rows that were taken; return whether they are still the same."""
    seen = ""
    for _ in range(position.taken):
        row = next(rows, None)
        if row is None:
            return False
        seen = _chained(seen, row)
    return seen == position.seen


def _but_the_last(rows: Iterator[Row]) -> Iterator[Row]:
    return (row for row, _ in pairwise(rows))


def _chained(seen: str, row: Row) -> str:
    return hashlib.blake2b(f"{seen}{row!r}".encode(errors="replace"), digest_size=8).hexdigest()


def _digest_before(path: str, end: int) -> str:
    """Return a digest of the last bytes before a byte; for a shorter file, one that does not fit."""
    start = max(0, end - COMPARED)
    with open(path, "rb") as file:  # noqa: PTH123 - as the readers open it
        file.seek(start)
        found = file.read(end - start)
    return hashlib.blake2b(found, digest_size=8).hexdigest() if len(found) == end - start else "shorter"


def _end_of_lines(path: str, start: int) -> int | None:
    """Return where the complete lines from a byte on end, up to about a megabyte; None if there are none.

    A last line without a newline is complete if it is a JSON object: the beginning of an object is not one.
    """
    with open(path, "rb") as file:  # noqa: PTH123 - as the readers open it
        size = os.fstat(file.fileno()).st_size
        file.seek(start)
        data = file.read(STRETCH)
        if len(data) == STRETCH and b"\n" not in data:
            data += file.read(LONGEST_LINE)
    if end := data.rfind(b"\n") + 1:
        return start + end
    if start + len(data) < size or len(data) > LONGEST_LINE:
        return start + len(data)  # too long for a line; the reader reports that
    with suppress(ValueError, RecursionError):
        if isinstance(json.loads(data), dict):
            return start + len(data)
    return None
