"""Rewards, KL divergences and lengths of a run: where they are read, what they tell, what is reported."""

import json
from pathlib import Path
from typing import Any

import pytest
from prose import prose

from coherence.audit.build import SERIES, audit_samples
from coherence.audit.conduct import audit
from coherence.readers.records import Sample
from coherence.report import Ranking, Report
from coherence.signals.diagnosis import diagnose

STEPS = range(10, 210, 10)


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def samples(**more: Any) -> list[dict[str, Any]]:
    return [{"step": step, "text": prose(40, step), **more} for step in STEPS]


def falling(**more: Any) -> list[dict[str, Any]]:
    return [{"step": step, "loss": 2 + 600 / (100 + step), **more} for step in STEPS]


def trl(step: int) -> dict[str, Any]:
    """What TRL's trainer of policies logs."""
    beside = {"rewards/brief/mean": 0.5, "reward": step / 400, "reward_std": 0.1, "kl": step / 10_000}
    return {"step": step, "loss": 0.001, "grad_norm": 0.3, "completions/mean_length": 310.0 - step, **beside}


def verl(step: int) -> dict[str, Any]:
    """What verl's logger writes into a file."""
    data = {"actor/pg_loss": 0.001, "actor/kl_loss": 0.002, "critic/score/mean": step / 400}
    return {"step": step, "data": {**data, "critic/score/max": 1.0, "response_length/mean": 310.25}}


def report_of(path: Path, **more: Any) -> Report:
    found = audit(path, **more)
    assert isinstance(found, Report)
    return found


def points(report: Report) -> dict[str, list[tuple[int, float]]]:
    return {each.name: list(zip(each.steps, each.values, strict=True)) for each in report.series}


# Where they are read


def test_what_trl_logs_beside_the_samples_is_in_the_report(tmp_path: Path) -> None:
    write(tmp_path / "samples.jsonl", samples())
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": [*map(trl, STEPS)]}))
    report = report_of(tmp_path)
    assert tuple(each.name for each in report.series) == SERIES
    assert points(report)["reward"] == [(step, step / 400) for step in STEPS]
    reward, _, length = report.series
    assert (reward.key, reward.file) == ("reward", str(tmp_path / "trainer_state.json"))
    assert length.key == "completions/mean_length"


def test_what_verl_logs_without_a_loss_is_named_instead_of_no_loss(tmp_path: Path) -> None:
    write(tmp_path / "samples.jsonl", samples())
    write(tmp_path / "metrics.jsonl", [*map(verl, STEPS)])
    report = report_of(tmp_path)
    assert points(report)["reward"][-1] == (200, 0.5)
    assert report.loss is None
    assert report.diagnosis.sentence.startswith("No loss was given, only a reward or the like, as in")
    assert not [note for note in report.notes if "loss" in note]


def test_rewards_that_are_named_for_the_losses_are_not_refused(tmp_path: Path) -> None:
    write(tmp_path / "samples.jsonl", samples())
    write(tmp_path / "elsewhere/verl.jsonl", [*map(verl, STEPS)])
    for place in ("elsewhere/verl.jsonl", "elsewhere"):
        report = report_of(tmp_path / "samples.jsonl", loss=str(tmp_path / place))
        assert report.series


def test_of_samples_that_tell_what_they_earned_the_mean_of_each_step_counts(tmp_path: Path) -> None:
    rows = [{**row, "reward": value} for row in samples() for value in (0.0, 0.5)]
    write(tmp_path / "rollouts.jsonl", rows)
    report = report_of(tmp_path / "rollouts.jsonl")
    assert points(report) == {"reward": [(step, 0.25) for step in STEPS]}
    assert report.series[0].file == str(tmp_path / "rollouts.jsonl")


def test_what_a_log_says_of_the_reward_goes_before_what_the_samples_say(tmp_path: Path) -> None:
    write(tmp_path / "samples.jsonl", samples(score=1.0))
    write(tmp_path / "metrics.jsonl", [*map(trl, STEPS)])
    assert points(report_of(tmp_path))["reward"][0] == (10, 10 / 400)


def test_samples_at_hand_tell_their_rewards() -> None:
    given = [
        Sample(step, prose(40, step), "at hand", 1, reward=1.0, rewarded="score", beside=None)
        for step in STEPS
    ]
    report = audit_samples(given)
    assert [(each.key, each.file, each.values[0]) for each in report.series] == [("score", "at hand", 1.0)]


