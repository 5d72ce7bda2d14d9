"""What a halt does to a loop and to its program, and what a tracker is given."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from coherence import Gate, HaltedRun, Monitor, Verdict
from coherence.cli.main import main

FINE = "The cat sat by the door and waited for the rain to stop."
LOW = "Budy Budy Budy Budy"
SCORES = ("bigram", "trigram", "english", "character")


def python(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)  # noqa: S603 - our own script


@pytest.mark.slow
def test_a_program_ends_with_3_at_a_halt_and_again_when_it_is_started_again(tmp_path: Path) -> None:
    script = f"""
from coherence import Monitor
monitor = Monitor({str(tmp_path / "run")!r}, on_halt="raise")
for step in range(20):
    monitor.sample(step, {LOW!r})
"""
    halted, again = python(script), python(script)
    assert (halted.returncode, halted.stdout, again.returncode, again.stdout) == (3, "", 3, "")
    assert halted.stderr.count("5 samples in a row scored below 30") == 1
    assert again.stderr.count("this run was halted: 5 samples in a row") == 1
    assert "Traceback" not in halted.stderr + again.stderr
    assert (tmp_path / "run" / "samples.jsonl").read_bytes().count(b"\n") == 5


def test_a_halt_that_is_raised_has_its_reason(tmp_path: Path) -> None:
    with (
        Monitor(tmp_path, gate=Gate(patience=1), on_halt="raise") as monitor,
        pytest.raises(HaltedRun, match="1 sample"),
    ):
        monitor.sample(1, LOW)


def test_a_function_is_called_once_at_a_halt_and_another_at_every_verdict(tmp_path: Path) -> None:
    halts: list[Verdict] = []
    verdicts: list[Verdict] = []
    with Monitor(
        tmp_path, gate=Gate(patience=2), on_halt=halts.append, on_verdict=verdicts.append
    ) as monitor:
        for step in range(6):
            monitor.sample(step, FINE if step < 2 else LOW)
    assert [verdict.step for verdict in halts] == [3]
    assert [(verdict.step, verdict.halt) for verdict in verdicts] == [(step, step >= 3) for step in range(6)]


def test_a_gate_that_only_observes_halts_nothing(tmp_path: Path) -> None:
    gate = Gate(patience=1, observe_only=True)
    with Monitor(tmp_path / "raise", gate=gate, on_halt="raise") as monitor:
        assert not monitor.sample(1, LOW).halt
    halts: list[Verdict] = []
    with Monitor(tmp_path / "call", gate=gate, on_halt=halts.append) as monitor:
        monitor.sample(1, LOW)
    assert halts == []


class Overtaken(Monitor):
    """Answers its caller only when the next sample, from another thread, was judged as well."""

    def _take(self, step: Any, texts: Any, prompts: Any) -> Verdict:
        verdict = super()._take(step, texts, prompts)
        if step == 1:
            other = threading.Thread(target=super()._take, args=(2, LOW, None))
            other.start()
            other.join()
        return verdict


def test_a_halt_is_left_to_the_thread_that_saw_it(tmp_path: Path) -> None:
    halts: list[Verdict] = []
    with Overtaken(tmp_path, gate=Gate(patience=2), on_halt=halts.append) as monitor:
        assert not monitor.sample(1, LOW).halt
        assert halts == []
        assert monitor.sample(3, LOW).halt
    assert len(halts) == 1


def test_a_halt_of_many_threads_is_one_halt(tmp_path: Path) -> None:
    halts: list[Verdict] = []
    with Monitor(tmp_path, on_halt=halts.append) as monitor:
        threads = [threading.Thread(target=monitor.sample, args=(1, LOW)) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(halts) == 1


def test_a_function_that_fails_costs_one_warning_and_not_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(verdict: Verdict) -> None:
        raise OSError(f"no route at {verdict.step}")

    def other(verdict: Verdict) -> None:
        raise KeyError(verdict.step)

    with Monitor(tmp_path, gate=Gate(patience=3), on_verdict=fail, on_halt=other) as monitor:
        for step in range(5):
            monitor.sample(step, LOW)
    assert monitor.gate.halted
    assert caplog.text.count("on_verdict failed: OSError: no route at 0; logged once") == 1
    assert caplog.text.count("failed: ") == 2  # on_halt has a warning of its own


def test_a_function_may_end_the_program(tmp_path: Path) -> None:
    with Monitor(tmp_path, gate=Gate(patience=1), on_halt=lambda _verdict: sys.exit(7)) as monitor:
        with pytest.raises(SystemExit) as left:
            monitor.sample(1, LOW)
        assert left.value.code == 7


def test_another_word_for_what_a_halt_does_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='on_halt \'exit\'; expected "stop", "raise" or a function'):
        Monitor(tmp_path / "run", on_halt="exit")  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


class TestMetrics:
    def test_there_are_none_before_any_sample(self, tmp_path: Path) -> None:
        with Monitor(tmp_path) as monitor:
            monitor.loss(1, 3.0)
            assert monitor.metrics == {}

    def test_they_are_the_means_of_the_last_step_as_plain_numbers(self, tmp_path: Path) -> None:
        with Monitor(tmp_path, gate=Gate(patience=9)) as monitor:
            monitor.sample(1, [LOW] * 4)
            monitor.sample(2, [FINE, LOW * 4])
            found = monitor.metrics
            rows = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()][-2:]
        for name in SCORES:
            assert found[f"coherence/{name}"] == pytest.approx(sum(row["scores"][name] for row in rows) / 2)
        assert found["coherence/mean"] == pytest.approx(
            sum(found[f"coherence/{name}"] for name in SCORES) / 4
        )
        assert found["coherence/low"] == 0.5
        assert found["coherence/streak"] == 1
        assert 0 <= found["coherence/between"] <= 100
        assert all(type(value) is float for value in found.values())
        assert json.loads(json.dumps(found)) == found

    def test_the_action_is_a_number_that_grows_graver(self, tmp_path: Path) -> None:
        with Monitor(tmp_path, gate=Gate(patience=5), vocab_size=256) as monitor:
            seen = []
            for step in range(40):
                monitor.loss(step, 4 - step / 20)
                monitor.sample(step, FINE if step < 30 else LOW)
                seen.append((monitor.diagnosis.action, monitor.metrics["coherence/action"]))
        order = ("continue", "watch", "pivot", "halt")
        assert all(number == order.index(action) for action, number in seen)
        assert len(set(seen)) > 1

    def test_they_are_there_again_after_the_run_was_opened_again(self, tmp_path: Path) -> None:
        with Monitor(tmp_path) as monitor:
            monitor.sample(1, [FINE, LOW])
            before = monitor.metrics
        with Monitor(tmp_path) as monitor:
            assert monitor.metrics == before

    def test_empty_samples_are_not_better_than_bad_ones(self, tmp_path: Path) -> None:
        with Monitor(tmp_path) as monitor:
            monitor.sample(1, ["", "..."])
            assert monitor.metrics["coherence/mean"] == 0


def test_the_status_of_a_run_without_losses_is_not_taken_for_a_log(tmp_path: Path) -> None:
    with Monitor(tmp_path / "run") as monitor:
        monitor.sample(1, FINE)
    assert main(["audit", str(tmp_path / "run"), "--json", str(tmp_path / "report.json")]) == 0
    assert not any(
        "loss.json" in note for note in json.loads((tmp_path / "report.json").read_text())["notes"]
    )


class TestLastSamples:
    def test_are_flat_rows_of_the_last_step_as_they_were_written_down(self, tmp_path: Path) -> None:
        with Monitor(tmp_path) as monitor:
            assert monitor.last_samples == []
            monitor.sample(1, [FINE] * 3)
            monitor.sample(2, [("Once", FINE), ("The", LOW)])
            monitor.loss(3, 2.5)
            found = monitor.last_samples
        written = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()][-2:]
        wanted = ("step", "prompt", "text", "low")
        assert found == [{name: row[name] for name in wanted} | row["scores"] for row in written]
        assert [row["low"] for row in found] == [False, True]
        with Monitor(tmp_path) as monitor:
            assert monitor.last_samples == found

    def test_have_the_same_columns_where_a_score_cannot_be_computed(self, tmp_path: Path) -> None:
        with Monitor(tmp_path) as monitor:
            monitor.sample(1, [FINE, "", "Yes"])
            first, *others = monitor.last_samples
        assert all(list(row) == list(first) for row in others)
        assert others[1]["english"] is None


class TestPairs:
    def test_of_prompt_and_text_are_kept_as_both(self, tmp_path: Path) -> None:
        with Monitor(tmp_path) as monitor:
            monitor.sample(1, zip(["Once", "The"], [" upon a time", " cat"], strict=True))
            monitor.sample(2, [([{"role": "user", "content": "Why?"}], "Because.")])
        rows = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
        assert [(row["prompt"], row["text"]) for row in rows] == [
            ("Once", " upon a time"),
            ("The", " cat"),
            ("Why?", "Because."),
        ]

    @pytest.mark.parametrize("drawn", [[("Once", "upon"), FINE], [("a", "b", "c")], [("a",)]])
    def test_that_are_no_pairs_are_counted_and_skipped(self, drawn: list[Any], tmp_path: Path) -> None:
        with Monitor(tmp_path) as monitor:
            monitor.sample(1, drawn)
            assert monitor.unusable == 1

    def test_are_compared_within_their_prompt(self, tmp_path: Path) -> None:
        same = "Paris is the capital of France, and it lies on the river Seine."
        other = "A dog barks in the yard while an old man reads his paper at noon."
        for folder, drawn in (
            ("pairs", [("Where?", same), ("Who?", other)] * 2),
            ("texts", [same, other] * 2),
        ):
            with Monitor(tmp_path / folder) as monitor:
                monitor.sample(1, drawn)
                (tmp_path / folder / "between").write_text(str(monitor.metrics.get("coherence/between")))
        within, among = ((tmp_path / each / "between").read_text() for each in ("pairs", "texts"))
        assert within != among


def test_a_checkpoint_that_was_deleted_is_not_the_step_to_go_back_to(tmp_path: Path) -> None:
    with Monitor(tmp_path / "run", gate=Gate(patience=2)) as monitor:
        for step in range(1, 7):
            monitor.sample(step, FINE if step < 5 else LOW)
            monitor.note("checkpoint", step)
            if step == 4:
                monitor.note("checkpoint deleted", 4)
                monitor.note("checkpoint deleted", 3)
        assert monitor.resume_from == 2
    report = tmp_path / "report.json"
    assert main(["audit", str(tmp_path / "run"), "--json", str(report)]) == 1
    found = json.loads(report.read_text())
    assert found["resume_from"] == 2
    assert found["events"] == []
    with Monitor(tmp_path / "run", acknowledge_halt=True) as monitor:
        assert monitor.resume_from == 2
