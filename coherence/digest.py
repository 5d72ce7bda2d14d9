"""What a report keeps of a run's samples, folded as they come: it does not grow with the run.

Source: docs/report.md.
"""

import math
from collections import deque
from dataclasses import dataclass

from coherence.records import FourScores, ScoredSample, StepDiversity, StretchRecord
from coherence.replay import Judged
from coherence.samples import ALIKE_BELOW

STRETCHES = 12
KEPT = 10_000
"""Samples that a report lists; of more it lists every second, third, ..."""

WORST = 3
COLUMNS = 10_000
"""Prompts whose samples are followed from step to step."""


@dataclass(slots=True)
class Survey:
    """How much there is of a run: counted before it is gone through, so that it can be thinned out evenly.

    Attributes:
        samples: how many there are.
        compared: at how many places samples of one step were compared.
    """

    samples: int = 0
    compared: int = 0


class Digest:
    """Sees every judged sample of a run and keeps what its report shows.

    Attributes:
        judged, low, too_short: how many samples the gate judged, found low, passed over as too short.
        fine_after_halt: samples after the halt that were fine.
        first_low_step: the step of the first low sample.
        first: the first sample.
        samples, between: for the report, thinned out.
        alike_steps: at how many of the steps that were compared the samples are alike; first_alike the first.
        worst, best: samples to read.
    """

    def __init__(self, survey: Survey, patience: int) -> None:
        self.judged = self.low = self.too_short = self.fine_after_halt = 0
        self.first_low_step: int | None = None
        self.first: Judged | None = None
        self.samples: list[ScoredSample] = []
        self.between: list[StepDiversity] = []
        self.alike_steps = 0
        self.first_alike: int | None = None
        self.greedy = _Greedy()
        self._survey = survey
        self._seen = self._compared = 0
        self._stretches: list[_Stretch] = []
        self._whole = _Stretch(0)
        self._worst_low, self._worst = _Lowest(), _Lowest()
        self._best: tuple[float, Judged] | None = None
        self._last: deque[Judged] = deque(maxlen=patience)

    def see(self, judged: Judged) -> None:
        """Take one sample."""
        self.first = self.first or judged
        self._count(judged)
        self._keep(judged)
        self._compare(judged)
        self.greedy.see(judged)
        if judged.counts:
            self._rank(judged)
            self._last.append(judged)

    def _count(self, judged: Judged) -> None:
        self.judged += judged.counts
        self.too_short += not judged.counts
        self.fine_after_halt += judged.fine and judged.verdict.collapsed
        if judged.verdict.low:
            self.low += 1
            if self.first_low_step is None:
                self.first_low_step = judged.row.step

    def _keep(self, judged: Judged) -> None:
        last = self._stretches[-1] if self._stretches else None
        full = last is not None and last.samples >= math.ceil(self._survey.samples / STRETCHES)
        if last is None or (full and last.last != judged.row.step):
            last = _Stretch(judged.row.step)
            self._stretches.append(last)
        last.see(judged)
        self._whole.see(judged)
        if self._seen % math.ceil(self._survey.samples / KEPT) == 0:
            self.samples.append(_scored(judged))
        self._seen += 1

    def _compare(self, judged: Judged) -> None:
        row = judged.row
        if not row.compared:
            return
        if self._compared % math.ceil(self._survey.compared / KEPT) == 0:
            diversity = round(row.between, 2)
            self.between.append(StepDiversity(step=row.step, samples=row.compared, diversity=diversity))
        self._compared += 1
        if row.between < ALIKE_BELOW:
            self.alike_steps += 1
            self.first_alike = row.step if self.first_alike is None else self.first_alike

    def _rank(self, judged: Judged) -> None:
        mean = mean_score(judged)
        self._worst.see(mean, judged)
        if judged.verdict.low:
            self._worst_low.see(mean, judged)
        best = self._best
        if best is None or mean > best[0] or (mean == best[0] and judged.row.text != best[1].row.text):
            self._best = mean, judged

    @property
    def worst(self) -> list[Judged]:
        """The samples with the lowest scores, no two alike: three empty ones teach nothing."""
        return self._worst_low.found or self._worst.found

    @property
    def best(self) -> list[Judged]:
        """The sample with the highest scores, unless it is among the worst."""
        return [self._best[1]] if self._best and self._best[1] not in self.worst else []

    @property
    def compared(self) -> int:
        """At how many places samples of one step were compared."""
        return self._compared

    @property
    def stretches(self) -> tuple[StretchRecord, ...]:
        """The run cut into stretches of about as many samples, never within a step."""
        return tuple(stretch.record() for stretch in self._stretches)

    @property
    def means(self) -> FourScores:
        """The mean scores of the whole run."""
        return self._whole.record().scores

    @property
    def recovered(self) -> bool:
        """Whether the last samples, as many as would halt, are fine after the halt."""
        return all(each.fine and each.verdict.collapsed for each in self._last)


