"""The runs of `fixtures/runs`, audited as a reader would: what became of each mistake."""

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from places import RUNS

from coherence import Gate, Monitor, score
from coherence.audit.conduct import audit
from coherence.report import Report

NAMES = ("healthy", "leak", "leak-characters", "lr", "one-line")
FILES = {"gate.json", "loss.json", "metrics.jsonl", "run.json", "samples.jsonl"}


def told(name: str, file: str = "run.json") -> dict[str, Any]:
    """What a JSON file of the run says."""
    content: dict[str, Any] = json.loads((RUNS / name / file).read_text(encoding="utf-8"))
    return content


@cache
def audited(name: str) -> Report:
    """Audit one run with the warm-up that its script sets."""
    report = audit(RUNS / name, warmup=told(name)["gate_warmup"])
    assert isinstance(report, Report)
    return report


@pytest.mark.parametrize("name", NAMES)
def test_a_run_folder_holds_what_a_monitor_writes_and_no_more(name: str) -> None:
    files = {path.name for path in (RUNS / name).iterdir()} - {"lock", "checkpoints"}
    assert files == FILES


@pytest.mark.parametrize("name", NAMES)
def test_a_run_is_small_and_names_no_place(name: str) -> None:
    texts = [(RUNS / name / file).read_text(encoding="utf-8") for file in sorted(FILES)]
    assert sum(len(text.encode()) for text in texts) < 300_000
    assert f"--out fixtures/runs/{name} " in told(name)["command"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_a_run_is_read(name: str) -> None:
    found = audited(name)
    assert found.problem_count == 0
    assert found.loss is not None
    assert found.loss.rows == found.last_step <= told(name)["steps"]


@pytest.mark.parametrize("name", NAMES)
def test_the_monitor_saw_what_the_audit_sees(name: str) -> None:
    gate = told(name, "loss.json")["gate"]
    assert (gate["halted"], gate["reason"]) == (audited(name).halt, audited(name).halt_reason)


@pytest.mark.parametrize("name", NAMES)
def test_the_warm_up_is_the_documented_one(name: str) -> None:
    run = told(name)
    assert run["gate_warmup"] == 0.05 * run["steps"]


def test_the_healthy_run_is_not_halted() -> None:
    found = audited("healthy")
    assert (found.halt, found.halt_step, found.wasted_steps) == (False, None, 0)
    assert found.diagnosis.samples == "reads well"


def test_the_healthy_run_pivots_on_a_plateau() -> None:
    (event,) = audited("healthy").events
    assert (event.event, event.step, event.details["brought_in"]) == ("pivot", 1000, "licences")
    assert audited("healthy").diagnosis.action == "continue"


def test_the_leak_is_halted_and_its_loss_is_too_good_to_be_true() -> None:
    found = audited("leak")
    assert (found.halt_step, found.wasted_steps) == (550, 350)
    assert (found.diagnosis.action, found.diagnosis.name) == ("halt", "the loss is misleading")
    assert found.diagnosis.loss == "too good to be true"
    assert "check the attention mask" in found.diagnosis.sentence
    assert found.resume_from == 50, "at 100 the samples are falling already"
    assert found.fine_after_halt == 0


def test_the_leak_of_characters_is_halted_as_soon_as_five_samples_can_say_it() -> None:
    found = audited("leak-characters")
    assert (found.first_low_step, found.halt_step, found.wasted_steps) == (100, 200, 700)
    assert (found.judged, found.low, found.too_short, found.templated) == (36, 34, 0, 0), "letters are judged"
    assert (found.diagnosis.action, found.diagnosis.name) == ("halt", "the loss is misleading")
    assert found.diagnosis.loss == "too good to be true"
    assert found.resume_from == 50, "the only step whose samples vary"
    assert all(sample.loop is not None and sample.loop.period == 1 for sample in found.worst)


def test_the_one_line_is_halted_while_its_loss_still_falls() -> None:
    found = audited("one-line")
    assert (found.halt_step, found.wasted_steps) == (700, 200)
    assert (found.diagnosis.action, found.diagnosis.name) == ("halt", "the loss is misleading")
    assert found.halt_reason is not None
    assert "from step 600" in found.halt_reason
    assert found.resume_from == 500
    assert any(note.startswith("alike") for note in found.notes)
    assert "read() system call" in found.worst[0].text


@pytest.mark.parametrize("name", ["one-line", "lr"])
def test_one_sample_before_a_mistake_of_the_second_half_is_low_and_it_does_not_halt(name: str) -> None:
    middle, found = told(name)["steps"] // 2, audited(name)
    low = [(each.step, each.streak) for each in found.samples if each.low and each.step <= middle]
    assert low == [(250, 1)]
    assert found.halt_step is None or found.halt_step > middle


@pytest.mark.parametrize("name", NAMES)
def test_the_scores_that_a_run_states_are_those_of_today(name: str) -> None:
    lines = (RUNS / name / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    for row in map(json.loads, lines):
        values = score(row["text"], row["prompt"]).values
        assert tuple(row["scores"].values()) == pytest.approx(values), "run examples/rescore_run.py"


@pytest.mark.parametrize("name", NAMES)
def test_a_monitor_of_today_takes_up_a_run_where_it_ended(name: str, tmp_path: Path) -> None:
    run, found = Path(shutil.copytree(RUNS / name, tmp_path / name)), audited(name)
    with Monitor(run, gate=Gate(observe_only=True)) as monitor:
        assert (monitor.gate.halt_reason, monitor.last_step) == (found.halt_reason, found.last_step)
        assert list(monitor.diagnosis[:3]) == list(told(name, "loss.json")["diagnosis"].values())[:3]
    assert {path.name for path in run.iterdir()} - FILES == {"settings.json", "lock"}, "nothing is damaged"


def test_the_learning_rate_is_told_from_the_loss_and_the_samples_together() -> None:
    found = audited("lr")
    assert not found.halt, "the samples alone say nothing: they still vary"
    assert (found.diagnosis.loss, found.diagnosis.samples) == ("collapsed", "not loops")
    assert (found.diagnosis.action, found.diagnosis.name) == ("pivot", "the loss has collapsed")
    assert found.resume_from == told("lr")["steps"] // 2, "the last step before the mistake"
    assert found.last_step == 650