def test_several_files_of_a_run_are_joined_if_they_have_the_same_key(tmp_path: Path) -> None:
    write(tmp_path / "samples.jsonl", samples())
    write(tmp_path / "a.jsonl", [{"step": 1, "reward": 1.0}, {"step": 2, "reward": 2.0}])
    write(tmp_path / "b.jsonl", [{"step": 2, "reward": 4.0}, {"step": 3, "reward": 5.0}])
    write(tmp_path / "c.jsonl", [{"step": 4, "reward/mean": 6.0}])
    assert points(report_of(tmp_path))["reward"] == [(1, 1.0), (2, 3.0), (3, 5.0)]


def test_what_a_restart_made_void_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "samples.jsonl", samples())
    steps = [10, 20, 30, 40, 20, 30]
    rows = [{"step": step, "loss": 0.1, "reward": float(at)} for at, step in enumerate(steps)]
    write(tmp_path / "metrics.jsonl", rows)
    assert points(report_of(tmp_path))["reward"] == [(10, 0.0), (20, 4.0), (30, 5.0)]


@pytest.mark.slow
def test_of_a_long_series_the_report_keeps_the_extremes(tmp_path: Path) -> None:
    write(tmp_path / "samples.jsonl", samples())
    rows = [{"step": step, "kl": 9.0 if step == 5000 else 0.1} for step in range(20_000)]
    write(tmp_path / "metrics.jsonl", rows)
    (series,) = report_of(tmp_path).series
    assert len(series.steps) <= 1000
    assert max(series.values) == 9.0


# What they tell


def test_losses_and_rewards_in_different_files_of_a_run_are_not_a_cross_entropy(tmp_path: Path) -> None:
    write(tmp_path / "samples.jsonl", samples())
    write(tmp_path / "metrics.jsonl", falling())
    alone = report_of(tmp_path)
    assert alone.loss is not None
    assert alone.loss.trend == "converging"
    write(tmp_path / "orchestrator.jsonl", [{"step": step, "reward/mean": 0.5} for step in STEPS])
    report = report_of(tmp_path)
    assert report.loss is not None
    assert (report.loss.trend, report.loss.phases) == ("not a cross-entropy", ())
    assert "a reward is logged with it" in " ".join(report.notes)


@pytest.mark.parametrize(("key", "trend"), [("reward", "not a cross-entropy"), ("score", "converging")])
def test_a_reward_of_the_samples_tells_of_the_loss_and_a_score_does_not(
    tmp_path: Path, key: str, trend: str
) -> None:
    write(tmp_path / "samples.jsonl", samples(**{key: 0.5}))
    write(tmp_path / "metrics.jsonl", falling())
    report = report_of(tmp_path)
    assert report.loss is not None
    assert report.loss.trend == trend
    assert report.series


def test_a_length_alone_is_not_of_reinforcement_learning(tmp_path: Path) -> None:
    write(tmp_path / "samples.jsonl", samples())
    write(tmp_path / "metrics.jsonl", falling(response_length=2048, scorer="none"))
    report = report_of(tmp_path)
    assert report.series == ()
    assert report.loss is not None
    assert report.loss.trend == "converging"


def test_of_several_runs_each_is_told_by_its_own_rewards(tmp_path: Path) -> None:
    for run in "ab":
        write(tmp_path / run / "samples.jsonl", samples())
        write(tmp_path / run / "metrics.jsonl", falling(**({"reward": 1} if run == "a" else {})))
    ranking = audit(tmp_path)
    assert isinstance(ranking, Ranking)
    told = {line.run: line.diagnosis.loss for line in ranking.runs}
    assert told == {"a": "not a cross-entropy", "b": "converging"}


@pytest.mark.parametrize("logged", [False, True])
def test_the_sentence_names_what_was_logged_only_where_no_loss_was_given(logged: bool) -> None:
    without, given = (diagnose(loss, "reads well", logged=logged) for loss in (None, "converging"))
    assert ("reward" in without.sentence) == logged
    assert "reward" not in given.sentence
    assert without.action == diagnose(None, "reads well").action


# What other runs see of it


def test_a_report_without_any_holds_an_empty_field_and_older_ones_are_read(tmp_path: Path) -> None:
    write(tmp_path / "samples.jsonl", samples())
    written = report_of(tmp_path).to_plain()
    assert written.pop("series") == []
    assert Report.from_json(json.dumps(written)).series == ()


def test_a_report_holds_series_that_are_read_again(tmp_path: Path) -> None:
    write(tmp_path / "samples.jsonl", samples(reward=0.5))
    report = report_of(tmp_path)
    assert Report.from_json(report.to_json()) == report
