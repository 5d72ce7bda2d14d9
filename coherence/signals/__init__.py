"""Scores and losses in, a verdict out.

`gate` judges samples, `loss` follows the loss, `samples` names the state of the samples, `diagnosis` is the
table of both, `checkpoint` names the step to go back to; `both` combines them for one run, and the monitor,
the audit and the page feed it line by line. `together` feeds it many samples at once, with the same result.
`settings` holds the settings that decide, and `project` reads them from a `pyproject.toml`. Standard library
only, except `logits` and `together`.
"""

from typing import TYPE_CHECKING

from coherence.lazy import face

if TYPE_CHECKING:
    from coherence.signals.both import Signals as Signals
    from coherence.signals.diagnosis import Diagnosis as Diagnosis
    from coherence.signals.diagnosis import diagnose as diagnose
    from coherence.signals.gate import Gate as Gate
    from coherence.signals.gate import Verdict as Verdict
    from coherence.signals.logits import cross_entropy as cross_entropy
    from coherence.signals.logits import softmax as softmax
    from coherence.signals.loss import LossTracker as LossTracker
    from coherence.signals.loss import advantage as advantage
    from coherence.signals.loss import perplexity as perplexity
    from coherence.signals.loss import uniform_baseline as uniform_baseline
    from coherence.signals.phases import Phase as Phase
    from coherence.signals.settings import Settings as Settings

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "Diagnosis": "diagnosis",
        "Gate": "gate",
        "LossTracker": "loss",
        "Phase": "phases",
        "Settings": "settings",
        "Signals": "both",
        "Verdict": "gate",
        "advantage": "loss",
        "cross_entropy": "logits",
        "diagnose": "diagnosis",
        "perplexity": "loss",
        "softmax": "logits",
        "uniform_baseline": "loss",
    },
)
