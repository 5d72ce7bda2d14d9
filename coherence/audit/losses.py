"""The losses of a run as columns, in the order of their steps, from files of any format.

Also the metrics of reinforcement learning that a trainer logs: rewards, KL divergences, lengths.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coherence.audit.rows import Chunk
from coherence.audit.timeline import MOST, Restarts
from coherence.readers.folders import File
from coherence.readers.format import USUAL, Fields
from coherence.readers.lines import Part, Problems
from coherence.readers.objects.names import REWARD
from coherence.readers.read import Piece, losses_in, marks_in, metrics_in
from coherence.readers.records import PHASE, Mark
from coherence.signals.loss import KINDS

CHUNK = 1024
"""Rows that are held as Python numbers."""


class Losses(NamedTuple):
    """The losses of a run in the order of their steps.

    Attributes:
        steps, values: one entry per row; a value may be not-a-number.
        sources: for each row, the number of its source; -1 for none.
        beside: for each row, the sign in the log that it is not a cross-entropy: an index into `KINDS`.
        names: of the sources.
        restarts: the steps to which the run was set back.
        superseded: how many rows the restarts superseded.
        written: all rows in the order in which they were written, including superseded ones; None if they
            have no times.
    """

    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    sources: NDArray[np.int64]
    beside: NDArray[np.int8]
    names: tuple[str, ...] = ()
    restarts: tuple[int, ...] = ()
    superseded: int = 0
    written: "Written | None" = None

    def count_by_source(self) -> list[int]:
        """Return how many rows each source has."""
        named = self.sources[self.sources >= 0]
        found: list[int] = np.bincount(named, minlength=len(self.names)).tolist()
        return found

    def rows(self) -> Iterator["LossOfStep"]:
        """Yield the rows."""
        yield from _rows(self.names, self.steps, self.values, self.sources, self.beside)

    def with_restarts(self, restarts: Restarts) -> "Losses":
        """Return the losses of a run whose restarts are known, without those that each superseded."""
        written = self.written
        if written is None:
            return self
        void = restarts.void(written.steps, written.times)
        kept = np.flatnonzero(~void)
        order = kept[np.argsort(written.steps[kept], kind="stable")]
        found = (written.steps[order], written.values[order], written.sources[order], written.beside[order])
        steps = tuple(restarts.steps.tolist())
        written = written._replace(void=void)
        return Losses(*found, self.names, steps, int(void.sum()), written)

    def written_rows(self) -> Iterator[tuple[float, "LossOfStep", bool]]:
        """Yield all rows in the order of writing, each with its time and whether it is superseded."""
        if self.written is not None:
            steps, values, sources, beside, times, void = self.written
            rows = _rows(self.names, steps, values, sources, beside)
            for row, (time, is_void) in zip(rows, _pairs(times, void), strict=True):
                yield time, row, is_void


class LossOfStep(NamedTuple):
    """A row of loss: its step, its source, and the sign that it is not a cross-entropy."""

    step: int
    loss: float
    source: str | None
    beside: str | None


class Written(NamedTuple):
    """Rows of loss in the order of writing, with times, and whether a restart has superseded them."""

    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    sources: NDArray[np.int64]
    beside: NDArray[np.int8]
    times: NDArray[np.float64]
    void: NDArray[np.bool_]


def _pairs(times: NDArray[np.float64], void: NDArray[np.bool_]) -> Iterator[tuple[float, bool]]:
    for start in range(0, len(times), CHUNK):
        stretch = slice(start, start + CHUNK)
        yield from zip(times[stretch].tolist(), void[stretch].tolist(), strict=True)


def _rows(names: Sequence[str], *columns: NDArray[Any]) -> Iterator[LossOfStep]:
    for start in range(0, len(columns[0]), CHUNK):
        stretch = (column[start : start + CHUNK].tolist() for column in columns)
        for step, value, source, beside in zip(*stretch, strict=True):
            yield LossOfStep(step, value, names[source] if source >= 0 else None, KINDS[beside])


class Collector:
    """Takes the losses of a run as they are read, file after file.

    >>> collector = Collector()
    >>> for step, loss in [(10, 3.0), (20, 2.0), (20, 2.5), (30, 2.4)]:
    ...     collector.add(step, loss)
    >>> collector.losses().values.tolist()
    [3.0, 2.0, 2.5, 2.4]
    """

    def __init__(self) -> None:
        self._steps, self._values, self._times = array("q"), array("d"), array("d")
        self._sources, self._files, self._beside = array("q"), array("q"), array("b")
        self._names: dict[str, int] = {}
        self._file = 0

    def __len__(self) -> int:
        return len(self._steps)

    def next_file(self) -> None:
        """Note that the next rows are from another file: its steps may begin again."""
        self._file += 1

    def add(
        self,
        step: int,
        loss: float,
        source: str | None = None,
        time: float | None = None,
        beside: str | None = None,
    ) -> None:
        """Take one row."""
        self._steps.append(step)
        self._values.append(loss)
        self._sources.append(-1 if source is None else self._names.setdefault(source, len(self._names)))
        self._beside.append(KINDS.index(beside))
        self._files.append(self._file)
        self._times.append(nan if time is None else time)

    def losses(self) -> Losses:
        """Return the rows taken, in the order of the steps; the later one if a step was written again."""
        steps, sources, files = (
            np.array(each, np.int64) for each in (self._steps, self._sources, self._files)
        )
        values, times = np.array(self._values, np.float64), np.array(self._times, np.float64)
        beside = np.array(self._beside, np.int8)
        void, restarts = _void(steps, sources, files)
        kept = np.flatnonzero(~void)
        order = kept[np.argsort(steps[kept], kind="stable")]
        found = (steps[order], values[order], sources[order], beside[order])
        timed = np.isfinite(times).all()
        written = Written(steps, values, sources, beside, times, void) if timed else None
        return Losses(*found, tuple(self._names), restarts, int(void.sum()), written)


class LossesOfSamples:
    """Takes the losses in the rows of the samples of a run: the first of each step, in their order."""

    def __init__(self) -> None:
        self._collector = Collector()
        self._last: int | None = None

    def see(self, chunk: Chunk) -> None:
        """Take the losses of some samples."""
        there = chunk.rows["has_loss"]
        steps = chunk.rows["step"][there]
        if not len(steps):
            return
        first = np.flatnonzero(there)[np.append(steps[0] != self._last, np.diff(steps) != 0)]
        columns = (chunk.rows[name][first].tolist() for name in ("step", "loss", "beside"))
        for step, loss, beside in zip(*columns, strict=True):
            self._collector.add(step, loss, beside=KINDS[beside])
        self._last = int(steps[-1])

    def losses(self) -> Losses:
        """Return the losses taken."""
        return self._collector.losses()


def _void(
    steps: NDArray[np.int64], sources: NDArray[np.int64], files: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], tuple[int, ...]]:
    """Return which rows restarts superseded, as `Timeline` does for samples, and the steps they went to."""
    void = np.zeros(len(steps), bool)
    backs = np.flatnonzero((np.diff(steps) < 0) & (np.diff(files) == 0)) + 1
    if len(backs) > MOST:
        return void, ()
    restarts, keys = [], steps * (int(sources.max(initial=0)) + 2) + sources
    for back, end in pairwise([*backs.tolist(), len(steps)]):
        earlier = np.flatnonzero((files[:back] == files[back]) & (steps[:back] >= steps[back]))
        again = np.isin(keys[back:end], keys[earlier])
        if again.any():
            void[earlier] = True
            restarts.append(int(steps[back]))
    return void, tuple(restarts)


def read_losses(
    files: Iterable[File], run: str | None, problems: Problems, fields: Fields = USUAL
) -> dict[str, Losses]:
    """Return the losses of each run in files.

    Args:
        files: of losses.
        run: the name of the run they belong to, put before the names that their rows give.
        problems: takes the lines that could not be used.
        fields: the keys that the user named.
    """
    collectors: dict[str, Collector] = {}
    for file in files:
        for collector in collectors.values():
            collector.next_file()
        for row in losses_in(Piece(Part(file.path), file.format), problems, fields):
            name = "/".join(filter(None, (run, row.run)))
            collector = collectors.setdefault(name, Collector())
            collector.add(row.step, row.loss, row.source, row.time, row.beside)
    return {name: collector.losses() for name, collector in collectors.items()}


def last_phase(losses: Mapping[str, Any], run: str) -> str | None:
    """Return the name of the last phase of a run whose samples have no phases; None if it has none.

    >>> last_phase({"base/phase 1": None, "base/phase 2": None}, "base")
    'base/phase 2'
    """
    before = f"{run}/{PHASE}" if run else PHASE
    return next((name for name in reversed(list(losses)) if name.startswith(before)), None)


class Series(NamedTuple):
    """A reward, a KL divergence or a length over the steps of a run.

    Attributes:
        name: "reward", "kl" or "length".
        key, file: the key it was read under, and the first file.
        steps, values: one entry per step; the mean if a step has several values.
        beside: what it says about the loss, see `KINDS`.
    """

    name: str
    key: str
    file: str
    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    beside: str | None = None


def read_metrics(
    files: Iterable[File], run: str | None, fields: Fields = USUAL
) -> dict[str, dict[str, Series]]:
    """Return the series of each run by their names.

    Values of a later file under another key than the first file's are left out.

    Args:
        files: that may hold some.
        run: the name of the run they belong to, put before the names that their rows give.
        fields: the keys that the user named.
    """
    found: dict[tuple[str, str], tuple[str, str, Collector]] = {}
    for file in files:
        for *_, collector in found.values():
            collector.next_file()
        for row in metrics_in(Piece(Part(file.path), file.format), Problems(), fields):
            at = "/".join(filter(None, (run, row.run))), row.name
            key, _, collector = found.setdefault(at, (row.key, row.file, Collector()))
            if row.key == key:
                collector.add(row.step, row.value)
    series: dict[str, dict[str, Series]] = {}
    for (name, kind), (key, path, collector) in found.items():
        taken = collector.losses()
        steps, sums, counts = _by_step([(taken.steps, taken.values, np.ones(len(taken.steps)))])
        beside = kind if kind in KINDS else None
        series.setdefault(name, {})[kind] = Series(kind, key, path, steps, sums / counts, beside)
    return series


_Sums = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]
"""Steps, with the sum of the values of each and their number."""


class Rewards:
    """Takes the rewards of the samples of a run, in the order of their steps."""

    def __init__(self) -> None:
        self._parts: list[_Sums] = []
        self._key, self._beside = "", 0

    def see(self, chunk: Chunk) -> None:
        """Take the rewards of some samples."""
        rows = chunk.rows[chunk.rows["rewarded"] >= 0]
        if len(rows):
            self._key = self._key or REWARD[rows["rewarded"][0]]
            self._beside = self._beside or int(rows["beside"].max())
            self._parts.append(_by_step([(rows["step"], rows["reward"], np.ones(len(rows)))]))

    def series(self, file: str) -> Series | None:
        """Return the mean of each step; None if no sample has a reward."""
        if not self._parts:
            return None
        steps, sums, counts = _by_step(self._parts)
        return Series("reward", self._key, file, steps, sums / counts, KINDS[self._beside])


def _by_step(parts: Sequence[_Sums]) -> _Sums:
    """Return values in the order of their steps, with one sum and one count per step."""
    steps, sums, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
    starts = np.flatnonzero(np.append(True, np.diff(steps) != 0))
    return steps[starts], np.add.reduceat(sums, starts), np.add.reduceat(counts, starts)


def read_marks(files: Iterable[File]) -> list[Mark]:
    """Return the events in the files of losses."""
    return [mark for file in files for mark in marks_in(Piece(Part(file.path), file.format))]
