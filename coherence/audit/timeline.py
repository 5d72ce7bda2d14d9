"""The rows of a run that count: joined at the edges of the shards, without those that restarts superseded.

Source: docs/report.md, "Restarts".
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from math import inf, nan
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from coherence.audit.rows import NO_STEP, ROW, Chunk, Edge, Rows, joined
from coherence.audit.store import Output
from coherence.readers.file_names import names_last
from coherence.readers.records import Mark
from coherence.scoring.between import COMPARED, between_samples, of_each_prompt
from coherence.scoring.scores import ENOUGH_CHARACTERS, ENOUGH_TOKENS
from coherence.scoring.text import tokenize
from coherence.signals.both import RESTART

CHUNK = 1024
"""Rows of an output that are held while the others are read."""

MOST = 100
"""A file whose steps go back more often than this is not in any order, and has no restarts."""


class Restarts(NamedTuple):
    """The times at which a run was set back, and the steps it went to, in the order of the times.

    Rows that were written before a restart, for its step and later ones, are superseded.

    >>> restarts = Restarts.of([Mark(5.0, "restart", 20)])
    >>> restarts.void(np.array([10, 20, 20]), np.array([1.0, 2.0, 6.0])).tolist()
    [False, True, False]
    """

    times: NDArray[np.float64]
    steps: NDArray[np.int64]

    @classmethod
    def of(cls, marks: Iterable[Mark]) -> Self:
        """Return the restarts among the events of a run."""
        found = sorted((mark.time or 0.0, mark.step) for mark in marks if mark.event == RESTART)
        times, steps = [time for time, _ in found], [step for _, step in found]
        return cls(np.array(times, np.float64), np.array(steps, np.int64))

    def void(self, steps: NDArray[np.int64], times: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which rows a later restart has superseded."""
        lowest = np.append(np.minimum.accumulate(self.steps[::-1])[::-1].astype(np.float64), inf)
        void: NDArray[np.bool_] = steps >= lowest[np.searchsorted(self.times, times, side="right")]
        return void


