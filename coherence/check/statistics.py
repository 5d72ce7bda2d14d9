"""Whether one set of samples is worse than another by more than chance: permutation test, Holm, interval.

Pure functions on arrays. Rows are samples, columns are what is compared, in points from 0 to 100;
not-a-number where a sample has no value. Source: docs/ci.md, "What is computed"; Phipson and Smyth (2010),
"Permutation p-values should never be zero"; Holm (1979); Newcombe (1998), method 10.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SEED = 1
PERMUTATIONS = 9_999
"""The smallest p-value there is: one in 10,000."""

BLOCK = 500
"""Permutations after which it is looked whether more are needed."""

SURE = 6.0
"""Standard deviations by which a p-value lies above the level before no more permutations are drawn."""

FEWEST = 20
"""Values of a side; of fewer nothing is said."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Strata = NDArray[np.int64]


class Change(NamedTuple):
    """How a mean differs between two sets of samples.

    Attributes:
        before, now: the means; of several strata those of each, weighted alike on both sides.
        error: the standard error of `now - before`.
        size_before, size_now: how many values went into them.
        least: the smallest p-value that dealing the values out anew can give.
    """

    before: float
    now: float
    error: float
    size_before: int
    size_now: int
    least: float

    @property
    def size(self) -> float:
        """How many values a side would make the same error if both had as many."""
        return 2 / (1 / self.size_before + 1 / self.size_now)


class Design(NamedTuple):
    """Which samples may change sides: an entry each.

    Attributes:
        now: whether it is of the side that is judged.
        strata: the number of its stratum, from 0; samples change places only within one.
        units: the number of what it changes places with as a whole, from 0, within one stratum and side.
    """

    now: Flags
    strata: Strata
    units: Strata

    @classmethod
    def plain(cls, before: int, now: int) -> "Design":
        """Return the design in which every sample may take the place of every other."""
        size = before + now
        return cls(np.arange(size) >= before, np.zeros(size, np.int64), np.arange(size))

    def only(self, kept: Flags) -> "Design":
        """Return the design of some of the samples, numbered anew."""
        strata, units = (np.unique(column[kept], return_inverse=True)[1] for column in self[1:])
        return Design(self.now[kept], strata, units)


