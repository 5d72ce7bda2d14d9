"""Replays a run: its samples and losses are put to both signals in their order.

Results are aggregated on the way: memory does not grow with the run. Source: docs/report.md.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from math import inf, isfinite
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from coherence.audit.losses import Losses, LossOfStep, Series
from coherence.audit.plan import Options
from coherence.audit.rows import Chunk, FineSamples, GatedSample, Row, is_fine, values_of
from coherence.audit.timeline import Timeline
from coherence.readers.records import Mark
from coherence.report import CurvePoint
from coherence.signals.both import Signals
from coherence.signals.checkpoint import Place
from coherence.signals.diagnosis import Diagnosis
from coherence.signals.samples import ALIKE_BELOW, RECENT, Values
from coherence.signals.settings import Entry, Settings
from coherence.thinning import Thinned

POINTS, SOURCE_POINTS = 4000, 400
"""Points of the curves that a report draws."""


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


class FineTurn(NamedTuple):
    """Samples of one step come, all of them fine: the scored rows, and their scores by themselves."""

    chunk: Chunk
    step: int
    values: list[Values]


class MarkTurn(NamedTuple):
    """An event of the run comes."""

    time: float
    mark: Mark


class SettingsTurn(NamedTuple):
    """Other settings apply from now on."""

    time: float
    settings: Settings


TimedTurn = LossTurn | SampleTurn | MarkTurn | SettingsTurn
Turn = TimedTurn | FineTurn


def by_step(
    timeline: Timeline, losses: Losses, marks: Iterable[Mark] = (), threshold: float | None = None
) -> Iterator[Turn]:
    """Yield samples, losses and events of the run in the order of their steps.

    At one step the losses come first, and the events last.

    Args:
        timeline: the samples.
        losses: of the run.
        marks: the events of the run.
        threshold: of the gate; if it is given, samples of one step that are all fine come together.
    """
    rows = losses.rows()
    waiting = next(rows, None)
    later = deque(sorted(marks, key=lambda mark: mark.step))
    for step, turns in _steps(timeline, threshold):
        while later and later[0].step < step:
            yield MarkTurn(0.0, later.popleft())
        while waiting is not None and waiting.step <= step:
            yield LossTurn(0.0, waiting, False)
            waiting = next(rows, None)
        yield from turns
    yield from (MarkTurn(0.0, mark) for mark in later)
    while waiting is not None:
        yield LossTurn(0.0, waiting, False)
        waiting = next(rows, None)


def as_written(timeline: Timeline, losses: Losses, record: RunRecord) -> Iterator[TimedTurn]:
    """Yield samples, losses and events of the run in the order in which a monitor wrote them."""
    settings = (SettingsTurn(entry.time, entry.settings) for entry in record.history[1:])
    marks = (MarkTurn(mark.time or 0.0, mark) for mark in record.marks)
    return merge(settings, marks, _losses(losses), _samples(timeline), key=lambda turn: turn.time)


def _steps(timeline: Timeline, threshold: float | None) -> Iterator[tuple[int, Iterable[Turn]]]:
    """Yield the samples that count, step by step; a step may come in pieces."""
    for chunk in timeline:
        rows = chunk.rows
        together = np.zeros(len(rows), bool) if threshold is None else is_fine(rows, threshold)
        together &= rows["place"] < 0
        first = np.append(True, np.diff(rows["step"]) != 0)
        together &= first | (rows["compared"] == 0)
        begins = np.flatnonzero(first | np.append(True, np.diff(together)))
        ends = np.append(begins[1:], len(rows))
        columns = (rows["step"][begins], begins, ends, together[begins])
        values = values_of(rows) if together.any() else []
        for step, begin, end, fine in zip(*(column.tolist() for column in columns), strict=True):
            piece = Chunk(rows[begin:end], chunk.outputs[begin:end])
            yield step, [FineTurn(piece, step, values[begin:end])] if fine else one_by_one(piece)


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
        halted: the sample on which the gate fired.
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
        see_fine: Callable[[FineSamples], None] = lambda _samples: None,
    ) -> None:
        """Replay all turns.

        Args:
            turns: in their order.
            see: functions that are called with every sample that counts, except those that come together.
            see_fine: is called with those.
        """
        for turn in turns:
            if isinstance(turn, LossTurn):
                self._take_loss(turn)
            elif isinstance(turn, SampleTurn):
                self._take_sample(turn, see)
            elif isinstance(turn, FineTurn):
                self._take_fine(turn, see, see_fine)
            elif isinstance(turn, MarkTurn):
                self._take_mark(turn.mark)
            else:
                self.settings = self.options.over(turn.settings)
                self.signals.configure(self.settings)

    def _take_loss(self, turn: LossTurn) -> None:
        loss, row = self.signals.loss, turn.row
        loss.update(row.step, row.loss, row.source, beside=row.beside)
        if turn.void:
            return
        height = row.loss if isfinite(row.loss) else inf
        self.curve.add(CurvePoint(row.step, row.loss, loss.smoothed), height)
        if row.source is not None:
            followed = loss.source(row.source)
            point = CurvePoint(row.step, row.loss, followed and followed.smoothed)
            self.source_curves[row.source].add(point, height)

    def _take_sample(self, turn: SampleTurn, see: Sequence[Callable[[GatedSample], None]]) -> None:
        judged = self._judge(turn)
        if not turn.void:
            self.last = judged.row
            for look in see:
                look(judged)

    def _take_fine(
        self,
        turn: FineTurn,
        see: Sequence[Callable[[GatedSample], None]],
        see_fine: Callable[[FineSamples], None],
    ) -> None:
        signals, gate, (chunk, step, values) = self.signals, self.signals.gate, turn
        alone = 0
        while alone < len(values):
            place = self._place + 1 if signals.step == step else 0
            if gate.is_idle(step, place):
                break
            self._take_sample(
                next(one_by_one(chunk.part(alone, alone + 1))), see
            )  # the first one ends a streak
            alone += 1
        else:
            return
        fine = FineSamples(chunk.part(alone), step, values[alone:], place)
        signals.pass_over(fine.values, min(fine.means), fine.orders(RECENT), step, place)
        self._place = place + len(fine) - 1
        if fine.rows["compared"][0]:
            fine.alike = self._compare(float(fine.rows["between"][0]))
        fine.loss, fine.smoothed = signals.loss.loss, signals.loss.smoothed
        self.last = fine.row(-1)
        see_fine(fine)

    def _compare(self, between: float) -> bool:
        """Take how different the samples of a step are; return whether they are alike."""
        self.signals.compare(between, others=True)
        return self.signals.profile.against_passages(between) < ALIKE_BELOW

    def _judge(self, turn: SampleTurn) -> GatedSample:
        row, signals = turn.row, self.signals
        if row.place < 0:
            self._place = self._place + 1 if signals.step == row.step else 0
        place = row.place if row.place >= 0 else self._place
        scores = row.scores
        verdict = signals.judge(scores, row.step, place, row.word)
        alike = self._compare(row.between) if row.compared else False
        loss = signals.loss
        judged = GatedSample(turn.output, row, place, scores, verdict, loss.loss, loss.smoothed, alike)
        if verdict.collapsed and self.halted is None:
            self.halted = judged
        return judged

    def _take_mark(self, mark: Mark) -> None:
        self.signals.take_event(mark.event, mark.step, mark.state)
        if not self.signals.gate.halted:
            self.halted = None

    def last_step(self) -> int:
        """Return the last step of samples or losses."""
        last = self.last.step if self.last else 0
        return max(last, int(self.losses.steps[-1])) if len(self.losses.steps) else last
