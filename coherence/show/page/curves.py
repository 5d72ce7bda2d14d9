"""What the figure draws of all samples: for each stretch of the run the mean, the lowest and the highest.

It is bounded however long the run is. Source: docs/page.md, "What is downsampled".
"""

from bisect import bisect_right
from collections.abc import Sequence
from math import inf
from typing import Any

from coherence.scoring.profile import SCALES
from coherence.scoring.scores import Scores

STRETCHES = 400
"""Stretches at most: up to so many steps each step is one."""

STREAKS = 400
"""Streaks at most: of more, those that are longer than the next."""

SHORTEST = 2
"""Samples of a streak that is worth an area: one alone is marked as a low sample."""

COLUMNS = (*SCALES, "low", "order", "between")
"""What is drawn: the four scores; of low samples the highest of the four; word order; diversity of a step."""

Cell = float | tuple[int, float, float, float] | None
"""Of the values of a stretch: how many there are, the mean, the lowest and the highest; of one, the value."""


class _Values:
    """Numbers, of which the count, the sum, the lowest and the highest are kept."""

    __slots__ = ("count", "highest", "lowest", "total")

    def __init__(self) -> None:
        self.count, self.total, self.lowest, self.highest = 0, 0.0, inf, -inf

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        self.lowest, self.highest = min(self.lowest, value), max(self.highest, value)

    def join(self, later: "_Values") -> None:
        self.count += later.count
        self.total += later.total
        self.lowest, self.highest = min(self.lowest, later.lowest), max(self.highest, later.highest)

    @property
    def cell(self) -> Cell:
        if self.count < 2:
            return round(self.total, 2) if self.count else None
        lowest, highest = round(self.lowest, 2), round(self.highest, 2)
        mean = min(max(self.total / self.count, self.lowest), self.highest)  # a sum of floats is not exact
        return self.count, round(mean, 2), lowest, highest


class _Stretch:
    """Steps that follow each other.

    Attributes:
        steps: how many there are.
        number: of the last value that was added.
    """

    __slots__ = ("first", "last", "number", "samples", "steps", "values")

    def __init__(self, step: int, width: int) -> None:
        self.first = self.last = step
        self.steps, self.samples, self.number = 1, 0, 0
        self.values = [_Values() for _ in range(width)]

    def join(self, later: "_Stretch") -> None:
        self.last = max(self.last, later.last)
        self.steps, self.samples = self.steps + later.steps, self.samples + later.samples
        for mine, theirs in zip(self.values, later.values, strict=True):
            mine.join(theirs)

    @property
    def row(self) -> list[Any]:
        return [self.first, self.last, self.samples, *(values.cell for values in self.values)]


class Stretches:
    """Values over the steps, aggregated by stretches of as many steps each.

    When there are too many, each two that follow each other become one.

    Args:
        width: how many values come at a time.
        limit: stretches at most.

    >>> stretches = Stretches(width=1, limit=2)
    >>> for step, value in [(10, 4.0), (20, 8.0), (20, 6.0), (30, 1.0)]:
    ...     stretches.add(step, [value])
    >>> stretches.rows()
    [[10, 20, 3, (3, 6.0, 4.0, 8.0)], [30, 30, 1, 1.0]]
    """

    def __init__(self, width: int, limit: int = STRETCHES) -> None:
        self._width, self._limit = width, limit
        self._size = 1  # steps of a stretch
        self._found: list[_Stretch] = []

    def add(self, step: int, values: Sequence[float | None], samples: int = 1, number: int = 0) -> None:
        """Take the values of a step; it may have some already.

        Args:
            step: of the values.
            values: as many as the width; None for one that is not known.
            samples: of how many samples they are.
            number: later values have no lower one.
        """
        stretch = self._of(step)
        stretch.samples += samples
        stretch.number = number
        for known, value in zip(stretch.values, values, strict=True):
            if value is not None:
                known.add(value)
        if len(self._found) > self._limit:
            self._halve(number)

    def _of(self, step: int) -> _Stretch:
        last = self._found[-1] if self._found else None
        if last is None or (step > last.last and last.steps >= self._size):
            self._found.append(_Stretch(step, self._width))
        elif step > last.last:
            last.steps += 1
            last.last = step
        elif step < last.first:  # it has come late
            place = bisect_right(self._found, step, key=lambda each: each.first)
            found = self._found[max(0, place - 1)]
            found.first, found.last = min(found.first, step), max(found.last, step)
            return found
        return self._found[-1]

    def _halve(self, number: int) -> None:
        self._size *= 2
        for one, other in zip(self._found[::2], self._found[1::2], strict=False):
            one.join(other)
        self._found = self._found[::2]
        for each in self._found:
            each.number = number

    def go_back(self, step: int) -> None:
        """Forget a step and all later ones; a stretch that began before it stays with all its values."""
        self._found = [each for each in self._found if each.first < step]
        if self._found:
            self._found[-1].last = min(self._found[-1].last, step - 1)

    def unchanged(self, since: float) -> int:
        """Return how many of the first stretches are as they were at a number."""
        return next((n for n, each in enumerate(self._found) if each.number > since), len(self._found))

    def rows(self, start: int = 0) -> list[list[Any]]:
        """Return first step, last step, samples, and a `Cell` for each value, from one stretch on."""
        return [each.row for each in self._found[start:]]


