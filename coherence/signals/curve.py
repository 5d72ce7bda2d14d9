"""The curve of the losses of a run or of one source, updated loss by loss: its means, noise and direction.

Standard library only. Source: docs/signals.md, "The loss".
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

Direction = Literal["converging", "plateau", "diverging", "collapsed"]

WINDOW = 100  # of the SMMA, in losses
LARGEST = 1e300  # a larger loss enters the averages as this one, so that they do not overflow

# Measured on simulated curves: tests/signals/test_loss.py holds the numbers.
WINDOW_SHARE = 1 / 10  # of the losses so far: a log of few rows is smoothed over few rows
FEWEST = 10  # losses that show a trend
MANY = 100  # losses: from here on a slope over a tenth of them is not mistaken for noise
FALLEN_NATS = 1.0  # a fall that is seen in fewer losses as well
COLLAPSE_NATS = 1.0  # perplexity grown e-fold
RECENT_SHARE, PAST_SHARE = 1 / 20, 1 / 4  # of the run so far: the windows of the two means compared
ERRORS_OF_TREND = 2.7  # standard errors: more than noise alone reaches
WARMUP_LOSSES = 15  # a minimum among the first ones may be from the warm-up of the learning rate
DEVIATIONS_OF_FIRST = 5  # how far, in mean deviations, a single first loss may be above the curve
DEVIATIONS_OF_ONE = 10  # a single loss that is further, in mean deviations, from the others is an outlier
RELATIVE_FLOOR, ABSOLUTE_FLOOR = 0.005, 0.02  # a smaller change does not count: share, nats
DEVIATION_TO_SIGMA = 1.25  # sqrt(pi / 2): from mean absolute to standard deviation, normal noise
CURVATURE_TO_NOISE = 6**-0.5  # the second difference of independent losses deviates sqrt(6) times as much


class Curve:
    """The finite losses of a run, or of one of its sources, one after another.

    They are smoothed by medians of three, and have the direction that `LossTracker` describes. `window` is
    the most rows that are smoothed over. The state is seventeen numbers, however many losses have come.

    Attributes:
        count: losses so far.
        first, smma, smoothed: the first loss, the SMMA and the smoothed loss, in nats; NaN before any.
        start: the mean of the first `FEWEST` losses; NaN too if an earlier version saved the state.
        lowest, lowest_step: the lowest smoothed loss, and the last step with it.
        last, before: the last loss and the one before it.

    >>> curve = Curve()
    >>> for step in range(20):
    ...     curve.add(step, 5 - step / 10, window=100)
    >>> curve.direction(window=100), round(curve.smoothed, 2)
    ('converging', 3.19)
    """

    def __init__(self) -> None:
        self.count = self.lowest_step = 0
        self.first = self.smma = self.smoothed = self.lowest = self.last = self.before = math.nan
        # For the medians of three, from the third loss on: three means, and the minimum of the first mean.
        self.middle = self.recent = self.past = self.bottom = math.nan
        self.bottom_count = 0
        self.noise = self.start = math.nan

    def add(self, step: int, loss: float, window: int) -> None:
        """Take in the finite loss of a step."""
        loss = min(max(loss, -LARGEST), LARGEST)
        self.count += 1
        width = _width(self.count, window)
        median = sorted((self.before, self.last, loss))[1] if self.count >= 3 else loss
        if self.count == 1:
            self.first = self.start = self.smma = self.smoothed = self.lowest = loss
        else:
            self.smma = (self.smma * (window - 1) + loss) / window
            # Hampel's filter. Over one row nothing is smoothed: the next loss takes the place of this one.
            is_outlier = width > 1 and abs(loss - median) > self._reach_of_one()
            self.smoothed = _towards(self.smoothed, median if is_outlier else loss, width)
            if self.count <= FEWEST:
                self.start = _towards(self.start, loss, self.count)
        if self.smoothed <= self.lowest:
            self.lowest, self.lowest_step = self.smoothed, step
        if self.count >= 3:
            self._follow(loss, median, width)
        self.before, self.last = self.last, loss

    def direction(self, window: int, scale: float = 1.0) -> Direction:
        """Return the direction of the loss; it has no meaning for fewer than `FEWEST` losses.

        Args:
            window: the most rows that are smoothed over.
            scale: how many nats of the logged loss are one nat a token, if losses were summed.
        """
        rise = self._rise(window)
        if rise >= COLLAPSE_NATS * scale:
            return "collapsed"
        gap, margin = self.recent - self.past, self._margin(_recent_width(self.count, window))
        if gap > margin and rise > ABSOLUTE_FLOOR * scale and not self._may_be_warming_up(window):
            return "diverging"
        return "converging" if gap < -margin else "plateau"

    @property
    def has_plainly_fallen(self) -> bool:
        """Whether few losses show a fall: the last is the lowest, and a nat below the first."""
        # Over so few rows the smoothed loss is the loss itself.
        return self.smoothed <= self.lowest and self.first - self.smoothed >= FALLEN_NATS

    def has_fallen(self, window: int) -> bool:
        """Whether it was once surely below the mean of its first losses."""
        fall = self.start - self.bottom
        return fall > self._error(_width(self.bottom_count, window)) + self._error((FEWEST + 1) / 2)

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain JSON values; not-a-number becomes None."""
        return {name: None if value != value else value for name, value in vars(self).items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state; later results are the same as without the stop.

        Raises:
            KeyError: a value is missing.
        """
        known = {"start": None, **state}  # not in a state that an earlier version saved
        vars(self).update(
            {name: math.nan if known[name] is None else known[name] for name in list(vars(self))}
        )

    def _noise_of(self, loss: float) -> float:
        """How far this loss deviates; a single one counts as an outlier at most, however far it is."""
        if self.count <= MANY:
            deviation = abs(self.before - 2 * self.last + loss) * CURVATURE_TO_NOISE
            return min(deviation, self._reach_of_one())
        deviation, reach = abs(loss - self.recent), self._reach_of_one()
        if deviation <= reach:
            return deviation
        # If one of the two before it is as far, it is not alone: the noise has grown, or the level changed.
        return min(deviation, max(reach, abs(self.before - self.recent), abs(self.last - self.recent)))

    def _reach_of_one(self) -> float:
        """How far a single loss may be from the others."""
        return DEVIATIONS_OF_ONE * max(self.noise, RELATIVE_FLOOR * abs(self.middle))

    def _follow(self, loss: float, median: float, width: float) -> None:
        """Follow the trend, by the median of this loss and the two before it, smoothed over `width` rows."""
        count = self.count
        if count == 3:
            self.middle = self.recent = self.past = self.bottom = median
            self.noise = 0.0
        noise = self._noise_of(loss)
        recent_width, past_width = max(width, count * RECENT_SHARE), max(3 * width, count * PAST_SHARE)
        self.middle = _towards(self.middle, median, width)
        self.recent = _towards(self.recent, median, recent_width)
        self.noise = noise if count == 3 else _towards(self.noise, noise, past_width)
        past = _towards(self.past, median, past_width)
        # Kept near the recent mean, so that a steep fall long ago does not decide the trend for ever.
        reach = 2 * self._margin(recent_width)
        self.past = min(max(past, self.recent - reach), self.recent + reach)
        if self.middle <= self.bottom:
            self.bottom, self.bottom_count = self.middle, count

    def _error(self, width: float) -> float:
        """How far noise alone may shift a mean over `width` rows."""
        return ERRORS_OF_TREND * DEVIATION_TO_SIGMA * self.noise / math.sqrt(2 * width - 1)

    def _margin(self, recent_width: float) -> float:
        """How far the recent mean must be from the past mean to show a direction."""
        return max(self._error(recent_width), RELATIVE_FLOOR * abs(self.middle))

    def _rise(self, window: int) -> float:
        """How far the loss has surely risen above its minimum."""
        # A minimum over few losses may be low by chance.
        return self.middle - self.bottom - self._error(_width(self.bottom_count, window))

    def _may_be_warming_up(self, window: int) -> bool:
        has_fallen = self.first - self.bottom > DEVIATIONS_OF_FIRST * self.noise
        return self.count <= window and self.bottom_count <= WARMUP_LOSSES and not has_fallen


def _width(count: int, window: int) -> float:
    """Return over how many rows the loss is smoothed after `count` rows."""
    return min(window, max(1.0, count * WINDOW_SHARE))


def _recent_width(count: int, window: int) -> float:
    return max(_width(count, window), count * RECENT_SHARE)


def _towards(mean: float, value: float, width: float) -> float:
    return mean + (value - mean) / width