def shared_strata(before: Sequence[str], now: Sequence[str]) -> tuple[Strata, Strata] | None:
    """Number the strata that both sides have; all others are one more, the last.

    None if less than half of a side is of a stratum that the other side has too: there is nothing to hold
    fixed then.

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

    A stratum with `n0` values before and `n1` now weighs `n0 * n1 / (n0 + n1)`, which makes the standard
    error least; it is that of dealing the units out anew, once the change itself is taken out.

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
    """Return of each side how many values each stratum has, or what they sum up to."""
    size = int(design.strata.max(initial=0)) + 1
    one = np.ones(len(design.now)) if values is None else values
    return np.array([np.bincount(design.strata, one * (design.now == side), size) for side in (False, True)])


def _units(design: Design) -> Design:
    """Return the design of the units themselves."""
    first = np.unique(design.units, return_index=True)[1]
    return Design(design.now[first], design.strata[first], np.arange(len(first)))


def _error(values: Floats, design: Design, dealt: Floats) -> float:
    """Return the standard deviation of the sum over one side when the units are dealt out anew."""
    sums = np.bincount(design.units, _centred(values[:, None], design.strata)[:, 0])
    squares = np.bincount(_units(design).strata, sums**2)
    sizes = dealt.sum(axis=0)
    spare = len(sums) - len(sizes) - 1  # a mean for each stratum and the change were fitted
    if spare < 1:
        return math.inf
    variance = float((dealt.prod(axis=0) / (sizes * np.maximum(sizes - 1, 1)) * squares).sum())
    return math.sqrt(variance * (spare + 1) / spare)


def _least(counts: Floats) -> float:
    """Return one over the number of ways to deal out the units, or what 9,999 permutations allow."""
    ways = sum(_log_ways(int(before), int(now)) for before, now in counts.T)
    return max(math.exp(-ways), 1 / (PERMUTATIONS + 1))


def _log_ways(before: int, now: int) -> float:
    return math.lgamma(before + now + 1) - math.lgamma(before + 1) - math.lgamma(now + 1)


def fall_p_values(values: Floats, design: Design, level: float = 0.01) -> Floats:
    """Return for each column how probable so large a fall would be if the two sides did not differ.

    The units of each stratum are dealt out anew, whole, to the two sides: 9,999 times, or fewer if all
    p-values lie far above the level by then. `p = (1 + as large falls) / (1 + permutations)`. The same for
    any order of the samples, and every time.

    Args:
        values: of both sides, a row each.
        design: which rows may change sides.
        level: above which no p-value matters.

    >>> column = np.array([[50.0], [51], [52], [53], [10], [11], [12], [13]])
    >>> p = fall_p_values(column, Design.plain(4, 4))
    >>> bool(abs(p[0] - 1 / 70) < 0.005)
    True
    """
    centred = _centred(values, design.strata)
    sums = np.array([np.bincount(design.units, column) for column in centred.T]).T.round(9)
    now, strata, _ = _units(design)
    order = np.lexsort((*sums.T, strata))
    sums, now, strata = sums[order], now[order], strata[order]
    # What counts as equal: another order of adding up is no smaller fall.
    bound = now @ sums + 1e-9 * (1 + np.abs(sums).sum(axis=0))
    random, dealt = np.random.default_rng(SEED), _dealt(now, strata)
    ends = np.flatnonzero(np.diff(strata)) + 1
    as_large, done = np.zeros(values.shape[1]), 0
    while done < PERMUTATIONS:
        sides = np.tile(dealt, (min(BLOCK, PERMUTATIONS - done), 1))
        for stratum in np.split(sides, ends, axis=1):
            random.permuted(stratum, axis=1, out=stratum)
        as_large += np.count_nonzero(sides @ sums <= bound, axis=0)
        done += len(sides)
        expected = level * done
        if np.all(as_large > expected + SURE * math.sqrt(expected)):
            break
    return (1 + as_large) / (1 + done)


def _centred(values: Floats, strata: Strata) -> Floats:
    """Return the values less the mean of their stratum; 0 where there is none, which moves no sum."""
    there = ~np.isnan(values)
    filled = np.where(there, values, 0.0)
    size = int(strata.max(initial=0)) + 1
    columns = []
    for column, has in zip(filled.T, there.T, strict=True):
        means = np.bincount(strata, column, size) / np.maximum(np.bincount(strata, has, size), 1)
        columns.append(np.where(has, column - means[strata], 0.0))
    return np.array(columns).reshape(len(columns), len(values)).T


def _dealt(now: Flags, strata: Strata) -> Floats:
    """Return 1 for the first places of each stratum, as many as it has units now; strata are in order."""
    starts = np.searchsorted(strata, strata)
    return (np.arange(len(strata)) - starts < np.bincount(strata, now)[strata]).astype(np.float64)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for being several: none below a level is a false alarm but with that chance.

    The smallest is multiplied by their number, the next by one less, and so on, none below the one before.
    It holds however they depend on each other.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def share_error(change: Change, rise: float) -> float:
    """Return the standard error, in points, that the change of a share would have if it rose by so much.

    >>> round(share_error(Change(0.0, 0.0, 0.0, 100, 100, 0.0), 5.0), 2)
    2.21
    """
    share = min(change.before + rise / 2, 50.0) / 100
    return 100 * math.sqrt(2 * share * (1 - share) / change.size)


def interval(change: Change, level: float) -> tuple[float, float]:
    """Return the interval of the change of a mean that misses it on each side with the chance `level`.

    >>> [round(end, 2) for end in interval(Change(50.0, 40.0, 2.0, 100, 100, 0.0), 0.01)]
    [-14.65, -5.35]
    """
    reach = NormalDist().inv_cdf(1 - level) * change.error if change.error else 0.0
    difference = change.now - change.before
    return max(difference - reach, -100.0), min(difference + reach, 100.0)


def share_interval(change: Change, level: float) -> tuple[float, float]:
    """Return the interval of the change of a share, which is never nothing: Newcombe's, from Wilson's.

    >>> [round(end, 2) for end in share_interval(Change(0.0, 0.0, 0.0, 200, 100, 0.0), 0.01)]
    [-2.63, 5.13]
    """
    before, now = (
        _wilson(change.before, change.size_before, level),
        _wilson(change.now, change.size_now, level),
    )
    difference = change.now - change.before
    low = difference - math.hypot(change.now - now[0], before[1] - change.before)
    high = difference + math.hypot(now[1] - change.now, change.before - before[0])
    return low, high


def _wilson(share: float, size: int, level: float) -> tuple[float, float]:
    p, squared = share / 100, NormalDist().inv_cdf(1 - level) ** 2
    middle, scale = p + squared / (2 * size), 1 + squared / size
    reach = math.sqrt(squared * (max(p * (1 - p), 0.0) / size + squared / (4 * size**2)))
    return 100 * (middle - reach) / scale, 100 * (middle + reach) / scale


def values_needed(change: Change, error: float, tolerance: float, level: float) -> int:
    """Return how many values of each side put a change of the tolerance beyond chance, 20 at least.

    >>> values_needed(Change(90.0, 90.0, 2.0, 100, 100, 0.0), 2.0, 5.0, 0.01)
    87
    """
    if not math.isfinite(error):
        return FEWEST
    beyond = NormalDist().inv_cdf(1 - level) * error
    return max(FEWEST, math.ceil(change.size * (beyond / tolerance) ** 2))
