"""Scores a language model's own samples and says when a training run has collapsed.

The names here are the public face; each is loaded when it is first used, so that `score`, `Scores` and `Gate`
cost what they cost alone. `coherence.audit` and `coherence.check` are packages: from them come the functions
`audit` and `check`.
"""

from typing import TYPE_CHECKING

from coherence.lazy import face

if TYPE_CHECKING:
    from coherence.run.monitor import HaltedRun as HaltedRun
    from coherence.run.monitor import Monitor as Monitor
    from coherence.scoring.batch import score_many as score_many
    from coherence.scoring.calibration import calibrate as calibrate
    from coherence.scoring.lexicon import Lexicon as Lexicon
    from coherence.scoring.profile import Profile as Profile
    from coherence.scoring.scores import Scores as Scores
    from coherence.scoring.scores import score as score
    from coherence.signals.diagnosis import Diagnosis as Diagnosis
    from coherence.signals.diagnosis import diagnose as diagnose
    from coherence.signals.gate import Gate as Gate
    from coherence.signals.gate import Verdict as Verdict
    from coherence.signals.loss import LossTracker as LossTracker
    from coherence.signals.settings import __version__ as __version__

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "Diagnosis": "signals.diagnosis",
        "Gate": "signals.gate",
        "HaltedRun": "run.monitor",
        "Lexicon": "scoring.lexicon",
        "LossTracker": "signals.loss",
        "Monitor": "run.monitor",
        "Profile": "scoring.profile",
        "Scores": "scoring.scores",
        "Verdict": "signals.gate",
        "__version__": "signals.settings",
        "calibrate": "scoring.calibration",
        "diagnose": "signals.diagnosis",
        "score": "scoring.scores",
        "score_many": "scoring.batch",
    },
)
