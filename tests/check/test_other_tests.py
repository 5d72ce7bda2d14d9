"""Single prompts that collapse: the chance that any of them does though nothing changed."""

import numpy as np
import pytest

from coherence.check.other_tests import collapsed_prompts
from coherence.check.snapshot import SampleSet

LEVEL = 0.01 / 17
"""What is left of the level of a check for its prompts."""


def side(bad: list[int], each: int) -> SampleSet:
    """Samples of prompts, of each so many, of which so many are low."""
    states = [state for count in bad for state in "l" * count + "f" * (each - count)]
    size, nothing = len(states), np.zeros(len(states), bool)
    prompts = [f"p{number}" for number in range(len(bad)) for _ in range(each)]
    numbers = np.zeros(size), np.ones(size, np.int64)
    return SampleSet(
        np.zeros((size, 4)),
        *numbers,
        states,
        nothing,
        nothing,
        np.zeros(size, np.int64),
        prompts,
        [""] * size,
    )


@pytest.mark.parametrize(("each", "found"), [(5, 0), (6, 1), (8, 1)])
@pytest.mark.parametrize("prompts", [2, 50, 200])
def test_of_six_samples_a_collapse_is_seen_however_many_prompts_there_are(
    each: int, found: int, prompts: int
) -> None:
    fine = [0] * prompts
    assert len(collapsed_prompts(side(fine, each), side([each, *fine[1:]], each), LEVEL)) == found


@pytest.mark.parametrize("each", [6, 8, 12, 40])
def test_prompts_that_differ_in_difficulty_keep_the_level(each: int) -> None:
    random = np.random.default_rng(1)
    shares = np.array([0.5] * 10 + [0.9] * 5 + [0.0] * 35)
    false = 0
    for _ in range(200):
        before, now = (side(random.binomial(each, shares).tolist(), each) for _ in range(2))
        false += bool(collapsed_prompts(before, now, LEVEL))
    assert false <= 1


def test_the_largest_prompts_are_counted_without_an_overflow() -> None:
    (found,) = collapsed_prompts(side([0, 0], 1000), side([1000, 0], 1000), LEVEL)
    assert (found.prompt, found.bad_now) == ("p0", 1000)
    assert found.p < 1e-100
