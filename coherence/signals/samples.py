"""The sample signal: what the last samples of a run say together.

Source: docs/signals.md, "The sample signal".
"""

from collections import deque
from collections.abc import Mapping
from statistics import fmean
from typing import Any

from coherence.scoring.between import COMPARED, diversity_between
from coherence.scoring.scores import Scores
from coherence.signals.diagnosis import SamplesState
from coherence.signals.gate import Verdict
from coherence.signals.settings import DEFAULTS

RECENT = 8
"""How many judged samples, or steps with several samples, the signal looks back on."""

ALIKE_BELOW, ALIKE_STEPS = 50.0, 3
"""Alike: sharing more than half of what they could, on average over three steps or more."""

HIGH = 60.0
"""English was high when it stood, on average over the last samples, at twice the threshold."""


class SampleTracker:
    """Follows the scored samples of a run and names their state.

    The states, the first that holds: `collapsed` (the gate fired), `words gone` (English fell from high
    to below the threshold on most recent samples while the other scores stand), `alike` (the samples of
    one step hardly differ), `some low`, `reads well`; `too short` before any sample was judged.

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
        self._low: deque[bool] = deque(maxlen=RECENT)
        self._wordless: deque[bool] = deque(maxlen=RECENT)
        self._english: deque[float] = deque(maxlen=RECENT)
        self._english_was_high = False
        self._between: deque[float] = deque(maxlen=RECENT)

    def update(self, scores: Scores, verdict: Verdict) -> None:
        """Take one sample's scores and the gate's verdict on it."""
        self._collapsed = verdict.collapsed
        if not (verdict.low or scores.scorable):
            return
        self._low.append(verdict.low)
        self._wordless.append(self._is_wordless(scores))
        self._english.append(scores.english or 0.0)
        if not self._english_was_high and len(self._english) == RECENT:
            self._english_was_high = fmean(self._english) >= HIGH

    def update_between(self, diversity: float | None, again: bool = False) -> None:
        """Take the diversity between the samples of one step.

        Args:
            diversity: None where fewer than two could be compared.
            again: more samples of the step have come: this takes the place of what was said of it before.
        """
        if diversity is None:
            return
        if again:
            self._between.pop()
        self._between.append(diversity)

    def acknowledge_halt(self) -> None:
        """Forget that the gate fired, and the samples it fired on."""
        self._collapsed = False
        self._low.clear()
        self._wordless.clear()

    def state_dict(self) -> dict[str, Any]:
        """Return what the tracker remembers, as plain JSON values."""
        return {
            "collapsed": self._collapsed,
            "low": list(self._low),
            "wordless": list(self._wordless),
            "english": list(self._english),
            "english_was_high": self._english_was_high,
            "between": list(self._between),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state as if never stopped."""
        self._collapsed = state["collapsed"]
        self._low = deque(state["low"], RECENT)
        self._wordless = deque(state["wordless"], RECENT)
        self._english = deque(state["english"], RECENT)
        self._english_was_high = state["english_was_high"]
        self._between = deque(state["between"], RECENT)

    def _is_wordless(self, scores: Scores) -> bool:
        others = [value for value in (scores.bigram, scores.trigram, scores.character) if value is not None]
        stand = bool(others) and all(value >= self.threshold for value in others)
        return stand and (scores.english or 0.0) < self.threshold

    @property
    def alike(self) -> bool:
        """Whether the samples of one step hardly differ, on average over the last steps that held several."""
        return len(self._between) >= ALIKE_STEPS and fmean(self._between) < ALIKE_BELOW

    @property
    def state(self) -> SamplesState:
        """What the samples say, in a word."""
        if self._collapsed:
            return "collapsed"
        if not self._low:
            return "too short"
        if self._english_was_high and sum(self._wordless) > RECENT / 2:
            return "words gone"
        if self.alike:
            return "alike"
        return "some low" if any(self._low) else "reads well"


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
        self._kept: list[tuple[Scores, list[str]]] = []

    def add(self, scores: Scores, tokens: list[str]) -> None:
        """Take one more sample of the step."""
        self.count += 1
        if len(self._kept) < COMPARED:
            self._kept.append((scores, tokens))

    @property
    def diversity(self) -> float | None:
        """The diversity between them; None where fewer than two are long enough to judge."""
        return diversity_between(self._kept)
