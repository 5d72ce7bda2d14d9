"""The loss of a run: what it amounts to, where it is heading, and which phases it went through.

Losses are mean cross-entropies in nats per token, as every trainer logs them. Standard library only.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations, groupby, pairwise
from typing import Any, Literal, NamedTuple

Trend = Literal["early", "converging", "plateau", "diverging", "collapsed", "not finite"]
PhaseLabel = Trend | Literal["minimum"]

FORMAT = 1

# The running trend. Measured on simulated curves: tests/test_loss.py holds the numbers.
EARLY_SHARE = 0.9  # of the uniform baseline: above this nothing has been learned yet
COLLAPSE_NATS = 1.0  # perplexity grown e-fold
RECENT_SHARE, PAST_SHARE = 1 / 20, 1 / 4  # of the run so far: the windows of the two means compared
ERRORS_OF_TREND = 3  # standard errors between those two means
DEVIATIONS_OF_FIRST = 5  # how far, in mean deviations, a single first loss may lie below the curve
RELATIVE_FLOOR, ABSOLUTE_FLOOR = 0.005, 0.02  # below this a change is of no interest: share, nats
DEVIATION_TO_SIGMA = 1.25  # sqrt(pi / 2): from mean absolute to standard deviation, normal noise

# The phases seen with hindsight.
MAX_RANGES = 12
HINDSIGHT_TOLERANCE = 0.02  # of the lowest mean so far: above it by more is a rise
FLAT_BAND, FLAT_FALL, STEADY_FALL = 0.05, 0.03, 0.01  # of the first mean of a stretch


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
    """The lowest SMMA of a run and the last step at which it stood there.

    `smma` in nats, `step` as the trainer counts. Source: docs/signals.md, "The loss".

    >>> Minimum(smma=3.43, step=110_000).step
    110000
    """

    smma: float
    step: int


class SourceLoss(NamedTuple):
    """The last loss of one source of the data mix and its SMMA.

    Both in nats; `smma` is None until the source has shown a finite loss.
    Source: docs/signals.md, "The loss".

    >>> SourceLoss(loss=3.1, smma=3.4).smma
    3.4
    """

    loss: float
    smma: float | None


class LossTracker:
    """Follows the loss of a run, smooths it and names its trend.

    The SMMA is `smma[0] = loss[0]`, `smma[t] = (smma[t-1] * (N - 1) + loss[t]) / N` with N = `window`; a loss
    that is not finite never enters it. `window` counts updates, and so does everything below.

    `trend` is, the first that holds:

    - None before any loss; "not finite" while the last loss was not finite;
    - "collapsed": the SMMA is one nat above its minimum;
    - "early": neither the minimum of the SMMA nor the last loss is below 0.9 of the uniform baseline;
      without a vocabulary, the first loss;
    - "diverging": the SMMA is above its minimum by 0.02 nats, and the loss is rising: its mean over the last
      twentieth of the run is above that over the last quarter by more than the noise;
    - "converging": the mean over the last twentieth is below that over the last quarter by more than the
      noise; the first loss;
    - "plateau": the two means differ by less than the noise, which is 3 standard errors or 0.5 %.

    The two windows grow with the run, from N and 3 N on, so that a slow change late in a long run shows. The
    noise is the SMMA of |loss - smma|; losses of neighbouring steps count as independent. On a noisy loss a
    small `window` reads "plateau" where a larger one still sees it falling. Steps that go back are a restart:
    the averages continue. The state is a dozen numbers and two for each source.

    Args:
        vocab_size: tokens in the vocabulary; without it there is no baseline and no advantage.
        window: N of the SMMA, at least 1; 1 takes every loss for the truth.

    Raises:
        ValueError: `vocab_size` or `window` is below 1.

    Source: docs/signals.md, "The loss".

    >>> tracker = LossTracker(vocab_size=8449)
    >>> for step, loss in [(0, 8.0), (600, 3.5), (1200, 2.8)]:
    ...     tracker.update(step=step, loss=loss, source="gutenberg")
    >>> tracker.trend
    'converging'
    >>> round(tracker.sources["gutenberg"].smma, 4)
    7.9034
    """

    def __init__(self, vocab_size: int | None = None, window: int = 100) -> None:
        if not window >= 1:
            raise ValueError(f"window must be a number of updates, at least 1, not {window!r}")
        self.uniform_baseline = None if vocab_size is None else uniform_baseline(vocab_size)
        self.vocab_size = vocab_size
        self.window = window
        self.step: int | None = None
        self.loss: float | None = None
        self.count = 0  # of finite losses
        self._smma = self._recent = self._past = self._lowest = math.nan
        self._noise = 0.0
        self._lowest_step = self._lowest_count = 0
        self._sources: dict[str, SourceLoss] = {}

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
        >>> tracker.trend, tracker.smma
        ('not finite', 3.43)
        """
        self.step, self.loss = int(step), true_loss(float(loss), grad_norm)
        if source is not None:
            self._sources[source] = self._next_source(self._sources.get(source), self.loss)
        if math.isfinite(self.loss):
            self._average(self.step, self.loss)

    @property
    def smma(self) -> float | None:
        """The smoothed loss in nats; None before any finite loss."""
        return self._smma if self.count else None

    @property
    def perplexity(self) -> float | None:
        """The perplexity of the SMMA, in tokens; None before any finite loss."""
        return perplexity(self._smma) if self.count else None

    @property
    def advantage(self) -> float | None:
        """How many times better than uniform the SMMA is; None without a vocabulary or any finite loss."""
        return advantage(self._smma, self.vocab_size) if self.count and self.vocab_size else None

    @property
    def minimum(self) -> Minimum | None:
        """The lowest SMMA so far and its step; None before any finite loss."""
        return Minimum(self._lowest, self._lowest_step) if self.count else None

    @property
    def sources(self) -> dict[str, SourceLoss]:
        """Loss and SMMA of every source seen, by name; a copy."""
        return dict(self._sources)

    @property
    def trend(self) -> Trend | None:
        """Where the loss is heading, in one word; the class says which and when. None before any loss."""
        if self.loss is None:
            return None
        if not math.isfinite(self.loss):
            return "not finite"
        if self._rise() >= COLLAPSE_NATS:
            return "collapsed"
        if self._is_early(self.loss):
            return "early"
        return self._direction()

    def state_dict(self) -> dict[str, Any]:
        """Return the whole state as plain JSON values, with a format number; not-a-number is None.

        Source: docs/signals.md, "The loss".

        >>> state = LossTracker(vocab_size=2305).state_dict()
        >>> state["format"], state["vocab_size"], state["smma"]
        (1, 2305, None)
        """
        return {
            "format": FORMAT,
            "vocab_size": self.vocab_size,
            "window": self.window,
            "count": self.count,
            "step": self.step,
            "loss": _to_json(self.loss),
            "smma": _to_json(self._smma),
            "recent": _to_json(self._recent),
            "past": _to_json(self._past),
            "noise": self._noise,
            "lowest": _to_json(self._lowest),
            "lowest_step": self._lowest_step,
            "lowest_count": self._lowest_count,
            "sources": {
                name: {"loss": _to_json(seen.loss), "smma": seen.smma} for name, seen in self._sources.items()
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a saved state, vocabulary and window included, and go on as if never stopped.

        An infinite loss comes back as not-a-number: JSON knows neither.
        Raises ValueError, and changes nothing, when the format is another one or a value is missing.
        Source: docs/signals.md, "The loss".

        >>> saved = LossTracker(window=50).state_dict()
        >>> tracker = LossTracker()
        >>> tracker.load_state_dict(saved)
        >>> tracker.window
        50
        """
        if state.get("format") != FORMAT:
            raise ValueError(
                f"the state of a loss tracker must have format {FORMAT}, not {state.get('format')!r}"
            )
        if missing := sorted(self.state_dict().keys() - state.keys()):
            raise ValueError(f"the state of a loss tracker lacks {missing!r}")
        restored = LossTracker(state["vocab_size"], state["window"])
        restored.count, restored.step = state["count"], state["step"]
        restored.loss = None if restored.step is None else _from_json(state["loss"])
        restored._smma, restored._noise = _from_json(state["smma"]), state["noise"]
        restored._recent, restored._past = _from_json(state["recent"]), _from_json(state["past"])
        restored._lowest = _from_json(state["lowest"])
        restored._lowest_step, restored._lowest_count = state["lowest_step"], state["lowest_count"]
        restored._sources = {
            name: SourceLoss(_from_json(seen["loss"]), seen["smma"])
            for name, seen in state["sources"].items()
        }
        vars(self).update(vars(restored))

    def _next_source(self, seen: SourceLoss | None, loss: float) -> SourceLoss:
        before = seen.smma if seen else None
        if not math.isfinite(loss):
            return SourceLoss(loss, before)
        return SourceLoss(loss, loss if before is None else _smoothed(before, loss, self.window))

    def _average(self, step: int, loss: float) -> None:
        self.count += 1
        if self.count == 1:
            self._smma = self._recent = self._past = self._lowest = loss
        else:
            self._smma = _smoothed(self._smma, loss, self.window)
        self._noise = _smoothed(self._noise, abs(loss - self._smma), self.window)
        self._recent = _smoothed(self._recent, loss, self._recent_window())
        past = _smoothed(self._past, loss, max(3 * self.window, self.count * PAST_SHARE))
        # Held near the recent mean, so that a steep fall long ago does not keep the trend for ever.
        reach = 3 * self._margin()
        self._past = min(max(past, self._recent - reach), self._recent + reach)
        if self._smma <= self._lowest:
            self._lowest, self._lowest_step, self._lowest_count = self._smma, step, self.count

    def _recent_window(self) -> float:
        return max(self.window, self.count * RECENT_SHARE)

    def _first_weight(self, count: int) -> float:
        """The weight that the first loss still has in the SMMA."""
        return float((1 - 1 / self.window) ** (count - 1))

    def _margin(self) -> float:
        """How far the recent mean must lie from the past one to be heading anywhere."""
        # Both means start at the first loss and drift off slowly: the floor grows as they do.
        floor = RELATIVE_FLOOR * abs(self._smma) * (1 - self._first_weight(self.count))
        error = DEVIATION_TO_SIGMA * self._noise / math.sqrt(2 * self._recent_window() - 1)
        return max(ERRORS_OF_TREND * error, floor)

    def _rise(self) -> float:
        """How far the SMMA has surely risen above its minimum."""
        # A minimum that rests on the first loss alone may owe all its depth to that one batch.
        luck = DEVIATIONS_OF_FIRST * self._noise * self._first_weight(self._lowest_count)
        return self._smma - self._lowest - luck

    def _is_early(self, loss: float) -> bool:
        if self.uniform_baseline is None:
            return self.count == 1
        return min(self._lowest, loss) > EARLY_SHARE * self.uniform_baseline

    def _direction(self) -> Trend:
        gap, margin = self._recent - self._past, self._margin()
        if gap > margin and self._rise() > ABSOLUTE_FLOOR:
            return "diverging"
        return "converging" if gap < -margin or self.count == 1 else "plateau"


def _smoothed(mean: float, value: float, window: float) -> float:
    return (mean * (window - 1) + value) / window


def _to_json(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _from_json(value: float | None) -> float:
    return math.nan if value is None else value


class Phase(NamedTuple):
    """A stretch of a loss curve that goes by one label.

    `start` and `end` are its first and last step, both included; `first` and `last` the mean losses, in nats,
    of its first and last range of steps. Source: docs/signals.md, "The loss".

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

    Of up to 12 points, a table of averages for instance, each is a range of its own. A longer curve is first
    cut into 12 ranges of equal step width, and each stands for the mean of its finite losses. The label of a
    range is the first that holds:

    - "not finite": at least half of the losses are not; also all that follows the last finite loss;
    - "minimum": the lowest mean, the first of several;
    - "plateau", before the minimum: among three or more ranges that stay within 5 % of the first of them and
      end at most 3 % below it, having risen on the way, or at most 1 % below it;
    - "collapsed": one nat or more above the lowest mean before;
    - "diverging": above the lowest mean before by more than 2 % and 0.02 nats, or "converging" if on the way
      down from still higher: a bump that was overcome reads diverging, converging;
    - else "converging" before the minimum, "plateau" after it.

    Neighbouring ranges with the same label are one phase. Points are put in the order of their steps; of a
    step that comes twice, as after a restart, the later entry counts.

    Raises ValueError when `steps` and `losses` differ in length; an empty curve has no phases.
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
    mean = sum(finite) / len(finite) if 2 * len(finite) > len(points) else math.nan
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
