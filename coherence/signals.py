"""Both signals of one run side by side: what the audit replays and a training loop's monitor holds.

Source: docs/signals.md.
"""

from collections.abc import Mapping
from typing import Any

from coherence.diagnosis import Diagnosis, diagnose
from coherence.gate import Gate, Verdict
from coherence.loss import LossTracker
from coherence.samples import SampleTracker
from coherence.scores import Scores


class Signals:
    """The gate, the sample signal and the loss of one run.

    Attributes:
        gate: decides on each sample.
        samples: names the state of the last samples.
        loss: follows the loss; update it directly.

    >>> from coherence import score
    >>> signals = Signals(Gate(), LossTracker(vocab_size=8449))
    >>> signals.loss.update(step=100, loss=3.43)
    >>> scores = score("The cat sat by the door and waited for the rain to stop.")
    >>> signals.judge(scores, step=100, index=0).low, signals.diagnosis.action
    (False, 'continue')
    """

    def __init__(self, gate: Gate, loss: LossTracker) -> None:
        self.gate = gate
        self.loss = loss
        self.samples = SampleTracker(gate.threshold)

    def judge(self, scores: Scores, step: int, index: int) -> Verdict:
        """Put the scores of a sample to the gate, and to the sample signal."""
        verdict = self.gate.update(scores, step, index)
        self.samples.update(scores, verdict)
        return verdict

    @property
    def diagnosis(self) -> Diagnosis:
        """What the two signals mean together, now."""
        return diagnose(self.loss.trend, self.samples.state)

    def acknowledge_halt(self) -> None:
        """Let a halted run go on: the gate starts anew."""
        self.gate.reset()
        self.samples.acknowledge_halt()

    def state_dict(self) -> dict[str, Any]:
        """Return what all three remember, as plain JSON values."""
        return {
            "format": 1,
            "gate": self.gate.state_dict(),
            "samples": self.samples.state_dict(),
            "loss": self.loss.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state as if never stopped.

        Raises:
            ValueError: the state is of another format.
        """
        if state.get("format") != 1:
            raise ValueError(f"state of format {state.get('format')!r}; this version reads 1")
        self.gate.load_state_dict(state["gate"])
        self.samples.load_state_dict(state["samples"])
        self.loss.load_state_dict(state["loss"])
