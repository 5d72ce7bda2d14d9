"""The monitor: what its run folder holds, what survives a restart, and what it withstands."""

import json
import logging
import math
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coherence import Gate, Verdict, score
from coherence.audit import audit
from coherence.cli.main import main
from coherence.report import Report
from coherence.run.monitor import HaltedRun, Monitor, RunFolderBusy
from coherence.signals.diagnosis import Diagnosis

LOW = "Budy Budy Budy Budy Budy Budy Budy Budy Budy Budy"
FINE = "The cat sat by the door and waited for the rain to stop."
OTHER = "Every harbour keeps its own weather, and old sailors learn to read each cloud."
SHORT = "Yes"
LETTERS = {"L": LOW, "F": FINE, "O": OTHER, "s": SHORT, "": ""}


class Call(NamedTuple):
    """One call of a training loop: the loss of a step, the samples of one, or else a restart."""

    step: int
    loss: float | None = None
    source: str | None = None
    texts: tuple[str, ...] = ()


def replay(monitor: Monitor, calls: Sequence[Call]) -> list[tuple[Verdict | None, Diagnosis]]:
    """What the monitor says after each call."""
    said: list[tuple[Verdict | None, Diagnosis]] = []
    for call in calls:
        verdict = None
        if call.loss is not None:
            monitor.loss(call.step, call.loss, call.source)
        elif not call.texts:
            monitor.note("restart", call.step)
        else:
            verdict = monitor.sample(call.step, call.texts)
        said.append((verdict, monitor.diagnosis))
    return said


def samples(letters: str, first: int = 100) -> list[Call]:
    """One sample every 100 steps, written as letters."""
    return [Call(first + 100 * n, texts=(LETTERS[letter],)) for n, letter in enumerate(letters)]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_json(path: Path) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


# What the folder holds


