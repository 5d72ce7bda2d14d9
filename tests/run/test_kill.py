"""A training process ended at random moments by SIGKILL or SIGTERM: nothing said to be written is lost.

The code is that of `tests/campaigns/kill.py`, which does the same 200 times.
"""

import os
from pathlib import Path

import kill
import pytest

pytestmark = pytest.mark.once

TIMES = 20


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_run_that_is_killed_again_and_again_loses_nothing_and_shows_no_half_status(tmp_path: Path) -> None:
    figures = kill.run(tmp_path, TIMES)
    print(figures)  # noqa: T201 - what a failure is read from
    assert figures.kills == TIMES
    assert 0 < figures.kills_with_sigterm < TIMES, "both signals were tried"
    assert figures.lost_calls == 0, "a call that had returned is not in the folder"
    assert figures.failed_openings == 0
    assert figures.wrong_resumptions == 0, "streak or SMMA are not those of the lines"
    assert figures.torn_lines <= TIMES
    assert figures.half_status_files == 0
    assert figures.polls > 100, "the reader has hardly read"
    assert figures.calls > TIMES, "the runs were killed before they did anything"
    assert figures.kept