class Timeline:
    """The rows of a run in the order of their steps, which can be iterated several times.

    A log that was appended to after a restart holds steps twice: if the steps of a file go back, and a step
    and prompt occur again, the earlier rows of that step and of later ones are superseded. If a monitor
    wrote the rows, and the restarts that it saw, the rows come in the order of writing.

    Args:
        outputs: of the dump.
        run: the name of the run.
        known: the restarts that were recorded; None if none were recorded.

    Attributes:
        as_written: whether the rows come in the order of writing.
        restarts: the steps to which the run was set back, in the order of the dump.
        superseded: how many samples the restarts superseded.
        counted: whether no sample has a step, so that they are counted: a step is then a sample.
    """

    def __init__(self, outputs: Sequence[Output], run: str, known: Restarts | None = None) -> None:
        self._outputs = outputs
        self._run = run
        self._known = known
        self._patches = _join_edges(outputs, run)
        self._limits: NDArray[np.float64] | None = None
        self.restarts: list[int] = []
        self.superseded = 0
        self.counted = False
        self.as_written = known is not None and self._is_written()
        if self.as_written:
            self.restarts = [] if known is None else known.steps.tolist()
            self.superseded = sum(int(void.sum()) for _, void in self.rows())
            return
        self._spans = _spans(outputs, run)
        self.counted = any(span.base is not None for span in self._spans)
        self._chains = _chains(outputs, run)
        if self._chains.backs.any():
            self._find_restarts()

    def __iter__(self) -> Iterator[Chunk]:
        """Yield the rows that count."""
        for chunk, void in self.rows():
            kept = chunk.only(~void) if void.any() else chunk
            if len(kept.rows):
                yield kept

    def rows(self) -> Iterator[tuple[Chunk, NDArray[np.bool_]]]:
        """Yield all rows, and which of them a restart has superseded."""
        if self.as_written and self._known is not None:
            for chunk in self._written():
                self._patch(chunk)
                yield chunk, self._known.void(chunk.rows["step"], chunk.rows["time"])
            return
        for chunk in _merge(self._outputs, self._spans):
            self._patch(chunk)
            void = np.zeros(len(chunk.rows), bool)
            if self._limits is not None:
                void = chunk.rows["step"] >= self._limits[self._chains.links_of(chunk)]
            yield chunk, void

    def _written(self) -> Iterator[Chunk]:
        """Yield the rows in the order of the dump, which is the order of writing."""
        for number, output in enumerate(self._outputs):
            if stretch := output.stretches.get(self._run):
                rows = output.rows(stretch.start, stretch.rows)
                yield Chunk(rows[np.argsort(rows["row"])], np.full(len(rows), number))

    def _is_written(self) -> bool:
        """Tell whether a monitor wrote all the rows, one after another."""
        last = -inf
        for chunk in self._written():
            times = np.concatenate([[last], chunk.rows["time"]])
            ours = (chunk.rows["place"] >= 0) & (chunk.rows["step"] != NO_STEP)
            if not (ours.all() and (np.diff(times) >= 0).all()):
                return False
            last = times[-1]
        return True

    def _patch(self, chunk: Chunk) -> None:
        rows = chunk.rows
        for number in chunk.numbers:
            for row, patch in self._patches.get(number, {}).items():
                for place in np.flatnonzero((chunk.outputs == number) & (rows["row"] == row)).tolist():
                    rows["compared"][place], rows["between"][place] = patch

    def _find_restarts(self) -> None:
        """Find the links that repeat earlier rows, and the rows that each supersedes."""
        chains = self._chains
        repeats = np.zeros(len(chains.backs), bool)
        for chunk in _merge(self._outputs, self._spans):
            links = chains.links_of(chunk)
            order = np.lexsort((links, chunk.rows["prompt"], chunk.rows["step"], chains.files[links]))
            rows, links = chunk.rows[order], links[order]
            same = (np.diff(rows["step"]) == 0) & (np.diff(rows["prompt"]) == 0)
            same &= (np.diff(chains.files[links]) == 0) & (np.diff(links) > 0)
            repeats[links[1:][same]] = True
        restarted = repeats & chains.backs
        if not restarted.any():
            return
        self.restarts = chains.firsts[restarted].tolist()
        self._limits = _limits(chains, restarted)
        for chunk in _merge(self._outputs, self._spans):
            void = chunk.rows["step"] >= self._limits[chains.links_of(chunk)]
            self.superseded += int(void.sum())


class _Chains(NamedTuple):
    """The segments of each file, one after another over all its parts: its links.

    Attributes:
        files: for each link, the number of its file.
        firsts: for each link, its first step.
        backs: for each link, whether its first step is before the last step of the previous link.
        link: for each output, the segments of the run and the link of each.
    """

    files: NDArray[np.int64]
    firsts: NDArray[np.int64]
    backs: NDArray[np.bool_]
    link: list[tuple[list[int], NDArray[np.int64]]]

    def links_of(self, chunk: Chunk) -> NDArray[np.int64]:
        """Return the link of each row."""
        found = np.zeros(len(chunk.rows), np.int64)
        for number in chunk.numbers:
            mask = chunk.outputs == number
            segments, links = self.link[number]
            found[mask] = links[np.searchsorted(segments, chunk.rows["segment"][mask])]
        return found


