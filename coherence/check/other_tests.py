"""The tests beside the comparisons: may the gate halt by chance, and has a single prompt collapsed?

Source: docs/ci.md, "The gate" and "One prompt".
"""

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from coherence.check.snapshot import EMPTY, FINE, LOW, SampleSet
from coherence.check.statistics import Floats, binomial_tail, upper_share
from coherence.readers.read import PromptedSample
from coherence.scoring.scores import Scores
from coherence.signals.gate import Gate
from coherence.signals.settings import Settings

FEWEST = 3
"""Samples of a prompt on each side; with fewer it is not tested."""

SHARES = np.linspace(0.005, 0.995, 199)
"""Shares of bad samples that a prompt may have."""


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


# One prompt out of fifty does not move a mean by the tolerance.


class Collapsed(NamedTuple):
    """A prompt whose samples have collapsed.

    Attributes:
        prompt: its hash.
        bad_before, before: how many of its samples were low, empty or repetitive, and how many there were.
        bad_now, now: likewise.
        p: the chance of so many without a cause, corrected for the number of prompts.
    """

    prompt: str
    bad_before: int
    before: int
    bad_now: int
    now: int
    p: float


def collapsed_prompts(before: SampleSet, now: SampleSet, level: float) -> list[Collapsed]:
    """Return the prompts most of whose samples are bad now but were not before, the worst first.

    Of each the samples before and now are compared (Fisher's exact test). The p-value is corrected for the
    number of prompts, as far as they may have bad samples: prompts differ in difficulty.
    """
    sizes = [Counter(side.prompts) for side in (before, now)]
    bad = [_bad(side) for side in (before, now)]
    shared = [name for name in sizes[1] if name and min(sizes[0][name], sizes[1][name]) >= FEWEST]
    drawn = [sizes[0][name] for name in shared]
    share = upper_share(sum(bad[0][name] for name in shared), sum(drawn))
    found = []
    for name in shared:
        counts = bad[0][name], sizes[0][name], bad[1][name], sizes[1][name]
        if 2 * counts[2] > counts[3]:
            p = _chance(*counts, len(shared), share * sum(drawn) / min(drawn))
            found.append(Collapsed(name, *counts, p))
    return sorted((each for each in found if each.p <= level), key=lambda each: (each.p, each.prompt))


def _chance(bad_before: int, before: int, bad_now: int, now: int, prompts: int, shares: float) -> float:
    """Return at most how probable it is that any of the prompts changes so much by chance.

    No more than `shares / share` of them can have as large a share of bad samples as `share`.

    Args:
        bad_before: how many samples of a prompt were bad before.
        before: how many there were.
        bad_now: how many of its samples are bad now.
        now: how many there are.
        prompts: how many are tested.
        shares: the sum of their shares of bad samples.

    >>> round(_chance(0, 4, 4, 4, 1, 1.0), 4), round(_chance(0, 8, 8, 8, 50, 0.75), 6)
    (0.0039, 2.4e-05)
    """
    p_values = _fisher(before, now)
    p = p_values[bad_before, bad_now]
    as_rare = p_values <= p * (1 + 1e-9)
    together = (_binomial(before) @ as_rare * _binomial(now)).sum(axis=1)
    return float(min(prompts * p, (np.minimum(prompts, shares / SHARES) * together).max(), 1.0))


def _fisher(before: int, now: int) -> Floats:
    """Return the p-value of Fisher's exact test for each number of bad samples before, and now.

    >>> round(_fisher(4, 4)[0, 4].item(), 4)
    0.0143
    """
    total = np.add.outer(np.arange(before + 1), np.arange(now + 1))
    ways = np.add.outer(_log_ways(before), _log_ways(now))
    found = np.exp(ways - _log_ways(before + now)[total])
    for row in range(1, before + 1):
        found[row, :-1] += found[row - 1, 1:]
    return found


def _binomial(size: int) -> Floats:
    """Return the probability of each number of bad samples, a row for each share of them."""
    bad, shares = np.arange(size + 1), SHARES[:, None]
    return np.exp(_log_ways(size) + bad * np.log(shares) + (size - bad) * np.log1p(-shares))


def _log_ways(size: int) -> Floats:
    """Return the logarithm of the number of ways to choose each number of samples."""
    return np.array(
        [math.lgamma(size + 1) - math.lgamma(k + 1) - math.lgamma(size - k + 1) for k in range(size + 1)]
    )


def _bad(side: SampleSet) -> Counter[str]:
    rows = zip(side.prompts, side.states, side.again.tolist(), strict=True)
    return Counter(name for name, state, again in rows if again or state in (LOW, EMPTY))
