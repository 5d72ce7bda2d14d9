"""Disturbed while running: nothing half-written is taken for whole, the next start ends as if undisturbed.

The code is that of `running.py` and `broken_calls.py` in `tests/campaigns/`, which do the same many times
more. What is tested elsewhere: SIGKILL of a training loop in `test_kill.py`; of an audit and its workers in
`test_runners.py`; a full disk under a monitor, and two writers on a run folder, in `test_monitor.py` and
`run/test_folder.py`.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any
from urllib.request import urlopen

import pytest

pytest.importorskip("resource", reason="signals and limits are those of POSIX")

import resource

import broken_calls
import disturbed
import running

from coherence import files
from coherence.cli.main import main
from coherence.files import lock_folder, whole_file
from coherence.run.monitor import Monitor

pytestmark = pytest.mark.once


# Signals


@pytest.mark.slow
@pytest.mark.parametrize("name", ["audit --scored", "check --update"])
def test_a_command_that_is_killed_told_to_end_or_broken_off_loses_nothing(tmp_path: Path, name: str) -> None:
    figures = running.programs(tmp_path, name, times=3, steps=40)
    assert figures.half_written == 0
    assert figures.tracebacks == 0
    assert figures.left_behind == 0, "SIGTERM and Ctrl-C leave no temporary file"
    assert figures.other_results == 0, "the next start ends with what an undisturbed run says"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number"), [("check", signal.SIGTERM), ("audit", signal.SIGINT)])
def test_a_command_that_is_broken_off_says_so_in_a_line_and_leaves_nothing(
    tmp_path: Path, name: str, number: signal.Signals
) -> None:
    options = {"check": ["--snapshot", "good.json", "--update"], "audit": ["--json", "report.json"]}[name]
    command = disturbed.command([name, "-", *options])
    (tmp_path / "tmp").mkdir()
    with subprocess.Popen(  # noqa: S603 - ourselves
        command,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b'{"step": 1, "text": "the old man"}\n' * 20_000)
        process.stdin.flush()  # more than a pipe holds: it is in the middle of reading
        process.send_signal(number)
        said = process.communicate()[1]
    assert (process.returncode, said) == (130, b"coherence: interrupted\n")
    assert [each.name for each in tmp_path.rglob("*")] == ["tmp"]


TOLD_WHILE_IT_SCORES_THE_FIRST = """
import os, signal, sys
from coherence.audit import runners as workers
from coherence.check import samples as measured
from coherence.cli.main import main
number, *arguments = sys.argv[1:]
sys.argv[1:] = arguments
def told(real):
    def call(*given):
        os.kill(os.getpid(), int(number))
        return real(*given)
    return call
