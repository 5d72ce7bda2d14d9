"""What a plain loop uses: sampling that leaves no trace, and one verdict on all ranks."""

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ports import free_port

pytest.importorskip("torch", reason="the plain loop needs torch")

import torch
from torch import nn

from coherence import HaltedRun, Monitor, Verdict
from coherence.cli.main import main
from coherence.trainers.common import from_rank_zero
from coherence.trainers.torch_loop import broadcast, broadcast_verdict, check, sample_safely

SECONDS = 300.0  # far more than it takes; a hang is what would use them up


class Tokenizer:
    padding_side = "right"


def losses(sample: Callable[[nn.Module], Any] | None, safely: bool = True) -> list[float]:
    """Train a small model with dropout for ten steps, sampling at every third."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    curve = []
    for step in range(10):
        loss = model(torch.randn(16, 4)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        curve.append(float(loss.detach()))
        if sample is not None and step % 3 == 2:
            _ = sample_safely(model, sample) if safely else sample(model)
    return curve


def draw(model: nn.Module) -> torch.Tensor:
    return torch.multinomial(model(torch.randn(5, 4)).softmax(0).flatten(), 2)


class TestSampleSafely:
    def test_leaves_the_loss_curve_as_it_is_bit_for_bit(self) -> None:
        assert losses(draw) == losses(None)
        assert losses(draw, safely=False) != losses(None)  # what it is there for

    def test_returns_what_was_drawn_without_dropout_and_gradients(self) -> None:
        model = nn.Sequential(nn.Linear(50, 50), nn.Dropout(0.9))
        drawn = sample_safely(model, lambda model: model(torch.ones(50)))
        assert drawn.count_nonzero() == 50
        assert not drawn.requires_grad

    def test_puts_back_the_mode_of_every_module_and_the_padding_side(self) -> None:
        frozen = nn.Dropout().eval()
        model = nn.Sequential(nn.Dropout(), frozen).train()
        frozen.eval()
        tokenizer = Tokenizer()

        def disturb(model: nn.Module) -> None:
            model.train()
            tokenizer.padding_side = "left"

        sample_safely(model, disturb, tokenizer)
        assert [module.training for module in model.modules()] == [True, True, False]
        assert tokenizer.padding_side == "right"

    def test_puts_everything_back_when_drawing_fails(self) -> None:
        model, before = nn.Dropout(), torch.random.get_rng_state()

        def fail(_model: nn.Module) -> None:
            torch.rand(3)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            sample_safely(model, fail)
        assert model.training
        assert torch.equal(torch.random.get_rng_state(), before)

    def test_leaves_the_random_numbers_of_python_alone(self) -> None:
        random.seed(0)
        first = sample_safely(nn.Dropout(), lambda _model: random.random())  # noqa: S311 - no secret
        assert first != random.random()  # noqa: S311


class TestOneProcess:
    def test_the_verdict_is_itself(self, reason: str) -> None:
        verdict = Verdict(True, True, "low", 5, 5, 14, (), reason)
        assert broadcast_verdict(verdict) is verdict

    def test_no_verdict_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="no verdict on rank 0"):
            broadcast_verdict(None)

    def test_no_monitor_is_an_error(self) -> None:
        with pytest.raises(RuntimeError, match="rank 0 has no monitor"):
            check(None, 1, nn.Linear(1, 1), lambda _model, _step: ["..."])

    def test_an_error_is_raised_as_it_is(self, monitor: Monitor) -> None:
        with pytest.raises(ZeroDivisionError):
            from_rank_zero(monitor, lambda _monitor: 1 // 0, broadcast)

    def test_samples_are_judged_at_their_step(self, monitor: Monitor) -> None:
        verdict = check(monitor, 7, nn.Linear(1, 1), lambda _model, step: [f"Budy {step} " * 9])
        assert (verdict.step, verdict.low, verdict.streak) == (7, True, 1)
        assert "Budy 7" in (monitor.folder / "samples.jsonl").read_text()


class TestAFileThatAsksForAStop:
    def test_ends_a_loop_that_checks_and_the_run_says_so(
        self, monitor: Monitor, asking: Callable[[Any, int], list[str]]
    ) -> None:
        verdicts = [check(monitor, step, nn.Linear(1, 1), asking) for step in (4, 6)]
        assert [verdict.halt for verdict in verdicts] == [False, True]
        why = f"{monitor.folder / 'stop'} asks to stop: the rollouts loop"
        assert (verdicts[1].step, verdicts[1].reason) == (6, why)
        assert not monitor.gate.halted
        (row,) = map(json.loads, (monitor.folder / "metrics.jsonl").read_text().splitlines())
        assert (row["event"], row["step"], row["details"]) == ("asked to stop", 6, {"reason": why})

    def test_is_not_read_as_part_of_the_run(
        self, monitor: Monitor, asking: Callable[[Any, int], list[str]], tmp_path: Path
    ) -> None:
        monitor.loss(6, 3.0)
        check(monitor, 6, nn.Linear(1, 1), asking)
        assert main(["audit", str(monitor.folder), "--json", str(tmp_path / "report.json")]) == 0
        report = json.loads((tmp_path / "report.json").read_text())
        assert [(each["event"], each["step"]) for each in report["events"]] == [("asked to stop", 6)]
        assert (report["problem_count"], report["judged"]) == (0, 1)
        assert not any("stop" in note for note in report["notes"])

    def test_is_the_one_that_a_watcher_writes(self, monitor: Monitor, tmp_path: Path) -> None:
        (tmp_path / "rollouts").mkdir()
        rows = [json.dumps({"step": step, "text": "Budy " * 20}) for step in range(6)]
        (tmp_path / "rollouts" / "samples.jsonl").write_text("\n".join(rows) + "\n")
        stop = monitor.folder / "stop"
        assert main(["watch", str(tmp_path / "rollouts"), "--once", "--stop-file", str(stop)]) == 1
        verdict = check(monitor, 10, nn.Linear(1, 1), None)
        assert verdict.halt
        assert "asks to stop: 5 samples in a row scored below 30" in verdict.reason

    @pytest.mark.parametrize("written", ["", "{}", "[1]", '{"reason": 3}', "\xff", "[" * 10**5])
    def test_may_say_nothing(self, monitor: Monitor, written: str) -> None:
        (monitor.folder / "stop").write_text(written, encoding="latin-1")
        verdict = check(monitor, 4, nn.Linear(1, 1), lambda _model, _step: ["..."])
        assert (verdict.halt, verdict.reason) == (True, f"{monitor.folder / 'stop'} asks to stop")

    def test_commands_no_terminal(self, monitor: Monitor) -> None:
        (monitor.folder / "stop").write_text(json.dumps({"reason": "red \x1b[31m\nalert"}))
        reason = check(monitor, 4, nn.Linear(1, 1), None).reason
        assert reason.isprintable()
        assert "red" in reason

    def test_ends_the_program_with_3_where_a_halt_does(self, tmp_path: Path) -> None:
        monitor = Monitor(tmp_path, on_halt="raise")
        (tmp_path / "stop").touch()
        with monitor, pytest.raises(HaltedRun, match="asks to stop"):
            check(monitor, 4, nn.Linear(1, 1), lambda _model, _step: ["..."])


def run_two(what: str, folder: Path, *options: str) -> list[subprocess.CompletedProcess[str]]:
    """Run `ranks.py` as two ranks; a hang fails the test."""
    port = str(free_port())
    started = []
    for rank in ("0", "1"):
        world = {"RANK": rank, "LOCAL_RANK": "0", "NODE_RANK": rank, "WORLD_SIZE": "2"}
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, str(Path(__file__).parent / "ranks.py"), what, str(folder), *options]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, env=os.environ | world | meeting, **pipes))  # noqa: S603 - ours
    try:
        ended = [(each, *each.communicate(timeout=SECONDS)) for each in started]
    finally:
        for each in started:
            if each.poll() is None:
                each.kill()
                each.communicate()
    return [subprocess.CompletedProcess(each.args, each.returncode, out, err) for each, out, err in ended]


def answers(ended: list[subprocess.CompletedProcess[str]]) -> list[dict[str, Any]]:
    assert [each.returncode for each in ended] == [0, 0], "\n".join(each.stderr[-2000:] for each in ended)
    return [json.loads(each.stdout.splitlines()[-1]) for each in ended]


class TestTwoRanks:
    def test_stop_at_one_step_for_one_reason(self, tmp_path: Path, reason: str) -> None:
        assert answers(run_two("check", tmp_path)) == [
            {"rank": 0, "step": 14, "reason": reason},
            {"rank": 1, "step": 14, "reason": reason},
        ]

    def test_stop_at_one_step_where_another_process_asks_for_it(self, tmp_path: Path) -> None:
        why = f"{tmp_path / 'run' / 'stop'} asks to stop"
        assert answers(run_two("asked", tmp_path)) == [
            {"rank": 0, "step": 6, "reason": why},
            {"rank": 1, "step": 6, "reason": why},
        ]

    def test_an_error_in_sampling_ends_both(self, tmp_path: Path) -> None:
        first, second = run_two("error", tmp_path)
        assert (first.returncode, second.returncode) == (1, 1)
        assert "ZeroDivisionError: the sampler broke" in first.stderr
        assert "RuntimeError: rank 0 failed: ZeroDivisionError: the sampler broke" in second.stderr

    def test_no_monitor_on_rank_zero_ends_both(self, tmp_path: Path) -> None:
        ended = run_two("none", tmp_path)
        assert all("rank 0 has no monitor" in each.stderr for each in ended)

    def test_of_the_hugging_face_trainer_stop_at_one_step(self, tmp_path: Path, reason: str) -> None:
        pytest.importorskip("transformers", reason="the Hugging Face adapter needs transformers")
        pytest.importorskip("accelerate", reason="the Hugging Face Trainer needs accelerate")
        ended = run_two("trainer", tmp_path)
        assert [each["step"] for each in answers(ended)] == [14, 14]
        assert all(f"training stops at step 14: {reason}" in each.stderr for each in ended)

    def test_of_lightning_stop_at_one_step(self, tmp_path: Path, reason: str) -> None:
        pytest.importorskip("lightning", reason="the Lightning adapter needs lightning")
        ended = run_two("lightning", tmp_path)
        assert [each["step"] for each in answers(ended)] == [14, 14]
        assert all(f"training stops at step 14: {reason}" in each.stderr for each in ended)

    @pytest.mark.parametrize("what", ["check", "trainer", "lightning"])
    def test_end_with_3_at_a_halt_that_is_raised(self, what: str, tmp_path: Path, reason: str) -> None:
        if what != "check":
            pytest.importorskip({"trainer": "transformers"}.get(what, what), reason=f"{what} needs it")
        first, second = run_two(what, tmp_path, "raise")
        assert (first.returncode, second.returncode) == (3, 3), first.stderr[-2000:] + second.stderr[-2000:]
        assert (tmp_path / "run" / "samples.jsonl").read_bytes().count(b"\n") == 7
        assert reason in first.stderr

    def test_of_a_rank_that_checks_alone_end_with_a_clear_error(self, tmp_path: Path) -> None:
        first, second = run_two("alone", tmp_path)
        assert (first.returncode, second.returncode) == (1, 1)
        assert "coherence: rank 0 waited 2 seconds for rank 1. Every rank must make this call" in first.stderr
        assert "Is it inside `if rank == 0:`?" in first.stderr

    def test_of_a_rank_that_leaves_alone_the_other_one_ends_too(self, tmp_path: Path) -> None:
        first, second = run_two("left", tmp_path)
        assert (first.returncode, second.returncode) == (0, 1)
        assert "Connection closed by peer" in second.stderr

    def test_under_torchrun_a_halt_ends_all_and_torchrun_with_1(self, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--no-python"]
        command += [f"--master-port={free_port()}", sys.executable, str(Path(__file__).parent / "ranks.py")]
        run = subprocess.run(  # noqa: S603 - ours
            [*command, "check", str(tmp_path), "raise"],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert run.returncode == 1
        assert "exitcode  : 3" in run.stderr
        assert "5 samples in a row scored below 30" in run.stderr

    def test_under_accelerate_stop_at_one_step(self, tmp_path: Path, reason: str) -> None:
        pytest.importorskip("transformers", reason="the Hugging Face adapter needs transformers")
        pytest.importorskip("accelerate", reason="the ranks are started by accelerate")
        command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]  # --cpu starts one only
        command += [
            "--num_processes=2",
            "--num_machines=1",
            "--mixed_precision=no",
            "--num_cpu_threads_per_process=1",
        ]
        command += [f"--main_process_port={free_port()}", str(Path(__file__).parent / "ranks.py")]
        run = subprocess.run(  # noqa: S603 - ours
            [*command, "trainer", str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert run.returncode == 0, run.stderr[-2000:]
        told = sorted(re.findall(r'\{"rank": (\d), "step": (\d+)', run.stdout))
        assert told == [("0", "14"), ("1", "14")]
        assert run.stderr.count(f"training stops at step 14: {reason}") == 2

    def test_of_a_halted_run_are_refused_together(self, tmp_path: Path) -> None:
        first, second = run_two("late", tmp_path)
        assert (first.returncode, second.returncode) == (3, 3)
        assert first.stderr.count("this run was halted: a halt before") == 1
        assert second.stderr == ""
