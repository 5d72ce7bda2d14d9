"""The loss of a run: its size and its direction.

Losses are mean cross-entropies in nats per token, as most trainers log them. A number that is not a
cross-entropy is detected and not judged as one. Standard library only.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from coherence.signals.curve import FEWEST, WINDOW, Curve, Direction

Trend = Literal[
    "early",
    "too few losses",
    "converging",
    "plateau",
    "diverging",
    "collapsed",
    "too good to be true",
    "exactly zero",
    "not a cross-entropy",
    "not finite",
]
FORMAT = 3

ARRIVED = 3  # windows after which the SMMA has forgotten the first loss, except for a twentieth
EARLY_SHARE = 0.9  # share of the uniform baseline: above this nothing has been learned yet

# Limits beyond which a number is not a cross-entropy of a token in nats.
LARGEST_VOCABULARY = 1_000_000  # tokens, if the number is not given: no model has more
BELOW_ZERO = 0.001  # of the first loss: rounding does not take a true one further below 0
NEGATIVE_SHARE = 1 / 20  # of the losses, if they are far from 0; near 0 a single one is enough
NEAR_ZERO = 0.5  # nats: losses that start at 0 and stay below; the first batch of a true one may be masked
NEGATIVE = "it is below 0"
LOW_FROM_THE_START = (
    "from its first rows it is lower than any text allows, and it has not fallen "
    "(a policy's loss? a resumed model that knows its data by heart?)"
)
ABOVE_BASELINE = 1.5  # times the baseline: bad weights may start above, and come down within these:
FAR_LOSSES, FAR_STEPS = 100, 200  # losses, or steps of at least `FEWEST` losses
TOO_GOOD = math.log(1.5)  # nats a token; for small vocabularies, which are characters:
FEW_TOKENS, TOO_GOOD_CHARACTER, TOO_GOOD_SHARE = 300, 0.5, 1 / 8  # nats, but at most this share of ln V

SOURCES = 64  # how many are followed by name
OTHERS = "other sources"
RECENT_LOSSES = 100  # over these the share of a source fades


_NAMED = {
    "reward": r"rew(?:ard)?s?|(?:episod(?:e|ic)|mean)[_ ]returns?",
    "kl": "kls?",
    "advantage": "advantages?",
    "policy loss": r"(?:policy|policy[_ ]gradient|pg|actor)[_ ]loss",
    "value loss": r"(?:value|vf|critic)[_ ]loss",
}
"""How the metrics are named that only trainers of something else than cross-entropy log."""

KINDS = (None, *_NAMED)
"""The results of `kind_beside`; a kind that is kept as a number is its place here, so None is 0."""

_NOT_OF_CROSS_ENTROPY = re.compile(
    rf"(?:^|[/_. ])(?:{'|'.join(f'({names})' for names in _NAMED.values())})(?:[/_. ]|$)", re.IGNORECASE
)
LONGEST_NAME = 100  # characters of a metric's name that are looked at


def kind_beside(names: Iterable[str]) -> str | None:
    """Return the metric that shows that a loss is not a cross-entropy, from the names logged with it.

    It is "reward", "kl", "advantage", "policy loss" or "value loss", which are logged by trainers that
    optimize something else; None if there is none of them. Source: docs/signals.md, "The loss".

    >>> kind_beside(["loss", "grad_norm", "rewards/chosen"]), kind_beside(["loss", "learning_rate"])
    ('reward', None)
    """
    return next((kind for name in names if (kind := _kind_of(name[:LONGEST_NAME]))), None)


@lru_cache(maxsize=1024)
def _kind_of(name: str) -> str | None:
    found = _NOT_OF_CROSS_ENTROPY.search(name)
    return KINDS[found.lastindex] if found and found.lastindex else None


def perplexity(loss: float) -> float:
    """Return the perplexity of a loss: between how many equally likely tokens the model hesitates.

    `exp(loss)`, in tokens, from 1 for a loss of 0; infinite if it exceeds every float.
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

    `V / perplexity(loss)`: 1 at the uniform baseline, below 1 if worse, V at a loss of 0.
    Raises ValueError unless `vocab_size` is at least 1.
    Source: docs/signals.md, "The loss".

    >>> round(advantage(3.43, 8449), 1)
    273.6
    """
    uniform_baseline(vocab_size)  # raises for a size that is not one
    return vocab_size * perplexity(-loss)


def true_loss(loss: float, grad_norm: float | None = None) -> float:
    """Return the true loss, also if a trainer logged a not-a-number as 0.0.

    It is not-a-number if the logged loss is exactly 0.0 and its gradient norm is not finite, else the logged
    loss, in nats. The Hugging Face Trainer's `logging_nan_inf_filter` logs 0.0 by default.
    Source: docs/signals.md, "The loss".

    >>> true_loss(0.0, grad_norm=float("nan"))
    nan
    >>> true_loss(0.0, grad_norm=1.3)
    0.0
    """
    hidden = loss == 0 and grad_norm is not None and not math.isfinite(grad_norm)
    return math.nan if hidden else loss


class Minimum(NamedTuple):
    """The lowest smoothed loss of a run and the last step that had it.

    `loss` in nats, `step` as the trainer counts. Source: docs/signals.md, "The loss".

    >>> Minimum(loss=3.43, step=110_000).step
    110000
    """

    loss: float
    step: int


class SourceLoss(NamedTuple):
    """The last loss of one source of the data mix, its SMMA, and its smoothed loss.

    All are in nats, over the rows of this source; `smma` and `smoothed` are None until a loss was finite.
    Source: docs/signals.md, "The loss".

    >>> SourceLoss(loss=3.1, smma=3.4, smoothed=3.2).smoothed
    3.2
    """

    loss: float
    smma: float | None
    smoothed: float | None


class _Source:
    """A source of the data mix: its last loss, its curve, and its share of the recent losses."""

    def __init__(self) -> None:
        self.loss = math.nan
        self.curve = Curve()
        self._weight, self._at = 0.0, 0

    def add(self, step: int, loss: float, window: int, at: int) -> None:
        """Take in the loss of a step; `at` is how many finite losses the run has had."""
        self.loss = loss
        if math.isfinite(loss):
            self._weight, self._at = self.weight(at) + 1, at
            self.curve.add(step, loss, window)

    def weight(self, at: int) -> float:
        """Return how many of the run's recent losses are of this source; each loss fades as others come."""
        return float(self._weight * (1 - 1 / RECENT_LOSSES) ** (at - self._at))

    def state_dict(self) -> dict[str, Any]:
        weight = {"loss": _to_json(self.loss), "weight": self._weight, "at": self._at}
        return weight | {"curve": self.curve.state_dict()}

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> "_Source":
        source = cls()
        source.loss, source._weight, source._at = _from_json(state["loss"]), state["weight"], state["at"]
        source.curve.load_state_dict(state["curve"])
        return source