workers.score_one, measured._score = told(workers.score_one), told(measured._score)
sys.exit(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["audit", "dump.jsonl", "--json", "r.json"], "dump.jsonl: interrupted before a sample was scored"),
        (["check", "dump.jsonl", "--snapshot", "s.json", "--update"], "interrupted"),
    ],
)
def test_a_command_that_is_broken_off_before_anything_is_scored_ends_as_one_that_is_broken_off_later(
    tmp_path: Path, number: signal.Signals, arguments: list[str], said: str
) -> None:
    disturbed.write_dump(tmp_path / "dump.jsonl", 3)
    command = [sys.executable, "-c", TOLD_WHILE_IT_SCORES_THE_FIRST, str(int(number)), *arguments]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", f"coherence: {said}\n")
    assert [each.name for each in tmp_path.iterdir()] == ["dump.jsonl"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_end_ends_well_and_its_port_is_free_for_the_next(
    tmp_path: Path, number: signal.Signals
) -> None:
    with Monitor(tmp_path / "run") as monitor:
        monitor.loss(1, 3.0)
    port = "0"
    for _ in range(2):
        command = disturbed.command(["serve", "run", "--port", port])
        with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as server:  # noqa: S603
            assert server.stderr is not None
            address = server.stderr.readline().split()[0]
            port = address.rstrip("/").rpartition(":")[2]
            with urlopen(address + "run.json?run=run", timeout=30) as reply:  # noqa: S310 - of this machine
                assert json.load(reply)["report"]["last_step"] == 1
            server.send_signal(number)
            said = server.stderr.read()
        assert (server.returncode, "stopped" in said, "Traceback" in said) == (0, True, False)


TOLD_WHILE_IT_ANSWERS = """
import os, signal, sys
from coherence.cli import serve as commands_serve
from coherence.cli.main import main
class Server(commands_serve.Server):
    def process_request_thread(self, *given):
        os.kill(os.getpid(), signal.SIGTERM)
        super().process_request_thread(*given)
commands_serve.Server = Server
sys.exit(main())
"""


@pytest.mark.slow
def test_a_server_that_is_told_to_end_while_it_begins_to_answer_gives_the_answer_and_ends_well(
    tmp_path: Path,
) -> None:
    with Monitor(tmp_path / "run") as monitor:
        monitor.loss(1, 3.0)
    command = [sys.executable, "-c", TOLD_WHILE_IT_ANSWERS, "serve", str(tmp_path / "run"), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:  # noqa: S603 - ourselves
        assert server.stderr is not None
        address = server.stderr.readline().split()[0]
        with urlopen(address + "run.json?run=run", timeout=30) as reply:  # noqa: S310 - of this machine
            assert json.load(reply)["report"]["last_step"] == 1
        said = server.stderr.read()
    assert (server.returncode, "stopped" in said, "Traceback" in said) == (0, True, False), said


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a file not yet assigned
@pytest.mark.parametrize("name", ["loss", "samples", "loss of an earlier step"])
@pytest.mark.parametrize("goes_on", [False, True], ids=["ends", "goes on"])
def test_ctrl_c_anywhere_in_a_call_leaves_state_and_lines_in_agreement(
    tmp_path: Path, name: str, goes_on: bool
) -> None:
    places, wrong, torn = broken_calls.calls(tmp_path, name, 3, instructions=False, goes_on=goes_on, every=23)
    assert places > 6
    assert (wrong, torn) == (0, 0)


# The clock


def set_back() -> Iterator[float]:
    """A clock that is set back by an hour, stands still, goes on, and is set back by years."""
    return chain([1e9, 1e9 + 1, 1e9 + 2], [1e9 - 3600] * 5, [1e9 - 3590], repeat(5.0))


def test_a_run_under_a_clock_that_is_set_back_is_opened_again_as_if_never_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = set_back()
    monkeypatch.setattr("coherence.run.memory.time", SimpleNamespace(time=lambda: next(times)))
    run, undisturbed = tmp_path / "run", tmp_path / "undisturbed"
    with Monitor(run, window=3) as first, Monitor(undisturbed, window=3) as other:
        for step in range(8):
            for monitor in (first, other):
                monitor.loss(step, 5.0 - step / 9)
                if step < 4:
                    monitor.sample(step, disturbed.LOW)
        expected = other.state_dict()
    for forget in ((), ("gate.json",)):
        for name in forget:
            (run / name).unlink()
        with Monitor(run, window=3) as again:
            assert again.state_dict() == expected
            assert again.last_step == 7, "not the step of the last sample"
            last = again._memory._time
    with Monitor(run) as again:
        again.loss(8, 3.0)
    told = [json.loads(line)["time"] for line in (run / "metrics.jsonl").read_bytes().splitlines()]
    assert told == sorted(set(told)), "each line is later than the one before"
    assert told[-1] > last, "also after the run was opened again"


def test_a_time_that_no_clock_shows_does_not_stop_the_clock(tmp_path: Path) -> None:
    for time in ("1e308", "Infinity", "NaN", "-1.0", '"noon"', "null"):
        (tmp_path / "metrics.jsonl").write_text(
            f'{{"format": 1, "step": 1, "loss": 2.0, "time": {time}}}\n', encoding="utf-8"
        )
        (tmp_path / "gate.json").unlink(missing_ok=True)
        with Monitor(tmp_path) as monitor:
            assert monitor.last_step == 1
            monitor.loss(2, 2.0)
        row = json.loads((tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
        assert 1e9 < row["time"] < 1e11


# No room, no descriptors, no permission


@pytest.mark.slow
def test_where_the_room_runs_out_the_old_results_stand_and_the_message_names_the_file(tmp_path: Path) -> None:
    disturbed.prepare(tmp_path, 20)
    disturbed.disturb(tmp_path, disturbed.COMMANDS["check"].split(), signal.SIGKILL, 100)
    (tmp_path / "expected").mkdir()
    for name, content in disturbed.outputs(tmp_path).items():
        (tmp_path / "expected" / name).write_bytes(content)
    check = disturbed.COMMANDS["check"].split()
    ended, whole, same = running.refused(tmp_path, check, resource.RLIMIT_FSIZE, 300)
    assert ended.status == 2
    assert "coherence: check.xml: File too large" in ended.errors
    assert (whole, same) == (True, True)


NO_DESCRIPTORS = """
import os, resource, sys
from coherence.run.monitor import Monitor
folder = sys.argv[1]
most = resource.getrlimit(resource.RLIMIT_NOFILE)
with Monitor(folder, status_every=1) as monitor:
    monitor.loss(0, 3.0)
    monitor.sample(0, "Budy Budy Budy Budy ")
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, most[1]))
    for step in range(1, 3):
        monitor.loss(step, 3.0)
        monitor.sample(step, "Budy Budy Budy Budy ")
        assert not monitor.recording
    resource.setrlimit(resource.RLIMIT_NOFILE, most)
    monitor.loss(3, 3.0)
    monitor.sample(3, "Budy Budy Budy Budy ")
    assert monitor.recording
resource.setrlimit(resource.RLIMIT_NOFILE, (3, most[1]))
try:
    Monitor(folder)
except OSError as error:
    print(error)
"""


def test_a_run_without_descriptors_goes_on_and_a_state_it_cannot_open_is_not_called_broken(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", NO_DESCRIPTORS, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    assert run.returncode == 0, run.stderr
    assert "Too many open files" in run.stdout
    assert "settings.json" in run.stdout
    assert not list(tmp_path.glob("*.damaged.json")), "it could not be opened, and may be whole"
    with Monitor(tmp_path) as monitor:
        assert (monitor.gate.streak, monitor.signals.loss.count) == (4, 4)


READ_ONLY = """
import logging, sys
from pathlib import Path
from coherence.cli.main import main
from coherence.run.monitor import Monitor
folder = Path(sys.argv[1])
with Monitor(folder / "run") as monitor:
    monitor.loss(1, 3.0)
    monitor.sample(1, "Budy Budy Budy Budy ")
import subprocess
if subprocess.run(["mount", "-o", "remount,ro", str(folder)]).returncode:
    sys.exit(77)
with Monitor(folder / "run") as monitor:
    monitor.loss(2, 3.0)
    verdict = monitor.sample(2, "Budy Budy Budy Budy ")
    assert (verdict.streak, monitor.recording) == (2, False)
sys.exit(main(["audit", str(folder / "run"), "--json", str(folder / "report.json")]) != 2)
"""


@pytest.mark.slow
def test_on_a_read_only_disk_a_run_goes_on_in_memory_and_a_command_names_the_file(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=1m tmpfs "$1" || exit 77; exec "$2" -c "$3" "$1"'
    command = ["unshare", "-rm", "sh", "-c", mount, "sh", str(tmp_path), sys.executable, READ_ONLY]
    if shutil.which("unshare") is None:
        pytest.skip("no unshare: a disk cannot be mounted")
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    if run.returncode == 77 or run.stderr.startswith("unshare:"):
        pytest.skip(f"a disk cannot be mounted: {run.stderr}")
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("cannot record") == 1
    assert "report.json: Read-only file system" in run.stderr


# Files that are written whole


def test_what_cannot_be_written_is_named_and_the_old_content_stands(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old", encoding="utf-8")

    def break_off() -> None:
        with whole_file(path) as file:
            file.write(b"half of a much longer rep")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    with pytest.raises(OSError, match=r"nowhere/report\.json"), whole_file(tmp_path / "nowhere/report.json"):
        pass
    assert path.read_text(encoding="utf-8") == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["report.json"]


def test_a_link_stays_a_link_and_a_pipe_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "latest.json").symlink_to("report.json")
    with whole_file(tmp_path / "latest.json") as file:
        file.write(b"new")
    assert (tmp_path / "latest.json").is_symlink()
    assert (tmp_path / "report.json").read_bytes() == b"new"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with whole_file(tmp_path / "pipe") as file:
        file.write(b"new")
    assert os.read(reader, 9) == b"new"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


# Two writers


WRITER = """
import sys
from pathlib import Path
from coherence.files import whole_file
path, letter, length = Path(sys.argv[1]), sys.argv[2].encode(), int(sys.argv[3])
sys.stdin.readline()
for _ in range(300):
    with whole_file(path) as file:
        for _ in range(4):
            file.write(letter * length)
            file.flush()
"""


@pytest.mark.slow
def test_of_several_that_write_one_file_at_once_each_leaves_a_whole_one(tmp_path: Path) -> None:
    path, whole = tmp_path / "report.json", {b"a" * 400, b"b" * 40_000, b"c" * 4_000}
    started = [
        subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-c", WRITER, str(path), chr(content[0]), str(len(content) // 4)],
            stdin=subprocess.PIPE,
        )
        for content in whole
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.close()
    seen = set()
    while any(process.poll() is None for process in started):
        if path.exists():
            seen.add(path.read_bytes())
    assert [process.wait() for process in started] == [0, 0, 0], "one could not write, for another was at it"
    assert seen <= whole
    assert path.read_bytes() in whole, "the last to end has the last word"
    assert [each.name for each in tmp_path.iterdir()] == ["report.json"]


def test_a_temporary_file_that_takes_its_place_while_it_is_claimed_is_not_taken_for_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, others, lock = tmp_path / "report.json", [1], files._try_lock

    def lock_late(file: IO[Any]) -> bool:
        if others.pop():
            Path(file.name).replace(path)  # another process, which had it until now, is done
            others.extend((0, 0, 0))
        return lock(file)

    monkeypatch.setattr(files, "_try_lock", lock_late)
    with whole_file(path) as first:
        with whole_file(path) as second:
            second.write(b"second, and longer")
        assert path.read_bytes() == b"second, and longer"
        first.write(b"first")
    assert path.read_bytes() == b"first"


def test_a_second_audit_into_the_same_table_is_refused_while_the_first_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disturbed.write_dump(tmp_path / "dump.jsonl", 20)
    scored = tmp_path / "scored.jsonl"
    arguments = ["audit", str(tmp_path / "dump.jsonl"), "--observe", "--scored", str(scored)]
    with lock_folder(tmp_path / "scored.jsonl.shards"):
        assert main(arguments) == 2
    assert "scored.jsonl.shards is written to by this process already" in capsys.readouterr().err
    assert not scored.exists()
    assert main(arguments) == 0
    assert len(scored.read_bytes().splitlines()) == 80
    assert not (tmp_path / "scored.jsonl.shards").exists()
