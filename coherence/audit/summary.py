"""What a report keeps of a run's samples, aggregated as they come: it does not grow with the run.

Source: docs/report.md.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coherence.audit.rows import Batch, GatedSample
from coherence.report import (
    FourScores,
    SampleCounts,
    ScoredSample,
    StepDiversity,
    StretchRecord,
    finite_or_none,
)
from coherence.signals.fitting import LOOKED_AT
from coherence.signals.samples import ALIKE_BELOW, Values
from coherence.signals.together import KINDS, changed, columns_of

STRETCHES = 12
KEPT = 10_000
"""Samples that a report lists; if there are more, it lists every second, third, ..."""

FOLDED = 1024
"""Samples whose scores are added up at a time."""

WORST, CANDIDATES = 3, 12
"""Samples with the lowest scores that are shown, and that are kept: some of them may repeat the same."""

COLUMNS = 10_000
"""Prompts whose samples are compared from step to step."""


@dataclass(slots=True)
class Survey:
    """How large a run is: counted before the replay, so that it can be downsampled evenly.

    Attributes:
        samples: how many there are.
        compared: how often samples of one step were compared.
    """

    samples: int = 0
    compared: int = 0


class Summary:
    """Sees every judged sample of a run and keeps what its report shows.

    Attributes:
        judged, low, too_short: how many samples the gate judged, found low, skipped as too short.
        templated, empty: how many it skipped as templates; how many of the low ones hold no text.
        fine_after_halt: how many samples after the halt were fine.
        first_low_step: the step of the first low sample.
        first: the first sample.
        samples, between: for the report, downsampled.
        alike_steps: at how many of the compared steps the samples are alike; first_alike: the first of them.
        worst, best: samples to show.
        looked_at: samples to score under other profiles.
    """

    def __init__(self, survey: Survey) -> None:
        self.judged = self.low = self.too_short = self.fine_after_halt = 0
        self.templated = self.empty = 0
        self.first_low_step: int | None = None
        self.first: GatedSample | None = None
        self.samples: list[ScoredSample] = []
        self.between: list[StepDiversity] = []
        self.alike_steps = 0
        self.first_alike: int | None = None
        self.looked_at: list[GatedSample] = []
        self.greedy = _Greedy()
        self._stretch = math.ceil(survey.samples / STRETCHES)
        self._every, self._every_compared = (math.ceil(n / KEPT) for n in (survey.samples, survey.compared))
        self._every_looked_at = math.ceil(survey.samples / LOOKED_AT)
        self._seen = self._compared = 0
        self._stretches: list[_Stretch] = []
        self._last_stretch: _Stretch | None = None
        self._whole = _Means()
        self._worst_low, self._worst = Lowest(CANDIDATES), Lowest(CANDIDATES)
        self._best: tuple[float, GatedSample] | None = None

    def see(self, judged: GatedSample) -> None:
        """Take one sample."""
        if self.first is None:
            self.first = judged
        self._keep(judged)
        if judged.row.compared:
            self._compare(judged)
        self.greedy.see(judged)
        if judged.counts:
            self._count(judged)
            self._rank(judged)
        elif judged.verdict.kind == "templated":
            self.templated += 1
        else:
            self.too_short += 1

    def see_many(self, batch: Batch) -> None:
        """Take many samples, with the same effect as `see` for one after another."""
        if self.first is None:
            self.first = batch.judged(0)
        self._keep_many(batch)
        self._compare_many(batch)
        self.greedy.see_many(batch)
        self._count_many(batch)
        self._rank_many(batch)

    def _keep_many(self, batch: Batch) -> None:
        samples, at = batch.samples, 0
        while at < len(batch):
            stretch = self._stretch_of(int(samples.steps[at]))
            full = at + max(1, self._stretch - stretch.samples)
            place = int(np.searchsorted(samples.begins, full))
            end = int(samples.begins[place]) if place < len(samples.begins) else len(batch)
            stretch.see_many(batch, at, end)
            at = end
        self._whole.add_many(samples.scores)
        self.samples += _scored_many(batch, slice(-self._seen % self._every, None, self._every))
        for number in range(-self._seen % self._every_looked_at, len(batch), self._every_looked_at):
            self.looked_at.append(batch.judged(number))
        self._seen += len(batch)

    def _compare_many(self, batch: Batch) -> None:
        compared, rows = batch.samples.compared, batch.rows
        if not len(compared):
            return
        kept = compared[-self._compared % self._every_compared :: self._every_compared]
        steps, samples, between = (rows[name][kept].tolist() for name in ("step", "compared", "between"))
        self.between += StepDiversity.of_many(steps, samples, [round(each, 2) for each in between])
        self._compared += len(compared)
        alike = batch.samples.steps[compared[batch.samples.diversities[compared] < ALIKE_BELOW]]
        self.alike_steps += len(alike)
        if self.first_alike is None and len(alike):
            self.first_alike = int(alike[0])

    def _count_many(self, batch: Batch) -> None:
        judged, low = batch.samples.judged, batch.samples.low
        counts = np.bincount(batch.samples.kinds, minlength=len(KINDS)).tolist()
        of = dict(zip(KINDS, counts, strict=True))
        self.judged += int(judged.sum())
        self.low += of["low"] + of["empty"]
        self.empty += of["empty"]
        self.templated += of["templated"]
        self.too_short += of["too short"]
        self.fine_after_halt += of["fine"] if batch.collapsed else 0
        if self.first_low_step is None and low.any():
            self.first_low_step = int(batch.samples.steps[low.argmax()])

    def _rank_many(self, batch: Batch) -> None:
        judged = np.flatnonzero(batch.samples.judged)
        self._worst.see_many(batch, judged)
        self._worst_low.see_many(batch, np.flatnonzero(batch.samples.low))
        self._take_best_of_many(batch, judged)

    def _take_best_of_many(self, batch: Batch, judged: NDArray[np.int64]) -> None:
        """Take the last of the samples with the highest mean, unless it repeats the one before."""
        means, best = batch.samples.means[judged], self._best
        highest = float(means.max(initial=-math.inf))
        if best is not None and highest < best[0]:
            return
        tied = judged[means == highest]
        texts = batch.rows["text"][tied]
        others = changed(texts)
        if best is not None and best[0] == highest:
            others[:1] = texts[:1] != best[1].row.text
        if others.any():
            self._best = highest, batch.judged(int(tied[others][-1]))

    def _count(self, judged: GatedSample) -> None:
        self.judged += 1
        if judged.verdict.low:
            self.low += 1
            self.empty += judged.verdict.kind == "empty"
            if self.first_low_step is None:
                self.first_low_step = judged.row.step
        elif judged.verdict.collapsed and judged.fine:
            self.fine_after_halt += 1

    def _keep(self, judged: GatedSample) -> None:
        values = judged.scores.values
        self._stretch_of(judged.row.step).see(judged, values)
        self._whole.add([values])
        if self._seen % self._every == 0:
            self.samples.append(_scored(judged))
        if self._seen % self._every_looked_at == 0:
            self.looked_at.append(judged)
        self._seen += 1

    def _stretch_of(self, step: int) -> "_Stretch":
        last = self._last_stretch
        if last is None or (last.samples >= self._stretch and last.last != step):
            last = self._last_stretch = _Stretch(step)
            self._stretches.append(last)
        return last

    def _compare(self, judged: GatedSample) -> None:
        row = judged.row
        if self._compared % self._every_compared == 0:
            diversity = round(row.between, 2)
            self.between.append(StepDiversity(step=row.step, samples=row.compared, diversity=diversity))
        self._compared += 1
        if judged.alike:
            self.alike_steps += 1
            self.first_alike = row.step if self.first_alike is None else self.first_alike

    def _rank(self, judged: GatedSample) -> None:
        mean = judged.scores.mean
        self._worst.see(mean, judged)
        if judged.verdict.low:
            self._worst_low.see(mean, judged)
        best = self._best
        if best is None or mean > best[0] or (mean == best[0] and judged.row.text != best[1].row.text):
            self._best = mean, judged

    @property
    def unlike_profile(self) -> bool:
        """Whether most samples are templates under the profile, or none was ever fine."""
        return 2 * self.templated > self._seen or self.judged == self.low

    @property
    def worst(self) -> list[GatedSample]:
        """The samples with the lowest scores, with different texts: three empty ones would show nothing."""
        return self._worst_low.found or self._worst.found

    @property
    def best(self) -> list[GatedSample]:
        """The sample with the highest scores, unless it is among the worst."""
        if self._best is None:
            return []
        (_, best), worst = self._best, [each.address for each in self.worst]
        return [best] if best.address not in worst else []

    @property
    def counts(self) -> SampleCounts:
        """What the report counts."""
        return SampleCounts(
            judged=self.judged,
            low=self.low,
            too_short=self.too_short,
            templated=self.templated,
            empty=self.empty,
            fine_after_halt=self.fine_after_halt,
            first_low_step=self.first_low_step,
        )

    @property
    def compared(self) -> int:
        """How often samples of one step were compared."""
        return self._compared

    @property
    def stretches(self) -> tuple[StretchRecord, ...]:
        """The run cut into stretches of about equally many samples, never within a step."""
        return tuple(stretch.record() for stretch in self._stretches)

    @property
    def means(self) -> FourScores:
        """The mean scores of the whole run."""
        return self._whole.scores


class _Means:
    """The means of scores."""

    def __init__(self) -> None:
        self._sums = np.zeros(4)
        self._counts = np.zeros(4, np.int64)
        self._waiting: list[Values] = []

    def add(self, values: Sequence[Values]) -> None:
        self._waiting += values
        if len(self._waiting) >= FOLDED:
            self._fold()

    def add_many(self, values: NDArray[np.float64]) -> None:
        self._fold()
        self._add(values)

    @property
    def scores(self) -> FourScores:
        self._fold()
        pairs = zip(self._sums.tolist(), self._counts.tolist(), strict=True)
        bigram, trigram, english, character = (total / count if count else None for total, count in pairs)
        return FourScores(bigram=bigram, trigram=trigram, english=english, character=character)

    def _fold(self) -> None:
        self._add(np.array(self._waiting, np.float64).reshape(-1, 4))
        self._waiting = []

    def _add(self, values: NDArray[np.float64]) -> None:
        there = ~np.isnan(values)
        # One after another: otherwise the sum would depend on how many are added at a time.
        self._sums = np.cumsum(np.vstack([self._sums, np.where(there, values, 0.0)]), axis=0)[-1]
        self._counts += there.sum(axis=0)


class _Stretch:
    def __init__(self, step: int) -> None:
        self.first = self.last = step
        self.samples = self.low = 0
        self._smoothed: float | None = None
        self._means = _Means()

    def see(self, judged: GatedSample, values: Values) -> None:
        # A sample that came late belongs to the stretch in which it came.
        self.first, self.last = min(self.first, judged.row.step), max(self.last, judged.row.step)
        self._smoothed = judged.smoothed
        self.samples += 1
        if judged.verdict.low:
            self.low += 1
        self._means.add([values])

    def see_many(self, batch: Batch, begin: int, end: int) -> None:
        samples = batch.samples
        self.first = min(self.first, int(samples.steps[begin]))
        self.last = max(self.last, int(samples.steps[end - 1]))
        self._smoothed = batch.smoothed[samples.numbers[end - 1]]
        self.samples += end - begin
        self.low += int(samples.low[begin:end].sum())
        self._means.add_many(samples.scores[begin:end])

    def record(self) -> StretchRecord:
        return StretchRecord(
            first=self.first,
            last=self.last,
            scores=self._means.scores,
            samples=self.samples,
            low=self.low,
            smoothed=self._smoothed,
        )


class Lowest:
    """The few samples with the lowest scores; of equal texts only the lowest, and the first of these."""

    def __init__(self, most: int = WORST) -> None:
        self._most = most
        self._kept: dict[int, tuple[float, int]] = {}  # by text: the mean score, and when it came
        self._samples: dict[int, GatedSample] = {}
        self._seen = 0
        self._highest = math.inf  # lower once there are enough

    def see_many(self, batch: Batch, numbers: NDArray[np.int64]) -> None:
        """Take the samples of a batch that have these numbers."""
        before, means, kept = self._seen, batch.samples.means[numbers], dict[int, int]()
        near = np.flatnonzero(means < self._highest)
        for place, mean in zip(near.tolist(), means[near].tolist(), strict=True):
            if mean < self._highest:  # lower by now
                self._seen, number = before + place, int(numbers[place])
                text = int(batch.rows["text"][number])
                if self._keeps(mean, text):
                    kept[text] = number
        self._seen = before + len(numbers)
        self._samples |= {text: batch.judged(number) for text, number in kept.items() if text in self._kept}

    def see(self, mean: float, judged: GatedSample) -> None:
        """Take one sample and its mean score."""
        if self._keeps(mean, judged.row.text):
            self._samples[judged.row.text] = judged

    def _keeps(self, mean: float, text: int) -> bool:
        """Take a mean score and a text; return whether the sample is to be kept."""
        self._seen += 1
        if mean >= self._highest:
            return False
        if text in self._kept:
            if mean >= self._kept[text][0]:
                return False
        elif len(self._kept) == self._most:
            dropped = max(self._kept.items(), key=lambda each: each[1])[0]
            del self._kept[dropped]
            self._samples.pop(dropped, None)
        self._kept[text] = mean, self._seen
        if len(self._kept) == self._most:
            self._highest = max(each[0] for each in self._kept.values())
        return True

    @property
    def found(self) -> list[GatedSample]:
        """The samples, the lowest first."""
        return [self._samples[text] for text, _ in sorted(self._kept.items(), key=lambda each: each[1])]


class _Greedy:
    """Counts the samples that repeat that of the previous step exactly; a loop may also do so."""

    def __init__(self) -> None:
        self._texts: dict[tuple[int, int], int] = {}
        self._pairs = self._equal = 0

    def see(self, judged: GatedSample) -> None:
        if not judged.verdict.low and judged.verdict.kind != "too short":
            self.add(judged.row.text, judged.row.prompt, judged.place)

    def see_many(self, batch: Batch) -> None:
        kinds, rows = batch.samples.kinds, batch.rows
        seen = ~batch.samples.low & (kinds != KINDS.index("too short")) & (rows["text"] != 0)
        columns = rows["text"][seen], rows["prompt"][seen], batch.samples.places[seen]
        order = np.lexsort(columns[1:])  # the samples of a prompt and place one after another
        texts, prompts, places = (column[order] for column in columns)
        begins = np.flatnonzero(changed(prompts) | changed(places))
        ends = np.append(begins, len(order))[1:] - 1
        equal = np.cumsum(~changed(texts))
        told = (order[begins], texts[begins], prompts[begins], places[begins], texts[ends])
        counts = (ends - begins, equal[ends] - equal[begins])
        for _, text, prompt, place, last, pairs, equals in sorted(
            zip(*(each.tolist() for each in (*told, *counts)), strict=True)
        ):
            self.add(text, prompt, place)
            if (place, prompt) in self._texts:
                self._texts[place, prompt] = last
                self._pairs += pairs
                self._equal += equals

    def add(self, text: int, prompt: int, place: int) -> None:
        column = place, prompt
        if not text:
            return
        before = self._texts.get(column)
        if before is not None:
            self._pairs += 1
            self._equal += before == text
        elif len(self._texts) == COLUMNS:
            return
        self._texts[column] = text

    def __bool__(self) -> bool:
        return self._pairs >= 3 and self._equal > self._pairs / 2


def _scored(judged: GatedSample) -> ScoredSample:
    return ScoredSample(
        step=judged.row.step,
        index=judged.place,
        scores=FourScores.of(judged.scores),
        tokens=judged.row.tokens,
        low=judged.verdict.low,
        streak=judged.verdict.streak,
        loss=judged.loss,
        smoothed=judged.smoothed,
    )


def _scored_many(batch: Batch, picked: slice) -> list[ScoredSample]:
    samples, numbers = batch.samples, batch.samples.numbers[picked].tolist()
    loss, smoothed = (list(map(finite_or_none, each)) for each in (batch.loss, batch.smoothed))
    return ScoredSample.of_many(
        samples.steps[picked].tolist(),
        samples.places[picked].tolist(),
        FourScores.of_many(*columns_of(samples.scores[picked])),
        batch.rows["tokens"][picked].tolist(),
        samples.low[picked].tolist(),
        batch.streaks[picked].tolist(),
        [loss[number] for number in numbers],
        [smoothed[number] for number in numbers],
    )
