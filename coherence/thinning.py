"""Downsampling of a series that grows without end, in bounded memory and without losing a spike.

Source: docs/page.md, "What is downsampled".
"""

from collections.abc import Callable, Sequence
from math import ceil
from typing import Generic, NamedTuple, Self, TypeVar

T = TypeVar("T")


class Point(NamedTuple, Generic[T]):
    """An item of a series, its height, and a number, which never falls in the order of settling."""

    number: int
    height: float
    item: T


class Thinned(Generic[T]):
    """Takes a series point by point and keeps the lowest and the highest point of each stretch.

    When there are too many points, stretches become twice as long.

    Args:
        limit: the most points that are kept.
        stretch: how many points are a stretch at first; with one or two, every point is kept.

    >>> thinned = Thinned[int](limit=8)
    >>> for number, height in enumerate([3, 2, 9, 2, 2, 2, 2, 2, 2, 0, 2]):
    ...     thinned.add(height, height, number)
    >>> thinned.items
    [2, 9, 2, 2, 0, 2]
    """

    def __init__(self, limit: int, stretch: int = 1) -> None:
        self._limit = limit
        self._size = stretch
        self._kept: list[Point[T]] = []
        self._open: list[Point[T]] = []

    @classmethod
    def of(cls, count: int, limit: int) -> Self:
        """Return one for a series of known length, with stretches of the final length from the beginning.

        >>> thinned = Thinned[float].of(8, limit=4)
        >>> for loss in [3.0, 2.0, 9.0, 2.5, 2.4, 2.3, 2.2, 2.1]:
        ...     thinned.add(loss, loss)
        >>> thinned.outline
        [2.0, 9.0, 2.4, 2.1]
        """
        return cls(limit, max(1, ceil(2 * count / limit)))

    def __len__(self) -> int:
        return len(self._kept) + len(self._open)

    def add(self, item: T, height: float, number: int = 0) -> None:
        """Take one point; `height` is a number, perhaps infinite."""
        self._open.append(Point(number, height, item))
        if len(self._open) < self._size:
            return
        # A point that waited for the end of its stretch is not settled before that end.
        number = self._open[-1].number
        found = extremes(self._open)
        self._kept += [each if each.number == number else each._replace(number=number) for each in found]
        self._open = []
        if len(self._kept) > self._limit:
            self._size *= 2
            kept = self._kept
            self._kept = [point for at in range(0, len(kept), 4) for point in extremes(kept[at : at + 4])]

    @property
    def items(self) -> list[T]:
        """The kept points, in the order in which they came, and the last point."""
        return [*(point.item for point in self._kept), *self.unsettled]

    @property
    def outline(self) -> list[T]:
        """The kept points, in the order in which they came."""
        return [point.item for point in (*self._kept, *extremes(self._open))]

    def settled_since(self, number: float) -> list[Point[T]]:
        """Return the kept points beyond a number, without the unfinished stretch."""
        start = len(self._kept)
        while start and self._kept[start - 1].number > number:
            start -= 1
        return self._kept[start:]

    @property
    def unsettled(self) -> list[T]:
        """The lowest, the highest and the last point of the unfinished stretch."""
        found = list(extremes(self._open))
        more = self._open[-1:] if self._open and found[-1] is not self._open[-1] else []
        return [point.item for point in (*found, *more)]

    def keep(self, wanted: Callable[[T], bool]) -> None:
        """Forget the points that are no longer wanted."""
        self._kept = [point for point in self._kept if wanted(point.item)]
        self._open = [point for point in self._open if wanted(point.item)]


def extremes(points: Sequence[Point[T]]) -> Sequence[Point[T]]:
    """Return the lowest and the highest point in the order in which they came."""
    if len(points) <= 2:
        return points
    places = range(len(points))
    lowest = min(places, key=lambda place: points[place].height)
    highest = max(places, key=lambda place: points[place].height)
    return [points[place] for place in sorted({lowest, highest})]
