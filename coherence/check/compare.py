"""Makes each comparison: what changed, whether by chance, and the verdict on it.

Source: docs/ci.md, "What is computed".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from coherence.check import statistics
from coherence.check.compared import (
    QUANTITIES,
    Kind,
    percent_of_length,
    tolerance_of,
)
from coherence.check.sentences import Found, sentence_of
from coherence.check.snapshot import CAP
from coherence.check.statistics import FEWEST, Change, Design, Floats
from coherence.report import Written

MISSED = 0.1
"""The chance that a change for the worse by the tolerance passes."""

OTHER_TESTS = 2
"""The gate and single prompts are tested as well as the quantities."""

Grade = Literal["pass", "inconclusive", "fail"]


class Limits(NamedTuple):
    """When a comparison fails.

    Attributes:
        tolerance: points that a mean may fall; a multiple for other quantities, see `compared`.
        level: the chance of a false alarm, over all comparisons.
        observe: whether the gate is only observed and does not decide.
    """

    tolerance: float = 5.0
    level: float = 0.01
    observe: bool = False

    def checked(self) -> "Limits":
        """Return the limits after checking them.

        Raises:
            ValueError: one of them is out of range.
        """
        if not 0 < self.tolerance <= 100:
            raise ValueError(f"tolerance {self.tolerance!r}; expected points above 0, at most 100")
        # For fifteen comparisons: the smallest possible p-value is one in 10,000.
        if not 0.002 <= self.level <= 0.2:
            raise ValueError(f"level {self.level!r}; expected a chance from 0.002 to 0.2")
        return self


@dataclass(frozen=True, kw_only=True)
class Comparison(Written):
    """One comparison: scores and shares in points from 0 to 100, the length in tokens.

    Attributes:
        name: of the quantity, one of `QUANTITIES`.
        before, now: the means; with several prompts, means of those, weighted equally on both sides.
        change: of the mean in points; of the length in percent.
        interval: of the change; None if there are too few prompts, or hardly any samples. The change
            lies beyond its worse end with a chance of 10 %, beyond the other end with the level over the
            number of comparisons.
        tolerance: how much it may change for the worse.
        p: the probability of so large a change for the worse by chance, times the number of comparisons.
        size_before, size_now: how many samples, or pairs of samples, were compared.
        needed: how many samples on each side would settle it if the change stayed the same; None if no
            number would, or if it is settled.
        verdict, sentence: the result, as a word and as a sentence.
    """

    name: str
    before: float
    now: float
    change: float
    interval: tuple[float, float] | None
    tolerance: float
    p: float
    size_before: int
    size_now: int
    needed: int | None
    verdict: Grade
    sentence: str

    @property
    def is_worse(self) -> bool:
        """Whether it changed for the worse beyond chance, tolerated or not."""
        if self.interval is None:
            return False
        return self.interval[0] > 0 if self.name in SHARES else self.interval[1] < 0

    @property
    def of_few_prompts(self) -> bool:
        """Whether there are enough samples, but of too few prompts for an interval."""
        return self.interval is None and min(self.size_before, self.size_now) >= FEWEST


SHARES = {name for name, quantity in QUANTITIES.items() if quantity.kind == "share"}


class Table(NamedTuple):
    """Both sides of quantities that are compared, one column each; a fall is a change for the worse."""

    names: Sequence[str]
    values: Floats
    design: Design


ROUNDED = 9
"""Digits of a change: what is left after them comes from the order of a sum."""


class _Fall(NamedTuple):
    """A change for the worse, in the units of the tolerance; `near` and `far` are the ends of the interval.

    Attributes:
        worse: how much worse it is.
        near, far: the smallest and the largest that it may be.
    """

    worse: float
    near: float
    far: float


def compare(tables: Sequence[Table], limits: Limits, same: bool) -> list[Comparison]:
    """Return each comparison, in the order of `QUANTITIES`.

    Args:
        tables: the quantities to compare.
        limits: when a comparison fails.
        same: whether both sides are the same samples, so that nothing can have changed.
    """
    several = sum(len(table.names) for table in tables) + OTHER_TESTS
    now = tables[0].design.now  # of samples; the others are of pairs
    drawn = int(np.count_nonzero(~now)), int(np.count_nonzero(now))
    found = []
    for table in tables:
        falls = statistics.falls(table.values, table.design, limits.level / several, MISSED)
        for place, (name, column) in enumerate(zip(table.names, table.values.T, strict=True)):
            change = statistics.measure_change(column, table.design)
            if change is not None:
                p, near, far = (float(each[place]) for each in falls)
                effect = statistics.design_effect(column, change, table.design)
                fall = _fall(QUANTITIES[name].kind, change, near, far, effect)
                found.append(_comparison(name, change, fall, p, several, limits, same, drawn))
    places = {name: place for place, name in enumerate(QUANTITIES)}
    return sorted(found, key=lambda each: places[each.name])


def _fall(kind: Kind, change: Change, near: float, far: float, effect: float) -> _Fall:
    """Return the change for the worse; the columns are made so that it is a fall."""
    moved = change.now - change.before
    worse, nearest, farthest = -moved, near - moved, far - moved
    if kind == "length":
        worse, nearest, farthest = (-percent_of_length(-each) for each in (worse, nearest, farthest))
    if kind == "share":
        farthest = statistics.share_rise(_turned(change), MISSED, effect)
    return _Fall(round(worse, ROUNDED), nearest, round(farthest, ROUNDED))


def _turned(change: Change) -> Change:
    """Return the change of a share as a share: its column is negated, so that a rise is a fall."""
    return change._replace(before=abs(change.before), now=abs(change.now))


def _comparison(
    name: str,
    change: Change,
    fall: _Fall,
    p: float,
    several: int,
    limits: Limits,
    same: bool,
    drawn: tuple[int, int],
) -> Comparison:
    kind, tolerance = QUANTITIES[name].kind, tolerance_of(name, limits.tolerance)
    unknown = change.least > limits.level / several or not math.isfinite(change.error)
    sizes = change.size_before, change.size_now
    few_prompts = unknown and min(sizes) >= FEWEST
    verdict = "pass" if same else _judge(fall, tolerance, 0 if unknown else min(sizes))
    needed = None if verdict != "inconclusive" or few_prompts else _needed(change, fall, tolerance, drawn)
    ends = {"length": _in_tokens, "share": _turned}.get(kind, lambda each: each)(change)
    p = min(1.0, several * p)
    found = Found(
        name, ends.before, ends.now, fall.worse, tolerance, p, fall.near > 0, sizes, needed, few_prompts
    )
    rises = kind == "share"
    near, far = (round(each, 6) for each in (fall.near, fall.far))
    interval = (near + 0.0, far + 0.0) if rises else (0.0 - far, 0.0 - near)
    return Comparison(
        name=name,
        before=ends.before,
        now=ends.now,
        change=fall.worse if rises else 0.0 - fall.worse,
        interval=None if unknown else interval,
        tolerance=tolerance,
        p=p,
        size_before=sizes[0],
        size_now=sizes[1],
        needed=needed,
        verdict=verdict,
        sentence=sentence_of(found, verdict),
    )


def _in_tokens(change: Change) -> Change:
    return change._replace(before=2**change.before, now=2**change.now)


def _judge(fall: _Fall, tolerance: float, size: int) -> Grade:
    if size < FEWEST:
        return "inconclusive"
    if fall.near > 0 and fall.worse > tolerance:
        return "fail"
    return "pass" if fall.far <= tolerance else "inconclusive"


def _needed(change: Change, fall: _Fall, tolerance: float, drawn: tuple[int, int]) -> int | None:
    """Return how many samples on each side would settle an unchanged change; None for more than are compared.

    The half-width of an interval shrinks with the square root of the number of samples. Not every sample
    has a value, and two samples of a pair have one.
    """
    if fall.worse > tolerance:
        times = ((fall.worse - fall.near) / fall.worse) ** 2
    else:
        times = ((fall.far - fall.worse) / max(tolerance - fall.worse, 1e-9)) ** 2
    of_a_value = max(drawn[0] / change.size_before, drawn[1] / change.size_now)
    count = max(of_a_value * max(FEWEST, change.size * times), min(drawn) + 1)
    return _rounded(count) if count <= CAP else None


def _rounded(count: float) -> int:
    """Return a number of samples rounded up to two significant figures.

    >>> _rounded(121.4), _rounded(87.0)
    (130, 87)
    """
    step = int(10 ** max(0, math.floor(math.log10(count)) - 1))
    return math.ceil(count / step) * step
