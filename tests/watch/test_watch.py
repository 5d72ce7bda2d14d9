"""`coherence watch` as a person starts it: a folder fills, the gate halts, commands are run."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prose import prose
from shell import Outcome, Shell

LOW = "Budy " * 30
LONGEST = 60.0
"""Seconds after which a test gives up waiting."""

Watch = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture
def once(shell: Shell) -> Watch:
    return lambda *options: shell("watch", "run", "--once", "--poll", "0.01", *options)


def append(name: str, *rows: dict[str, Any]) -> None:
    path = Path("run", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in rows)


def fine(*steps: int) -> list[dict[str, Any]]:
    return [{"step": step, "text": prose(30, step)} for step in steps]


def low(*steps: int) -> list[dict[str, Any]]:
    return [{"step": step, "text": LOW} for step in steps]


def recorded(name: str = "samples.jsonl") -> list[dict[str, Any]]:
    path = Path("run/_coherence", name)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def steps() -> list[int]:
    return [row["step"] for row in recorded()]


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


# What is read


def test_reads_what_is_there_and_then_what_was_appended(once: Watch) -> None:
    append("rollouts.jsonl", *fine(1, 2))
    assert once().status == 0
    append("rollouts.jsonl", *fine(3))
    status, out, err = once()
    assert (status, out) == (0, "")
    assert err.startswith("step 3: 1 sample, bigram ")
    assert err.count("\n") == 1
    assert steps() == [1, 2, 3]


def test_a_folder_without_samples_is_waited_for(once: Watch) -> None:
    assert once().status == 0
    append("rollouts.jsonl", *fine(1))
    assert once().status == 0
    assert steps() == [1]


def test_files_of_several_ranks_are_read_in_the_order_of_their_steps(once: Watch) -> None:
    for rank in range(3):
        append(f"rank_{rank}.jsonl", *({"step": n, "text": prose(30, (n, rank))} for n in range(40)))
    assert once().status == 0
    assert steps() == sorted(steps())
    assert len(steps()) == 120


def test_a_text_file_a_step_is_read_as_the_audit_does(once: Watch) -> None:
    for step in (100, 200):
        Path("run/samples").mkdir(exist_ok=True)
        Path(f"run/samples/step_{step}.txt").write_text(prose(30, step), encoding="utf-8")
    assert once().status == 0
    assert steps() == [100, 200]


def test_text_files_are_read_in_the_order_of_their_steps_though_the_first_takes_longest(once: Watch) -> None:
    Path("run/samples").mkdir(exist_ok=True)
    for step, words in ((100, 200_000), (200, 30), (300, 30)):
        Path(f"run/samples/step_{step}.txt").write_text(prose(words, step), encoding="utf-8")
    assert once().status == 0
    assert steps() == [100, 200, 300]


def test_losses_of_a_file_beside_the_samples_are_read_and_each_once(once: Watch) -> None:
    append("rollouts.jsonl", *({**row, "loss": 9.0} for row in fine(1, 2)))
    append("metrics.jsonl", *({"step": step, "loss": 5.0 - step} for step in range(3)))
    once()
    once()
    assert [(row["step"], row["loss"]) for row in recorded("metrics.jsonl")] == [(0, 5.0), (1, 4.0), (2, 3.0)]


def test_losses_in_the_rows_of_samples_are_read_once_a_step(once: Watch) -> None:
    append("rollouts.jsonl", *({**row, "loss": 5.0} for row in [*fine(1, 1), *fine(2)]))
    once()
    append("rollouts.jsonl", *({**row, "loss": 5.0} for row in fine(2, 3)))
    once()
    assert [row["step"] for row in recorded("metrics.jsonl")] == [1, 2, 3]


def test_samples_that_tell_no_step_are_numbered_on(once: Watch) -> None:
    append("rollouts.jsonl", *({"text": prose(30, n)} for n in range(2)))
    once()
    append("rollouts.jsonl", *({"text": prose(30, n)} for n in range(2, 4)))
    once()
    assert steps() == [0, 1, 2, 3]


def test_a_file_cut_short_and_grown_again_repeats_nothing_and_is_a_restart(once: Watch) -> None:
    append("rollouts.jsonl", *fine(1, 2, 3, 4))
    once()
    lines = Path("run/rollouts.jsonl").read_bytes().splitlines(keepends=True)
    Path("run/rollouts.jsonl").write_bytes(b"".join(lines[:2]))
    append("rollouts.jsonl", *({"step": step, "text": prose(30, -step)} for step in (3, 4)))
    once()
    assert steps() == [1, 2, 3, 4, 3, 4]
    events = [(row["event"], row["step"]) for row in recorded("metrics.jsonl") if "event" in row]
    assert events == [("restart", 3)]


@pytest.mark.parametrize("damage", ["removed", "half", "another"])
def test_without_its_positions_it_compares_what_is_recorded(once: Watch, damage: str) -> None:
    append("rollouts.jsonl", *fine(1, 2), *low(3), *low(3))
    once()
    path = Path("run/_coherence/watch.json")
    if damage == "removed":
        path.unlink()
    else:
        text = path.read_text(encoding="utf-8")
        path.write_text(text[: len(text) // 2] if damage == "half" else '{"format": 1}', encoding="utf-8")
    append("rollouts.jsonl", *low(3), *fine(4))
    once()
    assert steps() == [1, 2, 3, 3, 3, 4]


def test_several_runs_in_one_folder_are_refused(shell: Shell) -> None:
    for name in ("a", "b"):
        append(f"{name}/samples.jsonl", *fine(1))
        append(f"{name}/metrics.jsonl", {"step": 1, "loss": 3.0})
    assert "holds 2 runs" in shell.refused("watch", "run", "--once")


def test_the_audit_of_what_was_recorded_says_the_same(once: Watch, shell: Shell) -> None:
    append("rollouts.jsonl", *fine(*range(10)), *low(*range(10, 20)))
    assert once().status == 1
    assert shell("audit", "run/_coherence").status == 1
    assert steps()[-1] == 14


def test_what_comes_after_a_start_is_no_restart_of_the_run(once: Watch) -> None:
    append("rank_0.jsonl", *fine(1, 2, 3))
    once()
    append("rank_1.jsonl", *({"step": step, "text": prose(30, -step)} for step in (2, 3)))
    once()
    assert [(row["step"], row["index"]) for row in recorded()] == [(1, 0), (2, 0), (3, 0), (2, 1), (3, 1)]
    assert not Path("run/_coherence/metrics.jsonl").exists(), "a restart was noted"


# A halt


def test_a_halt_ends_with_1_runs_the_command_and_writes_the_stop_file(once: Watch) -> None:
    append("rollouts.jsonl", *fine(*range(10)), *low(*range(10, 20)))
    options = ("--on-halt", "cat >> halt.json", "--stop-file", "stop")
    status, out, err = once(*options)
    assert (status, out) == (1, "")
    assert "halted at step 14: 5 samples in a row" in err
    halt = json.loads(Path("halt.json").read_text(encoding="utf-8"))
    assert (halt["event"], halt["step"], halt["resume_from"]) == ("halt", 14, 9)
    assert halt["reason"].startswith("5 samples in a row scored below 30")
    assert Path(halt["folder"]).name == "run"
    assert json.loads(Path("stop").read_text(encoding="utf-8")) == halt
    Path("stop").unlink()
    assert once(*options).status == 1
    assert Path("stop").exists()
    assert Path("halt.json").read_text(encoding="utf-8").count("\n") == 1, "the command ran a second time"


def test_a_command_that_failed_is_run_by_the_next_start(once: Watch) -> None:
    append("rollouts.jsonl", *low(*range(10)))
    assert "exit status 3" in once("--on-halt", "exit 3").err
    once("--on-halt", "touch told")
    assert Path("told").exists()


def test_a_command_that_hangs_is_ended(once: Watch) -> None:
    append("rollouts.jsonl", *low(*range(10)))
    status, _, err = once("--on-halt", "sleep 600", "--timeout", "0.2")
    assert status == 1
    assert "ended after 0.2 seconds" in err


def test_a_halt_that_is_acknowledged_is_gone_on_from(once: Watch) -> None:
    append("rollouts.jsonl", *low(*range(7)))
    assert once("--stop-file", "stop").status == 1
    status, _, err = once()
    assert status == 1
    assert "--acknowledge-halt continues" in err
    assert once("--acknowledge-halt", "--stop-file", "stop").status == 0
    assert not Path("stop").exists()
    assert steps() == list(range(7))


def test_with_observe_it_goes_on(once: Watch) -> None:
    append("rollouts.jsonl", *low(*range(10)))
    assert once("--observe").status == 0
    assert len(steps()) == 10


@pytest.mark.slow
def test_follows_until_the_gate_halts() -> None:
    append("rollouts.jsonl", *fine(1))
    command = [sys.executable, "-m", "coherence.cli", "watch", "run", "--poll", "0.01"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:  # noqa: S603 - our own command
        wait_for(lambda: Path("run/_coherence/samples.jsonl").exists() and steps() == [1])
        append("rollouts.jsonl", *low(*range(2, 10)))
        assert process.wait(LONGEST) == 1
    assert steps() == list(range(1, 7))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--poll", "0"), "--poll 0; expected a number of seconds above 0"),
        (("--checkpoints", "run"), "go together"),
        (("--alert", "comet"), "--alert 'comet'; expected wandb or trackio"),
        (("--webhook", "slack"), "expected a URL"),
        (("--run", "run/own"), "name it with _"),
        (("--patience", "0"), "patience 0"),
        (("--format", "docx"), "format 'docx'; expected one of"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    shell: Shell, options: tuple[str, ...], said: str
) -> None:
    assert said in shell.refused("watch", "run", *options)
    assert not Path("run/_coherence").exists()


# Checkpoints


@pytest.fixture
def checkpoints() -> Callable[[int], None]:
    def save(step: int) -> None:
        folder = Path(f"run/checkpoint-{step}")
        folder.mkdir()
        (folder / "model.bin").write_bytes(bytes(step))
        os.utime(folder / "model.bin", (1e9 + step, 1e9 + step))

    return save


SAID = "The cat sat by the door of house {} and waited for the rain to stop, wrote {}"
DRAW = f"printf '{SAID.replace('{}', '%s')}' {{step}} {{checkpoint}}"


def sampled(once: Watch, command: str, *options: str) -> Outcome:
    return once("--checkpoints", "run", "--sampler", command, *options)


def test_each_checkpoint_is_drawn_from_once_in_the_order_of_saving(
    once: Watch, checkpoints: Callable[[int], None]
) -> None:
    for step in (300, 100, 200):
        checkpoints(step)
    assert sampled(once, DRAW).status == 0
    assert steps() == [100, 200, 300]
    assert "checkpoint-200" in recorded()[1]["text"]
    checkpoints(400)
    assert sampled(once, DRAW).status == 0
    assert steps() == [100, 200, 300, 400]


@pytest.mark.slow
def test_of_several_that_wait_the_newest_is_drawn_from(checkpoints: Callable[[int], None]) -> None:
    for step in (100, 200, 300):
        checkpoints(step)
    command = [sys.executable, "-m", "coherence.cli", "watch", "run", "--poll", "0.01"]
    command += ["--checkpoints", "run", "--sampler", DRAW]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:  # noqa: S603 - our own command
        wait_for(lambda: Path("run/_coherence/samples.jsonl").exists() and steps() == [300])
        checkpoints(400)
        wait_for(lambda: steps() == [300, 400])
        process.kill()


def test_text_and_a_file_are_taken_as_well_as_lines(once: Watch, checkpoints: Callable[[int], None]) -> None:
    checkpoints(100)
    assert sampled(once, f"echo {prose(30)}").status == 0
    checkpoints(200)
    assert sampled(once, f"echo loading the model; echo {prose(30, 1)} > {{output}}").status == 0
    assert [row["text"] for row in recorded()] == [prose(30), prose(30, 1)]
    assert steps() == [100, 200]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("echo no GPU >&2; exit 7", "exit status 7: no GPU"),
        ("sleep 600", "ended after 0.3 seconds"),
        ("true", "it wrote no samples"),
        ("head -c 999 /dev/zero", "it wrote no text"),
        ("echo '{\"step\": 1}'", "no samples that could be read"),
    ],
)
def test_a_sampler_that_fails_is_tried_three_times_and_given_up(
    once: Watch, checkpoints: Callable[[int], None], command: str, said: str
) -> None:
    checkpoints(100)
    status, _, err = sampled(once, command, "--timeout", "0.3")
    assert status == 0
    assert err.count(said) == 3
    assert "given up" in err
    assert sampled(once, command).err == ""
    checkpoints(200)
    assert sampled(once, DRAW).status == 0
    assert steps() == [200]


in_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked for in /proc")


@pytest.mark.slow
@in_proc
def test_a_command_that_a_killed_watcher_left_behind_is_ended_by_the_next(
    once: Watch, checkpoints: Callable[[int], None]
) -> None:
    checkpoints(100)
    command = [sys.executable, "-m", "coherence.cli", "watch", "run", "--poll", "0.01"]
    command += ["--checkpoints", "run", "--sampler", "echo $$ > begun; sleep 600; touch ended"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:  # noqa: S603 - our own command
        noted = Path("run/_coherence/drawn/sampler.pid")  # killed before that, it leaves it
        wait_for(lambda: noted.exists() and Path("begun").exists() and begun_as() == noted.read_text("utf-8"))
        process.kill()
    left = int(Path("begun").read_text(encoding="utf-8"))
    assert is_running(left)
    assert sampled(once, DRAW).status == 0
    assert not is_running(left)
    assert steps() == [100]


@pytest.mark.slow
@in_proc
def test_a_watcher_that_is_told_to_end_ends_its_command_too(checkpoints: Callable[[int], None]) -> None:
    checkpoints(100)
    command = [sys.executable, "-m", "coherence.cli", "watch", "run", "--poll", "0.01"]
    command += ["--checkpoints", "run", "--sampler", "echo $$ > begun; sleep 600"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:  # noqa: S603 - our own command
        wait_for(lambda: Path("begun").exists() and Path("begun").read_text(encoding="utf-8").endswith("\n"))
        process.terminate()
        assert process.wait(LONGEST) == 130
    assert not is_running(int(Path("begun").read_text(encoding="utf-8")))


def begun_as() -> str:
    return Path("begun").read_text(encoding="utf-8").strip()


def is_running(process: int) -> bool:
    """Tell whether a process runs; one that has ended and waits to be fetched does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def test_a_name_that_a_shell_would_read_is_quoted(once: Watch) -> None:
    Path("ck $(touch pwned)").mkdir()
    Path("ck $(touch pwned)/step-100.pt").write_bytes(b"1")
    options = ("--checkpoints", "ck $(touch pwned)", "--sampler", DRAW)
    assert once(*options).status == 0
    assert "$(touch pwned)" in recorded()[0]["text"]
    assert not Path("pwned").exists()
