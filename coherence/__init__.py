"""Scores a language model's own samples and says when a training run has collapsed.

Nothing heavy is imported here: what a training loop holds is `coherence.run.monitor`, the command line is
`coherence.cli.main`.
"""

from coherence.scoring.lexicon import Lexicon
from coherence.scoring.profile import Profile
from coherence.scoring.scores import Scores, score
from coherence.signals.diagnosis import Diagnosis, diagnose
from coherence.signals.gate import Gate, Verdict
from coherence.signals.loss import LossTracker

__all__ = [
    "Diagnosis",
    "Gate",
    "Lexicon",
    "LossTracker",
    "Profile",
    "Scores",
    "Verdict",
    "diagnose",
    "score",
]
