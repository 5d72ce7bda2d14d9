"""A loss curve for the eye: few points, and no spike lost.

Source: docs/report.md, "What is reported".
"""

import math
from typing import NamedTuple

from coherence.report import CurveRecord


class _Point(NamedTuple):
    step: int
    loss: float
    smoothed: float | None


class Curve:
    """Takes a curve point by point and keeps of each stretch the lowest and the highest.

    Args:
        stretch: how many points make one; up to two every point is kept.

    >>> curve = Curve(stretch=4)
    >>> for step, loss in enumerate([3.0, 2.0, 9.0, 2.5, 2.4, 2.3, 2.2, 2.1]):
    ...     curve.add(step, loss, loss)
    >>> curve.record().losses
    (2.0, 9.0, 2.4, 2.1)
    """

    def __init__(self, stretch: float) -> None:
        self._size = math.ceil(stretch)
        self._kept: list[_Point] = []
        self._stretch: list[_Point] = []

    def add(self, step: int, loss: float, smoothed: float | None) -> None:
        """Take one point."""
        self._stretch.append(_Point(step, loss, smoothed))
        if len(self._stretch) >= self._size:
            self._kept += _extremes(self._stretch)
            self._stretch = []

    def record(self) -> CurveRecord:
        """Return the points that were kept."""
        points = [*self._kept, *_extremes(self._stretch)]
        return CurveRecord(
            steps=tuple(point.step for point in points),
            losses=tuple(point.loss for point in points),
            smoothed=tuple(point.smoothed for point in points),
        )


def _extremes(points: list[_Point]) -> list[_Point]:
    """Return the lowest and the highest point in their order; what is not finite is the highest."""
    if len(points) <= 2:
        return points
    places = range(len(points))
    lowest = min(places, key=lambda place: _height(points[place]))
    highest = max(places, key=lambda place: _height(points[place]))
    return [points[place] for place in sorted({lowest, highest})]


def _height(point: _Point) -> float:
    return point.loss if math.isfinite(point.loss) else math.inf
