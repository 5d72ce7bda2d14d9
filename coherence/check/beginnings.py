"""Measures how many samples begin like another one, in a way that does not depend on how many there are.

Source: docs/ci.md, "What is compared".
"""

import math

import numpy as np
from numpy.typing import NDArray

from coherence.check.snapshot import EMPTY, SHORT, SampleSet
from coherence.check.statistics import SEED, Floats

OTHERS = 99
"""Among so many other samples a sample is looked for that begins like it, if there are so many."""

Counts = NDArray[np.int64]


def most_others(samples: SampleSet) -> int:
    """Return among how many others each sample can be looked for, at most 99."""
    _, others = _counts(samples)
    return int(others[_judged(samples)].min(initial=OTHERS))


def repeated(samples: SampleSet, others: int) -> Floats:
    """Return which samples begin like one of so many others, as 0 and 1; not-a-number as for `chances`.

    As many as the chances add up to, evenly spaced among samples that begin alike. The chances themselves
    would vary less on a larger side, and samples that are permuted must vary alike on both.
    """
    found = chances(samples, others)
    there = np.flatnonzero(~np.isnan(found))
    keys = samples.prompts, samples.groups, samples.tokens, *samples.scores.T, samples.beginnings
    order = there[np.lexsort([np.asarray(key)[there] for key in keys])]
    # Shuffled, or of two samples that begin alike it would always be the shorter one.
    order = np.random.default_rng(SEED).permutation(order)
    order = order[np.argsort(samples.beginnings[order], kind="stable")]
    sums = np.floor(np.cumsum(found[order]) + 0.5)
    found[order] = np.diff(sums, prepend=0.0)
    return found


def chances(samples: SampleSet, others: int) -> Floats:
    """Return for each sample the chance that one of so many others, of different prompts, begins like it.

    The mean over all ways to draw the others; among more of them more would begin alike, so both sides of a
    comparison need the same number. Not-a-number for a sample that has fewer; 0 if it is too short to judge.
    """
    alike, there = _counts(samples)
    pairs = list(zip(alike.tolist(), there.tolist(), strict=True))
    known = {pair: _chance(*pair, others) for pair in set(pairs)}
    return np.where(_judged(samples), [known[pair] for pair in pairs], 0.0)


def _chance(alike: int, there: int, drawn: int) -> float:
    """Return the chance to draw one of those that are alike; not-a-number if there are too few to draw.

    >>> _chance(1, 4, 1), _chance(1, 4, 4), _chance(0, 4, 2), _chance(1, 2, 3)
    (0.25, 1.0, 0.0, nan)
    """
    if there < drawn:
        return math.nan
    return 1 - math.comb(there - alike, drawn) / math.comb(there, drawn)


def _judged(samples: SampleSet) -> NDArray[np.bool_]:
    return ~np.isin(np.array(list(samples.states), "U1"), (SHORT, EMPTY))


def _counts(samples: SampleSet) -> tuple[Counts, Counts]:
    """Return for each sample how many others of different prompts begin like it, and how many there are."""
    judged = _judged(samples)
    names = np.unique(samples.prompts, return_inverse=True)[1]
    unknown = np.array([not name for name in samples.prompts], bool)
    prompts = np.where(unknown, len(names) + np.arange(len(names)), names)
    found = []
    for beginnings in (samples.beginnings, np.ones(len(names), np.int64)):
        keys = np.where(judged, beginnings, 0)
        together = np.unique(np.column_stack([keys, prompts]), axis=0, return_inverse=True)[1].ravel()
        alike = np.bincount(keys)[keys] - np.bincount(together)[together]
        found.append(np.where(keys > 0, alike, 0))
    return found[0], found[1]
