"""Softmax and cross-entropy against a slow twin, and their edges."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coherence.signals.logits import batch_loss, cross_entropy, sequence_loss, softmax

LOGITS = st.lists(st.floats(-50, 50), min_size=1, max_size=8)
HUGE = st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=8)


def slow_cross_entropy(logits: list[float], target: int) -> float:
    return math.log(math.fsum(math.exp(logit) for logit in logits)) - logits[target]


@given(LOGITS, st.data())
def test_cross_entropy_equals_its_slow_twin(logits: list[float], data: st.DataObject) -> None:
    target = data.draw(st.integers(0, len(logits) - 1))
    expected = slow_cross_entropy(logits, target)
    assert float(cross_entropy(logits, target)) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.slow
@given(LOGITS, st.floats(-50, 50))
def test_a_constant_added_to_every_logit_changes_nothing(logits: list[float], shift: float) -> None:
    assert softmax(np.array(logits) + shift) == pytest.approx(softmax(logits), abs=1e-9)


@pytest.mark.slow
@given(HUGE)
def test_softmax_sums_to_one_however_large_the_logits(logits: list[float]) -> None:
    shares = softmax(logits)
    assert shares.sum() == pytest.approx(1)
    assert ((shares >= 0) & (shares <= 1)).all()


@pytest.mark.slow
@given(HUGE, st.data())
def test_cross_entropy_of_huge_logits_is_finite_and_not_negative(
    logits: list[float], data: st.DataObject
) -> None:
    loss = float(cross_entropy(logits, data.draw(st.integers(0, len(logits) - 1))))
    assert math.isfinite(loss)
    assert loss >= 0


def test_softmax_works_along_any_axis() -> None:
    logits = np.arange(6.0).reshape(2, 3)
    assert softmax(logits, axis=0) == pytest.approx(softmax(logits.T).T)


def test_an_impossible_token_has_probability_zero_and_infinite_loss() -> None:
    logits = [0.0, -math.inf]
    assert softmax(logits).tolist() == [1.0, 0.0]
    assert cross_entropy(logits, 1) == math.inf
    assert math.copysign(1, float(cross_entropy(logits, 0))) == 1


def test_half_precision_logits_are_summed_in_double_precision() -> None:
    logits = np.zeros(8449, dtype=np.float16)
    assert float(cross_entropy(logits, 0)) == pytest.approx(math.log(8449))


def test_sequences_are_means_over_positions_and_batches_means_over_sequences() -> None:
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(2, 3, 5)), rng.integers(0, 5, size=(2, 3))
    losses = cross_entropy(logits, targets)
    assert losses.shape == (2, 3)
    assert sequence_loss(logits, targets) == pytest.approx(losses.mean(axis=1))
    assert batch_loss(logits, targets) == pytest.approx(losses.mean())


@pytest.mark.parametrize(
    ("logits", "targets", "message"),
    [
        (np.zeros((2, 3)), [0, 1, 2], r"not \(2, 3\) and \(3,\)"),
        (np.zeros((2, 3)), 0, r"not \(2, 3\) and \(\)"),
        (0.0, 0, r"not \(\) and \(\)"),
        (np.zeros((2, 0)), [0, 0], r"not \(2, 0\) and \(2,\)"),
        (np.zeros((2, 3)), [0, 3], "between 0 and 2, not 3"),
        (np.zeros((2, 3)), [-100, 1], "between 0 and 2, not -100"),
        (np.zeros((2, 3)), [0.0, 1.0], "integers, not 'float64'"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(logits: Any, targets: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cross_entropy(logits, targets)


def test_a_loss_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"T at least 1, not \(2, 0\)"):
        sequence_loss(np.zeros((2, 0, 5)), np.zeros((2, 0), dtype=int))
    with pytest.raises(ValueError, match=r"T at least 1, not \(\)"):
        sequence_loss(np.zeros(5), 0)
    with pytest.raises(ValueError, match=r"B at least 1, not \(0, 3\)"):
        batch_loss(np.zeros((0, 3, 5)), np.zeros((0, 3), dtype=int))
    with pytest.raises(ValueError, match=r"B at least 1, not \(3,\)"):
        batch_loss(np.zeros((3, 5)), np.zeros(3, dtype=int))
