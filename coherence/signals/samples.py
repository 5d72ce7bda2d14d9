"""The sample signal: the state that the last samples of a run are in together.

Source: docs/signals.md, "The sample signal".
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from math import fsum
from statistics import fmean
from typing import Any, NamedTuple, cast

from coherence.scoring import fast
from coherence.scoring.between import COMPARED, compared, diversity_between
from coherence.scoring.profile import SCALES
from coherence.scoring.scores import ENGLISH_FROM, Kind, Scores
from coherence.scoring.text import clean, tokenize
from coherence.scoring.word_order import NEAR_CHANCE, Neighbours, pooled
from coherence.signals.diagnosis import SamplesState, Share
from coherence.signals.gate import LOW, Verdict
from coherence.signals.settings import DEFAULTS

ENGLISH = SCALES.index("english")

Values = tuple[float | None, ...]
"""Scores in the order of the scales."""

RECENT = 8
"""How many samples, or steps with several samples, the signal looks back at."""

ALIKE_BELOW, ALIKE_STEPS = 50.0, 3
"""Alike: less than half as different as passages of the reference, on average over three steps or more.

Passages of English share almost nothing: 100."""

HIGH = 60.0
"""A mean is high from twice the threshold on: then it can fall to half, and English can be word salad."""

SAME_WORDS = 5
"""Answers in a row, from several steps, that are the same single word; low samples that halt are as many."""

UNREADABLE = 0.25
"""At most this share of samples that read well is below the threshold in English: code, names, quotations."""

HALF = 0.5
"""A mean that has fallen below this share of the run's best is weaker."""

FEWEST_ORDERED = 4
"""The fewest English samples whose word order is measured together."""


class _SameWord(NamedTuple):
    """Answers in a row that are the same single word.

    Attributes:
        word: the number of the word; 0 if the last sample is not a one-word answer.
        times: how many answers they are.
        step: step of the first of them; several: whether others are from another step.
    """

    word: int
    times: int
    step: int
    several: bool


NO_WORD = _SameWord(0, 0, 0, several=False)


class Seen(NamedTuple):
    """What the signal takes of many samples at once: see `coherence.signals.together`.

    Attributes:
        collapsed: whether the gate fired, before all of them.
        drawn: the kinds of the last `RECENT` samples, or of all.
        kinds: of the last `RECENT` samples that are not too short, or of all.
        steps: of the samples that were judged.
        low: which of these are low, as indexes.
        values, orders: the scores and the word order of the last `RECENT` that were judged, or of all.
        best: the highest means of `RECENT` judged samples in a row, on each scale, of the run so far.
        words: number and step of the last one-word answers that are the same, and of the sample before them;
            if the last sample is not such an answer, only 0 and its step.
    """

    collapsed: bool
    drawn: Sequence[Kind]
    kinds: Sequence[Kind]
    steps: Sequence[int]
    low: Sequence[int]
    values: Sequence[Values]
    orders: Sequence[Neighbours | None]
    best: Values
    words: Sequence[tuple[int, int]]


