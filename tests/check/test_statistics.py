"""The statistics of the check: they keep their level, do not depend on order, and break on nothing."""

import math
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from coherence.check.statistics import (
    PERMUTATIONS,
    Change,
    Design,
    design_effect,
    falls,
    measure_change,
    share_rise,
    shared_strata,
)

pytestmark = pytest.mark.once

Floats = NDArray[np.float64]


def sides(before: int, now: int) -> NDArray[np.bool_]:
    return np.arange(before + now) >= before


def one(size: int) -> NDArray[np.int64]:
    return np.zeros(size, np.int64)


def design(now: NDArray[np.bool_], strata: NDArray[np.int64]) -> Design:
    return Design(now, strata, np.arange(len(now)))


def fall_p_values(values: Floats, deal: Design, level: float = 0.01) -> Floats:
    return falls(values, deal, level, 0.1).p


def p_value(before: list[float], now: list[float], strata: NDArray[np.int64] | None = None) -> float:
    values = np.array([*before, *now], np.float64)[:, None]
    strata = one(len(values)) if strata is None else strata
    found = fall_p_values(values, design(sides(len(before), len(now)), strata))
    return float(found[0])


def change(before: list[float], now: list[float]) -> Change:
    values = np.array([*before, *now], np.float64)
    found = measure_change(values, Design.plain(len(before), len(now)))
    assert found is not None
    return found


# The permutation test


@pytest.mark.parametrize("now", [[1, 2, 3, 4], [1, 2, 6, 7], [5, 6, 7, 8], [2, 4, 6, 8]])
def test_the_p_value_is_the_share_of_all_ways_to_deal_out_that_give_as_large_a_fall(now: list[float]) -> None:
    everything = [float(value) for value in range(1, 9)]
    before = [value for value in everything if value not in now]
    rng = range(2**8)
    dealt = [[v for n, v in enumerate(everything) if bits >> n & 1] for bits in rng if bits.bit_count() == 4]
    exact = sum(sum(each) <= sum(now) for each in dealt) / comb(8, 4)
    assert p_value(before, now) == pytest.approx(exact, abs=0.015)


def test_a_p_value_is_never_nothing() -> None:
    assert p_value([100.0] * 50, [0.0] * 50) == 1 / (PERMUTATIONS + 1)


def test_a_rise_is_no_fall() -> None:
    assert p_value([10.0, 11, 12, 13, 14] * 6, [20.0, 21, 22, 23, 24] * 6) > 0.99


@pytest.mark.slow
def test_the_level_is_kept_where_the_sides_do_not_differ() -> None:
    random = np.random.default_rng(7)
    trials, level = 400, 0.05
    false = 0
    for _ in range(trials):
        # Scores as they are: most of them 100, some anywhere below, in prompts of unlike difficulty.
        strata = random.integers(0, 6, 80)
        values = np.minimum(100, random.normal(95 - 6 * strata, 15, 80).clip(0))
        now = sides(40, 40)
        false += bool(fall_p_values(values[:, None], design(now, strata))[0] <= level)
    # Beyond four standard deviations of a binomial only a broken test lies.
    assert false <= trials * level + 4 * math.sqrt(trials * level * (1 - level))
    assert false >= trials * level - 4 * math.sqrt(trials * level * (1 - level))


def test_prompts_that_are_held_fixed_hide_nothing_that_the_model_did() -> None:
    strata = np.tile(np.arange(10), 8)
    difficulty = np.linspace(10, 90, 10)[strata]
    noise = np.random.default_rng(3).normal(0, 2, 80)
    now = sides(40, 40)
    values = (difficulty + noise - 5 * now)[:, None]
    assert fall_p_values(values, design(now, strata))[0] < 0.001
    assert fall_p_values(values, design(now, one(80)))[0] > 0.05


def test_a_shift_of_the_prompts_is_no_fall_where_prompts_are_held_fixed() -> None:
    strata = np.array([0] * 30 + [1] * 10 + [0] * 10 + [1] * 30)  # easy ones before, hard ones now
    values = np.where(strata == 0, 90.0, 40.0) + np.random.default_rng(4).normal(0, 3, 80)
    now = sides(40, 40)
    assert fall_p_values(values[:, None], design(now, one(80)))[0] < 0.001
    assert fall_p_values(values[:, None], design(now, strata))[0] > 0.05
    found = measure_change(values, design(now, strata))
    assert found is not None
    assert abs(found.now - found.before) < 3


