"""The quantities that are compared between two sets of samples, and how far each may change for the worse.

Source: docs/ci.md, "What is compared".
"""

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coherence.check.snapshot import EMPTY, LOW, SHORT, TEMPLATED, SampleSet
from coherence.check.statistics import FEWEST, SEED, Floats
from coherence.scoring.profile import SCALES

Kind = Literal["score", "share", "length"]


class Quantity(NamedTuple):
    """A quantity that is compared.

    Attributes:
        kind: a mean score, a share of the samples, or their length.
        title: its name in a sentence.
        factor: how many times `Limits.tolerance` it may change for the worse.
    """

    kind: Kind
    title: str
    factor: float


WITHIN, BETWEEN = "within prompts", "between"

QUANTITIES = {
    **{name: Quantity("score", f"the {name} score", 1) for name in SCALES},
    "word order": Quantity("score", "the word order", 3),
    BETWEEN: Quantity("score", "the diversity between samples", 1),
    WITHIN: Quantity("score", "the diversity within a prompt", 1),
    "low": Quantity("share", "the share of low samples", 0.4),
    "said again": Quantity("share", "the share of samples that say much again", 1),
    "repeated": Quantity("share", "the share of samples that begin like another one", 3),
    "empty": Quantity("share", "the share of empty samples", 0.4),
    "templated": Quantity("share", "the share of templates", 2),
    "too short": Quantity("share", "the share of samples too short to judge", 2),
    "not English": Quantity("share", "the share of samples not in English", 3),
    "cut off": Quantity("share", "the share of samples that end in the middle", 4),
    "length": Quantity("length", "the length of the samples", 10),
}
"""Everything that is compared, in the order in which it is shown.

A share that is near 0 in healthy samples may rise by less than a mean may fall; a share that can have any
value in healthy samples, and therefore varies more by chance, may rise by more.
"""

OF_SAMPLES = tuple(name for name in QUANTITIES if name not in (WITHIN, BETWEEN))
"""Quantities that every sample has; the others are of pairs."""

STATES = {"low": LOW, "empty": EMPTY, "templated": TEMPLATED, "too short": SHORT}

LONGEST = 90.0
"""The most that the length may fall, in percent, at any tolerance."""


def tolerance_of(name: str, tolerance: float) -> float:
    """Return how far a quantity may change for the worse: points, or percent of the length.

    >>> tolerance_of("bigram", 5), tolerance_of("low", 5), tolerance_of("length", 5)
    (5, 2.0, 50)
    """
    most = LONGEST if name == "length" else 100.0
    return min(QUANTITIES[name].factor * tolerance, most)


def columns_of(samples: SampleSet, others: int = FEWEST - 1) -> Floats:
    """Return a column for each of `OF_SAMPLES`, made so that a fall is a change for the worse.

    Scores in points, not-a-number for none; shares as 0 or -100; the length as the binary logarithm of the
    number of tokens.

    Args:
        samples: the samples.
        others: among how many others the beginning of a sample is looked for.
    """
    states = np.array(list(samples.states), "U1")
    too_short = np.isin(states, (SHORT, EMPTY))
    scores = np.where(too_short[:, None], np.nan, samples.scores)
    flags = {name: states == state for name, state in STATES.items()}
    flags |= {"said again": samples.again, "cut off": samples.cut_off}
    # An empty sample does not show how long the others are.
    length = np.where(states == EMPTY, np.nan, np.log2(np.maximum(samples.tokens, 1)))
    columns = {name: -100.0 * flag for name, flag in flags.items()}
    columns["not English"] = np.where(too_short, np.nan, -100.0 * np.isnan(samples.scores[:, 2]))
    columns["cut off"] = np.where(too_short, np.nan, columns["cut off"])
    columns["repeated"] = -100.0 * repeated(samples, others)
    columns |= {"word order": np.asarray(samples.order, np.float64), "length": length}
    columns |= dict(zip(SCALES, scores.T, strict=True))
    return np.column_stack([columns[name] for name in OF_SAMPLES])


def percent_of_length(change: float) -> float:
    """Return a change of the binary logarithm of the length in percent of the length.

    >>> percent_of_length(-1.0), percent_of_length(1.0)
    (-50.0, 100.0)
    """
    return float(100 * (2**change - 1))


# Samples that begin alike, counted in a way that does not depend on how many there are

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
