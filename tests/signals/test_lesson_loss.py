"""The numbers of the lesson, as it gives them."""

import json
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from places import LESSON

from coherence.signals.logits import cross_entropy
from coherence.signals.loss import LossTracker, advantage, perplexity, uniform_baseline
from coherence.signals.phases import Phase, phases

TABLES: list[dict[str, Any]] = json.loads((LESSON / "loss_tables.json").read_text(encoding="utf-8"))["tables"]


def label_at(found: tuple[Phase, ...], step: float) -> str:
    return next(phase.label for phase in found if phase.start <= step <= phase.end)


def test_a_probability_of_four_tenths_costs_0_9163() -> None:
    assert float(cross_entropy(np.log([0.4, 0.35, 0.25]), 0)) == pytest.approx(0.9163, abs=5e-5)


def test_the_best_loss_is_a_perplexity_of_31_and_273_times_better_than_uniform() -> None:
    assert perplexity(3.43) == pytest.approx(30.9, abs=0.05)
    assert int(advantage(3.43, 8449)) == 273


def test_the_uniform_baselines_of_both_vocabularies() -> None:
    assert uniform_baseline(8449) == pytest.approx(9.04, abs=0.005)
    assert uniform_baseline(2305) == pytest.approx(7.74, abs=0.005)


def test_the_smma_follows_its_recurrence() -> None:
    tracker, expected = LossTracker(window=100), 8.0
    losses = [8.0, 3.5, 2.8, 3.1, 9.9]
    for step, loss in enumerate(losses):
        expected = (expected * 99 + loss) / 100 if step else loss
        tracker.update(step, loss)
        assert tracker.smma == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("window", [1, 100])
def test_the_losses_of_the_lesson_read_converging_at_any_window(window: int) -> None:
    tracker = LossTracker(window=window)
    for step, loss in enumerate([8.0, 3.5, 2.8]):
        tracker.update(step, loss)
    assert (tracker.smoothed, tracker.trend) == (2.8, "converging")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table["run"]))
@pytest.mark.parametrize("place", ["start", "middle", "end"])
def test_the_phases_of_both_tables_read_as_told(table: dict[str, Any], place: str) -> None:
    rows = table["rows"]
    share = {"start": 0.0, "middle": 0.5, "end": 1.0}[place]
    steps = [row["start"] + share * (row["end"] - row["start"]) for row in rows]
    found = phases(steps, [row["loss"] for row in rows])
    assert [label_at(found, step) for step in steps] == [row["phase"] for row in rows]
    assert all(before.label != after.label for before, after in pairwise(found))


def test_the_tables_hold_the_vocabularies_of_their_runs() -> None:
    assert {table["run"]: table["vocab_size"] for table in TABLES} == {"120M v1": 8449, "12M": 2305}


def test_the_collapse_of_v1_is_an_e_fold_in_perplexity() -> None:
    losses = [row["loss"] for row in TABLES[0]["rows"]]
    assert perplexity(losses[-1]) / perplexity(min(losses)) > math.e


def test_the_lesson_quotes_two_collapsed_and_two_good_samples() -> None:
    samples = json.loads((LESSON / "samples.json").read_text(encoding="utf-8"))
    assert samples["format"] == 1
    assert [sample["label"] for sample in samples["samples"]] == ["collapsed", "collapsed", "good", "good"]
    assert samples["samples"][0]["text"] == "Budy Budy Budy Budy"
