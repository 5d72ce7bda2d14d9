"""Both signals of one run together, as the monitor, the audit and the page use them.

The same rows in the same order always give the same result. Source: docs/signals.md.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from coherence.scoring.profile import Profile
from coherence.scoring.scores import Scores
from coherence.signals.checkpoint import Checkpoint, Place
from coherence.signals.diagnosis import Diagnosis, SamplesState, Share, diagnose
from coherence.signals.gate import Gate, Verdict
from coherence.signals.loss import LossTracker, Trend
from coherence.signals.samples import SampleTracker
from coherence.signals.settings import Settings

FORMAT = 6

RESTART, ACKNOWLEDGED, SAVED, DELETED = "restart", "halt acknowledged", "checkpoint", "checkpoint deleted"
"""The events of a run, besides losses and samples, that change a decision."""

_Reading = tuple[Trend | None, SamplesState, Share | None, bool]


class Signals:
    """The gate, the sample signal and the loss of one run, and the step to go back to.

    Attributes:
        gate: decides on each sample.
        samples: names the state of the last samples.
        loss: follows the loss; update it directly.
        checkpoint: finds the step to go back to.
        profile: the reference that the samples are scored against.

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
        self._compared = False  # whether the samples of that step were compared so far
        self._halt: tuple[_Reading, Place] | None = None  # the reading of both signals when the gate fired

    @classmethod
    def of(cls, settings: Settings) -> "Signals":
        """Return the signals of a run that begins with these settings.

        Raises:
            ValueError: a setting is out of range.
        """
        loss = LossTracker(settings.vocab_size, settings.smma_window)
        return cls(Gate(*settings[:5]), loss, settings.profile)

    def configure(self, settings: Settings) -> None:
        """Continue with other settings; what is remembered is kept.

        Raises:
            ValueError: a setting is out of range.
        """
        self.gate.configure(*settings[:5])
        self.loss.configure(settings.vocab_size, settings.smma_window)
        self.samples.threshold = settings.threshold
        self.profile = settings.profile or Profile.load()

    def judge(self, scores: Scores, step: int, index: int, word: int = 0) -> Verdict:
        """Pass the scores of a sample to the gate, to the sample signal and to the checkpoint rule.

        Args:
            scores: of the sample.
            step: the training step it was drawn at.
            index: which of the samples of that step it is.
            word: the number of a one-word answer, see `coherence.scoring.text.one_word`.
        """
        if self.begins(step, index):
            self.checkpoint.begin(step)
            self._compared = False
        self._last = step, index
        halted = self.gate.halted
        verdict = self.gate.update(scores, step, index)
        # The names in code and data are not in English word order.
        known = scores if self.profile.is_english else scores._replace(order=None)
        self.samples.update(known, verdict, word)
        if verdict.judged:
            poor = verdict.low or scores.mean < self.gate.threshold
            finite = self.loss.loss is None or math.isfinite(self.loss.loss)
            self.checkpoint.see([scores.values], poor, self.samples.alike, self.loss.smoothed, finite)
        if verdict.collapsed and not halted:
            self._halt = self._read(), self._find_place(verdict.samples[0][0])
        return verdict

    def move_to(self, step: int, index: int, compared: bool, begins: bool) -> None:
        """Note the last of many samples that each part has taken at once: see `coherence.signals.together`.

        Args:
            step: its step.
            index: its index there.
            compared: whether samples of its step were compared.
            begins: whether the first sample of its step is among them.
        """
        self._last = step, index
        self._compared = compared or (self._compared and not begins)

    def begins(self, step: int, index: int) -> bool:
        """Return whether a sample is the first of a step, or of a step that is sampled again."""
        return self._last is None or step != self._last[0] or index <= self._last[1]

    @property
    def step(self) -> int | None:
        """The step of the last sample; None before any, and after a restart."""
        return None if self._last is None else self._last[0]

    def compare(self, diversity: float | None, others: bool = False) -> None:
        """Take how different the samples of the step are from each other, those that have come so far.

        Args:
            diversity: None if fewer than two could be compared.
            others: whether it is for other samples of the step than the last value: those of another rank.
        """
        again = self._compared and not others
        if diversity is not None:
            diversity = self.profile.against_passages(diversity)
        self.samples.update_between(diversity, again)
        self.checkpoint.compare(diversity, self.samples.alike, again)
        self._compared = self._compared or diversity is not None

    def take_event(self, event: str, step: int, state: Mapping[str, Any] | None = None) -> None:
        """Take an event of the run; an event that changes nothing here is skipped.

        Args:
            event: its name.
            step: the first step that is repeated after a restart, or the step of a checkpoint.
            state: for a restart, the state in the checkpoint from which the run resumes. A state that
                this version cannot read is ignored.
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
        """The step since which a halted run's samples are fine again, as many as halt; else None."""
        return self.samples.fine_since(self.gate.patience) if self.gate.halted else None

    @property
    def was_young(self) -> bool:
        """Whether a halted run was never fine before for as many samples in a row as halt a run."""
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
        """Return the state of all of them as plain JSON values, without the settings."""
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
        """Restore a saved state; later results are the same as without the stop.

        Raises:
            ValueError: the state is of another format, or not complete; nothing has changed then.
        """
        if state.get("format") != FORMAT:
            raise ValueError(f"state of format {state.get('format')!r}; this version reads {FORMAT}")
        before = self.state_dict()
        try:
            self._load(state)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
            self._load(before)
            raise ValueError(f"incomplete state: {error!r}") from error

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
    """Return the reading of both signals in a saved state."""
    found = loss, samples, None if share is None else Share(*share), logged
    diagnose(*found)  # raises for words that are not in the table
    return found
