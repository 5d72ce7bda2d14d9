"""The phases of a complete loss curve: when it was falling, flat, lowest or rising.

Source: docs/signals.md, "The loss".
"""

import math
from collections.abc import Sequence
from itertools import combinations, groupby, pairwise
from typing import Literal, NamedTuple

from coherence.signals.curve import ABSOLUTE_FLOOR, COLLAPSE_NATS
from coherence.signals.loss import Trend

PhaseLabel = Trend | Literal["minimum"]

MAX_RANGES = 12
HINDSIGHT_TOLERANCE = 0.02  # share of the lowest mean so far: a mean that is higher by more is a rise
FLAT_BAND, FLAT_FALL, STEADY_FALL = 0.05, 0.03, 0.01  # shares of the first mean of a phase


class Phase(NamedTuple):
    """A part of a loss curve that has one label.

    `start` and `end` are its first and last step, both included; `first` and `last` are the mean losses, in
    nats, of its first and last range of steps. Source: docs/signals.md, "The loss".

    >>> Phase(label="minimum", start=85_000, end=110_000, first=3.43, last=3.43).label
    'minimum'
    """

    label: PhaseLabel
    start: float
    end: float
    first: float
    last: float


def phases(steps: Sequence[float], losses: Sequence[float]) -> tuple[Phase, ...]:
    """Cut a whole loss curve into its phases, with hindsight.

    With up to 12 points, a table of averages for instance, each point is a range. A longer curve is first
    cut into 12 ranges of equal step width, and the value of a range is the mean of its finite losses. The
    label of a range is the first that holds:

    - "not finite": at least half of its losses are not, or it comes after the last finite loss;
    - "minimum": the lowest mean, the first one if several are equal;
    - "plateau", before the minimum: among three or more ranges that stay within 5 % of the first of them and
      end at most 3 % below it, having risen on the way, or at most 1 % below it;
    - "collapsed": one nat or more above the lowest mean before;
    - "diverging": above the lowest mean before by more than 2 % and 0.02 nats, or "converging" if on the way
      down from a still higher mean: a temporary rise is labelled diverging, then converging;
    - else "converging" before the minimum, "plateau" after it.

    Neighbouring ranges with the same label are one phase. Points are sorted by their steps; if a step comes
    twice, as after a restart, the later entry counts.

    Raises ValueError if `steps` and `losses` differ in length; an empty curve has no phases.
    Source: docs/signals.md, "The loss".

    >>> [phase.label for phase in phases([1, 2, 3, 4], [4.0, 3.0, 3.5, 4.0])]
    ['converging', 'minimum', 'diverging', 'collapsed']
    """
    if len(steps) != len(losses):
        raise ValueError(f"steps and losses must be of one length, not {len(steps)!r} and {len(losses)!r}")
    latest = dict(zip(steps, map(float, losses), strict=True))
    ranges = _ranges(sorted(latest.items()))
    labelled = zip(_labels([each.mean for each in ranges]), ranges, strict=True)
    return tuple(
        _phase(label, [each for _, each in group])
        for label, group in groupby(labelled, key=lambda pair: pair[0])
    )


class _Range(NamedTuple):
    start: float
    end: float
    mean: float


def _phase(label: PhaseLabel, ranges: Sequence[_Range]) -> Phase:
    return Phase(label, ranges[0].start, ranges[-1].end, ranges[0].mean, ranges[-1].mean)


def _ranges(points: Sequence[tuple[float, float]]) -> list[_Range]:
    finite = [index for index, (_, loss) in enumerate(points) if math.isfinite(loss)]
    end = finite[-1] + 1 if finite else 0
    tail = [_range(points[end:])] if points[end:] else []
    return _equal_ranges(points[:end]) + tail


def _equal_ranges(points: Sequence[tuple[float, float]]) -> list[_Range]:
    if len(points) <= MAX_RANGES:
        return [_range([point]) for point in points]
    first, width = points[0][0], (points[-1][0] - points[0][0]) / MAX_RANGES
    groups = groupby(points, key=lambda point: min(int((point[0] - first) / width), MAX_RANGES - 1))
    return [_range(list(group)) for _, group in groups]


def _range(points: Sequence[tuple[float, float]]) -> _Range:
    finite = [loss for _, loss in points if math.isfinite(loss)]
    mean = math.fsum(finite) / len(finite) if 2 * len(finite) > len(points) else math.nan
    return _Range(points[0][0], points[-1][0], mean)


def _labels(means: Sequence[float]) -> list[PhaseLabel]:
    finite = iter(_finite_labels([mean for mean in means if math.isfinite(mean)]))
    return [next(finite) if math.isfinite(mean) else "not finite" for mean in means]


def _finite_labels(means: list[float]) -> list[PhaseLabel]:
    lowest = means.index(min(means)) if means else 0
    flat = _flat_indices(means[: lowest + 1])
    return [_label(means, index, lowest, index in flat) for index in range(len(means))]


def _label(means: Sequence[float], index: int, lowest: int, flat: bool) -> PhaseLabel:
    if index == lowest:
        return "minimum"
    if flat:
        return "plateau"
    mean, low = means[index], min(means[:index], default=math.inf)
    tolerance = max(ABSOLUTE_FLOOR, HINDSIGHT_TOLERANCE * abs(low))
    if mean >= low + COLLAPSE_NATS:
        return "collapsed"
    if mean > low + tolerance:
        return "converging" if mean < means[index - 1] - tolerance else "diverging"
    return "converging" if index < lowest else "plateau"


def _flat_indices(means: Sequence[float]) -> set[int]:
    stretches = (
        range(start, end) for start, end in combinations(range(len(means) + 1), 2) if end - start >= 3
    )
    return {index for stretch in stretches if _is_flat([means[i] for i in stretch]) for index in stretch}


def _is_flat(means: Sequence[float]) -> bool:
    first, size = means[0], abs(means[0])
    rises = any(after > before for before, after in pairwise(means))
    near = all(abs(mean - first) <= FLAT_BAND * size for mean in means)
    return near and first - means[-1] <= (FLAT_FALL if rises else STEADY_FALL) * size