def test_every_loss_is_a_line_with_its_step_source_and_time(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.loss(1, 9.5)
        monitor.loss(2, 9.25, source="gutenberg")
    first, second = lines(tmp_path / "metrics.jsonl")
    assert (first["format"], first["step"], first["loss"]) == (1, 1, 9.5)
    assert "source" not in first
    assert (second["step"], second["loss"], second["source"]) == (2, 9.25, "gutenberg")
    assert second["time"] >= first["time"]


def test_a_loss_with_a_reward_beside_it_is_not_judged_also_after_a_restart(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.loss(1, 0.69, beside={"loss": 0.69, "rewards/chosen": 0.1})
        monitor.loss(2, 0.35, beside=3)  # type: ignore[arg-type] # whatever it is, it stops no run
        monitor.loss(3, 0.35, beside=["loss", "grad_norm"])
    assert [row.get("beside") for row in lines(tmp_path / "metrics.jsonl")] == ["reward", None, None]
    with Monitor(tmp_path) as again:
        assert (again.signals.loss.trend, again.unusable) == ("not a cross-entropy", 0)


def test_every_sample_is_a_line_with_its_prompt_scores_and_verdict(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.sample(100, [FINE, LOW], prompts=["The cat", "Budy"])
        monitor.sample(200, LOW)
    first, second, third = lines(tmp_path / "samples.jsonl")
    assert (first["format"], first["step"], first["index"], first["prompt"]) == (1, 100, 0, "The cat")
    assert (first["text"], first["low"], first["streak"]) == (FINE, False, 0)
    assert (second["index"], second["prompt"], second["low"], second["streak"]) == (1, "Budy", True, 1)
    assert (third["step"], third["index"], third["prompt"], third["streak"]) == (200, 0, None, 2)
    assert tuple(first["scores"].values()) == score(FINE, "The cat").values
    assert list(first["scores"]) == ["bigram", "trigram", "english", "character"]


def test_a_line_is_on_its_way_to_the_disk_before_the_call_returns(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        for step in range(3):
            monitor.loss(step, 3.0)
            monitor.sample(step, FINE)
            assert len(lines(tmp_path / "metrics.jsonl")) == step + 1
            assert len(lines(tmp_path / "samples.jsonl")) == step + 1


def test_the_status_says_where_the_run_stands(tmp_path: Path) -> None:
    with Monitor(tmp_path, vocab_size=8449) as monitor:
        replay(monitor, [Call(99, 8.0, "gutenberg"), Call(100, 3.43, "chat"), *samples("FLL")])
        tracker = monitor.signals.loss
    status = read_json(tmp_path / "loss.json")
    fields = "format step loss smma smoothed perplexity uniform_baseline trend sources gate diagnosis"
    assert " ".join(status) == fields + " recovered_since resume_from resume_reason unusable updated_at"
    assert (status["resume_from"], status["recovered_since"], status["unusable"]) == (100, None, 0)
    assert (status["format"], status["step"], status["loss"]) == (1, 300, 3.43)
    assert (status["smma"], status["perplexity"]) == (tracker.smma, tracker.perplexity)
    assert status["uniform_baseline"] == pytest.approx(math.log(8449))
    assert status["trend"] == tracker.trend
    assert status["sources"] == {
        "gutenberg": {"loss": 8.0, "smma": 8.0, "smoothed": 8.0},
        "chat": {"loss": 3.43, "smma": 3.43, "smoothed": 3.43},
    }
    gate = {"streak": 2, "threshold": 30.0, "patience": 5, "halted": False, "reason": None}
    assert status["gate"] == gate
    assert status["diagnosis"]["samples"] == "some low"
    assert status["diagnosis"]["action"] in ("continue", "watch")
    assert status["updated_at"] >= lines(tmp_path / "samples.jsonl")[-1]["time"]


def test_a_run_that_has_seen_nothing_has_a_status_too(tmp_path: Path) -> None:
    Monitor(tmp_path).close()
    status = read_json(tmp_path / "loss.json")
    assert (status["step"], status["loss"], status["smma"], status["trend"]) == (None, None, None, None)


def test_the_status_is_written_at_the_first_step_and_every_hundred_from_there(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        seen = []
        for step in range(7, 320):
            monitor.loss(step, 3.0)
            seen.append(read_json(tmp_path / "loss.json")["step"])
    assert sorted(set(seen)) == [7, 107, 207, 307]


def test_the_status_is_written_as_often_as_one_likes(tmp_path: Path) -> None:
    with Monitor(tmp_path, status_every=1) as monitor:
        for step in range(5):
            monitor.loss(step, 3.0)
            assert read_json(tmp_path / "loss.json")["step"] == step


def test_the_status_is_written_at_a_halt(tmp_path: Path) -> None:
    with Monitor(tmp_path, gate=Gate(patience=2), status_every=10_000) as monitor:
        replay(monitor, samples("FLL"))
        status = read_json(tmp_path / "loss.json")
    assert (status["step"], status["gate"]["halted"], status["gate"]["streak"]) == (300, True, 2)
    assert status["gate"]["reason"].startswith("2 samples in a row")
    assert status["diagnosis"]["action"] == "halt"


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_null_in_every_file(tmp_path: Path, loss: float) -> None:
    with Monitor(tmp_path, status_every=1) as monitor:
        monitor.loss(1, 3.0)
        monitor.loss(2, loss, source="chat")
        assert monitor.diagnosis.loss == "not finite"
        status = read_json(tmp_path / "loss.json")
    assert (status["loss"], status["smma"]) == (None, 3.0)
    assert status["sources"] == {"chat": {"loss": None, "smma": None, "smoothed": None}}
    assert lines(tmp_path / "metrics.jsonl")[1]["loss"] is None
    read_json(tmp_path / "gate.json")


def test_a_zero_beside_a_gradient_that_is_not_finite_is_no_loss(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.loss(1, 0.0, grad_norm=math.nan)
        assert monitor.diagnosis.loss == "not finite"
    assert lines(tmp_path / "metrics.jsonl")[0]["loss"] is None


def test_numbers_of_other_libraries_are_written_as_plain_ones(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    with Monitor(tmp_path) as monitor:
        monitor.loss(numpy.int64(1), numpy.float32(2.5), source=numpy.int64(7))
        monitor.sample(numpy.int64(2), LOW)
    assert lines(tmp_path / "metrics.jsonl")[0]["loss"] == 2.5
    assert list(read_json(tmp_path / "loss.json")["sources"]) == ["7"]
    assert read_json(tmp_path / "gate.json")["content"]["state"]["gate"]["judged"] == [[2, 0, "low"]]


def test_notes_stand_among_the_losses(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.loss(5, 3.0)
        monitor.note("pivot", 5, brought_in="code", loss=math.nan)
    row = lines(tmp_path / "metrics.jsonl")[1]
    assert (row["event"], row["step"]) == ("pivot", 5)
    assert row["details"] == {"brought_in": "code", "loss": None}


@pytest.mark.parametrize("steps", [0, -1])
def test_a_status_must_be_written_now_and_then(tmp_path: Path, steps: int) -> None:
    with pytest.raises(ValueError, match="status_every"):
        Monitor(tmp_path, status_every=steps)


# Samples and prompts


def test_the_prompt_is_no_part_of_what_is_judged(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        assert monitor.sample(100, FINE + " " + LOW, FINE).low
        assert not monitor.sample(200, FINE + " " + LOW, "Something else").low


def test_one_prompt_stands_for_all_texts(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        assert monitor.sample(100, [FINE + " " + LOW] * 3, FINE).streak == 3


def test_several_samples_count_in_the_order_given(tmp_path: Path) -> None:
    with Monitor(tmp_path, gate=Gate(patience=3)) as monitor:
        assert monitor.sample(100, [LOW, FINE, LOW]).streak == 1
        assert monitor.sample(200, [LOW, LOW, FINE]).halt, "the second text of the step was the third low one"


def test_samples_of_one_step_count_on_from_call_to_call(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        for _ in range(3):
            monitor.sample(100, LOW)
        assert monitor.gate.streak == 3
    assert [row["index"] for row in lines(tmp_path / "samples.jsonl")] == [0, 1, 2]


def test_samples_of_one_step_count_the_same_in_one_call_and_one_by_one(tmp_path: Path) -> None:
    texts = [LOW, "The rain fell all night on the town, and nobody went out.", "", LOW, "Yes.", "yes"]
    prompts = ["Why?", "How was it?", None, "Why?", "Did it rain?", "Did it rain?"]
    with Monitor(tmp_path / "one") as one, Monitor(tmp_path / "each") as each:
        for step in range(4):
            one.sample(step, texts, prompts)
            for text, prompt in zip(texts, prompts, strict=True):
                each.sample(step, text, prompt)
            assert one.state_dict() == each.state_dict()
            assert one.metrics == each.metrics
    rows = [lines(tmp_path / name / "samples.jsonl") for name in ("one", "each")]
    assert [row | {"time": 0} for row in rows[0]] == [row | {"time": 0} for row in rows[1]]


ANSWERS = (
    "First we add two and three, which gives five, and then we double it, so the answer is ten.",
    "There were four ships in the bay and two more came before night, so he counted six lamps.",
)


def test_right_answers_to_one_question_are_alike_and_no_collapse_while_the_questions_differ(
    tmp_path: Path,
) -> None:
    with Monitor(tmp_path) as monitor:
        for step in range(1, 5):
            monitor.loss(step, 9.0 - step)
            texts = [f"{text} Step {step}." for text in ANSWERS for _ in range(4)]
            monitor.sample(step, texts, prompts=["2 * (2 + 3)?"] * 4 + ["4 + 2?"] * 4)
        assert not monitor.signals.samples.alike
        report = audit(tmp_path)
    assert isinstance(report, Report)
    assert min(each.diversity for each in report.between) > 70


def test_one_answer_to_all_questions_is_alike(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        for step in range(1, 5):
            monitor.sample(step, [ANSWERS[0]] * 4, prompts=[f"question {n}" for n in range(4)])
        assert monitor.diagnosis.samples == "alike"


def test_samples_of_one_step_that_are_all_the_same_are_alike(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        for step in range(3):
            monitor.sample(step, [FINE] * 4)
        assert monitor.diagnosis.samples == "alike"


def test_an_error_while_sampling_is_the_callers_and_leaves_the_monitor_as_it_was(tmp_path: Path) -> None:
    def draw() -> Iterator[str]:
        yield LOW
        raise RuntimeError("out of memory")

    with Monitor(tmp_path) as monitor:
        with pytest.raises(RuntimeError, match="out of memory"):
            monitor.sample(100, list(draw()))
        assert monitor.sample(100, LOW).streak == 1


# Resuming


def test_an_open_folder_goes_on_with_smoothing_sources_and_streak(tmp_path: Path) -> None:
    with Monitor(tmp_path, window=10) as monitor:
        replay(monitor, [Call(1, 8.0, "chat"), Call(2, 3.0), *samples("FLLL")])
    with Monitor(tmp_path, window=10) as monitor:
        assert monitor.last_step == 400
        assert monitor.signals.loss.smma == 7.5
        assert monitor.signals.loss.sources["chat"].smma == 8.0
        assert monitor.sample(500, LOW).streak == 4
        assert monitor.sample(600, LOW).halt, "the fifth low one in a row"


LOSSES = st.floats(0, 12) | st.sampled_from([math.nan, math.inf])
CALLS = st.tuples(
    st.sampled_from([False] * 9 + [True]),
    st.integers(1, 60),
    st.tuples(LOSSES, st.sampled_from([None, "chat", "code"]))
    | st.lists(st.sampled_from([*LETTERS.values(), LOW, LOW]), min_size=1, max_size=3),
)


def run_of(drawn: list[tuple[bool, int, Any]]) -> list[Call]:
    """Calls whose steps go on, and now and then are set back."""
    run, step = [], 10_000
    for back, forward, what in drawn:
        if back:
            run.append(Call(step - 100))
        step += -100 if back else forward
        run.append(Call(step, *what) if isinstance(what, tuple) else Call(step, texts=tuple(what)))
    return run


def abandon(monitor: Monitor, folder: Path) -> Path:
    """Leave the folder as a killed process does, without a last word: a copy of it as it is now."""
    copy = folder.with_name(folder.name + "+")
    shutil.copytree(folder, copy)
    monitor.close()
    return copy


def close(monitor: Monitor, folder: Path) -> Path:
    monitor.close()
    return folder


def abandon_without_state(monitor: Monitor, folder: Path) -> Path:
    copy = abandon(monitor, folder)
    (copy / "gate.json").unlink(missing_ok=True)
    return copy


@pytest.mark.slow
@pytest.mark.parametrize("leave", [close, abandon, abandon_without_state])
@given(drawn=st.lists(CALLS, max_size=14), cut=st.integers(0, 14), window=st.sampled_from([None, 4]))
@settings(deadline=None, max_examples=60)
def test_a_run_that_is_opened_again_goes_on_as_if_never_stopped(
    tmp_path_factory: pytest.TempPathFactory,
    leave: Callable[[Monitor, Path], Path],
    drawn: list[tuple[bool, int, Any]],
    cut: int,
    window: int | None,
) -> None:
    def gate() -> Gate:
        return Gate(patience=3, window=window, observe_only=True)

    run, root = run_of(drawn), tmp_path_factory.mktemp("run")
    undisturbed = Monitor(root / "undisturbed", 8449, gate(), window=5)
    expected = replay(undisturbed, run)
    first = Monitor(root / "run", 8449, gate(), window=5)
    said = replay(first, run[:cut])
    second = Monitor(leave(first, root / "run"), 8449, gate(), window=5)
    assert said + replay(second, run[cut:]) == expected
    assert second.state_dict() == undisturbed.state_dict()
    assert second.last_step == undisturbed.last_step
    for monitor in (second, undisturbed):
        monitor.close()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        "\0" * 300,
        "[" * 100_000,
        '{"format": 1, "metrics_end": 0, "samples_end": 0, "last_step": 5, "state": {"format": 1}}',
        '{"format": 1, "checksum": "", "content": {}}',
        '{"format": 9, "checksum": "", "content": {}}',
    ],
)
def test_a_state_that_cannot_be_used_is_set_aside_and_the_run_read_again_from_its_lines(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Monitor(tmp_path) as monitor:
        replay(monitor, samples("LLL"))
        expected = monitor.state_dict()
    (tmp_path / "gate.json").write_text(content, encoding="utf-8")
    with Monitor(tmp_path) as monitor:
        assert monitor.state_dict() == expected
    assert (tmp_path / "gate.damaged.json").read_text(encoding="utf-8") == content
    (message,) = warnings_in(caplog)
    assert "gate.json could not be used" in message


def test_a_state_with_other_numbers_than_were_written_is_not_believed(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        replay(monitor, samples("LLL"))
    state = (tmp_path / "gate.json").read_text(encoding="utf-8")
    (tmp_path / "gate.json").write_text(
        state.replace('[300, 0, "low"]', '[300, 0, "fine"]'), encoding="utf-8"
    )
    assert '[300, 0, "low"]' in state
    with Monitor(tmp_path) as monitor:
        assert monitor.gate.streak == 3


def test_a_line_that_was_torn_costs_itself_alone(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        replay(monitor, samples("LL"))
    with (tmp_path / "samples.jsonl").open("ab") as file:
        file.write(b'{"format": 1, "step": 300, "index": 0, "te')
    with Monitor(tmp_path) as monitor:
        assert monitor.gate.streak == 2
        assert monitor.sample(300, LOW).streak == 3
    with Monitor(tmp_path) as monitor:
        assert monitor.gate.streak == 3


def test_rows_of_another_writer_do_not_stop_a_run_from_opening(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 1, "loss": "n/a"}\n{"format": 1, "step": 2, "loss": 3.5, "lr": 0.1}\n', encoding="utf-8"
    )
    (tmp_path / "samples.jsonl").write_text(
        f'{{"format": 1, "step": 3, "index": 0, "loss": 3.4, "text": "{LOW}"}}\n', encoding="utf-8"
    )
    with Monitor(tmp_path) as monitor:
        assert (monitor.signals.loss.count, monitor.signals.loss.smma) == (1, 3.5)
        assert (monitor.gate.streak, monitor.last_step) == (1, 3)


@pytest.mark.parametrize(
    ("file", "row"),
    [
        ("samples.jsonl", '{"format": 1, "step": 1, "text": "abc", "time": 1.0}'),
        ("samples.jsonl", '{"format": 1, "step": 1, "index": "one", "text": "abc", "time": 1.0}'),
        ("metrics.jsonl", '{"format": 1, "step": 1, "loss": [1], "time": 1.0}'),
        ("metrics.jsonl", '{"format": 1, "step": 1, "loss": "n/a", "time": 1.0}'),
    ],
)
def test_rows_of_our_format_with_values_of_no_monitor_are_counted_and_passed_over(
    tmp_path: Path, file: str, row: str
) -> None:
    (tmp_path / file).write_text(row + "\n", encoding="utf-8")
    with Monitor(tmp_path) as monitor:
        assert (monitor.unusable, monitor.last_step, monitor.gate.streak) == (1, None, 0)
        assert monitor.sample(2, LOW).streak == 1


def test_a_state_with_the_numbers_of_a_framework_is_taken_as_plain_ones(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    with Monitor(tmp_path / "a") as monitor:
        replay(monitor, [Call(5, 4.0), *samples("LL")])
        state = monitor.state_dict()
    state["loss"]["step"] = numpy.int64(5)
    with Monitor(tmp_path / "b") as monitor:
        monitor.load_state_dict(state)
        assert monitor.sample(300, LOW).streak == 3
        assert monitor.recording
    with Monitor(tmp_path / "b") as monitor:
        assert monitor.gate.streak == 3


def test_a_note_may_have_details_of_any_name(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.note("pivot", 5, step=3, event="none")
    (row,) = lines(tmp_path / "metrics.jsonl")
    assert (row["event"], row["step"], row["details"]) == ("pivot", 5, {"step": 3, "event": "none"})


def test_settings_of_a_later_version_are_refused_by_monitor_and_audit_in_the_same_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Monitor(tmp_path) as monitor:
        replay(monitor, samples("LL"))
    path = tmp_path / "settings.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"format": 1', '"format": 2'), encoding="utf-8")
    words = f"{path}: format 2; this version reads format 1: a later version wrote this run folder"
    with pytest.raises(ValueError, match="a later version") as refused:
        Monitor(tmp_path)
    assert str(refused.value) == words
    assert main(["audit", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err


def test_steps_that_go_back_are_marked_as_a_restart(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        replay(monitor, [Call(100, 3.0), Call(200, 3.0)])
    with Monitor(tmp_path) as monitor:
        replay(monitor, [Call(150, 3.0), Call(200, 3.0)])
    (event,) = [row for row in lines(tmp_path / "metrics.jsonl") if "event" in row]
    assert (event["event"], event["step"], event["after"]) == ("restart", 150, 200)


def test_steps_that_go_on_are_no_restart(tmp_path: Path) -> None:
    for first in (100, 200, 200):
        with Monitor(tmp_path) as monitor:
            replay(monitor, [Call(first, 3.0), *samples("F", first)])
    assert all("event" not in row for row in lines(tmp_path / "metrics.jsonl"))


def test_samples_that_go_back_start_the_streak_anew(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        replay(monitor, samples("LLLL"))
    with Monitor(tmp_path) as monitor:
        assert monitor.sample(200, LOW).streak == 1


def test_the_status_of_a_restart_is_written_at_once(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        replay(monitor, [Call(5000, 3.0), Call(1000, 3.0)])
        assert read_json(tmp_path / "loss.json")["step"] == 1000


def test_a_sample_that_is_handed_in_once_more_after_opening_counts_once(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        replay(monitor, samples("LL"))
    with Monitor(tmp_path) as monitor:
        verdict = monitor.sample(200, LOW)
        assert (verdict.streak, verdict.samples) == (2, ((100, 0), (200, 0)))
        assert "counted already" in verdict.reason
        assert monitor.sample(300, LOW).streak == 3


@pytest.mark.parametrize("reopen", [False, True])
def test_a_restart_of_the_losses_alone_starts_the_streak_anew(tmp_path: Path, reopen: bool) -> None:
    monitor = Monitor(tmp_path)
    replay(monitor, [*samples("LL"), Call(300, 3.0), Call(150, 3.0)])
    if reopen:  # without the state, so that the restart is read from the lines
        monitor.close()
        (tmp_path / "gate.json").unlink()
        monitor = Monitor(tmp_path)
    verdict = monitor.sample(200, LOW)
    assert (verdict.streak, verdict.samples) == (1, ((200, 0),))
    monitor.close()


def test_a_restart_leaves_a_halt_as_it_is(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        replay(monitor, [*samples("LLLLL"), Call(500, 3.0), Call(150, 3.0)])
        verdict = monitor.sample(200, FINE)
    assert (verdict.halt, len(verdict.samples)) == (True, 5)


def test_a_checkpoint_brings_back_its_streak_though_the_folder_is_further(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        replay(monitor, samples("LL"))
        saved = json.loads(json.dumps(monitor.state_dict()))
        replay(monitor, samples("FF", first=300))
    with Monitor(tmp_path) as monitor:
        monitor.load_state_dict(saved)
        assert monitor.last_step == 200
        monitor.loss(201, 3.0)
        assert monitor.sample(300, LOW).streak == 3
    (event,) = [row for row in lines(tmp_path / "metrics.jsonl") if "event" in row]
    assert (event["event"], event["step"], event["after"]) == ("restart", 201, 400)


def test_a_state_survives_a_checkpoint_as_json(tmp_path: Path) -> None:
    with Monitor(tmp_path / "a") as monitor:
        replay(monitor, [Call(1, 4.0, "chat"), Call(2, math.nan), *samples("LLL")])
        checkpoint = json.dumps(monitor.state_dict(), allow_nan=False)
    with Monitor(tmp_path / "b") as monitor:
        monitor.load_state_dict(json.loads(checkpoint))
        assert remembered(monitor.state_dict()) == remembered(json.loads(checkpoint))
        assert monitor.sample(400, LOW).streak == 4
    with Monitor(tmp_path / "b") as monitor:
        assert monitor.gate.streak == 4


@pytest.mark.parametrize("drawn", ["FLLL", "FLLLLLL", "FLLLLLFFFFF"])
def test_a_state_holds_plain_values_alone(tmp_path: Path, drawn: str) -> None:
    # Lightning keeps it with torch, which loads no class that it does not know.
    with Monitor(tmp_path) as monitor:
        replay(monitor, [Call(1, 4.0, "chat"), Call(2, 3.0), *samples(drawn)])
        values: list[object] = [monitor.state_dict()]
    while values:
        value = values.pop()
        assert type(value) in (dict, list, str, int, float, bool, type(None))
        values += (
            [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
        )


def test_the_state_of_an_older_checkpoint_outlives_a_kill(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path / "run", status_every=10_000)
    replay(monitor, [Call(90, 4.0), *samples("L")])
    checkpoint = monitor.state_dict()
    replay(monitor, [Call(190, 9.0), *samples("LL", 200)])
    monitor.load_state_dict(checkpoint)
    with Monitor(abandon(monitor, tmp_path / "run")) as again:
        assert remembered(again.state_dict()) == remembered(checkpoint)


def remembered(state: dict[str, Any]) -> dict[str, Any]:
    """A state without the steps that may come late: after a checkpoint was loaded none can."""
    gate = {name: each for name, each in state["gate"].items() if name not in ("steps", "seen")}
    return state | {"gate": gate, "last": None}


def test_a_state_of_another_format_is_refused(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor, pytest.raises(ValueError, match="format 9"):
        monitor.load_state_dict({"format": 9})


# A halted run


def halted(folder: Path, gate: Gate | None = None) -> Verdict:
    with Monitor(folder, gate=gate) as monitor:
        said = replay(monitor, samples("FLLLLL"))
    verdict = said[-1][0]
    assert verdict is not None
    return verdict


@pytest.mark.parametrize("forget", [[], ["gate.json"]], ids=["", "without the state"])
def test_a_halted_run_is_not_opened_again_by_itself(tmp_path: Path, forget: list[str]) -> None:
    verdict = halted(tmp_path)
    assert verdict.halt
    for name in forget:
        (tmp_path / name).unlink()
    for _ in range(2):
        with pytest.raises(HaltedRun, match="5 samples in a row") as refused:
            Monitor(tmp_path)
        assert verdict.reason in str(refused.value)
        assert str(tmp_path) in str(refused.value)


@pytest.mark.parametrize("forget", [[], ["gate.json"]], ids=["", "without the state"])
def test_an_acknowledged_halt_starts_the_gate_anew_for_good(tmp_path: Path, forget: list[str]) -> None:
    halted(tmp_path)
    with Monitor(tmp_path, acknowledge_halt=True) as monitor:
        assert not monitor.gate.halted
        assert monitor.diagnosis.samples != "collapsed"
        assert monitor.sample(700, LOW).streak == 1
    for name in forget:
        (tmp_path / name).unlink()
    with Monitor(tmp_path) as monitor:
        assert (monitor.gate.halted, monitor.gate.streak) == (False, 1)
    (event,) = [row for row in lines(tmp_path / "metrics.jsonl") if "event" in row]
    assert (event["event"], event["step"]) == ("halt acknowledged", 600)


def test_a_run_can_halt_again_after_it_was_acknowledged(tmp_path: Path) -> None:
    halted(tmp_path)
    with Monitor(tmp_path, acknowledge_halt=True) as monitor:
        replay(monitor, samples("LLLLL", 700))
    with pytest.raises(HaltedRun, match="from step 700 to step 1,100"):
        Monitor(tmp_path)


def test_there_is_nothing_to_acknowledge_in_a_run_that_was_not_halted(tmp_path: Path) -> None:
    with Monitor(tmp_path, acknowledge_halt=True) as monitor:
        replay(monitor, samples("LL"))
    with Monitor(tmp_path, acknowledge_halt=True) as monitor:
        assert monitor.gate.streak == 2
    assert not (tmp_path / "metrics.jsonl").exists()


def test_a_run_that_is_only_observed_opens_again(tmp_path: Path) -> None:
    verdict = halted(tmp_path, Gate(observe_only=True))
    assert (verdict.collapsed, verdict.halt) == (True, False)
    with Monitor(tmp_path, gate=Gate(observe_only=True)) as monitor:
        assert monitor.gate.halted
        assert not monitor.sample(700, LOW).halt


def test_a_halt_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Monitor(tmp_path) as monitor:
        replay(monitor, samples("LLLLLLL"))
    (message,) = warnings_in(caplog)
    assert "5 samples in a row" in message
    assert message.endswith(f"to step 500. {monitor.diagnosis.sentence}")


def test_an_audit_of_the_folder_finds_what_the_monitor_said(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with Monitor(run, vocab_size=8449) as monitor:
        losses = [Call(step, 9.0 * 0.999**step) for step in range(0, 1500, 10)]
        texts = samples("FOLLsFLLLLLFL")
        said = replay(monitor, sorted(losses + texts, key=lambda call: call.step))
    verdicts = [verdict for verdict, _ in said if verdict is not None]
    fired = next(verdict for verdict in verdicts if verdict.halt)
    assert main(["audit", str(run), "--json", str(tmp_path / "report.json"), "--vocab-size", "8449"]) == 1
    report = read_json(tmp_path / "report.json")
    assert (report["halt_step"], report["halt_reason"]) == (fired.step, fired.reason) == (1100, fired.reason)
    assert [each["streak"] for each in report["samples"]] == [verdict.streak for verdict in verdicts]
    assert [each["low"] for each in report["samples"]] == [verdict.low for verdict in verdicts]
    assert report["problem_count"] == 0


def test_a_run_that_recovers_after_its_halt_says_so_in_the_loop_and_in_the_audit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with Monitor(run, gate=Gate(observe_only=True)) as monitor:
        replay(monitor, samples("FLLLLLLFOFO"))
        assert (monitor.gate.halted, monitor.signals.recovered_since) == (True, None)
        replay(monitor, samples("F", 1200))
    assert [row["streak"] for row in lines(run / "samples.jsonl")] == [0, 1, 2, 3, 4, 5, *[0] * 6]
    status = read_json(run / "loss.json")
    assert (status["gate"]["halted"], status["recovered_since"]) == (True, 800)
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["audit", str(run)]) == 0
    said = capsys.readouterr().err
    assert "since step 800 the samples are fine again: a young model, try --warmup 800" in said
    assert "At the halt: No loss was given and 5 of the last 6 samples loop" in said
    assert main(["audit", str(run), "--warmup", "800"]) == 0
    assert "At the halt" not in capsys.readouterr().err


# One writer


posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no flock")


@posix
def test_a_second_monitor_on_the_folder_is_refused(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        with pytest.raises(RunFolderBusy, match=str(tmp_path)):
            Monitor(tmp_path)
        monitor.sample(100, FINE)
        assert monitor.recording
    Monitor(tmp_path).close()


@posix
def test_another_process_is_refused_while_the_folder_is_open(tmp_path: Path) -> None:
    script = "import sys; from coherence.run.monitor import Monitor; Monitor(sys.argv[1]).loss(1, 3.0)"
    command = [sys.executable, "-c", script, str(tmp_path)]
    with Monitor(tmp_path):
        refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].endswith("stop it, or choose another folder")
    assert not (tmp_path / "metrics.jsonl").exists()


@posix
def test_a_closed_monitor_writes_nothing_over_the_next_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = Monitor(tmp_path)
    first.sample(100, LOW)
    first.close()
    with Monitor(tmp_path) as second:
        replay(second, samples("LL", 200))
    first.close()
    assert warnings_in(caplog) == []
    first.sample(300, FINE)
    assert not first.recording
    assert [each for each in warnings_in(caplog) if "is closed" in each] == warnings_in(caplog)
    with Monitor(tmp_path) as third:
        assert third.gate.streak == 3


# Threads


def in_threads(work: Callable[[int], None]) -> None:
    """Do the work in eight threads at once; raise what one of them raised."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


def test_calls_from_many_threads_are_all_counted_and_every_line_is_whole(tmp_path: Path) -> None:
    step = count()

    def work(thread: int) -> None:
        for number in range(200):
            if number % 10:
                monitor.loss(next(step), 3.0, source=str(thread))
            else:
                monitor.sample(next(step), FINE)

    with Monitor(tmp_path, status_every=50) as monitor:
        in_threads(work)
        assert monitor.signals.loss.count == 8 * 180
    sources = Counter(row["source"] for row in lines(tmp_path / "metrics.jsonl") if "loss" in row)
    assert sources == {str(thread): 180 for thread in range(8)}
    assert len(lines(tmp_path / "samples.jsonl")) == 8 * 20


def test_samples_of_one_step_from_many_threads_are_numbered_one_by_one(tmp_path: Path) -> None:
    def work(_: int) -> None:
        for _ in range(40):
            monitor.sample(100, [LOW, LOW])

    with Monitor(tmp_path, gate=Gate(patience=10_000)) as monitor:
        in_threads(work)
        assert monitor.gate.streak == 8 * 40 * 2
    rows = lines(tmp_path / "samples.jsonl")
    assert [row["index"] for row in rows] == list(range(8 * 40 * 2))
    assert [row["streak"] for row in rows] == list(range(1, 8 * 40 * 2 + 1))


# What cannot be written

Obstacle = Callable[[Path], Callable[[], None]]
"""Gets in the way of a folder's files; returns what clears the way again."""


def no_folder(folder: Path) -> Callable[[], None]:
    """Let a plain file stand where the folder's parent should be."""
    folder.parent.write_text("", encoding="utf-8")
    return folder.parent.unlink


def full(*names: str) -> Obstacle:
    """Let a device that is always full stand for files of the folder."""

    def obstruct(folder: Path) -> Callable[[], None]:
        def clear() -> None:
            for name in names:
                (folder / name).unlink()

        folder.mkdir(parents=True)
        for name in names:
            (folder / name).symlink_to("/dev/full")
        return clear

    return obstruct


def in_the_way(name: str) -> Obstacle:
    """Let a folder stand where a temporary file should be."""

    def obstruct(folder: Path) -> Callable[[], None]:
        (folder / name).mkdir(parents=True)
        return (folder / name).rmdir

    return obstruct


has_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")


@pytest.mark.parametrize(
    ("obstruct", "lost"),
    [
        pytest.param(no_folder, True, id="no folder"),
        pytest.param(full("samples.jsonl"), True, id="samples", marks=has_full),
        pytest.param(full("metrics.jsonl"), True, id="metrics", marks=has_full),
        pytest.param(full("samples.jsonl", "metrics.jsonl"), True, id="both", marks=has_full),
        pytest.param(in_the_way(".gate.json.new"), False, id="state"),
        pytest.param(in_the_way(".loss.json.new"), False, id="status"),
    ],
)
@pytest.mark.parametrize("status_every", [1, 10_000])
@pytest.mark.parametrize("with_loss", [True, False], ids=["the next loss", "the next sample"])
def test_a_run_that_cannot_record_goes_on_warns_once_and_records_again_when_it_can(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    obstruct: Obstacle,
    lost: bool,
    status_every: int,
    with_loss: bool,
) -> None:
    folder = tmp_path / "runs" / "exp7"
    clear = obstruct(folder)
    with Monitor(folder, status_every=status_every) as monitor:
        for step in (100, 200):
            monitor.loss(step, 3.0)
            verdict = monitor.sample(step, LOW)
            assert not monitor.recording
        assert verdict.streak == 2
        clear()
        if with_loss:
            monitor.loss(300, 3.0)
        verdict = monitor.sample(300, LOW)
        assert (monitor.recording, verdict.streak) == (True, 3)
    assert [each.split(" (")[0] for each in warnings_in(caplog)] == [f"{folder}: cannot record"]
    assert lines(folder / "samples.jsonl")[-1]["step"] == 300
    events = [row["event"] for row in lines(folder / "metrics.jsonl") if "event" in row]
    assert events == ["lines lost"] * lost
    with Monitor(folder) as monitor:
        assert monitor.gate.streak == 3, "the state knows of the lines that were lost"
        assert monitor.signals.loss.count == 2 + with_loss


def test_a_run_that_never_could_record_still_halts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "plain").touch()
    with Monitor(tmp_path / "plain" / "run") as monitor:
        said = replay(monitor, samples("LLLLL"))
    verdict = said[-1][0]
    assert verdict is not None
    assert (verdict.halt, monitor.recording) == (True, False)
    cannot, halted = warnings_in(caplog)
    assert ("cannot record" in cannot, "5 samples in a row" in halted) == (True, True)


FULL_DISK = """
import json, logging, sys
from pathlib import Path
from coherence import Gate
from coherence.run.monitor import Monitor

logging.basicConfig(level="WARNING", stream=sys.stderr)
folder = Path(sys.argv[1]) / "run"
filler = Path(sys.argv[1]) / "filler"
monitor = Monitor(folder, gate=Gate(patience=10_000), status_every=1)
verdicts, step = [], 0

def train():
    global step
    step += 1
    monitor.loss(step, 3.0)
    verdicts.append(monitor.sample(step, sys.argv[2]))
    return monitor.recording

while train():
    if step == 5:
        filler.write_bytes(bytes(30_000))
for _ in range(20):
    assert not train()
filler.unlink()
assert train()
for _ in range(5):
    assert train()
streak = monitor.gate.streak
monitor.close()
with Monitor(folder) as again:
    print(json.dumps([step, streak, again.gate.streak, again.signals.loss.count]))
"""


@pytest.mark.slow
def test_a_disk_that_is_really_full_does_not_stop_the_run(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=128k tmpfs "$1" || exit 77; exec "$2" -c "$3" "$1" "$4"'
    command = ["unshare", "-rm", "sh", "-c", mount, "sh", str(tmp_path), sys.executable, FULL_DISK, LOW]
    if shutil.which("unshare") is None:
        pytest.skip("no unshare: a small disk cannot be mounted")
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    if run.returncode == 77 or run.stderr.startswith("unshare:"):
        pytest.skip(f"a small disk cannot be mounted: {run.stderr}")
    assert run.returncode == 0, run.stderr
    step, *counted = json.loads(run.stdout)
    assert counted == [step] * 3
    assert run.stderr.count("WARNING") == 1
    assert "No space left" in run.stderr
