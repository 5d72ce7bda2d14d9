"""What an audit does with the losses of logs: several runs in one, and a policy's."""

import json
from pathlib import Path

import pytest

from coherence.audit.conduct import audit
from coherence.report import Ranking, Report

pytestmark = pytest.mark.once

STEPS = (5, 10)
LOG = "".join(
    f"step {step} | loss {loss - step / 10}\nSample 1: the miller and {step} boats\n"
    for loss in (9, 4)
    for step in range(1, 21)
)
POLICY = "".join(f"(TaskRunner pid=7) step:{step} - actor/pg_loss:0.1 - actor/loss:0.1\n" for step in STEPS)


def audited(folder: Path, log: str) -> Report:
    """Audit samples of two steps with the losses of a log."""
    samples = folder / "samples.jsonl"
    rows = ({"step": step, "text": f"The miller found {step} boats below the old bridge."} for step in STEPS)
    samples.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    (folder / "input.log").write_text(log, encoding="utf-8")
    report = audit(samples, loss=str(folder / "input.log"))
    assert isinstance(report, Report)
    return report


def test_samples_that_tell_no_run_are_compared_with_the_last_phase_of_a_log(tmp_path: Path) -> None:
    report = audited(tmp_path, LOG)
    assert report.loss is not None
    assert (report.loss.rows, report.loss.first, report.loss.last) == (20, 3.9, 2.0)
    assert [note for note in report.notes if note.endswith("those of the last are used: phase 2")]


def test_the_phases_of_a_log_are_runs_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_text(LOG, encoding="utf-8")
    ranking = audit(tmp_path / "train.log")
    assert isinstance(ranking, Ranking)
    assert sorted(run.run for run in ranking.runs) == ["phase 1", "phase 2"]
    assert all(run.smoothed is not None for run in ranking.runs)


def test_a_log_of_reinforcement_learning_is_called_one_and_yields_no_loss(tmp_path: Path) -> None:
    report = audited(tmp_path, POLICY)
    assert report.loss is None or report.loss.rows == 0
    assert ["a policy's loss is not a language model's" in note for note in report.notes].count(True) == 1
