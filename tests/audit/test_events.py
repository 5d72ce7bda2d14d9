"""What was done to a run while it went on, as the monitor writes it down and the report shows it."""

import json
from pathlib import Path
from typing import Any

import pytest

from coherence.cli.main import main
from coherence.run.monitor import Monitor
from coherence.signals.gate import Gate

TEXT = "The cat sat by the door and waited for the rain to stop."


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of four steps in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    with Monitor(tmp_path / "run") as monitor:
        for step in (100, 200, 300, 400):
            monitor.loss(step, 4.0 - step / 400)
            monitor.sample(step, TEXT)
    return tmp_path / "run"


def report_of(run: Path) -> dict[str, Any]:
    assert main(["audit", str(run), "--json", "report.json"]) == 0
    report: dict[str, Any] = json.loads(Path("report.json").read_text(encoding="utf-8"))
    return report


def add(run: Path, *rows: dict[str, Any]) -> None:
    with (run / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def test_a_run_without_events_reports_none(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report_of(run)["events"] == []
    assert "event  " not in capsys.readouterr().err


def test_what_was_noted_is_reported_with_its_step(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Monitor(run) as monitor:
        monitor.note("pivot", 420, brought_in="code")
    assert report_of(run)["events"] == [{"step": 420, "event": "pivot", "details": {"brought_in": "code"}}]
    assert "pivot at step 420: brought in code" in capsys.readouterr().err


def test_a_restart_is_reported(run: Path) -> None:
    with Monitor(run) as monitor:
        monitor.loss(250, 3.2)
    assert report_of(run)["events"] == [{"step": 250, "event": "restart", "details": {}}]


def test_a_sample_that_a_restart_replaced_is_not_shown_as_the_lowest(run: Path) -> None:
    loop = "Budy Budy Budy Budy Budy Budy Budy Budy Budy Budy Budy Budy."
    with Monitor(run, gate=Gate(observe_only=True)) as monitor:
        for step in range(500, 1000, 100):
            assert monitor.sample(step, loop).low
        monitor.note("restart", 500)
        for step in range(500, 1000, 100):
            monitor.sample(step, TEXT)
    report = report_of(run)
    assert report["halt_step"] == 900
    assert report["low"] == 0
    assert {each["text"] for each in report["worst"]} == {TEXT}


def test_an_event_changes_neither_losses_nor_problems(run: Path) -> None:
    before = report_of(run)
    with Monitor(run) as monitor:
        monitor.note("pivot", 420, loss=99.0)
    after = report_of(run)
    assert (after["loss"], after["problem_count"]) == (before["loss"], 0)


def test_a_monitor_that_opens_the_folder_again_passes_over_events(run: Path) -> None:
    with Monitor(run) as monitor:
        monitor.note("pivot", 420)
    (run / "gate.json").unlink()
    with Monitor(run) as monitor:
        assert monitor.signals.loss.count == 4


def test_an_event_without_a_usable_step_is_passed_over(run: Path) -> None:
    add(run, {"format": 1, "event": "pivot"}, {"format": 1, "event": "pivot", "step": "soon"})
    add(run, {"format": 1, "event": 7, "step": 1}, {"event": "pivot", "step": 1})
    assert report_of(run)["events"] == []


def test_of_many_events_the_first_are_shown(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(run, *({"format": 1, "event": f"turn{n}", "step": n} for n in range(9)))
    assert len(report_of(run)["events"]) == 9
    shown = capsys.readouterr().err
    assert "turn4 at step 4" in shown
    assert "turn5" not in shown
    assert "and 4 more" in shown


def test_an_event_cannot_move_the_cursor(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(run, {"format": 1, "event": "pivot\x1b[2J", "step": 1, "details": {"to": "\x1b[31m[red]"}})
    report_of(run)
    shown = capsys.readouterr().err
    assert "\x1b" not in shown
    assert "[red]" in shown
