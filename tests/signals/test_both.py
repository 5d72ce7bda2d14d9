"""Both signals of a run together: what is said at a halt stays said."""

from coherence import score
from coherence.signals.both import Signals
from coherence.signals.settings import DEFAULTS


def test_what_is_logged_after_a_halt_changes_nothing_of_what_was_said_at_it() -> None:
    signals = Signals.of(DEFAULTS._replace(patience=1))
    signals.judge(score(""), 100, 0)
    said = signals.diagnosis
    signals.loss.update(110, 0.0, beside="kl")
    assert signals.gate.halted
    assert signals.diagnosis == said
    again = Signals.of(DEFAULTS._replace(patience=1))
    again.load_state_dict(signals.state_dict())
    assert again.diagnosis == said