class LossTracker:
    """Follows the loss of a run, smooths it and names its trend.

    All windows count rows, one row an update; a loss that is not finite changes only the trend:

    - `smma[0] = loss[0]`, `smma[t] = (smma[t-1] * (N - 1) + loss[t]) / N` with N = `window`;
    - `smoothed[t] = smoothed[t-1] + (loss[t] - smoothed[t-1]) / w`, with w the lesser of N and a tenth of the
      rows so far, and at least 1, so that it follows the loss in a log of few rows as well. If w is above 1,
      an outlier counts as the median of it and the two losses before it: a loss further from that median than
      ten times the noise. Perplexity, advantage and minimum are computed from `smoothed`.

    `trend` is the first of these that holds:

    - None before any loss; "not finite" while the last loss was not finite;
    - "not a cross-entropy": a loss was below 0, by more than a thousandth of the first, while the smoothed
      loss was below half a nat; or more than a twentieth of all losses are; or the first ones were exactly 0
      and the next was within half a nat of 0; or a metric logged with the loss shows it; or it is too good to
      be true, the first ten losses were so on average, and it never was surely below that average;
    - "exactly zero": the last two losses were exactly 0;
    - "too good to be true": with at least three losses, the smoothed loss and its median are both below
      ln 1.5, or below half a nat (and an eighth of the baseline) if the vocabulary has at most 300 tokens,
      which are then characters;
    - "early": neither the minimum nor the last loss is below 0.9 of the uniform baseline, and the loss has
      not collapsed; never without a vocabulary, nor if the loss is far above that baseline (see `doubt`);
    - "converging", with fewer than 10 finite losses: the last is the lowest, and a nat below the first;
      "too few losses": any other run of fewer than 10;
    - "collapsed": the loss is surely one nat above its minimum;
    - "diverging": it is surely above its minimum by 0.02 nats, and rising: its recent mean is above its past
      mean by more than the noise. Before N losses, a rise by less than a nat that starts in the first 15
      losses does not count, because it may be the warm-up of the learning rate;
    - "converging": the recent mean is below the past mean by more than the noise;
    - "plateau": else.

    The directions are judged on medians of three neighbouring losses, smoothed in the same way, so that a
    single batch does not raise an alarm. The recent mean is over max(w, n / 20) of n rows, the past mean over
    max(3 w, n / 4), so that a slow change late in a long run is seen. The noise is 2.7 standard errors of the
    recent mean, at least 0.5 % of the loss; a rise is sure if it exceeds 2.7 standard errors of the minimum.
    Both errors come from a mean over max(3 w, n / 4) rows: of
    `|loss[t] - 2 loss[t-1] + loss[t-2]| / sqrt(6)`, which is 0 on a steady fall, and from the 101st loss on
    also of the distance to the recent mean before it, which measures slow noise as well. A single loss counts
    as ten times the noise so far at most, which is at least 0.5 % of the loss, so a spike does not hide a
    fall; of the distances, one in full if one of the two before it was as large. The noise of neighbouring
    losses counts as independent. Steps that go back are a restart: the averages continue.

    If most of the recent losses name their source, an alarm needs the sources: each source with ten losses or
    more is judged in the same way, and those that are "diverging" or "collapsed" must have more than half of
    the recent losses. The trend is "collapsed" if that many are, or all losses together. Without an alarm it
    is "converging" if most sources are, or all losses together. So a new or harder source is not a rise.

    The state is some twenty numbers, and as many for each of the first 64 sources.

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
        self._is_far = False  # above the baseline for longer than bad weights explain
        self.configure(vocab_size, window)
        self.step: int | None = None
        self.loss: float | None = None
        self._first_step = 0
        self._kind: str | None = None  # why it is not a cross-entropy
        self._negative = 0  # negative losses
        self._curve = Curve()
        self._sources: dict[str, _Source] = {}

    def configure(self, vocab_size: int | None, window: int) -> None:
        """Change the settings; the averages so far are kept.

        Raises ValueError, and changes nothing, if `vocab_size` or `window` is below 1.
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
        self,
        step: int,
        loss: float,
        source: str | None = None,
        grad_norm: float | None = None,
        beside: str | None = None,
    ) -> None:
        """Take in the loss of one step.

        `loss` is in nats, any float: NaN and infinity have their own trend. `source` names the part of the
        data mix that the loss belongs to. `grad_norm` uncovers a NaN that was logged as 0.0, see `true_loss`.
        `beside` is a kind of metric, from `kind_beside`: from then on the loss is not a cross-entropy.
        Source: docs/signals.md, "The loss".

        >>> tracker = LossTracker()
        >>> tracker.update(step=1200, loss=3.43)
        >>> tracker.update(step=1201, loss=0.0, grad_norm=float("nan"))
        >>> tracker.trend, tracker.smoothed
        ('not finite', 3.43)
        >>> tracker.update(step=1202, loss=0.02, beside="reward")
        >>> tracker.update(step=1203, loss=3.41)
        >>> tracker.trend, tracker.doubt
        ('not a cross-entropy', 'a reward is logged with it')
        """
        if beside is not None:
            self.take_beside(beside)
        self.step, self.loss = int(step), true_loss(float(loss), grad_norm)
        if math.isfinite(self.loss):
            self._add(self.step, self.loss)
        if source is not None:
            followed = self._sources.setdefault(self._followed(source), _Source())
            followed.add(self.step, self.loss, self.window, self.count)

    def take_beside(self, beside: str) -> None:
        """Take a kind of metric that is logged apart from the loss, such as a reward: see `kind_beside`.

        Source: docs/signals.md, "The loss".

        >>> tracker = LossTracker()
        >>> tracker.take_beside("reward")
        >>> tracker.update(step=1, loss=0.02)
        >>> tracker.trend
        'not a cross-entropy'
        """
        self._kind = self._kind or f"{'an' if beside == 'advantage' else 'a'} {beside} is logged with it"

    @property
    def count(self) -> int:
        """How many finite losses there were."""
        return self._curve.count

    @property
    def smma(self) -> float | None:
        """The SMMA over `window` rows, in nats; None before any finite loss."""
        return self._curve.smma if self.count else None

    @property
    def smoothed(self) -> float | None:
        """The smoothed loss, over a window that grows with the rows, in nats; None before any finite loss."""
        return self._curve.smoothed if self.count else None

    @property
    def perplexity(self) -> float | None:
        """The perplexity of the smoothed loss, in tokens.

        None before any finite loss, if the loss is not a cross-entropy, and if the perplexity would exceed
        the vocabulary (a million tokens if that is not given), which a model's perplexity never does.
        """
        if not self.count or not self.is_cross_entropy or self._curve.smoothed > self._ceiling:
            return None
        return perplexity(self._curve.smoothed)

    @property
    def advantage(self) -> float | None:
        """How many times better than uniform the smoothed loss is; None without vocabulary or perplexity."""
        if self.vocab_size is None or self.perplexity is None:
            return None
        return advantage(self._curve.smoothed, self.vocab_size)

    @property
    def minimum(self) -> Minimum | None:
        """The lowest smoothed loss so far and its step.

        None before any finite loss, and if the loss is not a cross-entropy: its minimum is not the best step.
        """
        if not self.count or not self.is_cross_entropy:
            return None
        return Minimum(self._curve.lowest, self._curve.lowest_step)

    @property
    def sources(self) -> dict[str, SourceLoss]:
        """Loss, SMMA and smoothed loss of each source, by name; a copy.

        All sources after the first 64 are together "other sources".
        """
        return {name: _source_loss(seen) for name, seen in self._sources.items()}

    def source(self, name: str) -> SourceLoss | None:
        """Loss, SMMA and smoothed loss of a source; None if it had no loss."""
        seen = self._sources.get(self._followed(name))
        return None if seen is None else _source_loss(seen)

    @property
    def is_cross_entropy(self) -> bool:
        """Whether the losses can be cross-entropies, so that their minimum is the best."""
        known = self._kind is not None or self._negative > NEGATIVE_SHARE * self.count
        return not known and not self._is_low_from_the_start()

    @property
    def doubt(self) -> str | None:
        """Why the logged number is not the mean cross-entropy of a token in nats; None if it may be.

        A loss that stays above 1.5 times the uniform baseline for 100 losses, or for ten losses and 200
        steps, is higher than bad weights explain.
        """
        if not self.is_cross_entropy:
            return self._kind or (LOW_FROM_THE_START if self._is_low_from_the_start() else NEGATIVE)
        if not self._is_scaled():
            return None
        of = "" if self.vocab_size else f" of a vocabulary of {LARGEST_VOCABULARY:,} tokens"
        smoothed, first = (
            _times(value / self._ceiling) for value in (self._curve.smoothed, self._curve.first)
        )
        return (
            f"it is {smoothed} the uniform baseline{of} ({self._ceiling:.3g}) and began at {first} "
            "(summed over accumulation steps? scaled?)"
        )

    @property
    def too_good_below(self) -> float:
        """The limit, in nats, below which a loss is too good to be true."""
        baseline = self.uniform_baseline
        if baseline is None or baseline > uniform_baseline(FEW_TOKENS):
            return TOO_GOOD
        return min(TOO_GOOD_CHARACTER, TOO_GOOD_SHARE * baseline)

    @property
    def trend(self) -> Trend | None:
        """The direction of the loss in a few words, which the class describes. None before any loss."""
        if self.loss is None:
            return None
        if not math.isfinite(self.loss):
            return "not finite"
        if not self.is_cross_entropy:
            return "not a cross-entropy"
        if self._curve.last == self._curve.before == 0:
            return "exactly zero"
        if self._is_too_good():
            return "too good to be true"
        direction = self._direction() if self.count >= FEWEST else None
        if self._is_near_baseline(self.loss) and direction != "collapsed":
            return "early"
        if self.count < FEWEST and self._curve.has_plainly_fallen:
            return "converging"
        return direction or "too few losses"

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain JSON values, without the settings.

        Not-a-number becomes None. `format` is the number of the layout.
        Source: docs/signals.md, "The loss".

        >>> state = LossTracker(vocab_size=2305).state_dict()
        >>> state["format"], state["curve"]["count"], state["curve"]["smoothed"]
        (3, 0, None)
        """
        return {
            "format": FORMAT,
            "step": self.step,
            "loss": _to_json(self.loss),
            "first_step": self._first_step,
            "kind": self._kind,
            "negative": self._negative,
            "is_far": self._is_far,
            "curve": self._curve.state_dict(),
            "sources": {name: seen.state_dict() for name, seen in self._sources.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state and continue from it with the settings of this tracker.

        An infinite loss comes back as not-a-number, because JSON has neither.
        Raises ValueError, and changes nothing, if the format is another one or a value is missing.
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
        restored = LossTracker(self.vocab_size, self.window)
        try:
            restored._load(state)
        except KeyError as error:
            raise ValueError(f"the state of a loss tracker lacks {error.args[0]!r}") from error
        vars(self).update(vars(restored))

    def _load(self, state: Mapping[str, Any]) -> None:
        self.step, self._first_step = state["step"], state["first_step"]
        self.loss = None if self.step is None else _from_json(state["loss"])
        self._kind, self._negative, self._is_far = state["kind"], state["negative"], state["is_far"]
        self._curve.load_state_dict(state["curve"])
        self._sources = {name: _Source.of(seen) for name, seen in state["sources"].items()}

    @property
    def _ceiling(self) -> float:
        """The loss of a model that has learned nothing, in nats; without a vocabulary, an upper limit."""
        baseline = self.uniform_baseline
        return uniform_baseline(LARGEST_VOCABULARY) if baseline is None else baseline

    def _followed(self, source: str) -> str:
        return source if source in self._sources or len(self._sources) < SOURCES else OTHERS

    def _add(self, step: int, loss: float) -> None:
        """Take in a finite loss of the run."""
        curve = self._curve
        if curve.count == 0:
            self._first_step = step
        # As long as all losses were 0, their means are 0 too.
        elif curve.first == curve.smma == 0 and 0 < abs(loss) < NEAR_ZERO:
            self._kind = self._kind or "it starts at exactly 0"
        curve.add(step, loss, self.window)
        if loss < -BELOW_ZERO * abs(curve.first):
            self._negative += 1
            if curve.smoothed < NEAR_ZERO:
                self._kind = self._kind or NEGATIVE
        long = curve.count >= FAR_LOSSES or (curve.count >= FEWEST and step - self._first_step >= FAR_STEPS)
        self._is_far = self._is_far or (long and curve.lowest > ABOVE_BASELINE * self._ceiling)

    def _is_scaled(self) -> bool:
        return self._is_far and self._curve.lowest > EARLY_SHARE * self._ceiling

    def _is_too_good(self) -> bool:
        curve = self._curve
        return curve.count >= 3 and max(curve.smoothed, curve.middle) < self.too_good_below

    def _is_low_from_the_start(self) -> bool:
        """Whether it is too good, and no learning brought it there; above the limit a rise is a rise."""
        curve = self._curve
        is_low = curve.count >= FEWEST and 0 < curve.start < self.too_good_below and self._is_too_good()
        return is_low and not curve.has_fallen(self.window)

    def _is_near_baseline(self, loss: float) -> bool:
        baseline = self.uniform_baseline
        if baseline is None or self._is_scaled():
            return False
        return min(self._curve.lowest, loss) > EARLY_SHARE * baseline

    def _direction(self) -> Direction | None:
        """The direction of the losses, or of those of the sources; None if there are too few."""
        named = math.fsum(seen.weight(self.count) for seen in self._sources.values())
        fading = 1 - 1 / RECENT_LOSSES
        every = (1 - fading**self.count) / (1 - fading)
        scale = max(1.0, self._curve.first / self._ceiling) if self._is_scaled() else 1.0
        overall = self._curve.direction(self.window, scale)
        if 2 * named <= every:
            return overall
        judged = list(self._directions(scale))
        if 2 * math.fsum(weight for _, weight in judged) <= named:
            # Too few of each: a rise may be due to the mix, but a fall is a fall.
            return overall if overall in ("converging", "plateau") else None
        return _together(_most(judged), overall)

    def _directions(self, scale: float) -> Iterator[tuple[Direction, float]]:
        for seen in self._sources.values():
            if seen.curve.count >= FEWEST:
                yield seen.curve.direction(self.window, scale), seen.weight(self.count)


def _most(judged: list[tuple[Direction, float]]) -> Direction:
    """Return the direction of most losses: an alarm needs more than half of them."""
    weight = dict.fromkeys(("converging", "plateau", "diverging", "collapsed"), 0.0)
    for direction, share in judged:
        weight[direction] += share
    half = math.fsum(weight.values()) / 2
    if weight["collapsed"] > half:
        return "collapsed"
    if weight["collapsed"] + weight["diverging"] > half:
        return "diverging"
    return "converging" if weight["converging"] >= weight["plateau"] else "plateau"


def _together(of_sources: Direction, overall: Direction) -> Direction:
    """Return the run's direction: only sources raise alarms, and all losses together can make one worse."""
    if of_sources in ("diverging", "collapsed"):
        return "collapsed" if overall == "collapsed" else of_sources
    return "converging" if overall == "converging" else of_sources


def _source_loss(seen: _Source) -> SourceLoss:
    means = (seen.curve.smma, seen.curve.smoothed) if seen.curve.count else (None, None)
    return SourceLoss(seen.loss, *means)


def _times(factor: float) -> str:
    """Return a factor with two digits, in the words of a sentence."""
    rounded = float(f"{factor:.2g}")
    return f"{rounded:,.0f} times" if 10 <= rounded < 1e9 else f"{rounded:g} times"


def _to_json(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _from_json(value: float | None) -> float:
    return math.nan if value is None else value
