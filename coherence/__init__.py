"""Scores a language model's own samples and says when a training run has collapsed.

Nothing heavy is imported here: what a training loop holds is `coherence.monitor`, the command line is
`coherence.cli`.
"""

from coherence.diagnosis import Diagnosis, diagnose
from coherence.gate import Gate, Verdict
from coherence.lexicon import Lexicon
from coherence.loss import LossTracker
from coherence.profile import Profile
from coherence.scores import Scores, score

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