class _Stretch:
    def __init__(self, step: int) -> None:
        self.first = self.last = step
        self.samples = self.low = 0
        self._smma: float | None = None
        self._sums = [0.0] * 4
        self._counts = [0] * 4

    def see(self, judged: Judged) -> None:
        self.last, self._smma = judged.row.step, judged.smma
        self.samples += 1
        self.low += judged.verdict.low
        for place, value in enumerate(judged.scores.values):
            if value is not None:
                self._sums[place] += value
                self._counts[place] += 1

    def record(self) -> StretchRecord:
        pairs = zip(self._sums, self._counts, strict=True)
        bigram, trigram, english, character = (total / count if count else None for total, count in pairs)
        scores = FourScores(bigram=bigram, trigram=trigram, english=english, character=character)
        return StretchRecord(
            first=self.first,
            last=self.last,
            scores=scores,
            samples=self.samples,
            low=self.low,
            smma=self._smma,
        )


class _Lowest:
    """The few samples with the lowest scores, of equal texts the lowest and first."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[float, int, Judged]] = {}
        self._seen = 0

    def see(self, mean: float, judged: Judged) -> None:
        self._seen += 1
        if judged.row.text in self._kept:
            if mean >= self._kept[judged.row.text][0]:
                return
        elif len(self._kept) == WORST:
            text, highest = max(self._kept.items(), key=lambda each: each[1][:2])
            if mean >= highest[0]:
                return
            del self._kept[text]
        self._kept[judged.row.text] = mean, self._seen, judged

    @property
    def found(self) -> list[Judged]:
        return [each[2] for each in sorted(self._kept.values(), key=lambda each: each[:2])]


class _Greedy:
    """Counts the samples that repeat the one of the step before word for word."""

    def __init__(self) -> None:
        self._texts: dict[tuple[int, int], int] = {}
        self._pairs = self._equal = 0

    def see(self, judged: Judged) -> None:
        text, column = judged.row.text, (judged.place, judged.row.prompt)
        if not text or (column not in self._texts and len(self._texts) == COLUMNS):
            return
        before = self._texts.get(column)
        if before is not None:
            self._pairs += 1
            self._equal += before == text
        self._texts[column] = text

    def __bool__(self) -> bool:
        return self._pairs >= 3 and self._equal > self._pairs / 2


def mean_score(judged: Judged) -> float:
    """Return the mean of the scores that a sample has."""
    values = [value for value in judged.scores.values if value is not None]
    return sum(values) / len(values) if values else 0.0


def _scored(judged: Judged) -> ScoredSample:
    return ScoredSample(
        step=judged.row.step,
        index=judged.place,
        scores=FourScores.of(judged.scores),
        tokens=judged.row.tokens,
        low=judged.verdict.low,
        streak=judged.verdict.streak,
        loss=judged.loss,
        smma=judged.smma,
    )
