"""Scores a language model's own samples and says when a training run has collapsed."""