def test_one_sample_of_each_prompt_a_side_is_a_test_of_pairs() -> None:
    strata = np.tile(np.arange(20), 2)
    values = np.tile(np.linspace(0, 90, 20), 2) - sides(20, 20) * 1.0
    assert fall_p_values(values[:, None], design(sides(20, 20), strata))[0] == 1 / (PERMUTATIONS + 1)
    found = measure_change(values, design(sides(20, 20), strata))
    assert found is not None
    assert found.now - found.before == pytest.approx(-1)
    assert found.error == pytest.approx(0, abs=1e-9)


values_of = st.lists(st.sampled_from([0.0, 12.5, 40.0, 99.99, 100.0, math.nan]), min_size=2, max_size=40)


@pytest.mark.slow
@given(values_of, values_of, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_changes_anything(before: Floats, now: Floats, random: object) -> None:
    values = np.array([*before, *now], np.float64)[:, None]
    mask = sides(len(before), len(now))
    strata = np.arange(len(values)) % 3
    order = np.arange(len(values))
    random.shuffle(order)  # type: ignore[attr-defined]
    first = fall_p_values(values, design(mask, strata))
    assert first == fall_p_values(values, design(mask, strata))
    assert first == fall_p_values(values[order], design(mask[order], strata[order]))


@pytest.mark.slow
@given(values_of, values_of, st.integers(1, 5))
def test_whatever_is_compared_the_numbers_are_numbers(before: Floats, now: Floats, several: int) -> None:
    values = np.array([*before, *now], np.float64)
    mask, strata = sides(len(before), len(now)), np.arange(len(values)) % several
    p = fall_p_values(values[:, None], design(mask, strata))[0]
    assert 0 < p <= 1
    found = measure_change(values, design(mask, strata))
    if found is not None:
        assert 0 <= found.before <= 100.0001
        assert 0 <= found.now <= 100.0001
        assert found.error >= 0
        assert 0 < found.least <= 1
    near, far = falls(values[:, None], design(mask, strata), 0.01, 0.1)[1:]
    assert near[0] <= 0 <= far[0] + 1e-9


def test_without_a_value_on_both_sides_there_is_nothing_to_compare() -> None:
    values = np.array([1.0, 2.0, math.nan, math.nan])
    assert measure_change(values, Design.plain(2, 2)) is None
    assert measure_change(np.array([1.0, 2.0]), design(sides(1, 1), np.array([0, 1]))) is None


@pytest.mark.slow
def test_the_level_is_kept_where_prompts_are_drawn_anew_and_their_samples_are_alike() -> None:
    random = np.random.default_rng(9)
    units = np.repeat(np.arange(24), 5)
    deal = Design(sides(60, 60), one(120), units)
    trials, level = 300, 0.05
    false = naive = 0
    for _ in range(trials):
        values = (random.normal(70, 15, 24)[units] + random.normal(0, 4, 120))[:, None]
        false += bool(fall_p_values(values, deal)[0] <= level)
        naive += bool(fall_p_values(values, Design.plain(60, 60))[0] <= level)
    assert false <= trials * level + 4 * math.sqrt(trials * level)
    assert naive > 2 * false  # which is why they change sides together


@pytest.mark.slow
def test_the_level_is_kept_where_one_side_draws_more_samples_of_each_prompt() -> None:
    random = np.random.default_rng(11)
    units = np.concatenate([np.repeat(np.arange(12), 4), 12 + np.repeat(np.arange(16), 3)])
    deal = Design(sides(48, 48), one(96), units)
    trials, level = 300, 0.05
    false = 0
    for _ in range(trials):
        values = np.where(random.random(28) < 0.05, 0.0, 100.0)[units]
        false += bool(fall_p_values(values[:, None], deal)[0] <= level)
    assert false <= trials * level + 4 * math.sqrt(trials * level)
    lonely = np.full(96, 100.0)
    lonely[-1] = 0.0
    assert fall_p_values(lonely[:, None], deal)[0] > 0.4  # one bad sample of many tells nothing


def test_of_few_prompts_drawn_anew_nothing_can_be_said_however_many_samples_each_has() -> None:
    units = np.repeat(np.arange(6), 40)
    found = measure_change(np.linspace(0, 100, 240), Design(sides(120, 120), one(240), units))
    assert found is not None
    assert found.least == pytest.approx(1 / 20)


def test_the_error_of_units_is_that_of_their_means() -> None:
    random = np.random.default_rng(10)
    means = random.normal(50, 10, 40)
    values = np.repeat(means, 3)
    found = measure_change(values, Design(sides(60, 60), one(120), np.repeat(np.arange(40), 3)))
    alone = measure_change(means, Design.plain(20, 20))
    assert found is not None
    assert alone is not None
    assert found.error == pytest.approx(alone.error)


def test_samples_alike_give_the_same_whatever_their_number() -> None:
    assert p_value([100.0] * 30, [100.0] * 30) == 1
    assert change([100.0] * 30, [100.0] * 30)[:3] == (100, 100, 0)


# The interval


def test_the_error_is_that_of_two_means() -> None:
    before, now = [1.0, 2, 3, 4, 5, 9], [2.0, 4, 4, 7]
    spread = (sum((v - 4) ** 2 for v in before) + sum((v - 4.25) ** 2 for v in now)) / 8
    assert change(before, now).error == pytest.approx(math.sqrt(spread * (1 / 6 + 1 / 4)))


@pytest.mark.slow
def test_each_end_of_the_interval_is_missed_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    strata = np.tile(np.arange(5), 16)
    now = sides(40, 40)
    low = high = 0
    for _ in range(400):
        values = 50 + 5 * strata + random.normal(0, 10, 80) - 2 * now
        found = measure_change(values, design(now, strata))
        assert found is not None
        _, near, far = falls(values[:, None], design(now, strata), 0.05, 0.1)
        moved = found.now - found.before
        low += bool(moved - far[0] > -2)
        high += bool(moved - near[0] < -2)
    # Give or take four standard deviations of a binomial.
    assert 40 - 24 <= low <= 40 + 24
    assert 20 - 17.5 <= high <= 20 + 17.5


@given(values_of, values_of, st.sampled_from([0.01, 0.05, 0.2]))
def test_a_fall_is_beyond_chance_by_its_p_value_just_where_it_is_by_its_interval(
    before: Floats, now: Floats, level: float
) -> None:
    values, deal = np.array([*before, *now], np.float64), Design.plain(len(before), len(now))
    found = measure_change(values, deal)
    if found is not None:
        p, near, _ = falls(values[:, None], deal, level, 0.1)
        assert (p[0] <= level) == (found.now - found.before - near[0] < 0)


def test_a_share_that_is_nothing_on_both_sides_is_not_known_for_certain() -> None:
    found = change([0.0] * 40, [0.0] * 40)
    assert 5 < share_rise(found, 0.05, 1) < 8
    assert share_rise(found, 0.05, 4) > 15  # of ten prompts with four samples each less is known


@pytest.mark.parametrize(("share", "size"), [(0.02, 100), (0.1, 60), (0.5, 40), (0.98, 100)])
def test_the_most_that_a_share_may_have_risen_by_is_missed_about_as_often_as_it_says(
    share: float, size: int
) -> None:
    random = np.random.default_rng(8)
    missed = 0
    for _ in range(500):
        counts = random.binomial(size, share, 2) * 100 / size
        most = share_rise(Change(counts[0], counts[1], 0.0, size, size, 0.0), 0.1, 1)
        missed += most < 0
        assert counts[1] - counts[0] <= most <= 100.001
    assert missed <= 80


def test_samples_that_are_drawn_together_and_alike_tell_as_much_as_one() -> None:
    random = np.random.default_rng(3)
    units = np.repeat(np.arange(40), 5)
    deal = Design(sides(100, 100), one(200), units)
    alike, apart, constant = random.normal(0, 1, 40)[units], random.normal(0, 1, 200), np.zeros(200)

    def effect(values: Floats, deal: Design) -> float:
        found = measure_change(values, deal)
        assert found is not None
        return design_effect(values, found, deal)

    assert 4.5 <= effect(alike, deal) <= 5.0
    assert 1.0 <= effect(apart, deal) <= 1.7
    assert effect(constant, deal) == effect(apart, Design.plain(100, 100)) == 1.0


def test_the_smallest_p_value_that_can_come_out_is_told() -> None:
    assert change([1.0, 2], [3.0]).least == pytest.approx(1 / 3)
    assert change([1.0] * 30, [3.0] * 30).least == 1 / (PERMUTATIONS + 1)


# Strata


def test_strata_that_hardly_overlap_hold_nothing_fixed() -> None:
    assert shared_strata(["a"] * 3 + ["b"] * 4, ["a"] * 7) is None
    assert shared_strata(["a"] * 4 + ["b"] * 3, ["a"] * 7) is not None
    assert shared_strata([], []) is None
