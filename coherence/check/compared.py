"""The quantities that are compared between two sets of samples, and how far each may change for the worse.

Source: docs/ci.md, "What is compared".
"""

from typing import Literal, NamedTuple

import numpy as np

from coherence.check.beginnings import repeated
from coherence.check.snapshot import EMPTY, LOW, SHORT, TEMPLATED, SampleSet
from coherence.check.statistics import FEWEST, Floats
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