def _chains(outputs: Sequence[Output], run: str) -> _Chains:
    files: dict[str, int] = {}
    last: dict[str, tuple[int, int]] = {}  # for each file, the last link so far and its last step
    links: list[tuple[int, int, bool]] = []
    link = []
    for output in outputs:
        numbers = output.segments_of.get(run, [])
        of_output = np.zeros(len(numbers), np.int64)
        for place, number in enumerate(numbers):
            segment = output.segments[number]
            path = output.shard.pieces[segment.piece].part.path
            if segment.first == NO_STEP:
                of_output[place] = len(links)
                links.append((files.setdefault(path, len(files)), NO_STEP, False))
                continue
            before = last.get(path)
            if before is None or segment.first < before[1]:
                links.append((files.setdefault(path, len(files)), segment.first, before is not None))
                before = len(links) - 1, segment.last
            of_output[place] = before[0]
            last[path] = before[0], segment.last
        link.append((numbers, of_output))
    columns = np.array(links, np.int64).reshape(-1, 3)
    backs = columns[:, 2].astype(bool)
    often = (
        np.bincount(columns[:, 0], backs, minlength=len(files)) > MOST if len(columns) else np.zeros(0, bool)
    )
    return _Chains(columns[:, 0], columns[:, 1], backs & ~often[columns[:, 0]], link)