class SampleTracker:
    """Follows the scored samples of a run and names their state.

    The state is the first of these that holds:

    - `collapsed`: the gate fired; `empty` if it fired on samples without text.
    - `one word`: at least the last five samples, from several steps, are the same single word. A model that
      is asked for one word may be right, so the gate does not halt on it.
    - `too short`: all recent samples are, or none was drawn since the run began or a halt was acknowledged.
    - `templated`: most recent samples are templates.
    - `words gone`: English fell from high to below the threshold on most recent samples, while the other
      scores did not.
    - `word salad`: half of the recent samples are English, with an order of words near chance.
    - `alike`: the samples of one step hardly differ.
    - `weaker`: a mean fell from high to half of the run's best.
    - `some low`: some of the recent samples are low.
    - `too short`: most of the recent samples are.
    - `reads well`: on average and for the most part they are English, in order; `not loops`: nothing more is
      known of them.

    Attributes:
        values: the scores of the last judged samples, at most `RECENT`.
        best: the highest mean of `RECENT` judged samples in a row on each scale.

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
        self._acknowledged = False  # whether a halt was
        self._drawn: deque[Kind] = deque(maxlen=RECENT)
        self._kinds: deque[Kind] = deque(maxlen=RECENT)
        self.values: deque[Values] = deque(maxlen=RECENT)
        self._orders: deque[Neighbours | None] = deque(maxlen=RECENT)
        self.best: Values = (None,) * len(SCALES)
        self._between: deque[float] = deque(maxlen=RECENT)
        self._same = NO_WORD
        self._fine, self._fine_since = 0, 0  # the fine samples in a row, and the step of the first
        self._most_fine = 0  # the longest such row before the gate fired

    def update(self, scores: Scores, verdict: Verdict, word: int = 0) -> None:
        """Take one sample's scores, the gate's verdict on it, and the number of a one-word answer."""
        self._note_word(word if verdict.kind == "too short" else 0, verdict.step)
        self._collapsed = verdict.collapsed
        self._drawn.append(verdict.kind)
        if verdict.kind != "too short":
            self._kinds.append(verdict.kind)
        if not verdict.judged:
            return
        self._fine_since = min(self._fine_since, verdict.step) if self._fine else verdict.step
        self._fine = 0 if verdict.low else self._fine + 1
        if not self._collapsed:
            self._most_fine = max(self._most_fine, self._fine)
        self.values.append(scores.values)
        self._orders.append(scores.order)
        if len(self.values) == RECENT:
            self.best = tuple(map(higher, self.best, self._means()))

    def update_many(self, seen: Seen) -> None:
        """Take many samples in the order of their steps at once, as `update` takes them one by one."""
        self._collapsed = seen.collapsed
        self._drawn.extend(seen.drawn)
        self._kinds.extend(seen.kinds)
        for word, step in seen.words:
            self._note_word(word, step)
        begin = 0
        for end in (*seen.low, None):
            self._note_fine(seen.steps[begin:end])
            if end is not None:
                self._fine_since = min(self._fine_since, seen.steps[end]) if self._fine else seen.steps[end]
                self._fine, begin = 0, end + 1
        self.values.extend(seen.values)
        self._orders.extend(seen.orders)
        self.best = seen.best

    def _note_fine(self, steps: Sequence[int]) -> None:
        if not steps:
            return
        self._fine_since = min(self._fine_since, steps[0]) if self._fine else steps[0]
        self._fine += len(steps)
        if not self._collapsed:
            self._most_fine = max(self._most_fine, self._fine)

    def _note_word(self, word: int, step: int) -> None:
        if not word or word != self._same.word:
            self._same = _SameWord(word, 1, step, several=False)
        else:
            several = self._same.several or step != self._same.step
            self._same = self._same._replace(times=self._same.times + 1, several=several)

    def _means(self) -> Values:
        return tuple(map(mean, zip(*self.values, strict=True)))

    def update_between(self, diversity: float | None, again: bool = False) -> None:
        """Take the diversity between the samples of one step.

        Args:
            diversity: as a percentage of that between passages of the reference; None if fewer than two could
                be compared.
            again: it replaces the last value of this step, because more samples have come.
        """
        if diversity is None:
            return
        if again:
            self._between.pop()
        self._between.append(diversity)

    def restart(self) -> None:
        """Forget since which step the samples are fine, because the run was set back."""
        self._fine = 0

    def fine_since(self, count: int) -> int | None:
        """Return the first step of the last fine samples in a row if there are `count` or more; else None."""
        return self._fine_since if self._fine >= count else None

    def was_fine(self, count: int) -> bool:
        """Return whether `count` samples in a row were fine before the gate fired."""
        return self._most_fine >= count

    def acknowledge_halt(self) -> None:
        """Forget that the gate fired, and the samples it fired on."""
        self._collapsed, self._acknowledged = False, True
        self._same = NO_WORD
        self._drawn.clear()
        self._kinds.clear()
        self.values.clear()
        self._orders.clear()

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain JSON values."""
        return {
            "collapsed": self._collapsed,
            "acknowledged": self._acknowledged,
            "drawn": list(self._drawn),
            "kinds": list(self._kinds),
            "values": [list(values) for values in self.values],
            "orders": [None if order is None else list(order) for order in self._orders],
            "best": list(self.best),
            "between": list(self._between),
            "same": list(self._same),
            "fine": [self._fine, self._fine_since, self._most_fine],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state; later results are the same as without the stop."""
        self._collapsed = state["collapsed"]
        self._kinds = deque(state["kinds"], RECENT)
        # Older states do not have these.
        self._acknowledged = bool(state.get("acknowledged", False))
        self._drawn = deque(state.get("drawn", state["kinds"]), RECENT)
        self.values = deque(map(tuple, state["values"]), RECENT)
        self._orders = deque(
            (None if order is None else Neighbours(*order) for order in state["orders"]), RECENT
        )
        self.best = tuple(state["best"])
        self._between = deque(state["between"], RECENT)
        self._same = _SameWord(*state["same"])
        self._fine, self._fine_since, self._most_fine = map(int, state["fine"])

    @property
    def alike(self) -> bool:
        """Whether the samples of one step hardly differ, on average over the last steps with several."""
        return len(self._between) >= ALIKE_STEPS and fmean(self._between) < ALIKE_BELOW

    @property
    def state(self) -> SamplesState:
        """The name of the state."""
        kinds, drawn = self._kinds, self._drawn
        if self._collapsed:
            return "empty" if kinds.count("empty") > kinds.count("low") else "collapsed"
        if self._same.word and self._same.several and self._same.times >= SAME_WORDS:
            return "one word"
        if drawn.count("too short") == len(drawn):  # those before them tell of a model that is gone
            return "too short"
        if 2 * kinds.count("templated") > len(kinds):
            return "templated"
        return self._state_of_judged()

    def _state_of_judged(self) -> SamplesState:
        """Return the state of samples that have not collapsed, of which some of the last were judged."""
        if self._are_words_gone():
            return "words gone"
        if self._is_salad():
            return "word salad"
        if self.alike:
            return "alike"
        if self._has_fallen(range(len(SCALES))):
            return "weaker"
        if "low" in self._drawn or "empty" in self._drawn:
            return "some low"
        if 2 * self._drawn.count("too short") > len(self._drawn):
            return "too short"
        order = self._order()
        in_order = order is None or order >= NEAR_CHANCE
        return "reads well" if self._is_english() and in_order else "not loops"

    @property
    def share(self) -> Share | None:
        """How many of the recent samples are in the state; None if the state is that of all of them."""
        state, drawn, kinds = self.state, self._drawn, self._kinds
        short = drawn.count("too short")
        not_judged = short + drawn.count("templated")
        low = _share_of_low(kinds)._replace(skipped=short)
        shares: dict[SamplesState, Share] = {
            "collapsed": low,
            "empty": low._replace(number=low.empty),
            "one word": Share(self._same.times, self._same.times),
            "too short": Share(short, len(drawn)),
            "templated": Share(kinds.count("templated"), len(kinds), skipped=short),
            "words gone": Share(self._wordless(), len(self.values), skipped=not_judged),
            "some low": _share_of_low(drawn),
            "not loops": Share(self._of_english(ENGLISH_FROM), len(self.values), skipped=not_judged),
        }
        not_begun = state == "too short" and not drawn and not self._acknowledged
        in_no_order = state == "not loops" and self._is_english()
        return None if not_begun or in_no_order else shares.get(state)

    def _is_english(self) -> bool:
        """Return whether the recent samples are English, on average and for the most part.

        The mean is not enough: a sample that is not English has no score, and is not in it.
        """
        most = 2 * self._of_english(ENGLISH_FROM) > len(self.values)
        unreadable = len(self.values) - self._of_english(self.threshold)
        few = unreadable <= UNREADABLE * len(self.values)
        return most and few and self._mean_english() >= ENGLISH_FROM

    def _of_english(self, least: float) -> int:
        """Return how many of the recent samples have an English score of at least this."""
        return sum((values[ENGLISH] or 0.0) >= least for values in self.values)

    def _mean_english(self) -> float:
        return (self._means()[ENGLISH] or 0.0) if self.values else 0.0

    def _order(self) -> float | None:
        """Return how well the recent English samples fit English word order; None for too few words."""
        return pooled(order for order in self._orders if order is not None).value

    def _are_words_gone(self) -> bool:
        best = self.best[ENGLISH]
        return best is not None and best >= HIGH and self._wordless() > RECENT / 2

    def _wordless(self) -> int:
        return sum(map(self._is_wordless, self.values))

    def _is_wordless(self, values: Values) -> bool:
        others = [value for place, value in enumerate(values) if value is not None and place != ENGLISH]
        stand = bool(others) and all(value >= self.threshold for value in others)
        return stand and (values[ENGLISH] or 0.0) < self.threshold

    def _is_salad(self) -> bool:
        ordered, value = sum(order is not None for order in self._orders), self._order()
        enough = ordered >= max(FEWEST_ORDERED, len(self._orders) / 2) and self._mean_english() >= HIGH
        return enough and value is not None and value < NEAR_CHANCE

    def _has_fallen(self, scales: Iterable[int]) -> bool:
        """Return whether a mean that was high has fallen to half of the run's best."""
        if len(self.values) < RECENT:
            return False
        means = self._means()
        pairs = [(means[scale], self.best[scale]) for scale in scales]
        return any(best is not None and best >= HIGH and (mean or 0.0) < HALF * best for mean, best in pairs)


def _share_of_low(kinds: Sequence[Kind]) -> Share:
    empty = kinds.count("empty")
    return Share(kinds.count("low") + empty, len(kinds), empty)


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are not None; None if all are."""
    try:
        return fsum(cast("Sequence[float]", values)) / len(values)  # nearly all samples have all scores
    except TypeError:
        there = [value for value in values if value is not None]
        return fsum(there) / len(there) if there else None


def higher(one: float | None, other: float | None) -> float | None:
    """Return the higher of two values, of which either may be None."""
    if one is None or (other is not None and other > one):
        return other
    return one


class StepSamples:
    """The samples of one step so far, and how different they are from each other.

    Attributes:
        count: how many have come; samples beyond `COMPARED` are not kept.

    >>> from coherence import score
    >>> samples = StepSamples()
    >>> for text in ("a b c d e f g h i j", "k l m n o p q r s t"):
    ...     samples.add(score(text), text)
    >>> samples.count, samples.compared, samples.diversity
    (2, 2, 100.0)
    """

    def __init__(self) -> None:
        self.count = 0
        self._scores: list[Scores] = []
        self._texts: list[str] = []
        self._prompts: list[str | None] = []
        self._tokens: list[list[str]] = []  # of the first samples, if the core was not built
        self._diversity: tuple[int, float | None] = 0, None  # between how many of them it is

    def add(self, scores: Scores, text: str, prompt: str | None = None) -> None:
        """Take one more sample of the step."""
        self.count += 1
        if len(self._scores) < COMPARED:
            self._scores.append(scores)
            self._texts.append(text)
            self._prompts.append(prompt)

    def means(self, threshold: float) -> dict[str, float]:
        """Return the means of the samples' scores, and other numbers about the samples."""
        columns = zip(*(scores.values for scores in self._scores), strict=True)
        means = {name: mean(column) for name, column in zip(SCALES, columns, strict=False)}
        found: dict[str, float | None] = {**means}
        if self._scores:
            found["mean"] = mean(list(means.values()))
            found["low"] = sum(scores.kind(threshold) in LOW for scores in self._scores) / len(self._scores)
            orders = [scores.order for scores in self._scores if scores.order is not None]
            found["order"] = pooled(orders).value
        found["between"] = self.diversity
        return {name: value for name, value in found.items() if value is not None}

    def rows(self, threshold: float) -> list[dict[str, Any]]:
        """Return a flat row for each sample: prompt, text, whether it is low, and the four scores."""
        found = zip(self._scores, self._texts, self._prompts, strict=True)
        return [
            {"prompt": prompt, "text": text, "low": scores.kind(threshold) in LOW}
            | dict(zip(SCALES, scores.values, strict=True))
            for scores, text, prompt in found
        ]

    @property
    def diversity(self) -> float | None:
        """The diversity between the samples; None if fewer than two are long enough to judge."""
        if self._diversity[0] < len(self._scores):
            self._diversity = len(self._scores), self._compare()
        return self._diversity[1]

    def _compare(self) -> float | None:
        if sum(scores.scorable for scores in self._scores) < 2:
            return None
        if fast.CORE is not None:
            return fast.between(self._texts, self._prompts)
        pairs = zip(self._texts, self._prompts, strict=True)
        self._tokens += [tokenize(clean(*pair)) for pair in islice(pairs, len(self._tokens), None)]
        return diversity_between(zip(self._scores, self._tokens, self._prompts, strict=True))

    @property
    def compared(self) -> int:
        """How many samples are compared."""
        pairs = zip(self._scores, self._prompts, strict=True)
        return compared((scores.tokens, prompt) for scores, prompt in pairs if scores.scorable)
