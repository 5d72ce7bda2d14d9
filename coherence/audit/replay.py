"""A run once more: its samples and losses put to both signals, as they came.

What comes out is folded as it comes: memory does not grow with the run. Source: docs/report.md.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from math import inf, isfinite
from typing import NamedTuple

from coherence.audit.losses import Losses, LossOfStep
from coherence.audit.plan import Options
from coherence.audit.rows import GatedSample, Row
from coherence.audit.timeline import Timeline
from coherence.readers.records import Mark
from coherence.report import CurvePoint
from coherence.signals.both import Signals
from coherence.signals.checkpoint import Place
from coherence.signals.diagnosis import Diagnosis
from coherence.signals.samples import ALIKE_BELOW
from coherence.signals.settings import Entry, Settings
from coherence.thinning import Thinned

POINTS, SOURCE_POINTS = 4000, 400
"""Of the curves that a report draws."""


class RunRecord(NamedTuple):
    """What the folder of a run tells besides samples and losses.

    Attributes:
        history: its settings from the beginning on; empty where it states none.
        marks: what befell the run.
    """

    history: tuple[Entry, ...] = ()
    marks: tuple[Mark, ...] = ()


class LossTurn(NamedTuple):
    """A loss comes; `void` if a restart has made it so."""

    time: float
    row: LossOfStep
    void: bool


class SampleTurn(NamedTuple):
    """A sample comes."""

    time: float
    output: int
    row: Row
    void: bool


class MarkTurn(NamedTuple):
    """Something befalls the run."""

    time: float
    mark: Mark


class SettingsTurn(NamedTuple):
    """Other settings hold from now on."""

    time: float
    settings: Settings


Turn = LossTurn | SampleTurn | MarkTurn | SettingsTurn


def by_step(timeline: Timeline, losses: Losses, marks: Iterable[Mark] = ()) -> Iterator[Turn]:
    """Yield samples, losses and what befell the run in the order of their steps.

    Of one step the losses come first, and what befell the run last.
    """
    rows = losses.rows()
    waiting = next(rows, None)
    later = deque(sorted(marks, key=lambda mark: mark.step))
    for turn in _samples(timeline):
        if turn.void:
            continue
        while later and later[0].step < turn.row.step:
            yield MarkTurn(0.0, later.popleft())
        while waiting is not None and waiting.step <= turn.row.step:
            yield LossTurn(0.0, waiting, False)
            waiting = next(rows, None)
        yield turn
    yield from (MarkTurn(0.0, mark) for mark in later)
    while waiting is not None:
        yield LossTurn(0.0, waiting, False)
        waiting = next(rows, None)


def as_written(timeline: Timeline, losses: Losses, record: RunRecord) -> Iterator[Turn]:
    """Yield samples, losses and what befell the run in the order in which a monitor wrote them down."""
    settings = (SettingsTurn(entry.time, entry.settings) for entry in record.history[1:])
    marks = (MarkTurn(mark.time or 0.0, mark) for mark in record.marks)
    return merge(settings, marks, _losses(losses), _samples(timeline), key=lambda turn: turn.time)


def _samples(timeline: Timeline) -> Iterator[SampleTurn]:
    for chunk, voids in timeline.rows():
        columns = (chunk.outputs.tolist(), chunk.rows.tolist(), voids.tolist())
        for number, values, void in zip(*columns, strict=True):
            row = Row._make(values)
            yield SampleTurn(row.time, number, row, void)


def _losses(losses: Losses) -> Iterator[LossTurn]:
    for row in losses.written_rows():
        yield LossTurn(*row)


class Replay:
    """The run once more.

    Attributes:
        options: how to audit.
        settings: which hold, at its end for a run whose settings changed.
        losses: of the run.
        signals: both signals, as they stand.
        halted: the sample on which the gate fired.
        last: the last sample that counts.
        curve, source_curves: of the losses that count.
    """

    def __init__(self, losses: Losses, settings: Settings, options: Options) -> None:
        self.options = options
        self.settings = options.over(settings)
        self.losses = losses
        self.signals = Signals.of(self.settings)
        self.halted: GatedSample | None = None
        self.last: GatedSample | None = None
        self.curve = Thinned[CurvePoint].of(len(losses.steps), POINTS)
        self.source_curves = {
            name: Thinned[CurvePoint].of(count, SOURCE_POINTS)
            for name, count in zip(losses.names, losses.count_by_source(), strict=True)
        }
        self._place = 0  # of the next sample of a step, where nobody counted them

    @property
    def diagnosis(self) -> Diagnosis:
        """What both signals mean together: at the halt, or at the end."""
        return self.signals.diagnosis

    @property
    def place(self) -> Place:
        """The step to go back to."""
        return self.signals.place

    def run(self, turns: Iterable[Turn], see: Sequence[Callable[[GatedSample], None]]) -> None:
        """Go through all turns.

        Args:
            turns: in the order in which they come.
            see: each is shown every sample that counts.
        """
        for turn in turns:
            if isinstance(turn, LossTurn):
                self._take_loss(turn)
            elif isinstance(turn, SampleTurn):
                judged = self._judge(turn)
                if not turn.void:
                    self.last = judged
                    for look in see:
                        look(judged)
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

    def _judge(self, turn: SampleTurn) -> GatedSample:
        row, signals = turn.row, self.signals
        if row.place < 0:
            self._place = self._place + 1 if signals.step == row.step else 0
        place = row.place if row.place >= 0 else self._place
        scores = row.scores
        verdict = signals.judge(scores, row.step, place, row.word)
        alike = False
        if row.compared:
            signals.compare(row.between, others=True)
            alike = signals.profile.against_passages(row.between) < ALIKE_BELOW
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
        """Return the last step that samples or losses tell of."""
        last = self.last.row.step if self.last else 0
        return max(last, int(self.losses.steps[-1])) if len(self.losses.steps) else last
