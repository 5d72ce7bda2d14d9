"""Tests whether one set of samples is worse than another by more than chance: permutation test and interval.

Pure functions on arrays. Rows are samples, columns are quantities, in points from 0 to 100; not-a-number if
a sample has no value. Source: docs/ci.md, "What is computed"; Phipson and Smyth (2010),
"Permutation p-values should never be zero"; Newcombe (1998), method 10.
"""

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SEED = 1
PERMUTATIONS = 9_999
"""This makes the smallest possible p-value one in 10,000."""

BLOCK, FEWEST_DEALS = 500, 2_000
"""After each block of permutations it is checked whether more are needed; at least this many are drawn."""

SURE = 6.0
"""No more permutations are drawn if a p-value is this many standard deviations above the level."""

FEWEST = 20
"""Values on a side; with fewer nothing is compared."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Strata = NDArray[np.int64]


class Change(NamedTuple):
    """How a mean differs between two sets of samples.

    Attributes:
        before, now: the means; with several strata, means of those, weighted equally on both sides.
        error: the standard error of `now - before`.
        size_before, size_now: how many values went into them.
        least: the smallest p-value that permuting the values can give.
    """

    before: float
    now: float
    error: float
    size_before: int
    size_now: int
    least: float

    @property
    def size(self) -> float:
        """How many values on each side would give the same error if both had equally many."""
        return 2 / (1 / self.size_before + 1 / self.size_now)


class Design(NamedTuple):
    """Which samples may change sides, one entry each.

    Attributes:
        now: whether it is on the side that is judged.
        strata: the number of its stratum, from 0; samples are permuted only within a stratum.
        units: the number of its unit, from 0, within a stratum and side; units are permuted as a whole.
    """

    now: Flags
    strata: Strata
    units: Strata

    @classmethod
    def plain(cls, before: int, now: int) -> "Design":
        """Return the design in which any samples may be exchanged."""
        size = before + now
        return cls(np.arange(size) >= before, np.zeros(size, np.int64), np.arange(size))

    def only(self, kept: Flags) -> "Design":
        """Return the design of some of the samples, renumbered."""
        strata, units = (np.unique(column[kept], return_inverse=True)[1] for column in self[1:])
        return Design(self.now[kept], strata, units)


def shared_strata(before: Sequence[str], now: Sequence[str]) -> tuple[Strata, Strata] | None:
    """Number the strata that both sides have; all others together are one more stratum, the last.

    None if less than half of a side is in strata that the other side has too: then there is nothing to
    stratify by.

    >>> before, now = shared_strata(["a", "a", "b"], ["b", "c", "a"])
    >>> before.tolist(), now.tolist()
    ([0, 0, 1], [1, 2, 0])
    >>> shared_strata(["a", "b"], ["c", "d"]) is None
    True
    """
    numbers = {name: number for number, name in enumerate(sorted(set(before).intersection(now)))}
    rest = len(numbers)
    found = [np.array([numbers.get(name, rest) for name in side], np.int64) for side in (before, now)]
    if not numbers or any(2 * np.count_nonzero(side < rest) < len(side) for side in found):
        return None
    return found[0], found[1]


def measure_change(values: Floats, design: Design) -> Change | None:
    """Return how the mean of one column differs; None if no stratum has a value on both sides.

    A stratum with `n0` values before and `n1` now has the weight `n0 * n1 / (n0 + n1)`, which minimises the
    standard error; that is the one of permuting the units, after the change itself is subtracted.

    >>> found = measure_change(np.array([1.0, 3, 2, 4]), Design.plain(2, 2))
    >>> found.before, found.now, found.size, round(found.error, 2)
    (2.0, 3.0, 2.0, 1.41)
    """
    there = ~np.isnan(values)
    values, design = values[there], design.only(there)
    kept = (_by_stratum(design).min(axis=0) > 0)[design.strata]
    if not kept.any():
        return None
    values, design = values[kept], design.only(kept)
    counts = _by_stratum(design)
    weights = counts.prod(axis=0) / counts.sum(axis=0)
    before, now = (_by_stratum(design, values) / counts @ weights / weights.sum()).tolist()
    units = _units(design)
    dealt = _by_stratum(units)
    error = _error(values - (now - before) * design.now, design, dealt) / float(weights.sum())
    size_before, size_now = counts.sum(axis=1).tolist()
    return Change(before, now, error, int(size_before), int(size_now), _least(dealt))


def _by_stratum(design: Design, values: Floats | None = None) -> Floats:
    """Return the number of values of each stratum on each side, or their sum."""
    size = int(design.strata.max(initial=0)) + 1
    one = np.ones(len(design.now)) if values is None else values
    return np.array([np.bincount(design.strata, one * (design.now == side), size) for side in (False, True)])


def _units(design: Design) -> Design:
    """Return the design with the units as its entries."""
    first = np.unique(design.units, return_index=True)[1]
    return Design(design.now[first], design.strata[first], np.arange(len(first)))


def _error(values: Floats, design: Design, dealt: Floats) -> float:
    """Return the standard deviation of the sum over one side when the units are permuted."""
    sums = np.bincount(design.units, _centred(values[:, None], design.strata)[:, 0])
    squares = np.bincount(_units(design).strata, sums**2)
    sizes = dealt.sum(axis=0)
    spare = len(sums) - len(sizes) - 1  # a mean for each stratum and the change were fitted
    if spare < 1:
        return math.inf
    variance = float((dealt.prod(axis=0) / (sizes * np.maximum(sizes - 1, 1)) * squares).sum())
    return math.sqrt(variance * (spare + 1) / spare)


def _least(counts: Floats) -> float:
    """Return one over the number of permutations of the units, or the limit of 9,999 permutations."""
    ways = math.fsum(_log_ways(int(before), int(now)) for before, now in counts.T)
    return max(math.exp(-ways), 1 / (PERMUTATIONS + 1))


def _log_ways(before: int, now: int) -> float:
    return math.lgamma(before + now + 1) - math.lgamma(before + 1) - math.lgamma(now + 1)


class Falls(NamedTuple):
    """The result of permuting the units of two sides, for each column.

    Attributes:
        p: for each column, the probability of so large a fall if the two sides did not differ.
        near: for each column, the lower bound of changes that are within chance.
        far: for each column, how far the change may be from its estimate, on the worse side.
    """

    p: Floats
    near: Floats
    far: Floats


def falls(values: Floats, design: Design, level: float, miss: float) -> Falls:
    """Permute the units of each stratum between the two sides, as wholes, and measure how the means change.

    9,999 times, or at least 2,000 if all p-values are far above the level by then. `p = (1 + as large
    falls) / (1 + permutations)`. The result is the same for any order of the samples, and every time.

    Args:
        values: of both sides, one row per sample.
        design: which rows may change sides.
        level: the p-value up to which a fall is beyond chance.
        miss: the chance that `far` is too small.

    Returns:
        p, near and far; a p-value is at most the level exactly if the fall is beyond `near`.

    >>> column = np.array([[50.0], [51], [52], [53], [10], [11], [12], [13]])
    >>> found = falls(column, Design.plain(4, 4), 0.05, 0.05)
    >>> bool(abs(found.p[0] - 1 / 70) < 0.005), bool(found.near[0] > -40)
    (True, True)
    """
    sums, weights = _of_units(values, design)
    now, strata, _ = _units(design)
    order = np.lexsort((*sums.T, strata))
    sums, now, strata = sums[order], now[order], strata[order]
    observed = now @ sums
    # A tolerance for equality: another order of summation does not make the fall smaller.
    bound = observed + 1e-9 * (1 + np.abs(sums).sum(axis=0))
    dealt = np.concatenate(list(_deals(sums, now, strata, bound, level)))
    rank = max(1, math.floor(level * (1 + len(dealt))))
    # If units differ in size, the change of their means is not exactly that of the samples' means.
    shift = np.array([_change(column, design) for column in values.T]) - observed / weights
    near = np.partition(dealt, rank - 1, axis=0)[rank - 1] / weights
    near += shift - 1e-9 * (1 + np.abs(near))  # an equal fall is not beyond it
    rarest = math.floor(miss * len(dealt))
    far = -np.partition(dealt, rarest, axis=0)[rarest] / weights
    return Falls((1 + np.count_nonzero(dealt <= bound, axis=0)) / (1 + len(dealt)), near, far)


def _of_units(values: Floats, design: Design) -> tuple[Floats, Floats]:
    """Return each unit's part of the sum over its side, and the divisor that turns such a sum into a change.

    A unit adds its mean minus that of its stratum, times the number of values per unit of the stratum, so
    that a side does not differ merely because more samples of each prompt were drawn.
    """
    units, columns, weights = _units(design), [], []
    size = int(design.strata.max(initial=0)) + 1
    for column in values.T:
        there = ~np.isnan(column)
        counts = np.bincount(design.units, there)
        means = np.bincount(design.units, np.where(there, column, 0.0)) / np.maximum(counts, 1)
        means[counts == 0] = np.nan
        sides = [
            np.bincount(units.strata, (counts > 0) & (units.now == side), size) for side in (False, True)
        ]
        both = np.maximum(sides[0] + sides[1], 1)
        values_of_one = np.bincount(units.strata, counts, size) / both
        columns.append(_centred(means[:, None], units.strata)[:, 0] * values_of_one[units.strata])
        weights.append(max(float((values_of_one * sides[0] * sides[1] / both).sum()), 1e-12))
    return np.array(columns).reshape(len(columns), -1).T.round(9), np.array(weights)


def _change(column: Floats, design: Design) -> float:
    change = measure_change(column, design)
    return 0.0 if change is None else change.now - change.before


def _deals(sums: Floats, now: Flags, strata: Strata, bound: Floats, level: float) -> Iterator[Floats]:
    """Yield the sums over one side for permuted units, a block at a time."""
    random, dealt = np.random.default_rng(SEED), _dealt(now, strata)
    ends = np.flatnonzero(np.diff(strata)) + 1
    as_large, done = np.zeros(sums.shape[1]), 0
    while done < PERMUTATIONS:
        sides = np.tile(dealt, (min(BLOCK, PERMUTATIONS - done), 1))
        for stratum in np.split(sides, ends, axis=1):
            random.permuted(stratum, axis=1, out=stratum)
        found = sides @ sums
        yield found
        as_large += np.count_nonzero(found <= bound, axis=0)
        done += len(sides)
        expected = level * done
        if done >= FEWEST_DEALS and np.all(as_large > expected + SURE * math.sqrt(expected)):
            break


def _centred(values: Floats, strata: Strata) -> Floats:
    """Return the values minus the mean of their stratum; 0 for missing ones, which do not change a sum."""
    there = ~np.isnan(values)
    filled = np.where(there, values, 0.0)
    size = int(strata.max(initial=0)) + 1
    columns = []
    for column, has in zip(filled.T, there.T, strict=True):
        means = np.bincount(strata, column, size) / np.maximum(np.bincount(strata, has, size), 1)
        columns.append(np.where(has, column - means[strata], 0.0))
    return np.array(columns).reshape(len(columns), len(values)).T


def _dealt(now: Flags, strata: Strata) -> Floats:
    """Return 1 for the first units of each stratum, as many as it has on the side of now, in order."""
    starts = np.searchsorted(strata, strata)
    return (np.arange(len(strata)) - starts < np.bincount(strata, now)[strata]).astype(np.float64)


def share_rise(change: Change, chance: float, effect: float) -> float:
    """Return the upper bound of the rise of a share in points, exceeded with the chance (Newcombe).

    Args:
        change: of the share.
        chance: that the rise is larger.
        effect: how many samples that were drawn together are worth one independent sample, at least 1.

    >>> round(share_rise(Change(0.0, 0.0, 0.0, 200, 200, 0.0), 0.05, 1.0), 2)
    1.33
    """
    before = _wilson(change.before, change.size_before / effect, chance)[0]
    now = _wilson(change.now, change.size_now / effect, chance)[1]
    return change.now - change.before + math.hypot(now - change.now, change.before - before)


def _wilson(share: float, size: float, level: float) -> tuple[float, float]:
    p, squared = share / 100, NormalDist().inv_cdf(1 - level) ** 2
    middle, scale = p + squared / (2 * size), 1 + squared / size
    reach = math.sqrt(squared * (max(p * (1 - p), 0.0) / size + squared / (4 * size**2)))
    return 100 * (middle - reach) / scale, 100 * (middle + reach) / scale


def design_effect(values: Floats, change: Change, design: Design) -> float:
    """Return how many samples that change sides together are worth one independent sample, at least 1.

    That is the factor by which the variance of the change grows; 1 if nothing varies.

    >>> column = np.repeat(np.array([10.0, 50, 90, 30]), 5)
    >>> deal = Design(np.arange(20) >= 10, np.zeros(20, np.int64), np.repeat(np.arange(4), 5))
    >>> design_effect(column, measure_change(column, deal), deal)
    5.0
    """
    together = len(design.units) / len(set(design.units.tolist()))
    if together == 1:
        return 1.0
    alone = measure_change(values, design._replace(units=np.arange(len(design.units))))
    if alone is None or not alone.error:
        return 1.0
    return float(min(max((change.error / alone.error) ** 2, 1.0), together))


def binomial_tail(least: int, size: int, share: float) -> float:
    """Return the probability of at least `least` successes in `size` trials with probability `share`.

    >>> round(binomial_tail(2, 2, 0.5), 6)
    0.25
    """
    if not 0 < share < 1:
        return float(share > 0)
    ways = math.lgamma(size + 1)
    logs = (
        ways
        - math.lgamma(k + 1)
        - math.lgamma(size - k + 1)
        + k * math.log(share)
        + (size - k) * math.log1p(-share)
        for k in range(least, size + 1)
    )
    return math.fsum(map(math.exp, logs))


def upper_share(count: int, size: int, miss: float = 0.05) -> float:
    """Return the upper Clopper-Pearson bound of a share: `count` or fewer come up with a chance of `miss`.

    >>> round(upper_share(0, 100), 3), upper_share(3, 3)
    (0.03, 1.0)
    """
    if count == size:  # also if both are 0
        return 1.0
    low, high = count / size, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        if 1 - binomial_tail(count + 1, size, middle) > miss:
            low = middle
        else:
            high = middle
    return high
