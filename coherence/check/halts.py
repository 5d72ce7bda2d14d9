"""Puts the samples of a checkpoint to the gate, and finds whether it may halt by chance.

Source: docs/ci.md, "The gate".
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from coherence.check.snapshot import EMPTY, FINE, LOW, SampleSet
from coherence.check.statistics import binomial_tail, upper_share
from coherence.readers.read import PromptedSample
from coherence.scoring.scores import Scores
from coherence.signals.gate import Gate
from coherence.signals.settings import Settings


class Halt(NamedTuple):
    """A gate that halts.

    Attributes:
        reason: why, one sentence.
        low, among: the most low samples among so many in a row.
        judged: how many samples the gate judged.
    """

    reason: str
    low: int
    among: int
    judged: int

    def may_be_chance(self, before: SampleSet, threshold: float, level: float) -> bool:
        """Return whether samples as before would halt the gate in some order.

        The number of places where so many low samples may begin, times the probability of each, at the
        upper end of the 95 % interval of the share of low samples before. If none was judged before,
        nothing is known of that share, and only the comparisons decide.

        Args:
            before: the samples before.
            threshold: below which a sample is low.
            level: the probability up to which it is not chance.
        """
        share = upper_share(*_low_among_judged(before, threshold))
        return (self.judged - self.among + 1) * binomial_tail(self.low, self.among, share) > level


def halt_of(reads: Sequence[PromptedSample], scores: Sequence[Scores], settings: Settings) -> Halt | None:
    """Put samples to the gate in the order of their steps; None if it does not halt, or only observes.

    Samples of one step have no order of their own: theirs follows from what they are, not from the file.
    """
    gate = Gate(*settings[:5])
    steps = [gate.warmup if read.sample.step is None else read.sample.step for read in reads]
    keys = _keys(reads)
    judged = []
    for place in sorted(range(len(reads)), key=lambda place: (steps[place], keys[place])):
        verdict = gate.update(scores[place], steps[place], place)
        if verdict.judged and steps[place] >= gate.warmup:
            judged.append(verdict.low)
    if gate.halt_reason is None or gate.observe_only:
        return None
    several = len({read.sample.step for read in reads}) > 1
    reason = gate.halt_reason if several else _without_order(judged, gate.threshold)
    return Halt(reason, *_most_low(judged, gate.window), len(judged))


def _most_low(judged: Sequence[bool], window: int | None) -> tuple[int, int]:
    """Return the most low samples in a window, and its size; without one, the longest streak.

    >>> _most_low([True, False, True, True], None), _most_low([True, False, True, True], 3)
    ((2, 2), (2, 3))
    """
    if window is None:
        longest = max(len(list(streak)) for low, streak in groupby(judged) if low)
        return longest, longest
    size = min(window, len(judged))
    sums = np.cumsum([0, *judged])
    return int((sums[size:] - sums[: len(sums) - size]).max()), size


def _keys(reads: Sequence[PromptedSample]) -> list[bytes]:
    """Return a key for each sample that depends on its texts; samples of the same texts are numbered."""
    seen: Counter[tuple[str, str]] = Counter()
    keys = []
    for read in reads:
        texts = read.prompt or "", read.sample.text
        seen[texts] += 1
        told = "\0".join((*texts, str(seen[texts])))
        keys.append(hashlib.sha256(told.encode("utf-8", "surrogatepass")).digest())
    return keys


def _without_order(judged: Sequence[bool], threshold: float) -> str:
    return (
        f"{sum(judged):,} of {len(judged):,} samples scored below {threshold:g} on every scale or are empty"
    )


def _low_among_judged(samples: SampleSet, threshold: float) -> tuple[int, int]:
    """Return how many samples the gate would judge low, and how many it would judge."""
    states = np.array(list(samples.states), "U1")
    low = np.isin(states, (FINE, LOW)) & ~np.any(samples.scores >= threshold, axis=1)
    return int(np.count_nonzero(low | (states == EMPTY))), int(np.isin(states, (FINE, LOW, EMPTY)).sum())
