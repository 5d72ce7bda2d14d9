"""The sample signal: what the last samples of a run say together.

Source: docs/signals.md, "The sample signal".
"""

from collections import deque
from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

from coherence.scoring.between import COMPARED, diversity_between
from coherence.scoring.profile import SCALES
from coherence.scoring.scores import ENGLISH_FROM, Kind, Scores
from coherence.scoring.word_order import NEAR_CHANCE, Neighbours, pooled
from coherence.signals.diagnosis import SamplesState
from coherence.signals.gate import Verdict
from coherence.signals.settings import DEFAULTS

ENGLISH = SCALES.index("english")

Values = tuple[float | None, ...]
"""Scores in the order of the scales."""

RECENT = 8
"""How many samples, or steps with several samples, the signal looks back on."""

ALIKE_BELOW, ALIKE_STEPS = 50.0, 3
"""Alike: less than half as different as passages of the reference, on average over three steps or more.

Passages of English share next to nothing: 100."""

HIGH = 60.0
"""A mean is high at twice the threshold: from there on it can fall to half, and English can be salad."""

HALF = 0.5
"""Of the run's best: a mean that has fallen below it is weaker."""

FEWEST_ORDERED = 4
"""English samples whose words are looked at together."""


class SampleTracker:
    """Follows the scored samples of a run and names their state.

    The states, the first that holds:

    - `collapsed`: the gate fired; `empty` if it fired on samples without text.
    - `words gone`: English fell from high to below the threshold on most recent samples while the other
      scores stand.
    - `word salad`: most recent samples are English words, in an order near chance.
    - `alike`: the samples of one step hardly differ.
    - `weaker`: a mean fell from high to half of the run's best.
    - `some low`: some of the recent samples are.
    - `templated`, `too short`: most recent samples are templates, or none was ever judged.
    - `reads well`: on average they are English, in order; `not loops`: nothing more can be said of them.

    >>> from coherence import Gate, score
    >>> gate, tracker = Gate(), SampleTracker()
    >>> s = score("The cat sat by the door and waited for the rain to stop.")
    >>> tracker.update(s, gate.update(s, step=100))
    >>> tracker.state
    'reads well'
    """

    def __init__(self, threshold: float = DEFAULTS.threshold) -> None:
        self.threshold = threshold
        self._collapsed = False
        self._judged = False  # whether any sample ever was
        self._kinds: deque[Kind] = deque(maxlen=RECENT)
        self._values: deque[Values] = deque(maxlen=RECENT)  # of the samples that were judged
        self._orders: deque[Neighbours | None] = deque(maxlen=RECENT)
        self._best: Values = (None,) * len(SCALES)
        self._between: deque[float] = deque(maxlen=RECENT)

    def update(self, scores: Scores, verdict: Verdict) -> None:
        """Take one sample's scores and the gate's verdict on it."""
        self._collapsed = verdict.collapsed
        if verdict.kind != "too short":
            self._kinds.append(verdict.kind)
        if not verdict.judged:
            return
        self._judged = True
        self._values.append(scores.values)
        self._orders.append(scores.order)
        if len(self._values) == RECENT:
            self._best = tuple(map(_higher, self._best, self._means()))

    def _means(self) -> Values:
        return tuple(map(_mean, zip(*self._values, strict=True)))

    def update_between(self, diversity: float | None, again: bool = False) -> None:
        """Take the diversity between the samples of one step.

        Args:
            diversity: in percent of that between passages of the reference; None if fewer than two could be
                compared.
            again: more samples of the step have come: this takes the place of what was said of it before.
        """
        if diversity is None:
            return
        if again:
            self._between.pop()
        self._between.append(diversity)

    def acknowledge_halt(self) -> None:
        """Forget that the gate fired, and the samples it fired on."""
        self._collapsed = self._judged = False
        self._kinds.clear()
        self._values.clear()
        self._orders.clear()

    def state_dict(self) -> dict[str, Any]:
        """Return what the tracker remembers, as plain JSON values."""
        return {
            "collapsed": self._collapsed,
            "judged": self._judged,
            "kinds": list(self._kinds),
            "values": [list(values) for values in self._values],
            "orders": [None if order is None else list(order) for order in self._orders],
            "best": list(self._best),
            "between": list(self._between),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state as if never stopped."""
        self._collapsed, self._judged = state["collapsed"], state["judged"]
        self._kinds = deque(state["kinds"], RECENT)
        self._values = deque(map(tuple, state["values"]), RECENT)
        self._orders = deque(
            (None if order is None else Neighbours(*order) for order in state["orders"]), RECENT
        )
        self._best = tuple(state["best"])
        self._between = deque(state["between"], RECENT)

    @property
    def alike(self) -> bool:
        """Whether the samples of one step hardly differ, on average over the last steps that held several."""
        return len(self._between) >= ALIKE_STEPS and fmean(self._between) < ALIKE_BELOW

    @property
    def state(self) -> SamplesState:
        """What the samples say, in a word."""
        kinds = self._kinds
        if self._collapsed:
            return "empty" if kinds.count("empty") > kinds.count("low") else "collapsed"
        if 2 * kinds.count("templated") > len(kinds):
            return "templated"
        if not self._judged:
            return "too short"
        if self._are_words_gone():
            return "words gone"
        if self._is_salad():
            return "word salad"
        if self.alike:
            return "alike"
        if self._has_fallen(range(len(SCALES))):
            return "weaker"
        if "low" in kinds or "empty" in kinds:
            return "some low"
        order = self._order()
        in_order = order is None or order >= NEAR_CHANCE
        return "reads well" if self._mean_english() >= ENGLISH_FROM and in_order else "not loops"

    def _mean_english(self) -> float:
        return (self._means()[ENGLISH] or 0.0) if self._values else 0.0

    def _order(self) -> float | None:
        """Return how far the words of the recent English samples stand in order; None of too few words."""
        return pooled(order for order in self._orders if order is not None).value

    def _are_words_gone(self) -> bool:
        best = self._best[ENGLISH]
        wordless = sum(map(self._is_wordless, self._values))
        return best is not None and best >= HIGH and wordless > RECENT / 2

    def _is_wordless(self, values: Values) -> bool:
        others = [value for place, value in enumerate(values) if value is not None and place != ENGLISH]
        stand = bool(others) and all(value >= self.threshold for value in others)
        return stand and (values[ENGLISH] or 0.0) < self.threshold

    def _is_salad(self) -> bool:
        ordered, value = sum(order is not None for order in self._orders), self._order()
        enough = ordered >= max(FEWEST_ORDERED, len(self._orders) / 2) and self._mean_english() >= HIGH
        return enough and value is not None and value < NEAR_CHANCE

    def _has_fallen(self, scales: Iterable[int]) -> bool:
        """Tell whether a mean that was high has fallen to half of the run's best."""
        if len(self._values) < RECENT:
            return False
        means = self._means()
        pairs = [(means[scale], self._best[scale]) for scale in scales]
        return any(best is not None and best >= HIGH and (mean or 0.0) < HALF * best for mean, best in pairs)


def _mean(values: Iterable[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return fmean(there) if there else None


def _higher(one: float | None, other: float | None) -> float | None:
    return max((each for each in (one, other) if each is not None), default=None)


class StepSamples:
    """The samples of one step as they come, and how different they are from each other.

    Attributes:
        count: how many have come; those beyond `COMPARED` are not kept.

    >>> from coherence import score
    >>> samples = StepSamples()
    >>> for text in ("a b c d e f g h i j", "k l m n o p q r s t"):
    ...     samples.add(score(text), text.split())
    >>> samples.count, samples.diversity
    (2, 100.0)
    """

    def __init__(self) -> None:
        self.count = 0
        self._kept: list[tuple[Scores, list[str], str | None]] = []

    def add(self, scores: Scores, tokens: list[str], prompt: str | None = None) -> None:
        """Take one more sample of the step."""
        self.count += 1
        if len(self._kept) < COMPARED:
            self._kept.append((scores, tokens, prompt))

    @property
    def diversity(self) -> float | None:
        """The diversity between them; None where fewer than two are long enough to judge."""
        return diversity_between(self._kept)
