"""A run once more: its scores put to the gate in the order of their steps, its losses beside them.

What comes out is folded as it comes: memory does not grow with the run. Source: docs/report.md.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from coherence.curve import Curve
from coherence.diagnosis import Diagnosis
from coherence.gate import Gate, Verdict
from coherence.lexicon import Lexicon
from coherence.loss import LossTracker
from coherence.lossrows import Losses
from coherence.order import Chunk
from coherence.profile import Profile
from coherence.samples import ALIKE_BELOW
from coherence.scores import Scores
from coherence.shards import ROW
from coherence.signals import Signals

SMMA_WINDOW = 100
"""Rows of loss; a log of few rows is smoothed over a tenth of them, or its SMMA would never arrive."""


STRETCHES, SOURCE_STRETCHES = 2000, 200
"""Of the curves that a report draws: two points each."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to audit.

    Attributes:
        threshold, patience, window, warmup: of the gate.
        observe: decide and report only.
        vocab_size: for the uniform baseline of the loss.
        seconds_per_step: to turn steps into time where samples carry none.
        profile: the reference to score against.
        lexicon: the words that count as English.
    """

    threshold: float = 30.0
    patience: int = 5
    window: int | None = None
    warmup: int = 0
    observe: bool = False
    vocab_size: int | None = None
    seconds_per_step: float | None = None
    profile: Profile | None = None
    lexicon: Lexicon | None = None


class Row(NamedTuple):
    """A scored sample, see `coherence.shards.ROW`."""

    run: int
    step: int
    row: int
    piece: int
    line: int
    bigram: float
    trigram: float
    english: float
    character: float
    tokens: int
    characters: int
    has_loss: bool
    loss: float
    time: float
    text: int
    prompt: int
    segment: int
    compared: int
    between: float

    @property
    def scores(self) -> Scores:
        """The scores as values, none where a score has no meaning."""
        return Scores(
            _or_none(self.bigram),
            _or_none(self.trigram),
            _or_none(self.english),
            _or_none(self.character),
            self.tokens,
            self.characters,
        )


def _or_none(value: float) -> float | None:
    return None if value != value else value  # not-a-number alone differs from itself


assert Row._fields == ROW.names  # noqa: S101 - one is made from the other, place by place


class Judged(NamedTuple):
    """A sample with its scores, the gate's verdict, and loss and SMMA at that step.

    Attributes:
        output, row: which output it is of, and its row there.
        place: which sample of its step it is.
    """

    output: int
    row: Row
    place: int
    scores: Scores
    verdict: Verdict
    loss: float | None
    smma: float | None

    @property
    def fine(self) -> bool:
        """Whether the sample is long enough to judge and not low."""
        return self.scores.scorable and not self.verdict.low

    @property
    def counts(self) -> bool:
        """Whether the sample was judged at all: too short a one is only when it is low."""
        return self.verdict.low or self.scores.scorable


class Replay:
    """The run once more: loss rows and samples in the order of their steps.

    Attributes:
        options: how to audit.
        losses: of the run.
        loss: the tracker that follows them.
        signals: both signals, as they stand.
        halted: the sample on which the gate fired.
        diagnosis: at the halt, or at the end.
        resume_from: the step of the lowest SMMA whose samples were coherent, before the collapse began.
        last: the last sample.
    """

    def __init__(self, losses: Losses, options: Options) -> None:
        self.options = options
        self.losses = losses
        window = min(SMMA_WINDOW, max(1, len(losses.steps) // 10))
        self.loss = LossTracker(options.vocab_size, window)
        gate = Gate(options.threshold, options.patience, options.window, options.warmup, options.observe)
        self.signals = Signals(gate, self.loss)
        self.halted: Judged | None = None
        self.diagnosis: Diagnosis = self.signals.diagnosis
        self.resume_from: int | None = None
        self.last: Judged | None = None
        self._best = _Best(options.window or options.patience)
        self.feed = _Feed(losses, self.loss)

    def run(self, chunks: Iterable[Chunk], see: Iterable[Callable[[Judged], None]]) -> None:
        """Go through the samples, then through what losses are left.

        Args:
            chunks: the samples in the order of their steps.
            see: each is shown every sample that was judged.
        """
        step: list[Judged] = []
        for number, row in _rows(chunks):
            if step and step[0].row.step != row.step:
                self._end_step(step)
                step = []
            if not step:
                self.feed.up_to(row.step)
            judged = self._judge(number, row, len(step))
            step.append(judged)
            for look in see:
                look(judged)
        if step:
            self._end_step(step)
        self.feed.up_to(math.inf)
        if self.halted is None:
            self.diagnosis = self.signals.diagnosis
            self.resume_from = self._best.before(math.inf)

    def _judge(self, output: int, row: Row, index: int) -> Judged:
        scores = row.scores
        verdict = self.signals.judge(scores, row.step, index)
        judged = Judged(output, row, index, scores, verdict, self.loss.loss, self.loss.smma)
        self.last = judged
        if verdict.collapsed and self.halted is None:
            self.halted = judged
            self.diagnosis = self.signals.diagnosis
            self.resume_from = self._best.before(verdict.samples[0][0])
        return judged

    def _end_step(self, judged: list[Judged]) -> None:
        compared = [each.row.between for each in judged if each.row.compared]
        for diversity in compared:
            self.signals.samples.update_between(diversity)
        alike = any(diversity < ALIKE_BELOW for diversity in compared)
        counted = [each for each in judged if each.counts]
        fine = bool(counted) and all(each.fine for each in counted)
        if fine and not alike and self.loss.trend != "not finite":
            self._best.see(judged[0].row.step, self.loss.smma)

    def last_step(self) -> int:
        """Return the last step that samples or losses tell of."""
        last = self.last.row.step if self.last else 0
        return max(last, int(self.losses.steps[-1])) if len(self.losses.steps) else last


def _rows(chunks: Iterable[Chunk]) -> Iterator[tuple[int, Row]]:
    for chunk in chunks:
        for number, values in zip(chunk.outputs.tolist(), chunk.rows.tolist(), strict=True):
            yield number, Row._make(values)


class _Feed:
    """Brings the loss up to a step, and draws its curves."""

    def __init__(self, losses: Losses, loss: LossTracker) -> None:
        self.curve = Curve(len(losses.steps) / STRETCHES)
        self.source_curves = {
            name: Curve(count / SOURCE_STRETCHES)
            for name, count in zip(losses.names, losses.count_by_source(), strict=True)
        }
        self._rows = losses.rows()
        self._next = next(self._rows, None)
        self._loss = loss

    def up_to(self, step: float) -> None:
        while self._next is not None and self._next[0] <= step:
            at, value, source = self._next
            self._loss.update(at, value, source)
            self.curve.add(at, value, self._loss.smma)
            if source is not None:
                self.source_curves[source].add(at, value, self._loss.sources[source].smma)
            self._next = next(self._rows, None)


class _Best:
    """The step of the lowest SMMA whose samples were coherent, and of those before a given step.

    Only the last few steps are kept: a collapse begins no earlier.
    """

    def __init__(self, kept: int) -> None:
        self._recent: deque[tuple[float, int]] = deque()
        self._kept = kept
        self._lowest: tuple[float, int] | None = None
        self._last: int | None = None

    def see(self, step: int, smma: float | None) -> None:
        """Take a step whose samples were coherent."""
        self._recent.append((math.inf if smma is None else smma, step))
        if len(self._recent) > self._kept:
            self._fold(self._recent.popleft())

    def _fold(self, found: tuple[float, int]) -> None:
        self._last = found[1]
        if found[0] < math.inf and (self._lowest is None or found < self._lowest):
            self._lowest = found

    def before(self, step: float) -> int | None:
        """Return the best step before one; without any loss the last."""
        for found in self._recent:
            if found[1] < step:
                self._fold(found)
        return self._lowest[1] if self._lowest else self._last
