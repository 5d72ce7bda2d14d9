"""The step to go back to is one that the trainer saved: where it says so, and where folders show it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from coherence.audit import audit
from coherence.cli.main import main
from coherence.report import Report
from coherence.run.monitor import Monitor

FINE = "The cat sat by the door and waited for the rain to stop."
OTHER = "Bread, salt, two candles and a map of the islands lay on the kitchen table."
LOW = "Budy Budy Budy Budy"
STEPS = range(10, 101, 10)
COLLAPSE = 50
"""The step of the first low sample; the fifth, at 90, halts the run."""

SAVED = "lowest smoothed loss among the steps whose samples vary and score near the best of the run"
TOO_LATE = f"no checkpoint exists up to step 40 ({SAVED})"
TOO_EARLY = (
    "no saved checkpoint is judged: each came before the first samples that are remembered; "
    f"the step would be 40 ({SAVED})"
)


def text_at(step: int) -> str:
    return FINE if step < COLLAPSE else LOW


def loss_at(step: int) -> float:
    return 5 - step / 50


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_samples(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_lines(path, ({"step": step, "text": text_at(step)} for step in STEPS))


def write_state(folder: Path) -> Path:
    """The losses as the Hugging Face Trainer writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "trainer_state.json"
    path.write_text(json.dumps({"log_history": [{"step": step, "loss": loss_at(step)} for step in STEPS]}))
    return path


def write_checkpoints(folder: Path, *saved: int) -> None:
    for step in saved:
        (folder / f"checkpoint-{step}").mkdir(parents=True)


def follow(folder: Path, *noted: int) -> Monitor:
    """A monitor that has seen the run, and was told of checkpoints at their steps, after the samples."""
    waiting = list(noted)
    with Monitor(folder) as monitor:
        for step in range(1, STEPS[-1] + 1):
            if step in STEPS:
                monitor.loss(step, loss_at(step))
                monitor.sample(step, text_at(step))
            if waiting and waiting[0] == step:
                monitor.note("checkpoint", waiting.pop(0))
    return monitor


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The output folder of a Trainer whose samples lie there too."""
    write_samples(tmp_path / "out" / "samples.jsonl")
    write_state(tmp_path / "out")
    return tmp_path / "out"


def audited(*arguments: object) -> dict[str, Any]:
    first = Path(str(arguments[0]))
    report = first.parent / "report.json"
    assert main(["audit", *map(str, arguments), "--json", str(report)]) == 1
    found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return found


SAVED_AND_NAMED = [
    ((10, 20), 20, f"{SAVED}; its checkpoint was saved"),
    ((15, 35, 60), 35, f"{SAVED}; its checkpoint was saved"),  # 35 is judged by the samples of 30
    ((40, 50, 60), 40, f"{SAVED}; its checkpoint was saved"),
    ((5,), None, TOO_EARLY),
    ((50,), None, TOO_LATE),
]


@pytest.mark.slow
@pytest.mark.parametrize(("saved", "step", "reason"), SAVED_AND_NAMED)
def test_loop_status_and_audit_name_a_checkpoint_that_was_noted(
    tmp_path: Path, saved: tuple[int, ...], step: int | None, reason: str
) -> None:
    monitor = follow(tmp_path / "run", *saved)
    assert monitor.signals.place == (step, reason)
    status = json.loads((tmp_path / "run" / "loss.json").read_text(encoding="utf-8"))
    for told in (status, audited(tmp_path / "run")):
        assert (told["resume_from"], told["resume_reason"]) == (step, reason)


def test_a_checkpoint_that_is_noted_before_the_samples_of_its_step_waits_for_them(tmp_path: Path) -> None:
    with Monitor(tmp_path / "run") as monitor:
        for step in STEPS:
            monitor.loss(step, loss_at(step))
            monitor.note("checkpoint", step)
            monitor.sample(step, [OTHER, text_at(step)])
    assert monitor.resume_from == 40
    status = json.loads((tmp_path / "run" / "loss.json").read_text(encoding="utf-8"))
    report = audit(tmp_path / "run")
    assert isinstance(report, Report)
    assert status["resume_from"] == report.resume_from == 40


@pytest.mark.slow
@pytest.mark.parametrize(
    ("saved", "step", "reason"),
    [
        *SAVED_AND_NAMED,
        ((), 40, SAVED),
        ((100,), None, TOO_LATE),  # after the halt: that it saves at all is known from the beginning
    ],
)
def test_an_audit_names_a_checkpoint_whose_folder_is_there(
    out: Path, saved: tuple[int, ...], step: int | None, reason: str
) -> None:
    write_checkpoints(out, *saved)
    report = audited(out)
    assert (report["resume_from"], report["resume_reason"]) == (step, reason)
    assert report["events"] == []


def test_folders_of_checkpoints_count_beside_the_losses_as_well(tmp_path: Path) -> None:
    write_samples(tmp_path / "drawn" / "samples.jsonl")
    write_checkpoints(tmp_path / "out", 20)
    of_checkpoint = write_state(tmp_path / "out" / "checkpoint-10")
    for losses in (of_checkpoint, write_state(tmp_path / "out"), tmp_path / "out"):
        assert audited(tmp_path / "drawn", "--loss", losses)["resume_from"] == 20


def test_of_several_runs_each_has_the_checkpoints_in_its_own_folder(tmp_path: Path) -> None:
    for name, saved in (("a", (10,)), ("b", (20, 30)), ("c", ())):
        write_samples(tmp_path / "runs" / name / "samples.jsonl")
        write_state(tmp_path / "runs" / name)
        write_checkpoints(tmp_path / "runs" / name, *saved)
    lines = audited(tmp_path / "runs")["runs"]
    assert {line["run"]: line["resume_from"] for line in lines} == {"a": 10, "b": 30, "c": 40}


def test_what_a_monitor_noted_counts_and_folders_do_not(tmp_path: Path) -> None:
    follow(tmp_path / "run", 10)
    write_checkpoints(tmp_path / "run", 20)
    state = write_state(tmp_path / "elsewhere")
    for report in (audited(tmp_path / "run"), audited(tmp_path / "run", "--loss", state)):
        assert report["resume_from"] == 10
        assert report["events"] == [], "there may be many"


def test_folders_count_in_a_run_folder_that_notes_no_checkpoint_and_is_gone_over_by_step(
    tmp_path: Path,
) -> None:
    follow(tmp_path / "run")
    write_checkpoints(tmp_path / "run", 20)
    state = write_state(tmp_path / "elsewhere")
    assert audited(tmp_path / "run", "--loss", state)["resume_from"] == 20
