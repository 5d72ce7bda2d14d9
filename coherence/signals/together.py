"""Many samples put to both signals at once, with the same result as one after another.

It needs numpy, so the loop does not load it. Source: docs/signals.md.
"""

from collections.abc import Sequence
from functools import cached_property
from math import inf, isfinite
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from coherence.scoring.scores import Kind
from coherence.scoring.word_order import Neighbours
from coherence.signals.both import Signals
from coherence.signals.checkpoint import StepSeen
from coherence.signals.gate import LATE, LOW, Gate, Position
from coherence.signals.samples import RECENT, SampleTracker, Seen, Values, higher, mean

NEAR_ENOUGH = 1e-6
"""More than the error of a sum of a few scores that is not rounded only once, as `fsum` does."""

Loss = tuple[float | None, float | None]
"""The last loss at a step, as logged and smoothed; None without losses."""

KINDS: tuple[Kind, ...] = get_args(Kind)
"""A kind as a number is its place here."""

FINE, TOO_SHORT = KINDS.index("fine"), KINDS.index("too short")
_IS_LOW = np.array([kind in LOW for kind in KINDS])
_IS_JUDGED = _IS_LOW | (np.arange(len(KINDS)) == FINE)


class Samples:
    """Samples in the order of their steps, as columns.

    Args:
        steps, places: of each sample, its step and its index there.
        kinds: as the gate classifies them, see `KINDS`.
        scores: four columns, not-a-number for a score that has no meaning.
        words: the number of each one-word answer.
        orders: two columns, see `Neighbours`; without pairs there is no order.
        diversities: how different the samples of the step are from each other, against passages, at the
            sample at which they are compared; else not-a-number.

    Attributes:
        begins: the number of the first sample of each step.
    """

    def __init__(
        self,
        steps: NDArray[np.int64],
        places: NDArray[np.int64],
        kinds: NDArray[np.int8],
        scores: NDArray[np.float64],
        words: NDArray[np.uint32],
        orders: NDArray[np.int64],
        diversities: NDArray[np.float64],
    ) -> None:
        self.steps, self.places, self.kinds, self.scores = steps, places, kinds, scores
        self.words, self.orders, self.diversities = words, orders, diversities
        self.begins = np.flatnonzero(changed(steps))

    def __len__(self) -> int:
        return len(self.steps)

    def first(self, count: int) -> "Samples":
        """Return the first samples."""
        if count == len(self):
            return self
        return Samples(
            self.steps[:count],
            self.places[:count],
            self.kinds[:count],
            self.scores[:count],
            self.words[:count],
            self.orders[:count],
            self.diversities[:count],
        )

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """For each sample, the number of its step."""
        sizes = np.diff(np.append(self.begins, len(self)))
        return np.repeat(np.arange(len(sizes)), sizes)

    @cached_property
    def compared(self) -> NDArray[np.int64]:
        """The numbers of the samples at which those of a step are compared."""
        return np.flatnonzero(~np.isnan(self.diversities))

    @cached_property
    def low(self) -> NDArray[np.bool_]:
        """Which samples are low or empty."""
        return np.asarray(_IS_LOW[self.kinds])

    @cached_property
    def judged(self) -> NDArray[np.bool_]:
        """Which samples are judged: all but templates and those that are too short."""
        return np.asarray(_IS_JUDGED[self.kinds])

    @cached_property
    def means(self) -> NDArray[np.float64]:
        """The mean of the scores of each sample, as `mean_of` adds them up."""
        there = ~np.isnan(self.scores)
        sums = np.zeros(len(self))
        for column in np.where(there, self.scores, 0.0).T:
            sums += column
        return np.asarray(sums / np.maximum(there.sum(axis=1), 1))

    def values(self, number: int) -> Values:
        """Return the scores of a sample, None for a score that has no meaning."""
        return values_of(self.scores[number : number + 1])[0]


