"""The loss of a run: what it amounts to, and where it is heading.

Losses are mean cross-entropies in nats per token, as every trainer logs them. Standard library only.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Trend = Literal["early", "too few losses", "converging", "plateau", "diverging", "collapsed", "not finite"]
FORMAT = 2

WINDOW = 100  # of the SMMA, in losses, as the lesson has it
ARRIVED = 3  # windows of the SMMA after which it has forgotten the first loss, but for a twentieth
LARGEST = 1e300  # a loss beyond enters the averages as this: they must not overflow

# The running trend. Measured on simulated curves: tests/signals/test_loss.py holds the numbers.
WINDOW_SHARE = 1 / 10  # of the losses so far: a log of few rows is smoothed over few
FEWEST = 10  # losses that show a trend
MANY = 100  # losses: a slope over a tenth of them no longer passes for noise
FALLEN_NATS = 1.0  # a fall that fewer show as well
EARLY_SHARE = 0.9  # of the uniform baseline: above this nothing has been learned yet
COLLAPSE_NATS = 1.0  # perplexity grown e-fold
RECENT_SHARE, PAST_SHARE = 1 / 20, 1 / 4  # of the run so far: the windows of the two means compared
ERRORS_OF_TREND = 2.7  # standard errors: what noise alone does not reach
WARMUP_LOSSES = 15  # a minimum among the first ones may be where the learning rate was still warming up
DEVIATIONS_OF_FIRST = 5  # how far, in mean deviations, a single first loss may lie above the curve
RELATIVE_FLOOR, ABSOLUTE_FLOOR = 0.005, 0.02  # below this a change is of no interest: share, nats
DEVIATION_TO_SIGMA = 1.25  # sqrt(pi / 2): from mean absolute to standard deviation, normal noise
CURVATURE_TO_NOISE = 6**-0.5  # the second difference of independent losses deviates sqrt(6) times as much


def perplexity(loss: float) -> float:
    """Return the perplexity of a loss: among how many equally likely tokens the model wavers.

    `exp(loss)`, in tokens, from 1 for a loss of 0; infinite where it exceeds every float.
    Source: docs/signals.md, "The loss".

    >>> round(perplexity(3.43), 1)
    30.9
    """
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf


def uniform_baseline(vocab_size: int) -> float:
    """Return the loss of a model that gives every token the same probability.

    `ln V`, in nats, 0 and up.
    Raises ValueError unless `vocab_size` is at least 1.
    Source: docs/signals.md, "The loss".

    >>> round(uniform_baseline(8449), 2)
    9.04
    """
    if not vocab_size >= 1:
        raise ValueError(f"vocab_size must be a number of tokens, at least 1, not {vocab_size!r}")
    return math.log(vocab_size)


def advantage(loss: float, vocab_size: int) -> float:
    """Return how many times better than uniform guessing a loss is.

    `V / perplexity(loss)`: 1 at the uniform baseline, below 1 when worse, V at a loss of 0.
    Raises ValueError unless `vocab_size` is at least 1.
    Source: docs/signals.md, "The loss".

    >>> round(advantage(3.43, 8449), 1)
    273.6
    """
    uniform_baseline(vocab_size)  # refuses a size that is none
    return vocab_size * perplexity(-loss)


def true_loss(loss: float, grad_norm: float | None = None) -> float:
    """Return the loss as it was, where a trainer logged a not-a-number as 0.0.

    Not-a-number when the loss is exactly 0.0 and the gradient norm beside it is not finite, else the loss, in
    nats. The Hugging Face Trainer's `logging_nan_inf_filter` does this by default.
    Source: docs/signals.md, "The loss".

    >>> true_loss(0.0, grad_norm=float("nan"))
    nan
    >>> true_loss(0.0, grad_norm=1.3)
    0.0
    """
    hidden = loss == 0 and grad_norm is not None and not math.isfinite(grad_norm)
    return math.nan if hidden else loss


class Minimum(NamedTuple):
    """The lowest smoothed loss of a run and the last step at which it stood there.

    `loss` in nats, `step` as the trainer counts. Source: docs/signals.md, "The loss".

    >>> Minimum(loss=3.43, step=110_000).step
    110000
    """

    loss: float
    step: int


class SourceLoss(NamedTuple):
    """The last loss of one source of the data mix, its SMMA, and its smoothed loss.

    All in nats, over the rows of this source; `smma` and `smoothed` are None until a loss was finite.
    Source: docs/signals.md, "The loss".

    >>> SourceLoss(loss=3.1, smma=3.4, smoothed=3.2).smoothed
    3.2
    """

    loss: float
    smma: float | None
    smoothed: float | None


class _Source(NamedTuple):
    loss: float
    smma: float | None = None
    smoothed: float | None = None
    rows: int = 0  # with a finite loss


class LossTracker:
    """Follows the loss of a run, smooths it and names its trend.

    Everything counts rows, one an update, and a loss that is not finite enters nothing but the trend:

    - `smma[0] = loss[0]`, `smma[t] = (smma[t-1] * (N - 1) + loss[t]) / N` with N = `window`;
    - `smoothed[t] = smoothed[t-1] + (loss[t] - smoothed[t-1]) / w` with w = N or a tenth of the rows so far,
      whichever is less, and at least 1: it arrives in a log of few rows as well. Perplexity, advantage and
      minimum are those of it.

    `trend` is, the first that holds:

    - None before any loss; "not finite" while the last loss was not finite;
    - "early": neither the minimum nor the last loss is below 0.9 of the uniform baseline, and the loss has
      not collapsed; never without a vocabulary;
    - "converging", with fewer than 10 finite losses: the last is the lowest, and a nat below the first;
      "too few losses": any other run of fewer than 10;
    - "collapsed": the loss is surely one nat above its minimum;
    - "diverging": it is surely above its minimum by 0.02 nats, and rising: its recent mean is above its past
      mean by more than the noise. A rise from the first 15 losses on, by less than a nat, may be the warm-up
      of the learning rate: it is none before N losses;
    - "converging": the recent mean is below the past mean by more than the noise;
    - "plateau": else.

    These are judged on medians of three neighbouring losses, smoothed likewise, so that a single batch raises
    no alarm. The recent mean is over max(w, n / 20) of n rows, the past mean over max(3 w, n / 4): a slow
    change late in a long run shows. The noise is 2.7 standard errors of the recent mean, at least 0.5 % of
    the loss; a rise is sure beyond as many standard errors of the minimum. Both errors come from the mean
    over max(3 w, n / 4) rows of `|loss[t] - 2 loss[t-1] + loss[t-2]| / sqrt(6)`, which is 0 on a steady fall,
    and from the 101st loss on of its distance to the recent mean before it, which sees slow noise as well.
    Noise of neighbouring losses counts as independent. Steps that go back are a restart: the averages
    continue. The state is sixteen numbers, and four for each source.

    Args:
        vocab_size: tokens in the vocabulary; without it there is no baseline and no advantage.
        window: N, the most rows that are smoothed over, at least 1; 1 smooths nothing.

    Raises:
        ValueError: `vocab_size` or `window` is below 1.

    Source: docs/signals.md, "The loss".

    >>> tracker = LossTracker(vocab_size=8449)
    >>> for step, loss in [(0, 8.0), (600, 3.5), (1200, 2.8)]:
    ...     tracker.update(step=step, loss=loss, source="gutenberg")
    >>> tracker.trend, tracker.minimum
    ('converging', Minimum(loss=2.8, step=1200))
    >>> round(tracker.smma, 4), tracker.smoothed
    (7.9034, 2.8)
    """

    def __init__(self, vocab_size: int | None = None, window: int = WINDOW) -> None:
        self.configure(vocab_size, window)
        self.step: int | None = None
        self.loss: float | None = None
        self.count = 0  # of finite losses
        self._first = self._smma = self._smoothed = self._lowest = math.nan
        self._lowest_step = 0
        self._neighbours: list[float] = []  # the last two losses
        # Of the medians of three, from the third loss on: three means, and the minimum of the first of them.
        self._middle = self._recent = self._past = self._bottom = math.nan
        self._bottom_count = 0
        self._noise = math.nan
        self._sources: dict[str, _Source] = {}

    def configure(self, vocab_size: int | None, window: int) -> None:
        """Change the settings; what was seen so far stays as it was averaged.

        Raises ValueError, and changes nothing, when `vocab_size` or `window` is below 1.
        Source: docs/signals.md, "The loss".

        >>> tracker = LossTracker()
        >>> tracker.configure(vocab_size=8449, window=50)
        >>> tracker.window, round(tracker.uniform_baseline, 2)
        (50, 9.04)
        """
        if not window >= 1:
            raise ValueError(f"window must be a number of rows, at least 1, not {window!r}")
        self.uniform_baseline = None if vocab_size is None else uniform_baseline(vocab_size)
        self.vocab_size = vocab_size
        self.window = window

    def update(
        self, step: int, loss: float, source: str | None = None, grad_norm: float | None = None
    ) -> None:
        """Take in the loss of one step.

        `loss` in nats, any float: NaN and infinity are a trend of their own. `source` names the part of the
        data mix that the loss belongs to. `grad_norm` uncovers a NaN that was logged as 0.0, see `true_loss`.
        Source: docs/signals.md, "The loss".

        >>> tracker = LossTracker()
        >>> tracker.update(step=1200, loss=3.43)
        >>> tracker.update(step=1201, loss=0.0, grad_norm=float("nan"))
        >>> tracker.trend, tracker.smoothed
        ('not finite', 3.43)
        """
        self.step, self.loss = int(step), true_loss(float(loss), grad_norm)
        if source is not None:
            self._update_source(source, self.loss)
        if math.isfinite(self.loss):
            self._average(self.step, _bounded(self.loss))

    @property
    def smma(self) -> float | None:
        """The SMMA over `window` rows, in nats; None before any finite loss."""
        return self._smma if self.count else None

    @property
    def smoothed(self) -> float | None:
        """The smoothed loss, over a window that grows with the rows, in nats; None before any finite loss."""
        return self._smoothed if self.count else None

    @property
    def perplexity(self) -> float | None:
        """The perplexity of the smoothed loss, in tokens; None before any finite loss."""
        return perplexity(self._smoothed) if self.count else None

    @property
    def advantage(self) -> float | None:
        """How many times better than uniform the smoothed loss is; None without vocabulary or finite loss."""
        return advantage(self._smoothed, self.vocab_size) if self.count and self.vocab_size else None

    @property
    def minimum(self) -> Minimum | None:
        """The lowest smoothed loss so far and its step; None before any finite loss."""
        return Minimum(self._lowest, self._lowest_step) if self.count else None

    @property
    def sources(self) -> dict[str, SourceLoss]:
        """Loss, SMMA and smoothed loss of every source seen, by name; a copy."""
        return {name: SourceLoss(seen.loss, seen.smma, seen.smoothed) for name, seen in self._sources.items()}

    @property
    def trend(self) -> Trend | None:
        """Where the loss is heading, in a few words; the class says which and when. None before any loss."""
        if self.loss is None:
            return None
        if not math.isfinite(self.loss):
            return "not finite"
        collapsed = self.count >= FEWEST and self._rise() >= COLLAPSE_NATS
        if self._is_near_baseline(self.loss) and not collapsed:
            return "early"
        if self.count < FEWEST:
            return "converging" if self._has_plainly_fallen() else "too few losses"
        return "collapsed" if collapsed else self._direction()

    def state_dict(self) -> dict[str, Any]:
        """Return what the tracker remembers, as plain JSON values; its settings are not among them.

        Not-a-number is None. `format` is the number of the layout.
        Source: docs/signals.md, "The loss".

        >>> state = LossTracker(vocab_size=2305).state_dict()
        >>> state["format"], state["count"], state["smoothed"]
        (2, 0, None)
        """
        return {
            "format": FORMAT,
            "count": self.count,
            "step": self.step,
            "loss": _to_json(self.loss),
            **{name: _to_json(getattr(self, f"_{name}")) for name in _MEANS},
            "lowest_step": self._lowest_step,
            "bottom_count": self._bottom_count,
            "neighbours": list(self._neighbours),
            "sources": {
                name: seen._asdict() | {"loss": _to_json(seen.loss)} for name, seen in self._sources.items()
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a saved state and go on as if never stopped, under the settings of this tracker.

        An infinite loss comes back as not-a-number: JSON knows neither.
        Raises ValueError, and changes nothing, when the format is another one or a value is missing.
        Source: docs/signals.md, "The loss".

        >>> before, after = LossTracker(), LossTracker()
        >>> before.update(step=1200, loss=3.43)
        >>> after.load_state_dict(before.state_dict())
        >>> after.step, after.smoothed
        (1200, 3.43)
        """
        if state.get("format") != FORMAT:
            raise ValueError(
                f"the state of a loss tracker must have format {FORMAT}, not {state.get('format')!r}"
            )
        if missing := sorted(self.state_dict().keys() - state.keys()):
            raise ValueError(f"the state of a loss tracker lacks {missing!r}")
        restored = LossTracker(self.vocab_size, self.window)
        restored.count, restored.step = state["count"], state["step"]
        restored.loss = None if restored.step is None else _from_json(state["loss"])
        for name in _MEANS:
            setattr(restored, f"_{name}", _from_json(state[name]))
        restored._lowest_step, restored._bottom_count = state["lowest_step"], state["bottom_count"]
        restored._neighbours = list(state["neighbours"])
        restored._sources = {
            name: _Source(**{**seen, "loss": _from_json(seen["loss"])})
            for name, seen in state["sources"].items()
        }
        vars(self).update(vars(restored))

    def _update_source(self, name: str, loss: float) -> None:
        seen = self._sources.get(name, _Source(loss))._replace(loss=loss)
        if math.isfinite(loss):
            value, rows = _bounded(loss), seen.rows + 1
            smma = value if seen.smma is None else _smma(seen.smma, value, self.window)
            smoothed = value if seen.smoothed is None else _towards(seen.smoothed, value, self._width(rows))
            seen = _Source(loss, smma, smoothed, rows)
        self._sources[name] = seen

    def _average(self, step: int, loss: float) -> None:
        self.count += 1
        if self.count == 1:
            self._first = self._smma = self._smoothed = self._lowest = loss
        else:
            self._smma = _smma(self._smma, loss, self.window)
            self._smoothed = _towards(self._smoothed, loss, self._width(self.count))
        if self._smoothed <= self._lowest:
            self._lowest, self._lowest_step = self._smoothed, step
        if len(self._neighbours) == 2:
            self._follow([*self._neighbours, loss])
        self._neighbours = [*self._neighbours, loss][-2:]

    def _follow(self, losses: list[float]) -> None:
        """Follow the trend, by three neighbouring losses."""
        (first, second, third), (_, median, _) = losses, sorted(losses)
        if self.count > MANY:
            noise = abs(third - self._recent)
        else:
            noise = abs(first - 2 * second + third) * CURVATURE_TO_NOISE
        width, recent_width = self._width(self.count), self._recent_width()
        past_width = max(3 * width, self.count * PAST_SHARE)
        if self.count == 3:
            self._middle = self._recent = self._past = self._bottom = median
            self._noise = noise
        self._middle = _towards(self._middle, median, width)
        self._recent = _towards(self._recent, median, recent_width)
        self._noise = _towards(self._noise, noise, past_width)
        past = _towards(self._past, median, past_width)
        # Held near the recent mean, so that a steep fall long ago does not keep the trend for ever.
        reach = 2 * self._margin(recent_width)
        self._past = min(max(past, self._recent - reach), self._recent + reach)
        if self._middle <= self._bottom:
            self._bottom, self._bottom_count = self._middle, self.count

    def _width(self, count: int) -> float:
        """Over how many of so many rows the loss is smoothed."""
        return min(self.window, max(1.0, count * WINDOW_SHARE))

    def _recent_width(self) -> float:
        return max(self._width(self.count), self.count * RECENT_SHARE)

    def _error(self, width: float) -> float:
        """How far noise alone may shift a mean over so many rows."""
        return ERRORS_OF_TREND * DEVIATION_TO_SIGMA * self._noise / math.sqrt(2 * width - 1)

    def _margin(self, recent_width: float) -> float:
        """How far the recent mean must lie from the past one to be heading anywhere."""
        return max(self._error(recent_width), RELATIVE_FLOOR * abs(self._middle))

    def _rise(self) -> float:
        """How far the loss has surely risen above its minimum."""
        # A minimum over few losses may owe its depth to luck.
        return self._middle - self._bottom - self._error(self._width(self._bottom_count))

    def _is_near_baseline(self, loss: float) -> bool:
        baseline = self.uniform_baseline
        return baseline is not None and min(self._lowest, loss) > EARLY_SHARE * baseline

    def _has_plainly_fallen(self) -> bool:
        # Over so few rows the smoothed loss is the loss.
        return self._smoothed <= self._lowest and self._first - self._smoothed >= FALLEN_NATS

    def _may_be_warming_up(self) -> bool:
        has_fallen = self._first - self._bottom > DEVIATIONS_OF_FIRST * self._noise
        return self.count <= self.window and self._bottom_count <= WARMUP_LOSSES and not has_fallen

    def _direction(self) -> Trend:
        gap, margin = self._recent - self._past, self._margin(self._recent_width())
        if gap > margin and self._rise() > ABSOLUTE_FLOOR and not self._may_be_warming_up():
            return "diverging"
        return "converging" if gap < -margin else "plateau"


_MEANS = ("first", "smma", "smoothed", "lowest", "middle", "recent", "past", "bottom", "noise")


def _smma(mean: float, value: float, window: float) -> float:
    return (mean * (window - 1) + value) / window


def _towards(mean: float, value: float, width: float) -> float:
    return mean + (value - mean) / width


def _bounded(loss: float) -> float:
    return min(max(loss, -LARGEST), LARGEST)


def _to_json(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _from_json(value: float | None) -> float:
    return math.nan if value is None else value
