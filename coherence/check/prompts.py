"""Finds prompts whose samples have collapsed while those of the others have not.

One prompt out of fifty does not move a mean by the tolerance. Source: docs/ci.md, "One prompt".
"""

import math
from collections import Counter
from typing import NamedTuple

from coherence.check.snapshot import EMPTY, LOW, SampleSet

FEWEST = 3
"""Samples of a prompt on each side; with fewer it is not tested."""

BY_ITSELF = 0.05
"""The p-value that a prompt must reach against its own samples before, regardless of the others."""


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

    Two exact tests: the prompt's own samples before and now (Fisher), and the number of bad samples now
    against the share of bad samples of all prompts before (binomial, at the upper end of the 95 % interval of
    that share); the second has a Bonferroni correction.
    """
    sizes = [Counter(side.prompts) for side in (before, now)]
    bad = [_bad(side) for side in (before, now)]
    usual = _upper_share(sum(bad[0].values()), len(before.prompts))
    shared = [name for name in sizes[1] if name and min(sizes[0][name], sizes[1][name]) >= FEWEST]
    found = []
    for name in shared:
        counts = bad[0][name], sizes[0][name], bad[1][name], sizes[1][name]
        if 2 * counts[2] > counts[3] and _fisher(*counts) <= BY_ITSELF:
            p = min(1.0, len(shared) * _binomial_tail(counts[2], counts[3], usual))
            found.append(Collapsed(name, *counts, p))
    return sorted((each for each in found if each.p <= level), key=lambda each: (each.p, each.prompt))


def _bad(side: SampleSet) -> Counter[str]:
    rows = zip(side.prompts, side.states, side.again.tolist(), strict=True)
    return Counter(name for name, state, again in rows if again or state in (LOW, EMPTY))


def _fisher(bad_before: int, before: int, bad_now: int, now: int) -> float:
    """Return the probability that so many of the bad samples are among those of now.

    >>> round(_fisher(0, 4, 4, 4), 4)
    0.0143
    """
    bad, everything = bad_before + bad_now, math.comb(before + now, now)
    ways = (
        math.comb(bad, k) * math.comb(before + now - bad, now - k) for k in range(bad_now, min(bad, now) + 1)
    )
    return sum(ways) / everything


def _binomial_tail(least: int, size: int, share: float) -> float:
    """Return the probability of at least `least` successes in `size` trials with probability `share`.

    >>> round(_binomial_tail(2, 2, 0.5), 6)
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


def _upper_share(count: int, size: int, miss: float = 0.05) -> float:
    """Return the upper Clopper-Pearson bound of a share: `count` or fewer come up with a chance of `miss`.

    >>> round(_upper_share(0, 100), 3), _upper_share(3, 3)
    (0.03, 1.0)
    """
    low, high = count / size, 1.0
    if count == size:
        return 1.0
    for _ in range(30):
        middle = (low + high) / 2
        if 1 - _binomial_tail(count + 1, size, middle) > miss:
            low = middle
        else:
            high = middle
    return high