def changed(column: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which values of a column differ from the one before; the first one does.

    >>> changed(np.array([100, 100, 200])).tolist()
    [True, False, True]
    """
    return np.append(np.ones(min(1, len(column)), bool), column[1:] != column[:-1])


def values_of(scores: NDArray[np.float64]) -> list[Values]:
    """Return the four scores of each sample, None for a score that has no meaning.

    >>> values_of(np.array([[80.0, np.nan, 40.0, 60.0]]))
    [(80.0, None, 40.0, 60.0)]
    """
    return list(zip(*columns_of(scores), strict=True))


def columns_of(scores: NDArray[np.float64]) -> list[list[float | None]]:
    """Return the scores of samples scale by scale, None for a score that has no meaning."""
    found: list[list[float | None]] = scores.T.tolist()
    for row, scale in np.argwhere(np.isnan(scores)).tolist():
        found[scale][row] = None
    return found


def streaks(gate: Gate, samples: Samples) -> NDArray[np.int64]:
    """Return the streak after each sample, up to the one that halts, which is left out.

    Args:
        gate: before the samples; it takes many at once.
        samples: after which the streak is counted.
    """
    if gate.halted:
        return np.zeros(len(samples), np.int64)
    low, fine = _counting(gate, samples)
    lows = np.cumsum(low)
    found: NDArray[np.int64] = lows - np.maximum.accumulate(np.where(fine, lows, -gate.streak))
    halting = np.flatnonzero(found >= gate.patience)
    return found[: halting[0]] if len(halting) else found


def _counting(gate: Gate, samples: Samples) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which samples count towards a halt, and which end a streak."""
    counts = samples.steps >= gate.warmup
    return samples.low & counts, (samples.kinds == FINE) & counts


def judge(signals: Signals, samples: Samples, losses: Sequence[Loss]) -> None:
    """Put samples to the signals that do not halt the run, as `Signals.judge` takes them one by one.

    Args:
        signals: of the run; its gate takes many samples at once.
        samples: at least one; see `streaks` for how many do not halt.
        losses: at each of their steps.
    """
    gate, tracker, checkpoint = signals.gate, signals.samples, signals.checkpoint
    begins = signals.begins(int(samples.steps[0]), int(samples.places[0]))
    alike = [tracker.alike]
    for diversity in samples.diversities[samples.compared].tolist():
        tracker.update_between(diversity)
        alike.append(tracker.alike)
    tracker.update_many(_seen(samples, tracker, gate.halted, signals.profile.is_english))
    steps = _steps_seen(samples, alike, gate.threshold, losses)
    if not begins:
        judged = samples.judged & (samples.numbers == 0)
        checkpoint.go_on(steps.pop(0), values_of(samples.scores[judged]))
    checkpoint.take(steps)
    gate.pass_over(_positions(samples), *_counting_at_the_end(gate, samples))
    last = samples.numbers[-1]
    compared = bool((samples.numbers[samples.compared] == last).any())
    signals.move_to(int(samples.steps[-1]), int(samples.places[-1]), compared, begins or last > 0)


def _positions(samples: Samples) -> list[tuple[int, range]]:
    """Return the last steps, more than a gate remembers, with the places of their samples."""
    begins = samples.begins[-LATE - 1 :]
    ends = np.append(begins[1:], len(samples)) - 1
    told = samples.steps[begins], samples.places[begins], samples.places[ends]
    columns = (column.tolist() for column in told)
    return [(step, range(first, last + 1)) for step, first, last in zip(*columns, strict=True)]


def _counting_at_the_end(gate: Gate, samples: Samples) -> tuple[bool, list[tuple[Position, Kind]]]:
    """Return whether a streak has ended, and the low samples that count towards a halt since then."""
    low, fine = _counting(gate, samples)
    ended = np.flatnonzero(fine)
    found = np.flatnonzero(low[ended[-1] :]) + ended[-1] if len(ended) else np.flatnonzero(low)
    columns = (column[found].tolist() for column in (samples.steps, samples.places, samples.kinds))
    return len(ended) > 0, [((step, place), KINDS[kind]) for step, place, kind in zip(*columns, strict=True)]


def _seen(samples: Samples, tracker: SampleTracker, collapsed: bool, is_english: bool) -> Seen:
    judged = np.flatnonzero(samples.judged)
    kinds = samples.kinds[samples.kinds != TOO_SHORT][-RECENT:].tolist()
    last = judged[-RECENT:]
    orders = samples.orders[last].tolist() if is_english else [(0, 0)] * len(last)
    words = np.where(samples.kinds == TOO_SHORT, samples.words, 0)
    other = np.flatnonzero(words != words[-1])[-1:].tolist() or [0]  # before it, nothing matters any more
    since = other[0] if words[-1] else len(words) - 1
    return Seen(
        collapsed=collapsed,
        drawn=[KINDS[kind] for kind in samples.kinds[-RECENT:].tolist()],
        kinds=[KINDS[kind] for kind in kinds],
        steps=samples.steps[judged].tolist(),
        low=np.flatnonzero(samples.low[judged]).tolist(),
        values=values_of(samples.scores[last]),
        orders=[Neighbours(*order) if order[1] else None for order in orders],
        best=_best_means(tracker, samples.scores[judged]),
        words=list(zip(words[since:].tolist(), samples.steps[since:].tolist(), strict=True)),
    )


def _best_means(tracker: SampleTracker, scores: NDArray[np.float64]) -> Values:
    """Return the highest means of `RECENT` samples in a row so far, with those of more samples."""
    before = np.array(list(tracker.values), np.float64).reshape(-1, scores.shape[1])
    columns = np.vstack([before, scores]).T
    return tuple(_best_mean(*pair) for pair in zip(tracker.best, columns, strict=True))


def _best_mean(best: float | None, column: NDArray[np.float64]) -> float | None:
    windows = len(column) - RECENT + 1
    if windows < 1:
        return best
    there = ~np.isnan(column)
    filled = np.where(there, column, 0.0)
    counts = sum(there[at : at + windows].astype(np.int64) for at in range(RECENT))
    about = sum(filled[at : at + windows] for at in range(RECENT)) / np.maximum(counts, 1)
    highest = max(about.max(), -1.0 if best is None else best)
    # Few means are the highest: the exact sum is computed only for those.
    for begin in np.flatnonzero((about > highest - NEAR_ENOUGH) & (counts > 0)).tolist():
        window = [value for value in column[begin : begin + RECENT].tolist() if value == value]
        best = higher(best, mean(window))
        if best == filled.max() and there.all():
            break
    return best


def _steps_seen(
    samples: Samples, alike: Sequence[bool], threshold: float, losses: Sequence[Loss]
) -> list[StepSeen]:
    """Return what the checkpoint rule takes of each step.

    Args:
        samples: of the steps.
        alike: whether samples were alike before the first comparison, and after each.
        threshold: of the gate.
        losses: at each step.
    """
    size = len(samples.begins)
    numbers, columns = samples.numbers[samples.judged], samples.scores[samples.judged].T
    there = ~np.isnan(columns)
    judged = np.bincount(numbers, minlength=size) > 0
    poor = np.bincount(numbers, _poor(samples, threshold)[samples.judged], size) > 0
    # This adds one after another, as the rule does.
    sums = [
        np.bincount(numbers[each], column[each], size) for each, column in zip(there, columns, strict=True)
    ]
    counts = [np.bincount(numbers[each], minlength=size) for each in there]
    of_compared = samples.numbers[samples.compared]
    lowest = np.full(size, inf)
    np.minimum.at(lowest, of_compared, samples.diversities[samples.compared])
    latest = np.searchsorted(of_compared, np.arange(size), side="right")
    told = (samples.steps[samples.begins], np.transpose(sums), np.transpose(counts), poor)
    found = [StepSeen(*each) for each in zip(*(column.tolist() for column in told), strict=True)]
    rest = zip(judged.tolist(), lowest.tolist(), latest.tolist(), losses, strict=True)
    for seen, (any_judged, diversity, number, (loss, smoothed)) in zip(found, rest, strict=True):
        if any_judged:
            seen.smoothed, seen.finite = smoothed, loss is None or isfinite(loss)
        if diversity < inf:
            seen.diversity = diversity
        seen.alike = alike[number] and (any_judged or diversity < inf)
    return found


def _poor(samples: Samples, threshold: float) -> NDArray[np.bool_]:
    """Tell which samples are low, or have a mean of their scores below the threshold."""
    return np.asarray(samples.low | (samples.means < threshold))
