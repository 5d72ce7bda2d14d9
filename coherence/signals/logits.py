"""Cross-entropy from logits, as it is in the loss of a log.

Arrays in, arrays or numbers out, always in double precision. All logarithms are natural.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]


def softmax(logits: npt.ArrayLike, axis: int = -1) -> FloatArray:
    """Return the probabilities of logits.

    `exp(x) / sum exp(x)` along `axis`: each in [0, 1], with the sum 1, for finite logits of any size. A
    logit of minus infinity becomes a probability of 0. The shape is that of `logits`.
    Source: docs/signals.md, "The loss".

    >>> softmax([0.0, 0.0]).tolist()
    [0.5, 0.5]
    """
    return np.asarray(np.exp(_log_softmax(logits, axis)))


def cross_entropy(logits: npt.ArrayLike, targets: npt.ArrayLike) -> FloatArray:
    """Return the loss of every position.

    `-ln softmax(logits)[target]` in nats, 0 and up. `logits` has the shape (..., V); `targets`, integers
    from 0 to V - 1, has the shape (...), and so has the result.
    Raises ValueError if the shapes do not match or a target is not a token of the vocabulary.
    Source: docs/signals.md, "The loss".

    >>> cross_entropy(np.log([[0.4, 0.6]]), [0]).round(4).tolist()
    [0.9163]
    """
    scores, tokens = np.asarray(logits, dtype=np.float64), np.asarray(targets)
    _check(scores, tokens)
    picked = np.take_along_axis(_log_softmax(scores, -1), tokens[..., np.newaxis], axis=-1)
    return np.asarray(0.0 - picked[..., 0])


def sequence_loss(logits: npt.ArrayLike, targets: npt.ArrayLike) -> FloatArray:
    """Return the loss of every sequence: the mean over its positions.

    In nats, 0 and up. `logits` has the shape (..., T, V), `targets` (..., T), the result (...): for one
    sequence a single number.
    Raises ValueError as `cross_entropy` does, and for sequences without a position.
    Source: docs/signals.md, "The loss".

    >>> float(sequence_loss(np.zeros((3, 8449)), [1, 2, 3]).round(2))
    9.04
    """
    losses = cross_entropy(logits, targets)
    if losses.ndim == 0 or losses.shape[-1] == 0:
        raise ValueError(f"targets must have the shape (..., T) with T at least 1, not {losses.shape!r}")
    return np.asarray(losses.mean(axis=-1))


def batch_loss(logits: npt.ArrayLike, targets: npt.ArrayLike) -> float:
    """Return the loss of a batch: the mean over its sequences.

    In nats, 0 and up. `logits` has the shape (B, T, V), `targets` (B, T).
    Raises ValueError as `sequence_loss` does, and for a wrong number of dimensions or an empty batch.
    Source: docs/signals.md, "The loss".

    >>> round(batch_loss(np.zeros((2, 3, 2305)), np.ones((2, 3), dtype=int)), 2)
    7.74
    """
    losses = sequence_loss(logits, targets)
    if losses.ndim != 1 or losses.size == 0:
        raise ValueError(f"targets must have the shape (B, T) with B at least 1, not {np.shape(targets)!r}")
    return float(losses.mean())


def _log_softmax(logits: npt.ArrayLike, axis: int) -> FloatArray:
    scores = np.asarray(logits, dtype=np.float64)
    # The largest becomes 0, so that no exponential overflows; minus infinity is right far below it.
    with np.errstate(over="ignore"):
        shifted = scores - scores.max(axis=axis, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)))


def _check(scores: FloatArray, tokens: npt.NDArray[Any]) -> None:
    if scores.ndim == 0 or scores.shape[-1] == 0 or scores.shape[:-1] != tokens.shape:
        raise ValueError(
            f"logits of shape (..., V) need targets of shape (...), not {scores.shape!r} and {tokens.shape!r}"
        )
    if not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(f"targets must be integers, not {tokens.dtype.name!r}")
    vocab_size = scores.shape[-1]
    outside = tokens[(tokens < 0) | (tokens >= vocab_size)]
    if outside.size:
        raise ValueError(f"targets must be between 0 and {vocab_size - 1}, not {outside[0].item()!r}")
