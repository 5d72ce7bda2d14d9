"""Scores a language model's own samples and says when a training run has collapsed.

Nothing heavy is imported here: what a training loop holds is `coherence.monitor`, the command line is
`coherence.cli`.
"""

from coherence.gate import Gate, Verdict
from coherence.scores import Scores, score

__all__ = ["Gate", "Scores", "Verdict", "score"]
