"""The run folder while a run goes on: taken away, taken over, left without a word, and opened by a child."""

import gc
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Barrier, Lock
from typing import Any

import pytest

from coherence import Gate
from coherence.cli.main import main
from coherence.run.monitor import Monitor, RunFolderBusy
from coherence.signals.both import Signals
from coherence.signals.loss import LossTracker
from coherence.signals.settings import LaterFormat

LOW = "Budy Budy Budy Budy Budy Budy Budy Budy Budy Budy"
FINE = "The cat sat by the door and waited for the rain to stop."

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no fork, and locks no folder")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def events(folder: Path) -> list[tuple[str, int]]:
    return [(row["event"], row["step"]) for row in lines(folder / "metrics.jsonl") if "event" in row]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def status(folder: Path) -> Any:
    return json.loads((folder / "loss.json").read_text(encoding="utf-8"))


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


def train(monitor: Monitor, steps: range, text: str = FINE) -> None:
    for step in steps:
        monitor.loss(step, 9 - step / 100)
        if step % 2 == 0:
            monitor.sample(step, text)


def run_script(script: str, *arguments: str | Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)  # noqa: S603


# Taken away


def delete(folder: Path) -> None:
    shutil.rmtree(folder)


def rename(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


def replace_by_an_empty_one(folder: Path) -> None:
    rename(folder)
    folder.mkdir()


def replace_by_a_copy(folder: Path) -> None:
    rename(folder)
    shutil.copytree(folder.with_name("moved"), folder)


def truncate(*names: str) -> Callable[[Path], None]:
    def cut(folder: Path) -> None:
        for name in names:
            os.truncate(folder / name, 0)

    return cut


def replace_samples(folder: Path) -> None:
    (folder / "new").write_bytes((folder / "samples.jsonl").read_bytes())
    (folder / "new").replace(folder / "samples.jsonl")


def unlink(*names: str) -> Callable[[Path], None]:
    def remove(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return remove


GONE = "the run folder was deleted, renamed or replaced"


@posix
@pytest.mark.parametrize(
    ("disturb", "said"),
    [
        pytest.param(delete, [GONE, "metrics.jsonl was", "samples.jsonl was"], id="deleted"),
        pytest.param(rename, [GONE, "metrics.jsonl was", "samples.jsonl was"], id="renamed"),
        pytest.param(replace_by_an_empty_one, [GONE], id="replaced by an empty one"),
        pytest.param(replace_by_a_copy, [GONE, "metrics.jsonl was replaced"], id="replaced by a copy"),
        pytest.param(truncate("metrics.jsonl"), ["metrics.jsonl was cut short"], id="metrics truncated"),
        pytest.param(truncate("samples.jsonl"), ["samples.jsonl was cut short"], id="samples truncated"),
        pytest.param(
            truncate("metrics.jsonl", "samples.jsonl"),
            ["metrics.jsonl was cut short", "samples.jsonl was cut short"],
            id="both truncated",
        ),
        pytest.param(replace_samples, ["samples.jsonl was replaced"], id="samples replaced"),
        pytest.param(unlink("samples.jsonl"), ["samples.jsonl was deleted"], id="samples deleted"),
        pytest.param(unlink("lock"), [GONE], id="lock deleted"),
        pytest.param(unlink("lock", "settings.json"), [GONE], id="lock and settings deleted"),
    ],
)
def test_a_folder_that_is_taken_away_is_noticed_once_and_written_to_anew(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    disturb: Callable[[Path], None],
    said: list[str],
) -> None:
    folder = tmp_path / "run"
    with Monitor(folder, vocab_size=8449, gate=Gate(patience=100), status_every=10) as monitor:
        train(monitor, range(1, 15), LOW)
        settings = (folder / "settings.json").read_text(encoding="utf-8")
        assert warnings_in(caplog) == []
        disturb(folder)
        train(monitor, range(15, 36), LOW)
        (message,) = warnings_in(caplog)
        assert all(words in message for words in [*said, str(folder), "writing continues"]), message
        assert monitor.recording
        assert (folder / "settings.json").read_text(encoding="utf-8") == settings
        (lost,) = [event for event in events(folder) if event[0] == "lines lost"]
        assert lost[1] in range(15, 26), "noticed within the steps between two writings of the status"
        with pytest.raises(RunFolderBusy, match="this process"):
            Monitor(folder)
        state, last = monitor.state_dict(), monitor.last_step
    assert len(warnings_in(caplog)) == 1
    assert lines(folder / "metrics.jsonl")[-1]["step"] == 35
    assert lines(folder / "samples.jsonl")[-1]["step"] == 34
    assert status(folder)["step"] == 35
    assert main(["audit", str(folder)]) == 0
    with Monitor(folder) as monitor:
        assert (monitor.state_dict(), monitor.last_step) == (state, last)


@pytest.mark.parametrize("name", ["loss.json", "gate.json", "settings.json"])
def test_a_file_that_is_written_whole_is_there_again_when_it_was_deleted(tmp_path: Path, name: str) -> None:
    with Monitor(tmp_path, status_every=10) as monitor:
        train(monitor, range(1, 15))
        (tmp_path / name).unlink()
        train(monitor, range(15, 26))
        assert (tmp_path / name).exists() or name == "settings.json"
    if name == "settings.json":
        Monitor(tmp_path).close()
    assert (tmp_path / name).exists()


# Taken over by a second writer


def state_of_a_run() -> dict[str, Any]:
    signals = Signals(Gate(), LossTracker())
    signals.loss.update(5, 2.0)
    return signals.state_dict()


STATE = state_of_a_run()

Act = Callable[[Monitor], object]


def many_losses(monitor: Monitor) -> None:
    for step in range(3, 300):
        monitor.loss(step, 3.0)


def a_loss_under_another_gate(monitor: Monitor) -> None:
    monitor.gate.warmup = 77
    monitor.loss(3, 3.0)


def a_halt(monitor: Monitor) -> None:
    monitor.sample(3, [LOW] * 5)


@posix
@pytest.mark.parametrize(
    "act",
    [
        pytest.param(many_losses, id="losses"),
        pytest.param(lambda monitor: monitor.loss(3, 3.0), id="a loss"),
        pytest.param(lambda monitor: monitor.loss(3, None), id="no loss"),
        pytest.param(lambda monitor: monitor.note("pivot", 3), id="a note"),
        pytest.param(lambda monitor: monitor.sample(3, FINE), id="the first sample"),
        pytest.param(a_halt, id="a halt"),
        pytest.param(a_loss_under_another_gate, id="another gate"),
        pytest.param(lambda monitor: monitor.load_state_dict(STATE), id="a state"),
        pytest.param(lambda monitor: monitor.close(), id="close"),
        pytest.param(lambda monitor: monitor.__exit__(None, None, None), id="end"),
    ],
)
def test_a_second_writer_that_took_the_place_keeps_it_whatever_the_first_does(
    tmp_path: Path, act: Act
) -> None:
    folder = tmp_path / "run"
    first = Monitor(folder)
    first.loss(1, 3.0)
    first.loss(2, 3.0)
    rename(folder)
    with Monitor(folder, gate=Gate(patience=9)) as second:
        train(second, range(1, 9))
        before = contents(folder)
        act(first)
        assert contents(folder) == before
        assert second.recording
        train(second, range(9, 12))
    whole = contents(folder)
    if first.gate.halted:
        assert not first.recording
    shutil.rmtree(folder)  # so that nothing is to be seen of what the first does at its end
    first.close()
    rows = [json.loads(line) for line in whole["metrics.jsonl"].splitlines()]
    assert [row["loss"] for row in rows] == [9 - step / 100 for step in range(1, 12)]


@posix
def test_the_first_writer_says_once_that_it_lost_its_folder_and_goes_on_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "run"
    with Monitor(folder, status_every=5) as first:
        train(first, range(1, 9), LOW)
        rename(folder)
        with Monitor(folder) as second:
            train(first, range(9, 30), LOW)
            assert not first.recording
            assert first.verdict is not None
            assert (first.verdict.halt, first.recording) == (True, False)
            halted, noticed, cannot = warnings_in(caplog)
            assert (GONE in noticed, "written to by this process" in cannot) == (True, True)
            assert first.gate.halt_reason is not None
            assert first.gate.halt_reason in halted
            assert second.recording


@posix
def test_the_first_writer_does_not_go_on_in_the_folder_of_the_second_when_that_has_ended(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "run"
    with Monitor(folder, status_every=1) as first:
        train(first, range(1, 9))
        rename(folder)
        with Monitor(folder) as second:
            train(first, range(9, 12))
            train(second, range(1, 5))
        before = contents(folder)
        train(first, range(12, 20))
    assert contents(folder) == before


# Left without a word

ENDINGS = {
    "the script ends": "",
    "sys.exit": "sys.exit(3)",
    "an exception": "raise RuntimeError('out of memory')",
    "the object is dropped": "del monitor; gc.collect(); print((folder / 'loss.json').read_text())",
    "the object is in a cycle": "monitor.itself = monitor; del monitor; gc.collect()",
    "a thread still holds it": "threading.Thread(target=lambda: monitor.loss(250, 3.0)).start()",
    "a thread that never ends still holds it": (
        "threading.Thread(target=lambda held: threading.Event().wait(), args=(monitor,), daemon=True).start()"
    ),
    "another process was forked and has exited": "os.waitpid(os.fork() or sys.exit(), 0)",
}
SCRIPT = """
import gc, os, sys, threading
from pathlib import Path
from coherence.run.monitor import Monitor
folder = Path(sys.argv[1])
monitor = Monitor(folder)
for step in range(250):
    monitor.loss(step, 3.0)
monitor.sample(249, "Budy Budy Budy Budy Budy Budy")
"""


@pytest.mark.slow
@posix
@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
def test_the_status_stands_at_the_last_step_of_a_run_that_nobody_closed(tmp_path: Path, ending: str) -> None:
    ended = run_script(SCRIPT + ending, tmp_path)
    assert ended.returncode == (3 if "exit(3)" in ending else "RuntimeError" in ending), ended.stderr
    assert status(tmp_path)["step"] == (250 if "250" in ending else 249)
    assert status(tmp_path)["gate"]["streak"] == 1
    assert len(lines(tmp_path / "metrics.jsonl")) == (251 if "250" in ending else 250)
    if "read_text" in ending:
        assert json.loads(ended.stdout)["step"] == 249, "at once, not when the script ends"


@pytest.mark.slow
def test_the_status_stands_at_the_last_step_when_the_object_is_gone(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path)
    for step in range(50):
        monitor.loss(step, 3.0)
    assert status(tmp_path)["step"] == 0
    del monitor
    gc.collect()
    assert status(tmp_path)["step"] == 49
    Monitor(tmp_path).close()


# Children

CHILD = """
import gc, logging, os, sys
from pathlib import Path
from coherence.run.monitor import Monitor
logging.disable()
folder = Path(sys.argv[1])
to_child, from_parent = os.pipe()

def in_child(monitor):
    global from_parent
    os.close(from_parent)
    os.read(to_child, 1)  # until the parent says so, or ends
    ACT

def contents():
    return {path.name: path.read_bytes() for path in folder.iterdir()}

def run(monitor):
    monitor.loss(1, 3.0)
    monitor.sample(1, "Budy Budy Budy Budy Budy Budy")
    child = os.fork()
    if not child:
        in_child(monitor)
        sys.exit(0)
    for step in range(2, 50):
        monitor.loss(step, 3.0)
    return child

def ended(child):
    before = contents()
    os.close(from_parent)
    assert os.waitpid(child, 0)[1] == 0
    changed = {name for name, content in contents().items() if before.get(name) != content}
    assert not changed, changed

FORM
"""
WHILE_IT_RUNS = """
monitor = Monitor(folder)
child = run(monitor)
ended(child)
monitor.loss(50, 3.0)
monitor.close()
with Monitor(folder) as again:
    assert again.signals.loss.count == 50
"""
AFTER_IT_WAS_CLOSED = """
monitor = Monitor(folder)
child = run(monitor)
monitor.close()
ended(child)
with Monitor(folder) as again:
    assert again.signals.loss.count == 49
"""
IN_A_BLOCK = """
with Monitor(folder) as monitor:
    child = run(monitor)
ended(child)
with Monitor(folder) as again:
    assert again.signals.loss.count == 49
"""


@pytest.mark.slow
@posix
@pytest.mark.parametrize(
    ("form", "act"),
    [
        pytest.param(WHILE_IT_RUNS, "pass", id="it exits"),
        pytest.param(WHILE_IT_RUNS, "del monitor; gc.collect()", id="it drops the object"),
        pytest.param(WHILE_IT_RUNS, "monitor.close()", id="it closes it"),
        pytest.param(WHILE_IT_RUNS, "monitor.loss(99, 1.0); monitor.sample(99, 'x' * 99)", id="it logs"),
        pytest.param(AFTER_IT_WAS_CLOSED, "pass", id="it exits after the parent has closed it"),
        pytest.param(AFTER_IT_WAS_CLOSED, "del monitor; gc.collect()", id="it drops the object after that"),
        pytest.param(AFTER_IT_WAS_CLOSED, "monitor.close()", id="it closes it after that"),
        pytest.param(IN_A_BLOCK, "pass", id="it leaves the block of the monitor"),
    ],
)
def test_a_forked_child_writes_nothing_however_it_ends(tmp_path: Path, form: str, act: str) -> None:
    ended = run_script(CHILD.replace("ACT", act).replace("FORM", form), tmp_path)
    assert ended.returncode == 0, ended.stderr


ASKING = """
import os, sys, threading
from coherence import Gate
from coherence.run.monitor import Monitor

monitor = Monitor(sys.argv[1], gate=Gate(observe_only=True), status_every=1)

def log():
    step = 0
    while True:
        step += 1
        monitor.loss(step, 3.0)
        monitor.sample(step, TEXT)

threading.Thread(target=log, daemon=True).start()
for _ in range(100):
    child = os.fork()
    if not child:
        asked = monitor.diagnosis, monitor.resume_from, monitor.last_step, monitor.state_dict()
        os._exit(0 if asked[0].action else 1)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.slow
@posix
@pytest.mark.parametrize("text", ["Yes", FINE * 9], ids=["while files are written", "while a text is scored"])
def test_a_child_that_is_forked_in_the_middle_of_a_call_gets_an_answer(tmp_path: Path, text: str) -> None:
    script = ASKING.replace("TEXT", repr(text))
    with (tmp_path / "errors").open("w") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-W", "ignore", "-c", script, str(tmp_path / "run")],
            stderr=errors,
            start_new_session=True,
        )
        try:
            assert process.wait(30) == 0, (tmp_path / "errors").read_text(encoding="utf-8")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # a child that waits for ever among them
            process.wait()


@posix
def test_a_monitor_made_twice_is_told_to_be_of_this_process(tmp_path: Path) -> None:
    with Monitor(tmp_path), pytest.raises(RunFolderBusy, match="by this process already; close the other"):
        Monitor(tmp_path)
    with Monitor(tmp_path) as monitor:
        monitor.loss(1, 3.0)
        script = (
            "import sys; from coherence.run.monitor import Monitor, RunFolderBusy\n"
            "try: Monitor(sys.argv[1])\n"
            "except RunFolderBusy as busy: print(busy)"
        )
        assert "by another process; stop it" in run_script(script, tmp_path).stdout


# Damaged, or of a later version


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\0" * 300,
        "{",
        "[]",
        "null",
        "{}",
        "[" * 100_000,
        '{"format": 1}',
        '{"format": 1, "history": [], "lexicons": {}, "profiles": {}}',
        '{"format": 1, "history": [{}], "lexicons": {}, "profiles": {}}',
        '{"format": 1, "history": [3], "lexicons": {}, "profiles": {}}',
        '{"format": 1, "history": 3, "lexicons": {}, "profiles": {}}',
        "\ufffd\udc80",
    ],
    ids=lambda content: ascii(content)[:30],
)
def test_settings_that_are_damaged_are_set_aside_and_the_run_goes_on(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Monitor(tmp_path, gate=Gate(patience=3)) as monitor:
        train(monitor, range(1, 9))
    damaged = content.encode(errors="surrogateescape")
    (tmp_path / "settings.json").write_bytes(damaged)
    with Monitor(tmp_path, gate=Gate(patience=4)) as monitor:
        assert monitor.signals.loss.count == 8
        train(monitor, range(9, 12))
        assert monitor.recording
    (message,) = warnings_in(caplog)
    assert "settings.json could not be used" in message
    assert (tmp_path / "settings.damaged.json").read_bytes() == damaged
    with Monitor(tmp_path) as monitor:
        assert monitor.settings.patience == 4
    assert len(warnings_in(caplog)) == 1


JUNK: tuple[object, ...] = (None, "x", [], {}, -1, 0, 1e400, 10**30, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("time", "step", "threshold", "warmup", "observe", "smma_window", "lexicon", "profile"),
        *("patience", "window", "vocab_size"),
    ],
)
def test_settings_with_any_other_value_are_taken_or_set_aside_or_refused_as_out_of_range(
    tmp_path: Path, name: str
) -> None:
    with Monitor(tmp_path) as monitor:
        train(monitor, range(1, 5))
    good = json.loads((tmp_path / "settings.json").read_text(encoding="utf-8"))
    failed = {}
    for junk in JUNK:
        entry = good["history"][0] | {name: junk}
        (tmp_path / "settings.json").write_text(json.dumps(good | {"history": [entry]}), encoding="utf-8")
        if (status := main(["audit", str(tmp_path)])) not in (0, 2):
            failed["audit", repr(junk)] = str(status)
        try:
            Monitor(tmp_path).close()
        except ValueError:
            pass  # a setting is out of range
        except Exception as error:
            failed["monitor", repr(junk)] = repr(error)
    assert failed == {}


@pytest.mark.parametrize("name", ["metrics.jsonl", "samples.jsonl"])
def test_rows_of_a_later_version_are_refused_by_monitor_and_audit_in_the_same_words(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Monitor(tmp_path) as monitor:
        train(monitor, range(1, 5))
    end = (tmp_path / name).stat().st_size
    before = len(lines(tmp_path / name))
    with (tmp_path / name).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"format": 2, "step": 9, "time": 2e9}) + "\n")
    with pytest.raises(LaterFormat) as refused:
        Monitor(tmp_path)
    words = "format 2; this version reads format 1: a later version wrote this run folder"
    assert str(refused.value) == f"{tmp_path / name}:byte {end}: {words}"
    assert main(["audit", str(tmp_path)]) == 2
    assert f"{name}:{before + 1}: {words}" in capsys.readouterr().err
    with (tmp_path / name).open("r+b") as file:
        file.truncate(end)
    Monitor(tmp_path).close()
    assert main(["audit", str(tmp_path)]) == 0


def test_a_folder_of_a_later_version_is_left_as_it_was(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        train(monitor, range(1, 5))
    for name in ("metrics.jsonl", "samples.jsonl", "gate.json", "settings.json", "loss.json"):
        content = (tmp_path / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(content.replace('"format": 1', '"format": 2'), encoding="utf-8")
    before = contents(tmp_path)
    with pytest.raises(LaterFormat):
        Monitor(tmp_path)
    assert contents(tmp_path) == before


# Late, or set back


def test_threads_that_log_losses_in_turn_restart_nothing(tmp_path: Path) -> None:
    numbers, lock, start = count(), Lock(), Barrier(8)

    def log(_: int) -> None:
        start.wait()
        for _ in range(200):
            with lock:
                step = next(numbers)
            monitor.loss(step, 3.0)  # here another thread may come first

    with Monitor(tmp_path) as monitor, ThreadPoolExecutor(8) as pool:
        list(pool.map(log, range(8)))
    assert events(tmp_path) == []
    assert len(lines(tmp_path / "metrics.jsonl")) == 1600


def test_threads_that_log_losses_of_a_range_each_restart_nothing(tmp_path: Path) -> None:
    start = Barrier(8)

    def log(thread: int) -> None:
        start.wait()
        for step in range(1000 * thread, 1000 * thread + 200):
            monitor.loss(step, 3.0, source=str(thread))

    with Monitor(tmp_path) as monitor, ThreadPoolExecutor(8) as pool:
        list(pool.map(log, range(8)))
        assert monitor.signals.loss.count == 1600
    assert events(tmp_path) == []


@pytest.mark.parametrize("size", [1, 2, 17])
def test_losses_of_one_thread_that_come_in_no_order_restart_nothing(tmp_path: Path, size: int) -> None:
    with Monitor(tmp_path) as monitor:
        for start in range(0, 170, size):
            for step in reversed(range(start, start + size)):
                monitor.loss(step, 3.0)
    assert events(tmp_path) == []


@pytest.mark.parametrize(("late", "far"), [(17, 1), (1, 101)])
def test_losses_that_come_later_than_that_are_a_restart(tmp_path: Path, late: int, far: int) -> None:
    with Monitor(tmp_path) as monitor:
        for step in range(1000, 1000 + late):
            monitor.loss(step - 1 + far, 3.0)
        monitor.loss(999, 3.0)
    assert events(tmp_path) == [("restart", 999)]


@pytest.mark.parametrize("behind", [0, 1, 3])
@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("every", [1, 10])
def test_samples_that_come_some_steps_behind_the_losses_halt_at_the_fifth_low_one(
    tmp_path: Path, behind: int, size: int, every: int
) -> None:
    with Monitor(tmp_path) as monitor:
        halted = None
        for step in range(1, 40):
            monitor.loss(every * step, 3.0)
            if step > behind and halted is None:
                drawn = step - behind
                verdict = monitor.sample(every * drawn, [FINE if drawn <= 8 else LOW] * size)
                halted = drawn if verdict.halt else None
    assert halted == (13 if size == 1 else 10)
    assert events(tmp_path) == []


@pytest.mark.parametrize("order", [(1, 3, 2, 5, 4, 7, 6, 9, 8), (4, 3, 2, 1, 8, 7, 6, 5, 9)])
def test_samples_that_come_in_no_order_halt_all_the_same(tmp_path: Path, order: tuple[int, ...]) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.loss(100, 3.0)
        said = [monitor.sample(10 * step, LOW).halt for step in order]
    assert said.index(True) == 4
    assert events(tmp_path) == []


def test_two_restarts_in_one_process_give_a_warning_at_the_second(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Monitor(tmp_path) as monitor:
        for step in [*range(300), *range(100, 300)]:
            monitor.loss(step, 3.0)
        assert warnings_in(caplog) == []
        for step in range(50, 300):
            monitor.loss(step, 3.0)
        (message,) = warnings_in(caplog)
        assert "a second time, from 299 to 50" in message
        for step in range(10, 300):
            monitor.loss(step, 3.0)
    assert len(warnings_in(caplog)) == 1
    assert events(tmp_path) == [("restart", 100), ("restart", 50), ("restart", 10)]


def test_a_restart_of_one_kind_is_not_told_by_the_steps_of_the_other(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        for step in range(0, 300, 10):
            monitor.loss(step, 3.0)
        monitor.sample(5, FINE)
        monitor.loss(300, 3.0)
        monitor.sample(900, FINE)
        monitor.loss(310, 3.0)
    assert events(tmp_path) == []
