"""What the figure draws of the samples: of all of them, in a bounded number of stretches."""

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coherence.show.page.curves import SHORTEST, Cell, Streaks, Stretches

VALUES = st.none() | st.floats(0, 100)
SAMPLES = st.lists(st.tuples(st.integers(0, 3), VALUES), max_size=200).map(
    lambda found: list(zip(accumulate(gap for gap, _ in found), (value for _, value in found), strict=True))
)
"""Samples in the order of their steps: step and value."""


def stretches_of(samples: list[tuple[int, float | None]], limit: int) -> Stretches:
    made = Stretches(1, limit)
    for number, (step, value) in enumerate(samples):
        made.add(step, [value], number=number)
    return made


def parts(cell: Cell) -> tuple[int, float, float, float]:
    """Count, mean, lowest and highest; of a stretch without values nothing counts."""
    if cell is None:
        return 0, 0.0, 0.0, 0.0
    return cell if isinstance(cell, tuple) else (1, cell, cell, cell)


@given(SAMPLES, st.integers(1, 20))
def test_the_stretches_hold_every_sample_once_and_no_more_of_them_than_the_limit(
    samples: list[tuple[int, float | None]], limit: int
) -> None:
    rows = stretches_of(samples, limit).rows()
    assert len(rows) <= limit
    assert sum(row[2] for row in rows) == len(samples)
    assert sum(parts(row[3])[0] for row in rows) == sum(value is not None for _, value in samples)
    for (_, last, *_), (first, *_) in pairwise(rows):
        assert last < first


@given(SAMPLES, st.integers(1, 20))
def test_of_each_stretch_mean_lowest_and_highest_are_those_of_all_its_samples(
    samples: list[tuple[int, float | None]], limit: int
) -> None:
    for first, last, _, cell in stretches_of(samples, limit).rows():
        values = [value for step, value in samples if first <= step <= last and value is not None]
        count, mean, low, high = parts(cell)
        assert low <= mean <= high
        assert count == len(values)
        if values:
            assert (low, high) == (round(min(values), 2), round(max(values), 2))
            assert mean == pytest.approx(sum(values) / count, abs=0.006)


@given(SAMPLES)
def test_up_to_the_limit_each_step_is_a_stretch(samples: list[tuple[int, float | None]]) -> None:
    steps = sorted({step for step, _ in samples})
    assert [row[:2] for row in stretches_of(samples, 200).rows()] == [[step, step] for step in steps]


@given(SAMPLES, st.integers(1, 8), st.data())
def test_what_changed_since_a_number_and_what_was_there_before_make_the_whole(
    samples: list[tuple[int, float | None]], limit: int, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(samples)))
    before = stretches_of(samples[:cut], limit).rows()
    now = stretches_of(samples, limit)
    at = now.unchanged(cut - 1)
    assert before[:at] + now.rows(at) == now.rows()


def test_a_sample_that_comes_late_counts_where_its_step_is() -> None:
    stretches = stretches_of([(10, 1.0), (20, 2.0), (30, 3.0), (10, 5.0)], 400)
    assert stretches.rows()[0] == [10, 10, 2, (2, 3.0, 1.0, 5.0)]


def test_after_a_restart_the_superseded_steps_are_gone() -> None:
    stretches = stretches_of([(step, 1.0) for step in range(10, 60, 10)], 400)
    stretches.go_back(30)
    stretches.add(30, [9.0])
    assert stretches.rows() == [[10, 10, 1, 1.0], [20, 20, 1, 1.0], [30, 30, 1, 9.0]]


@given(st.lists(st.integers(1, 6), max_size=60), st.integers(1, 10))
def test_of_too_many_streaks_all_that_are_long_enough_stay(lengths: list[int], limit: int) -> None:
    streaks, step, expected = Streaks(limit), 0, []
    for length in lengths:
        first = step
        for count in [*range(1, length + 1), 0]:
            streaks.see(step, count)
            step += 1
        expected.append((first, first + length - 1, length))
    found = streaks.found
    assert len(found) <= limit + 1
    shortest = min((last - first + 1 for first, last in found), default=None)
    if shortest is not None:
        assert shortest >= SHORTEST
        assert found == [(first, last) for first, last, length in expected if length >= shortest]
