"""The rows of a run in the order of their steps, from many outputs, with bounded memory.

Each output is sorted; they are merged a stretch of rows at a time, and an output is opened only when its
first step is due. Samples of one step keep the order of the dump.
"""

from collections.abc import Iterator, Sequence
from math import inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coherence.audit.shard import ROW, Rows
from coherence.audit.store import Output

CHUNK = 1024
"""Rows of an output that are held while others are waited for."""


class Chunk(NamedTuple):
    """Rows that follow each other in the order of the steps, and the number of the output each is of."""

    rows: Rows
    outputs: NDArray[np.int64]

    def only(self, mask: NDArray[np.bool_]) -> "Chunk":
        """Return the rows that a mask marks."""
        return Chunk(self.rows[mask], self.outputs[mask])


class Source(NamedTuple):
    """Rows of one run in one output; numbered from `base` on where the run tells no steps."""

    number: int
    start: int
    end: int
    first: int
    base: int | None


def sources(outputs: Sequence[Output], run: str) -> list[Source]:
    """Return where the rows of a run lie.

    A run in which no sample tells its step is numbered; in any other the samples that tell none are left
    out, see `without_step`.
    """
    found = [
        (number, output.stretches[run]) for number, output in enumerate(outputs) if run in output.stretches
    ]
    if any(each.rows > each.without for _, each in found):
        return [
            Source(number, each.start + each.without, each.start + each.rows, each.first, None)
            for number, each in found
            if each.rows > each.without
        ]
    numbered, base = [], 0
    for number, each in found:
        numbered.append(Source(number, each.start, each.start + each.rows, base, base))
        base += each.rows
    return numbered


def merge(outputs: Sequence[Output], found: Sequence[Source]) -> Iterator[Chunk]:
    """Yield the rows of a run in the order of their steps, those of one step in the order of the dump."""
    waiting = sorted(found, key=lambda source: source.first, reverse=True)
    cursors: list[_Cursor] = []
    while waiting or cursors:
        while waiting and (not cursors or waiting[-1].first <= _bound(cursors)):
            source = waiting.pop()
            cursors.append(_Cursor(outputs[source.number], source))
            cursors.sort(key=lambda cursor: cursor.source.number)
        bound = _bound(cursors)
        parts = [(cursor.source.number, cursor.take_below(bound)) for cursor in cursors]
        if not any(len(rows) for _, rows in parts):  # one step fills the buffer: the first output comes first
            first = next(cursor for cursor in cursors if cursor.begins_with(bound))
            parts = [(first.source.number, first.take_below(bound + 1))]
        yield _sorted(parts)
        cursors = [cursor for cursor in cursors if not cursor.exhausted]


def _bound(cursors: Sequence["_Cursor"]) -> float:
    """Return the step below which nothing more can come."""
    return min((cursor.last for cursor in cursors), default=inf)


def _sorted(parts: Sequence[tuple[int, Rows]]) -> Chunk:
    rows = np.concatenate([rows for _, rows in parts])
    numbers = np.repeat([number for number, _ in parts], [len(rows) for _, rows in parts])
    order = np.argsort(rows["step"], kind="stable")
    return Chunk(rows[order], numbers[order])


class _Cursor:
    """Goes through the rows of a source, a buffer at a time."""

    def __init__(self, output: Output, source: Source) -> None:
        self.source = source
        self._output = output
        self._at = source.start
        self._buffer = np.zeros(0, ROW)
        self._fill()

    @property
    def last(self) -> float:
        """The step of the last row in the buffer; infinite where none comes after it."""
        return inf if self._at >= self.source.end else int(self._buffer["step"][-1])

    @property
    def exhausted(self) -> bool:
        return not len(self._buffer)

    def begins_with(self, step: float) -> bool:
        return int(self._buffer["step"][0]) == step

    def take_below(self, step: float) -> Rows:
        """Remove the rows below a step from the buffer, and return them."""
        count = len(self._buffer) if step == inf else int(np.searchsorted(self._buffer["step"], step))
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        if not len(self._buffer):
            self._fill()
        return taken

    def _fill(self) -> None:
        count = min(CHUNK, self.source.end - self._at)
        if count <= 0:
            return
        rows = self._output.rows(self._at, count)
        if self.source.base is not None:
            rows["step"] = self.source.base + np.arange(count) + self._at - self.source.start
        self._buffer = rows
        self._at += count
