"""A run once more: its samples put to the gate in the order of their steps, its losses beside them.

Source: docs/report.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from coherence.diagnosis import Diagnosis
from coherence.gate import Gate, Verdict
from coherence.lexicon import Lexicon
from coherence.loss import LossTracker
from coherence.profile import Profile
from coherence.records import LossRow, Sample, StepDiversity
from coherence.samples import ALIKE_BELOW
from coherence.scores import Scores
from coherence.signals import Signals

SMMA_WINDOW = 100
"""Rows of loss; a log of few rows is smoothed over a tenth of them, or its SMMA would never arrive."""


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


@dataclass(frozen=True, slots=True)
class Judged:
    """A sample with its scores, the gate's verdict, and loss and SMMA at that step."""

    sample: Sample
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
        judged: the samples, in that order.
        between: diversity between the samples of each step that has several.
        coherent: (SMMA, step) of the steps whose samples were all fine and not alike.
        halted: the sample on which the gate fired.
        diagnosis: at the halt, or at the end.
    """

    def __init__(self, losses: Sequence[LossRow], options: Options) -> None:
        self.options = options
        self.losses = sorted(losses, key=attrgetter("step"))
        window = min(SMMA_WINDOW, max(1, len(losses) // 10))
        self.loss = LossTracker(options.vocab_size, window)
        gate = Gate(options.threshold, options.patience, options.window, options.warmup, options.observe)
        self.signals = Signals(gate, self.loss, options.lexicon, options.profile)
        self.judged: list[Judged] = []
        self.between: list[StepDiversity] = []
        self.coherent: list[tuple[float | None, int]] = []
        self.halted: Judged | None = None
        self.diagnosis: Diagnosis | None = None
        self._fed = 0

    def run(self, samples: Iterable[Sample]) -> None:
        """Go through the samples, then through what losses are left."""
        for step, group in groupby(sorted(samples, key=attrgetter("step")), key=attrgetter("step")):
            self._feed(step)
            self._take_step(step, list(group))
        self._feed(None)
        if self.diagnosis is None:
            self.diagnosis = self.signals.diagnosis

    def _feed(self, step: int | None) -> None:
        """Bring the loss up to a step, or to its end."""
        while self._fed < len(self.losses) and (step is None or self.losses[self._fed].step <= step):
            row = self.losses[self._fed]
            self.loss.update(step=row.step, loss=row.loss, source=row.source)
            self._fed += 1

    def _take_step(self, step: int, samples: list[Sample]) -> None:
        judged = [self._judge(sample) for sample in samples]
        self.judged += judged
        alike = self._compare([each.sample for each in judged if each.scores.scorable])
        counted = [each for each in judged if each.counts]
        fine = bool(counted) and all(each.fine for each in counted)
        if fine and not alike and self.loss.trend != "not finite":
            self.coherent.append((self.loss.smma, step))

    def _judge(self, sample: Sample) -> Judged:
        scores, verdict = self.signals.judge(sample.text, sample.prompt, sample.step, sample.index)
        judged = Judged(sample, scores, verdict, self.loss.loss, self.loss.smma)
        if verdict.collapsed and self.halted is None:
            self.halted = judged
            self.diagnosis = self.signals.diagnosis
        return judged

    def _compare(self, samples: list[Sample]) -> bool:
        """Compare the samples of one step; tell whether they are alike."""
        diversity = self.signals.compare([(sample.text, sample.prompt) for sample in samples])
        if diversity is None:
            return False
        self.between.append(
            StepDiversity(step=samples[0].step, samples=len(samples), diversity=round(diversity, 2))
        )
        return diversity < ALIKE_BELOW

    def resume_from(self) -> int | None:
        """Return the step of the lowest SMMA whose samples were coherent, before the collapse began."""
        collapse = self.halted.verdict.samples[0][0] if self.halted else None
        before = [(smma, step) for smma, step in self.coherent if collapse is None or step < collapse]
        if smoothed := [(smma, step) for smma, step in before if smma is not None]:
            return min(smoothed)[1]
        return before[-1][1] if before else None

    def last_step(self) -> int:
        """Return the last step that samples or losses tell of."""
        return max([self.judged[-1].sample.step, *(row.step for row in self.losses[-1:])])
