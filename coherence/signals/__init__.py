"""Scores and losses in, a verdict out: the gate, the loss, the two signals together."""
