"""Replays a run: its samples and losses are put to both signals in their order.

Results are aggregated on the way: memory does not grow with the run. Source: docs/report.md.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import islice
from math import inf, isfinite
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coherence.audit.losses import Losses, LossOfStep, Series
from coherence.audit.plan import Options
from coherence.audit.rows import Batch, Chunk, GatedSample, Row, Rows, joined, kinds_of
from coherence.audit.timeline import Timeline
from coherence.readers.records import Mark
from coherence.report import CurvePoint
from coherence.scoring.profile import SCALES
from coherence.signals.both import Signals
from coherence.signals.checkpoint import Place
from coherence.signals.diagnosis import Diagnosis
from coherence.signals.samples import ALIKE_BELOW
from coherence.signals.settings import Entry, Settings
from coherence.signals.together import Samples, changed, judge, streaks
from coherence.thinning import Thinned

POINTS, SOURCE_POINTS = 4000, 400
"""Points of the curves that a report draws."""

MANY, FEW = 8192, 64
"""Samples that are put to the signals together, and how many are at least: fewer are faster one by one."""


class RunRecord(NamedTuple):
    """What the files of a run hold in addition to samples and losses.

    Attributes:
        history: its settings from the beginning on; empty if it states none.
        marks: the events of the run.
        series: other metrics that the trainer logged, by name.
        file: the name of the first file of samples.
    """

    history: tuple[Entry, ...] = ()
    marks: tuple[Mark, ...] = ()
    series: Mapping[str, Series] = MappingProxyType({})
    file: str = ""


class LossTurn(NamedTuple):
    """A loss comes; `void` if a restart has superseded it."""

    time: float
    row: LossOfStep
    void: bool


class SampleTurn(NamedTuple):
    """A sample comes."""

    time: float
    output: int
    row: Row
    void: bool


class StepsTurn(NamedTuple):
    """Samples of consecutive steps come, and before those of each step the losses up to it."""

    chunk: Chunk
    losses: list[list[LossOfStep]]

    @property
    def numbers(self) -> NDArray[np.int64]:
        """For each sample, the number of its step."""
        return np.asarray(np.cumsum(changed(self.chunk.rows["step"])) - 1)

    def part(self, begin: int, end: int | None = None) -> "StepsTurn":
        """Return the samples from one up to another, exclusive, or to the end."""
        numbers = self.numbers[begin:end]
        losses = self.losses[numbers[0] : numbers[-1] + 1] if len(numbers) else []
        return StepsTurn(self.chunk.part(begin, end), losses)

    def losses_of_each(self) -> Iterator[list[LossOfStep]]:
        """Yield for each sample the losses that come before it."""
        for number in self.numbers.tolist():
            yield self.losses[number]


class MarkTurn(NamedTuple):
    """An event of the run comes."""

    time: float
    mark: Mark


class SettingsTurn(NamedTuple):
    """Other settings apply from now on."""

    time: float
    settings: Settings


TimedTurn = LossTurn | SampleTurn | MarkTurn | SettingsTurn
Turn = TimedTurn | StepsTurn


def by_step(timeline: Timeline, losses: Losses, marks: Iterable[Mark] = ()) -> Iterator[Turn]:
    """Yield samples, losses and events of the run in the order of their steps.

    At one step the losses come first, and the events last.

    Args:
        timeline: the samples.
        losses: of the run.
        marks: the events of the run.
    """
    rows, taken = losses.rows(), 0
    later = deque(sorted(marks, key=lambda mark: mark.step))
    for chunk in _gathered(timeline):
        steps = chunk.rows["step"]
        firsts = steps[changed(steps)]
        ends = np.searchsorted(losses.steps, firsts, side="right")
        counts = np.diff(ends, prepend=taken).tolist()
        turn, taken = StepsTurn(chunk, [list(islice(rows, count)) for count in counts]), int(ends[-1])
        while later and later[0].step < steps[-1]:
            cut = int(np.searchsorted(turn.chunk.rows["step"], later[0].step, side="right"))
            if cut:
                yield turn.part(0, cut)
                turn = turn.part(cut)
            yield MarkTurn(0.0, later.popleft())
        yield turn
    yield from (MarkTurn(0.0, mark) for mark in later)
    yield from (LossTurn(0.0, row, False) for row in rows)


def as_written(timeline: Timeline, losses: Losses, record: RunRecord) -> Iterator[TimedTurn]:
    """Yield samples, losses and events of the run in the order in which a monitor wrote them."""
    settings = (SettingsTurn(entry.time, entry.settings) for entry in record.history[1:])
    marks = (MarkTurn(mark.time or 0.0, mark) for mark in record.marks)
    return merge(settings, marks, _losses(losses), _samples(timeline), key=lambda turn: turn.time)


def _gathered(timeline: Timeline) -> Iterator[Chunk]:
    """Yield the samples that count, many at a time."""
    waiting: list[Chunk] = []
    for chunk in timeline:
        waiting.append(chunk)
        if sum(len(each.rows) for each in waiting) >= MANY:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(chunks: Sequence[Chunk]) -> Chunk:
    rows, outputs = zip(*chunks, strict=True)
    return Chunk(joined(rows), np.concatenate(outputs))


def one_by_one(chunk: Chunk) -> Iterator[SampleTurn]:
    """Yield samples that count, one after another."""
    for number, values in zip(chunk.outputs.tolist(), chunk.rows.tolist(), strict=True):
        row = Row._make(values)
        yield SampleTurn(row.time, number, row, False)


def _samples(timeline: Timeline) -> Iterator[SampleTurn]:
    for chunk, voids in timeline.rows():
        for turn, void in zip(one_by_one(chunk), voids.tolist(), strict=True):
            yield turn._replace(void=void)


def _losses(losses: Losses) -> Iterator[LossTurn]:
    for row in losses.written_rows():
        yield LossTurn(*row)


class Replay:
    """The replay of a run.

    Attributes:
        options: how to audit.
        settings: those that apply, at the end of a run whose settings changed.
        losses: of the run.
        signals: both signals in their current state.
        halted: the sample on which the gate fired; `superseded` if a restart has replaced it since.
        last: the last sample that counts, with its scores.
        curve, source_curves: of the losses that count.
        series: other metrics that the trainer logged.
    """

    def __init__(self, losses: Losses, settings: Settings, options: Options) -> None:
        self.options = options
        self.settings = options.over(settings)
        self.losses = losses
        self.signals = Signals.of(self.settings)
        self.halted: GatedSample | None = None
        self.superseded = False
        self.last: Row | None = None
        self.curve = Thinned[CurvePoint].of(len(losses.steps), POINTS)
        self.source_curves = {
            name: Thinned[CurvePoint].of(count, SOURCE_POINTS)
            for name, count in zip(losses.names, losses.count_by_source(), strict=True)
        }
        self.series: Sequence[Series] = ()
        self._place = 0  # of the next sample of a step, if nobody counted them

    @property
    def diagnosis(self) -> Diagnosis:
        """What both signals mean together: at the halt, or at the end."""
        return self.signals.diagnosis

    @property
    def place(self) -> Place:
        """The step to go back to."""
        return self.signals.place

    def take_series(self, series: Sequence[Series]) -> None:
        """Take the other metrics of the trainer, before the replay: they may say what the loss is."""
        self.series = series
        for beside in filter(None, (each.beside for each in series)):
            self.signals.loss.take_beside(beside)

    def run(
        self,
        turns: Iterable[Turn],
        see: Sequence[Callable[[GatedSample], None]],
        see_many: Callable[[Batch], None] | None = None,
    ) -> None:
        """Replay all turns.

        Args:
            turns: in their order.
            see: functions that are called with every sample that counts, except those that come together.
            see_many: is called with those; None if every sample is to come by itself.
        """
        for turn in turns:
            if isinstance(turn, LossTurn):
                self._take_loss(turn.row, turn.void)
            elif isinstance(turn, SampleTurn):
                self._take_sample(turn, see)
            elif isinstance(turn, StepsTurn):
                self._take_steps(turn, see, see_many)
            elif isinstance(turn, MarkTurn):
                self._take_mark(turn.mark)
            else:
                self.settings = self.options.over(turn.settings)
                self.signals.configure(self.settings)

    def _take_loss(self, row: LossOfStep, void: bool = False) -> None:
        loss = self.signals.loss
        loss.update(row.step, row.loss, row.source, beside=row.beside)
        if void:
            return
        height = row.loss if isfinite(row.loss) else inf
        self.curve.add(CurvePoint(row.step, row.loss, loss.smoothed), height)
        if row.source is not None:
            followed = loss.source(row.source)
            point = CurvePoint(row.step, row.loss, followed and followed.smoothed)
            self.source_curves[row.source].add(point, height)

    def _take_losses(self, rows: list[LossOfStep]) -> None:
        """Take losses before a step, and remove them: they come once."""
        for row in rows:
            self._take_loss(row)
        rows.clear()

    def _take_sample(self, turn: SampleTurn, see: Sequence[Callable[[GatedSample], None]]) -> None:
        judged = self._judge(turn)
        if not turn.void:
            self.last = judged.row
            for look in see:
                look(judged)

    def _take_steps(
        self,
        turn: StepsTurn,
        see: Sequence[Callable[[GatedSample], None]],
        see_many: Callable[[Batch], None] | None,
    ) -> None:
        while see_many is not None and self._takes_many(turn.chunk.rows):
            count = self._take_many(turn, see_many)
            self._take_alone(turn.part(count, count + 1), see)  # the sample that halts, if there is one
            turn = turn.part(count + 1)
        self._take_alone(turn, see)

    def _take_alone(self, turn: StepsTurn, see: Sequence[Callable[[GatedSample], None]]) -> None:
        for losses, sample in zip(turn.losses_of_each(), one_by_one(turn.chunk), strict=True):
            self._take_losses(losses)
            self._take_sample(sample, see)

    def _takes_many(self, rows: Rows) -> bool:
        if len(rows) < FEW or (rows["place"] >= 0).any():
            return False
        step = int(rows["step"][0])
        return self.signals.gate.takes_many(step, self._next_place(step))

    def _take_many(self, turn: StepsTurn, see_many: Callable[[Batch], None]) -> int:
        """Take the samples together that come before the one that halts; return how many they are."""
        signals, gate = self.signals, self.signals.gate
        samples = self._columns(turn.chunk.rows)
        before, found = gate.counting, streaks(gate, samples)
        samples, chunk = samples.first(len(found)), turn.chunk.part(0, len(found))
        if not len(found):
            return 0
        losses = []
        for rows in turn.losses[: len(samples.begins)]:
            self._take_losses(rows)
            losses.append((signals.loss.loss, signals.loss.smoothed))
        batch = Batch(chunk, samples, gate, before, found, losses)
        judge(signals, samples, losses)
        self._place, self.last = int(samples.places[-1]), batch.row(-1)
        see_many(batch)
        return len(found)

    def _columns(self, rows: Rows) -> Samples:
        steps, compared = rows["step"], rows["compared"] > 0
        begins = changed(steps)
        places = np.arange(len(steps))
        places -= np.maximum.accumulate(np.where(begins, places, 0))
        places[steps == steps[0]] += self._next_place(int(steps[0]))
        diversities = np.full(len(rows), np.nan)
        against = map(self.signals.profile.against_passages, rows["between"][compared].tolist())
        diversities[compared] = list(against)
        return Samples(
            steps,
            places,
            kinds_of(rows, self.signals.gate.threshold),
            np.stack([rows[scale] for scale in SCALES], axis=1),
            rows["word"],
            np.stack([rows["surplus"], rows["pairs"]], axis=1),
            diversities,
        )

    def _next_place(self, step: int) -> int:
        """Return the index of the next sample of a step, if nobody counted them."""
        return self._place + 1 if self.signals.step == step else 0

    def _compare(self, between: float) -> bool:
        """Take how different the samples of a step are; return whether they are alike."""
        self.signals.compare(between, others=True)
        return self.signals.profile.against_passages(between) < ALIKE_BELOW

    def _judge(self, turn: SampleTurn) -> GatedSample:
        row, signals = turn.row, self.signals
        if row.place < 0:
            self._place = self._next_place(row.step)
        place = row.place if row.place >= 0 else self._place
        scores = row.scores
        verdict = signals.judge(scores, row.step, place, row.word)
        alike = self._compare(row.between) if row.compared else False
        loss = signals.loss
        judged = GatedSample(turn.output, row, place, scores, verdict, loss.loss, loss.smoothed, alike)
        if verdict.collapsed and self.halted is None:
            self.halted, self.superseded = judged, turn.void
        return judged

    def _take_mark(self, mark: Mark) -> None:
        self.signals.take_event(mark.event, mark.step, mark.state)
        if not self.signals.gate.halted:
            self.halted = None

    def last_step(self) -> int:
        """Return the last step of samples or losses."""
        last = self.last.step if self.last else 0
        return max(last, int(self.losses.steps[-1])) if len(self.losses.steps) else last
