"""A writer and the watcher of its folder, each killed again and again: nothing is lost, nothing comes twice.

The code is that of `tests/campaigns/watch.py`, which does the same 100 times.
"""

import os
from pathlib import Path

import pytest
import watch

pytestmark = pytest.mark.once

TIMES = 12


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_writer_and_a_watcher_that_are_killed_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    figures = watch.run(tmp_path / "run", TIMES)
    print(figures)  # noqa: T201 - what a failure is read from
    assert figures.kills_of_writer > 0
    assert figures.kills_of_watcher > 0
    assert figures.unforeseen_ends == 0
    assert figures.samples > TIMES, "the writer was killed before it did anything"
    assert figures.text_files > 0
    assert (figures.lost, figures.twice) == (0, 0)
