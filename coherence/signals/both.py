"""Both signals of one run side by side: what the monitor, the audit and the page each go through.

Whoever feeds it the same rows in the same order is told the same. Source: docs/signals.md.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from coherence.scoring.profile import Profile
from coherence.scoring.scores import Scores
from coherence.scoring.word_order import Neighbours
from coherence.signals.checkpoint import Checkpoint, Place
from coherence.signals.diagnosis import Diagnosis, SamplesState, Share, diagnose
from coherence.signals.gate import Gate, Verdict
from coherence.signals.loss import LossTracker, Trend
from coherence.signals.samples import SampleTracker, Values
from coherence.signals.settings import Settings

FORMAT = 6

RESTART, ACKNOWLEDGED, SAVED, DELETED = "restart", "halt acknowledged", "checkpoint", "checkpoint deleted"
"""What can befall a run besides losses and samples, and changes what is decided."""

_Reading = tuple[Trend | None, SamplesState, Share | None, bool]


class Signals:
    """The gate, the sample signal and the loss of one run, and where to go back to.

    Attributes:
        gate: decides on each sample.
        samples: names the state of the last samples.
        loss: follows the loss; update it directly.
        checkpoint: finds the step to go back to.
        profile: what the samples are scored against.

    >>> from coherence import score
    >>> signals = Signals(Gate(), LossTracker(vocab_size=8449))
    >>> signals.loss.update(step=100, loss=8.43)
    >>> scores = score("The cat sat by the door and waited for the rain to stop.")
    >>> signals.judge(scores, step=100, index=0).low, signals.diagnosis.action
    (False, 'continue')
    """

    def __init__(self, gate: Gate, loss: LossTracker, profile: Profile | None = None) -> None:
        self.gate = gate
        self.profile = profile or Profile.load()
        self.loss = loss
        self.samples = SampleTracker(gate.threshold)
        self.checkpoint = Checkpoint()
        self._last: tuple[int, int] | None = None  # step and index of the last sample
        self._compared = False  # whether the samples of that step were, so far
        self._halt: tuple[_Reading, Place] | None = None  # what both signals said when the gate fired

    @classmethod
    def of(cls, settings: Settings) -> "Signals":
        """Return the signals of a run that begins with such settings.

        Raises:
            ValueError: a setting is out of range.
        """
        loss = LossTracker(settings.vocab_size, settings.smma_window)
        return cls(Gate(*settings[:5]), loss, settings.profile)

    def configure(self, settings: Settings) -> None:
        """Go on with other settings; what is remembered stays.

        Raises:
            ValueError: a setting is out of range.
        """
        self.gate.configure(*settings[:5])
        self.loss.configure(settings.vocab_size, settings.smma_window)
        self.samples.threshold = settings.threshold
        self.profile = settings.profile or Profile.load()

    def judge(self, scores: Scores, step: int, index: int, word: int = 0) -> Verdict:
        """Put the scores of a sample to the gate, to the sample signal and to the rule of the checkpoint.

        Args:
            scores: of the sample.
            step: the training step it was drawn at.
            index: which of the samples of that step it is.
            word: of an answer of one word, see `coherence.scoring.text.one_word`.
        """
        if self.begins(step, index):
            self.checkpoint.begin(step)
            self._compared = False
        self._last = step, index
        halted = self.gate.halted
        verdict = self.gate.update(scores, step, index)
        # The names in code and data stand in no order that English has.
        known = scores if self.profile.is_english else scores._replace(order=None)
        self.samples.update(known, verdict, word)
        if verdict.judged:
            poor = verdict.low or scores.mean < self.gate.threshold
            finite = self.loss.loss is None or math.isfinite(self.loss.loss)
            self.checkpoint.see([scores.values], poor, self.samples.alike, self.loss.smoothed, finite)
        if verdict.collapsed and not halted:
            self._halt = self._read(), self._find_place(verdict.samples[0][0])
        return verdict

    def pass_over(
        self,
        values: Sequence[Values],
        lowest: float,
        orders: Sequence[Neighbours | None],
        step: int,
        index: int,
    ) -> None:
        """Take fine samples of one step, as `judge` takes them one after the other, while the gate is idle.

        Args:
            values: their scores; one at least.
            lowest: the lowest of the means of each.
            orders: how the words of the last of them are ordered, `RECENT` or all.
            step: the training step they were drawn at.
            index: which of the samples of that step the first of them is.
        """
        if self.begins(step, index):
            self.checkpoint.begin(step)
            self._compared = False
        self._last = step, index + len(values) - 1
        self.gate.pass_over(step, index, len(values))
        self.samples.update_fine(values, orders if self.profile.is_english else [None] * len(orders), step)
        finite = self.loss.loss is None or math.isfinite(self.loss.loss)
        poor = lowest < self.gate.threshold
        self.checkpoint.see(values, poor, self.samples.alike, self.loss.smoothed, finite)

    def begins(self, step: int, index: int) -> bool:
        """Tell whether a sample is the first of a step, or of one that is drawn anew."""
        return self._last is None or step != self._last[0] or index <= self._last[1]

    @property
    def step(self) -> int | None:
        """The step of the last sample; None before any, and after a restart."""
        return None if self._last is None else self._last[0]

    def compare(self, diversity: float | None, others: bool = False) -> None:
        """Take how different the samples of the step are from each other, as far as they have come.

        Args:
            diversity: None where fewer than two could be compared.
            others: whether it is of other samples of the step than what was said before: of another rank's.
        """
        again = self._compared and not others
        if diversity is not None:
            diversity = self.profile.against_passages(diversity)
        self.samples.update_between(diversity, again)
        self.checkpoint.compare(diversity, self.samples.alike, again)
        self._compared = self._compared or diversity is not None

    def take_event(self, event: str, step: int, state: Mapping[str, Any] | None = None) -> None:
        """Take what befell the run; what changes nothing here is skipped.

        Args:
            event: what it was.
            step: of a restart the first that is gone through again, of a checkpoint its own.
            state: of a restart, what was remembered in the checkpoint that the run goes on from. One that
                this version cannot read is as if it were not there.
        """
        if event == RESTART:
            self._restart(step, state)
        elif event == ACKNOWLEDGED:
            self.acknowledge_halt()
        elif event == SAVED:
            self.checkpoint.save(step)
        elif event == DELETED:
            self.checkpoint.delete(step)

    def _restart(self, step: int, state: Mapping[str, Any] | None) -> None:
        try:
            self.load_state_dict(state or {})
            self.gate.forget_steps()
        except ValueError:
            self.gate.restart()
            self.samples.restart()
            self.checkpoint.restart(step)
        self._last = None

    @property
    def diagnosis(self) -> Diagnosis:
        """What the two signals mean together: at the halt, or now if there was none."""
        halted = self.gate.halted and self._halt is not None
        reading = self._halt[0] if halted and self._halt else self._read()
        return diagnose(*reading)

    @property
    def recovered_since(self) -> int | None:
        """The step since which the samples of a halted run are fine again, as many as halt; None if not."""
        return self.samples.fine_since(self.gate.patience) if self.gate.halted else None

    @property
    def was_young(self) -> bool:
        """Whether a run that is halted had never been fine before, for as many samples in a row as halt."""
        return self.gate.halted and not self.samples.was_fine(self.gate.patience)

    @property
    def place(self) -> Place:
        """The step to go back to: at the halt, or now if there was none."""
        if self.gate.halted and self._halt is not None:
            return self._halt[1]
        return self._find_place()

    def _read(self) -> _Reading:
        return self.loss.trend, self.samples.state, self.samples.share, not self.loss.is_cross_entropy

    def _find_place(self, before: float = math.inf) -> Place:
        if not self.loss.is_cross_entropy:
            return self.checkpoint.place(before, floor=None)
        doubted = self.loss.trend == "too good to be true" and self.samples.state != "reads well"
        return self.checkpoint.place(before, self.loss.too_good_below if doubted else -math.inf)

    def acknowledge_halt(self) -> None:
        """Let a halted run continue: the gate starts again."""
        self.gate.reset()
        self.samples.acknowledge_halt()
        self._halt = None

    def state_dict(self) -> dict[str, Any]:
        """Return what all of them remember, as plain JSON values; settings are not among them."""
        return {
            "format": FORMAT,
            "gate": self.gate.state_dict(),
            "samples": self.samples.state_dict(),
            "loss": self.loss.state_dict(),
            "checkpoint": self.checkpoint.state_dict(),
            "last": None if self._last is None else list(self._last),
            "compared": self._compared,
            "halt": None if self._halt is None else _plain(*self._halt),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state as if never stopped.

        Raises:
            ValueError: the state is of another format, or not whole; nothing has changed then.
        """
        if state.get("format") != FORMAT:
            raise ValueError(f"state of format {state.get('format')!r}; this version reads {FORMAT}")
        before = self.state_dict()
        try:
            self._load(state)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
            self._load(before)
            raise ValueError(f"state that is not whole: {error!r}") from error

    def _load(self, state: Mapping[str, Any]) -> None:
        self.gate.load_state_dict(state["gate"])
        self.samples.load_state_dict(state["samples"])
        self.loss.load_state_dict(state["loss"])
        self.checkpoint.load_state_dict(state["checkpoint"])
        last, halt = state["last"], state["halt"]
        self._last = None if last is None else (int(last[0]), int(last[1]))
        self._compared = bool(state["compared"])
        self._halt = None if halt is None else (_reading(*halt[0]), Place(*halt[1]))


def _plain(reading: _Reading, place: Place) -> list[list[Any]]:
    loss, samples, share, logged = reading
    return [[loss, samples, None if share is None else list(share), logged], list(place)]


def _reading(
    loss: Trend | None, samples: SamplesState, share: Iterable[int] | None, logged: bool = False
) -> _Reading:
    """Return what both signals said, from a saved state."""
    found = loss, samples, None if share is None else Share(*share), logged
    diagnose(*found)  # refuses words that are not in the table
    return found
