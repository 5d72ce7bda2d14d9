"""What docs/coming-from.md says of other tools and the fixtures is what their rules give."""

import json
from collections import deque
from statistics import fmean

import pytest
from places import ROOT, RUNS

PAGE = (ROOT / "docs" / "coming-from.md").read_text(encoding="utf-8")
LOOPING = ("leak", "leak-characters", "one-line")


def losses(run: str) -> list[float]:
    """Return the losses of a fixture, one a step."""
    lines = (RUNS / run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [row["loss"] for row in map(json.loads, lines) if row.get("loss") is not None]


def spikes(run: str) -> tuple[float, int]:
    """Return the largest loss over the mean of the 100 before it, and the longest row of outliers."""
    window: deque[float] = deque(maxlen=100)
    largest, row, longest = 0.0, 0, 0
    for loss in losses(run):
        if len(window) == 100:
            times = loss / fmean(window)
            largest = max(largest, times)
            row = row + 1 if times >= 2 else 0
            longest = max(longest, row)
        window.append(loss)
    return largest, longest


def stopped_early(run: str) -> int | None:
    """Return the step at which a patience of 3 ends a run, with a check every 50 steps."""
    best, without = float("inf"), 0
    every = losses(run)
    for end in range(50, len(every) + 1, 50):
        loss = fmean(every[end - 50 : end])
        best, without = (loss, 0) if loss < best else (best, without + 1)
        if without == 3:
            return end
    return None


def test_a_loss_spike_is_seen_in_no_fixture() -> None:
    assert "fires in none\nof the five" in PAGE
    assert spikes("lr")[0] == pytest.approx(1.4, abs=0.05)
    assert all(1 <= spikes(run)[1] < 5 for run in LOOPING)
    assert all(spikes(run)[1] == 0 for run in ("lr", "healthy"))


def test_early_stopping_ends_the_run_that_diverges_and_none_that_loops() -> None:
    assert "ends `lr` at step 600 and `healthy` at step 1,050" in PAGE
    assert (stopped_early("lr"), stopped_early("healthy")) == (600, 1050)
    assert [stopped_early(run) for run in LOOPING] == [None, None, None]
