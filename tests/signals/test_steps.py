"""Late or set back: which step of a kind of rows is a restart."""

import json
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coherence.signals.steps import Steps

FAR = math.inf


def restarts(order: Sequence[int], late: int, reach: float = FAR) -> list[int]:
    """The places in an order of steps at which the run was set back, each forgetting what came before."""
    steps, found = Steps(late, reach), []
    for place, step in enumerate(order):
        if steps.is_restart(step):
            steps.clear()
            found.append(place)
        steps.take(step)
    return found


TABLE: dict[str, tuple[list[int], int, float, list[int]]] = {
    "none": ([], 4, FAR, []),
    "one": ([7], 0, FAR, []),
    "on and on": ([1, 2, 3, 3, 3, 9], 0, FAR, []),
    "one back where nothing may be late": ([1, 2, 1], 0, FAR, [2]),
    "neighbours swapped": ([2, 1, 4, 3, 6, 5], 1, FAR, []),
    "in threes where one may be late": ([3, 2, 1], 1, FAR, [2]),
    "in threes": ([3, 2, 1, 6, 5, 4], 2, FAR, []),
    "overtaken by four": ([1, 2, 3, 4, 5, 1], 4, FAR, []),
    "overtaken by five": ([1, 2, 3, 4, 5, 6, 1], 4, FAR, [6]),
    "many rows of a step are one step": ([1, 2, 2, 2, 2, 2, 2, 1], 1, FAR, []),
    "the same ones again and again": ([5, 4, 5, 4, 5, 4], 1, FAR, []),
    "within reach": ([100, 200, 100], 4, 100, []),
    "beyond reach": ([100, 201, 100], 4, 100, [2]),
    "beyond reach of the highest": ([100, 201, 150, 100], 4, 100, [3]),
    "set back, and on": ([1, 2, 3, 1, 2, 3], 0, FAR, [3]),
    "set back twice": ([5, 6, 7, 5, 6, 7, 5], 1, FAR, [3, 6]),
    "set back by less than what may be late": ([5, 6, 7, 6, 7, 8], 2, FAR, []),
    "below zero": ([-5, -4, -3, -5], 1, FAR, [3]),
}


@pytest.mark.parametrize(("order", "late", "reach", "expected"), TABLE.values(), ids=TABLE.keys())
def test_what_is_late_is_told_from_what_was_set_back(
    order: list[int], late: int, reach: float, expected: list[int]
) -> None:
    assert restarts(order, late, reach) == expected


def test_the_last_step_is_that_of_the_last_row_and_none_after_a_restart() -> None:
    steps = Steps(4)
    assert steps.last is None
    for step in (100, 300, 200):
        steps.take(step)
        assert steps.last == step
    steps.clear()
    assert (steps.last, steps.is_restart(-99), steps.state()) == (None, False, [])


ORDERS = st.lists(st.integers(0, 30), max_size=30)
LATES = st.integers(0, 6)
REACHES = st.sampled_from([0, 3, 10, FAR])


@pytest.mark.slow
@given(order=ORDERS, step=st.integers(0, 30), late=LATES, reach=REACHES)
def test_it_decides_as_its_slow_twin_that_remembers_all_steps(
    order: list[int], step: int, late: int, reach: float
) -> None:
    steps = Steps(late, reach)
    for each in order:
        steps.take(each)
    far = bool(order) and step < max(order) - reach
    assert steps.is_restart(step) is (far or len({each for each in order if each > step}) > late)


@given(order=st.lists(st.integers(-99, 99), max_size=30), late=LATES)
def test_steps_that_go_on_are_no_restart(order: list[int], late: int) -> None:
    assert restarts(sorted(order), late, 0) == []


@given(st.data(), LATES)
def test_steps_that_are_overtaken_by_so_many_at_most_are_no_restart(data: st.DataObject, late: int) -> None:
    order = list(range(30))
    for start in range(0, 30, late + 1):  # within each group any order
        order[start : start + late + 1] = data.draw(st.permutations(order[start : start + late + 1]))
    assert restarts(order, late) == []


@given(order=st.lists(st.integers(0, 99), min_size=8, max_size=30, unique=True), late=LATES)
def test_a_step_below_all_that_came_is_a_restart_once_enough_came(order: list[int], late: int) -> None:
    steps = Steps(late)
    for step in order:
        steps.take(step)
    assert steps.is_restart(-1)


@given(order=ORDERS, late=LATES, reach=REACHES)
def test_where_a_step_is_a_restart_every_lower_one_is(order: list[int], late: int, reach: float) -> None:
    steps = Steps(late, reach)
    for step in order:
        steps.take(step)
    found = [steps.is_restart(step) for step in range(-1, 32)]
    assert found == sorted(found, reverse=True)


@given(order=ORDERS, cut=st.integers(0, 30), late=LATES)
def test_saved_and_restored_anywhere_they_decide_as_if_never_stopped(
    order: list[int], cut: int, late: int
) -> None:
    whole, first, second = Steps(late), Steps(late), Steps(late)
    for step in order:
        whole.take(step)
    for step in order[:cut]:
        first.take(step)
    second.load(json.loads(json.dumps(first.state())))
    for step in order[cut:]:
        second.take(step)
    assert (second.state(), second.last) == (whole.state(), whole.last)
    assert len(whole.state()) <= late + 2


def test_a_step_that_one_other_has_overtaken_is_late_whatever_came_after_that_one() -> None:
    steps = Steps(late=4)
    for step in (1000, 600, 650, 700, 750):  # a last evaluation ahead, and then on as before
        steps.take(step)
    assert not steps.is_restart(800), "at most four steps beyond it: 1000 alone"