def _limits(chains: _Chains, restarted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return for each link the step from which on a later link of its file supersedes it."""
    limits = np.full(len(chains.files), inf)
    for link in np.flatnonzero(restarted).tolist():
        earlier = (chains.files[:link] == chains.files[link]).nonzero()[0]
        limits[earlier] = np.minimum(limits[earlier], chains.firsts[link])
    return limits


Patch = tuple[int, float]


class _Place(NamedTuple):
    """An edge, the number of its output, and its index among the edges there."""

    output: int
    number: int
    edge: Edge


def _join_edges(outputs: Sequence[Output], run: str) -> dict[int, dict[int, Patch]]:
    """Compare the samples of one step of a run that are on both sides of the edge of a shard.

    Returns:
        by output and row, how many samples were compared there and the diversity between them.
    """
    patches: dict[int, dict[int, Patch]] = {}
    joined: list[_Place] = []  # consecutive groups of one step
    for number, output in enumerate(outputs):
        for place, edge in enumerate(output.edges):
            if place or not joined or edge[:2] != joined[0].edge[:2] or edge.begins:
                _join(outputs, joined, patches)
                joined = []
            if edge.run == run:
                joined.append(_Place(number, place, edge))
    _join(outputs, joined, patches)
    return patches


def _join(outputs: Sequence[Output], joined: Sequence[_Place], patches: dict[int, dict[int, Patch]]) -> None:
    if len(joined) < 2:
        return
    texts: list[tuple[str, int]] = []
    for place in joined:
        if len(texts) < COMPARED:
            texts += zip(outputs[place.output].texts_at(place.number), place.edge.prompts, strict=True)
    tokens = [(tokenize(text), prompt, len(text)) for text, prompt in texts[:COMPARED]]
    judged = [
        (each, prompt)
        for each, prompt, size in tokens
        if len(each) >= ENOUGH_TOKENS or size >= ENOUGH_CHARACTERS
    ]
    compared = of_each_prompt(judged)
    diversity = between_samples(compared)
    for place in joined:
        patches.setdefault(place.output, {})[place.edge.row] = 0, nan
    if diversity is not None:
        patches[joined[0].output][joined[0].edge.row] = sum(len(each) > 1 for each in compared), diversity


class Span(NamedTuple):
    """Rows of one run in one output; numbered from `base` on if the run has no steps, or all of one step."""

    number: int
    start: int
    end: int
    first: int
    base: int | None
    step: int | None = None


def _spans(outputs: Sequence[Output], run: str) -> list[Span]:
    """Return where the rows of a run are.

    If no sample of a run has a step, they are numbered; otherwise the samples without a step are left out
    (see `Stretch.without`), except those that come last by the names of their files.
    """
    found = [
        (number, output.stretches[run]) for number, output in enumerate(outputs) if run in output.stretches
    ]
    if any(each.rows > each.without for _, each in found):
        with_steps = [
            Span(number, each.start + each.without, each.start + each.rows, each.first, None)
            for number, each in found
            if each.rows > each.without
        ]
        return with_steps + placed_last(outputs, run)
    numbered, base = [], 0
    for number, each in found:
        numbered.append(Span(number, each.start, each.start + each.rows, base, base))
        base += each.rows
    return numbered


def placed_last(outputs: Sequence[Output], run: str) -> list[Span]:
    """Return where those rows of a run are that have no step, and come last by the names of their files.

    They are of one step, the one above the last of the run, because the name may mean another checkpoint.
    Files that have samples with steps are not meant.
    """
    segments = [
        (output.shard.pieces[output.segments[number].piece].part.path, output.segments[number].last)
        for output in outputs
        for number in output.segments_of.get(run, [])
    ]
    step = max((last for _, last in segments), default=NO_STEP)
    files = {path for path, _ in segments if names_last(path)}
    files -= {path for path, last in segments if last != NO_STEP}
    if step == NO_STEP or not files:
        return []
    return [
        Span(number, start, end, step + 1, None, step + 1)
        for number, output in enumerate(outputs)
        if run in output.stretches
        for start, end in _without_step(output, run, files)
    ]


def _without_step(output: Output, run: str, files: Collection[str]) -> Iterator[tuple[int, int]]:
    """Yield where the rows without a step are that are from some files."""
    stretch = output.stretches[run]
    pieces = output.rows(stretch.start, stretch.without)["piece"]
    for piece in sorted(set(pieces.tolist())):
        if output.shard.pieces[piece].part.path in files:
            start, end = np.searchsorted(pieces, [piece, piece + 1]).tolist()
            yield stretch.start + start, stretch.start + end


def _merge(outputs: Sequence[Output], found: Sequence[Span]) -> Iterator[Chunk]:
    """Yield the rows of a run in the order of their steps, those of one step in the order of the dump."""
    waiting = sorted(found, key=lambda span: span.first, reverse=True)
    cursors: list[_Cursor] = []
    while waiting or cursors:
        while waiting and (not cursors or waiting[-1].first <= _bound(cursors)):
            span = waiting.pop()
            cursors.append(_Cursor(outputs[span.number], span))
            cursors.sort(key=lambda cursor: cursor.span.number)
        bound = _bound(cursors)
        parts = [(cursor.span.number, cursor.take_below(bound)) for cursor in cursors]
        if not any(len(rows) for _, rows in parts):  # a step fills the buffer: the first output comes first
            first = next(cursor for cursor in cursors if cursor.begins_with(bound))
            parts = [(first.span.number, first.take_below(bound + 1))]
        yield _sorted(parts)
        cursors = [cursor for cursor in cursors if not cursor.exhausted]


def _bound(cursors: Sequence["_Cursor"]) -> float:
    """Return the step below which no more rows can come."""
    return min((cursor.last for cursor in cursors), default=inf)


def _sorted(parts: Sequence[tuple[int, Rows]]) -> Chunk:
    filled = [(number, rows) for number, rows in parts if len(rows)]
    if len(filled) == 1:  # nearly always: the rows of an output are sorted
        ((number, rows),) = filled
        return Chunk(rows, np.full(len(rows), number))
    numbers = np.repeat([number for number, _ in filled], [len(rows) for _, rows in filled])
    order = np.argsort(np.concatenate([rows["step"] for _, rows in filled]), kind="stable")
    return Chunk(joined([rows for _, rows in filled], order), numbers[order])


class _Cursor:
    """Goes through the rows of a span, a buffer at a time."""

    def __init__(self, output: Output, span: Span) -> None:
        self.span = span
        self._output = output
        self._at = span.start
        self._buffer = np.zeros(0, ROW)
        self._fill()

    @property
    def last(self) -> float:
        """The step of the last row in the buffer; infinite if no more rows come after it."""
        return inf if self._at >= self.span.end else int(self._buffer["step"][-1])

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
        count = min(CHUNK, self.span.end - self._at)
        if count <= 0:
            return
        rows = self._output.rows(self._at, count)
        if self.span.base is not None:
            rows["step"] = self.span.base + np.arange(count) + self._at - self.span.start
        if self.span.step is not None:
            rows["step"] = self.span.step
        self._buffer = rows
        self._at += count