class Streaks:
    """Where samples count towards a halt: from the first step to the last of each streak.

    Args:
        limit: streaks at most.

    >>> streaks = Streaks()
    >>> for step, streak in [(10, 1), (20, 2), (30, 0), (40, 1), (50, 0)]:
    ...     streaks.see(step, streak)
    >>> streaks.found
    [(10, 20)]
    """

    def __init__(self, limit: int = STREAKS) -> None:
        self._limit = limit
        self._found: list[list[int]] = []  # first step, last step, samples
        self._shortest = SHORTEST
        self._goes_on = False

    def see(self, step: int, streak: int) -> None:
        """Take how many samples count after a sample of a step."""
        if streak > 0 and self._goes_on:
            self._found[-1][1] = max(self._found[-1][1], step)
            self._found[-1][2] += 1
        elif streak > 0:
            if self._found and self._found[-1][2] < self._shortest:
                self._found.pop()
            self._found.append([step, step, 1])
            if len(self._found) > self._limit + 1:
                self._shorten()
        self._goes_on = streak > 0

    def _shorten(self) -> None:
        """Ask for longer streaks until at most the limit are left: the first are not preferred."""
        *ended, last = self._found
        self._shortest = 1 + sorted(count for *_, count in ended)[-self._limit - 1]
        self._found = [*(each for each in ended if each[2] >= self._shortest), last]

    def go_back(self, step: int) -> None:
        """Forget a step and all later ones."""
        self._found = [
            [first, min(last, step - 1), count] for first, last, count in self._found if first < step
        ]
        self._goes_on = False

    @property
    def found(self) -> list[tuple[int, int]]:
        """The first and the last step of each, in their order."""
        return [(first, last) for first, last, count in self._found if count >= self._shortest]


class Curves:
    """Sees every sample of a run and keeps what the figure draws of them."""

    def __init__(self) -> None:
        self._stretches, self._streaks = Stretches(len(COLUMNS)), Streaks()

    def see(
        self,
        step: int,
        scores: Scores,
        low: bool,
        streak: int,
        between: float | None = None,
        number: int = 0,
    ) -> None:
        """Take one sample.

        Args:
            step: of the sample.
            scores: of the sample.
            low: whether it is.
            streak: how many samples count towards a halt after it.
            between: the diversity between the samples of the step, with one of them.
            number: later samples have no lower one.
        """
        highest = max((value for value in scores.values if value is not None), default=0.0) if low else None
        order = None if scores.order is None else scores.order.value
        self._stretches.add(step, (*scores.values, highest, order, between), 1, number)
        self._streaks.see(step, streak)

    def compare(self, step: int, between: float, number: int = 0) -> None:
        """Take the diversity between the samples of a step, all of which were seen."""
        self._stretches.add(step, (*[None] * (len(COLUMNS) - 1), between), 0, number)

    def go_back(self, step: int) -> None:
        """Forget what a restart has superseded: a step and all later ones."""
        self._stretches.go_back(step)
        self._streaks.go_back(step)

    def plain(self, since: float = -1) -> dict[str, Any]:
        """Return what is drawn, as plain values.

        Args:
            since: a number; stretches that are as they were then are left out, and `at` says how many.
        """
        at = self._stretches.unchanged(since)
        return {"at": at, "stretches": self._stretches.rows(at), "streaks": self._streaks.found}
