"""A hundredth of a long run: memory and the time of a call stay as they are, the files hold everything.

The code is that of `tests/campaigns/long_runs.py`, which does the same with a million losses.
"""

from typing import Any

import long_runs
import pytest

pytestmark = [pytest.mark.once, pytest.mark.slow]

LOSSES, SAMPLES = 10_000, 1_000
POINTER = 8
"""Bytes; who keeps anything of each loss keeps at least so many."""


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Any:
    found = long_runs.run(tmp_path_factory.mktemp("long"), LOSSES, SAMPLES, traced=True)
    print(found)  # noqa: T201 - what a failure is read from
    return found


def test_memory_does_not_grow_with_the_run(figures: Any) -> None:
    assert figures.traced_growth < POINTER * LOSSES


def test_a_call_late_in_the_run_takes_no_longer_than_an_early_one(figures: Any) -> None:
    assert figures.loss_last_tenth < 3 * figures.loss_second_tenth
    assert figures.sample_last_tenth < 3 * figures.sample_second_tenth


def test_every_call_is_a_line_and_every_line_is_whole(figures: Any) -> None:
    assert (figures.lines, figures.lines_that_are_none) == (LOSSES + SAMPLES, 0)


def test_an_audit_of_the_folder_says_what_the_monitor_said(figures: Any) -> None:
    assert figures.audit_disagrees == 0


def test_four_readers_see_neither_half_a_status_nor_half_a_line(figures: Any) -> None:
    assert (figures.half_status_files, figures.broken_lines_read) == (0, 0)
    assert figures.polls > 4 * long_runs.READERS, "the readers have hardly read"
    assert figures.lines_read > LOSSES


def test_the_folder_is_opened_again_with_the_same_state(figures: Any) -> None:
    assert figures.opening_differs == 0
