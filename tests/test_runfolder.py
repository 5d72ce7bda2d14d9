"""The files of a run folder: what a line, a replaced file and a lock withstand."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coherence.runfolder import Appender, RunFolderBusy, lock_folder, read_tail, replace_file

ROW = {"format": 1, "step": 7, "text": "Once upon a time"}


@pytest.fixture
def appender(tmp_path: Path) -> Iterator[Appender]:
    each = Appender(tmp_path / "samples.jsonl")
    yield each
    each.close()


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


# Lines that are appended


def test_a_line_is_in_the_file_before_the_call_returns(appender: Appender) -> None:
    appender.append(ROW)
    assert appender.path.read_bytes() == json.dumps(ROW).encode() + b"\n"


def test_the_end_is_the_size_of_the_file_after_every_line(appender: Appender) -> None:
    for text in ("a", "é" * 3, "東京"):
        appender.append({**ROW, "text": text})
        assert appender.end == appender.path.stat().st_size


def test_a_file_that_is_there_is_continued(appender: Appender) -> None:
    appender.append(ROW)
    again = Appender(appender.path)
    assert again.end == appender.end
    again.append({**ROW, "step": 8})
    again.close()
    assert [row["step"] for row in rows(appender.path)] == [7, 8]
    assert again.end == appender.path.stat().st_size


@pytest.mark.parametrize("torn", [b"{", b'{"format": 1, "st', b'{"format": 1, "step": 7, "text": "\xc3'])
def test_a_torn_line_is_ended_before_the_next_one(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(json.dumps(ROW).encode() + b"\n" + torn)
    appender = Appender(path)
    appender.append({**ROW, "step": 8})
    appender.close()
    lines = path.read_bytes().split(b"\n")
    assert lines[1] == torn
    assert [row["step"] for row in read_tail(path, 0)] == [7, 8]
    assert appender.end == path.stat().st_size


def test_a_file_that_was_ended_well_gets_no_blank_line(appender: Appender) -> None:
    for _ in range(3):
        appender.append(ROW)
        appender.close()
    assert b"\n\n" not in appender.path.read_bytes()


def test_the_folder_is_made_with_the_first_line(tmp_path: Path) -> None:
    appender = Appender(tmp_path / "runs" / "exp7" / "samples.jsonl")
    assert appender.end == 0
    appender.append(ROW)
    appender.close()
    assert rows(appender.path) == [ROW]


def test_after_an_error_the_next_line_opens_the_file_again(tmp_path: Path) -> None:
    path = tmp_path / "exp7" / "samples.jsonl"
    (tmp_path / "exp7").write_text("a file stands where the folder should", encoding="utf-8")
    appender = Appender(path)
    with pytest.raises(OSError, match="exp7"):
        appender.append(ROW)
    (tmp_path / "exp7").unlink()
    appender.append(ROW)
    appender.close()
    assert rows(path) == [ROW]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_an_error_and_the_line_after_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.symlink_to("/dev/full")
    appender = Appender(path)
    with pytest.raises(OSError, match="No space left"):
        appender.append(ROW)
    path.unlink()
    appender.append(ROW)
    appender.close()
    assert rows(path) == [ROW]
    assert appender.end == path.stat().st_size


SHORT_OF_SPACE = """
import json, resource, sys
from pathlib import Path
from coherence.runfolder import Appender
appender = Appender(Path(sys.argv[1]))
row = {"format": 1, "step": 0, "text": "x" * 100}
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
for step in range(20):
    try:
        appender.append({**row, "step": step})
    except OSError:
        break
first_lost, size = step, Path(sys.argv[1]).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
appender.append({**row, "step": 99})
appender.close()
print(json.dumps([first_lost, size, appender.end]))
"""


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on the size of files")
def test_a_line_that_ran_out_of_space_half_way_costs_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    first_lost, size, end = json.loads(python(SHORT_OF_SPACE, path))
    assert size == 1000, "half of a line is in the file"
    assert [row["step"] for row in read_tail(path, 0)] == [*range(first_lost), 99]
    assert end == path.stat().st_size


def python(script: str, *arguments: object) -> str:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout  # noqa: S603


@pytest.mark.parametrize("text", ["\ud800", "a\udcffb", "\u2028\u2029\x85", "\0\x1b[2J", '"\\\n\r'])
def test_any_text_comes_back_as_it_was_in_one_line(appender: Appender, text: str) -> None:
    appender.append({**ROW, "text": text})
    assert appender.path.read_bytes().count(b"\n") == 1
    assert [row["text"] for row in read_tail(appender.path, 0)] == [text]


@given(texts=st.lists(st.text(st.characters(), max_size=20), max_size=8))
@settings(deadline=None)
def test_what_is_read_is_what_was_appended(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    appender = Appender(tmp_path_factory.mktemp("run") / "samples.jsonl")
    ends = [0]
    for text in texts:
        appender.append({**ROW, "text": text})
        ends.append(appender.end)
    appender.close()
    for number, end in enumerate(ends):
        assert [row["text"] for row in read_tail(appender.path, end)] == texts[number:]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_not_a_number_is_refused_because_it_is_no_json(appender: Appender, value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        appender.append({**ROW, "loss": value})
    appender.append(ROW)
    assert rows(appender.path) == [ROW]


# Lines that are read back


def test_nothing_is_read_where_there_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("", encoding="utf-8")
    assert list(read_tail(tmp_path / "none.jsonl", 0)) == []
    assert list(read_tail(tmp_path / "plain" / "none.jsonl", 0)) == []
    assert list(read_tail(tmp_path, 0)) == []


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b'{"format": 1, "step": 5',
        b"\xff\xfe",
        b"\0" * 40,
        b"[" * 100_000,
        b"[1]",
        b'"step"',
        b"null",
        # rows of another writer, or of a later version
        b'{"step": 5}',
        b'{"format": 2, "step": 5}',
        b'{"format": 1}',
        b'{"format": 1, "step": "5"}',
        b'{"format": 1, "step": null}',
    ],
)
def test_a_line_that_is_none_of_our_rows_is_passed_over(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "metrics.jsonl"
    ours = json.dumps(ROW).encode()
    path.write_bytes(ours + b"\n" + line + b"\n" + ours + b"\n")
    assert list(read_tail(path, 0)) == [ROW, ROW]
    path.write_bytes(ours + b"\n" + line)
    assert list(read_tail(path, 0)) == [ROW]


def test_a_last_line_that_lacks_its_newline_alone_is_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(json.dumps(ROW).encode())
    assert list(read_tail(path, 0)) == [ROW]


def test_reading_beyond_the_end_finds_nothing(appender: Appender) -> None:
    appender.append(ROW)
    assert list(read_tail(appender.path, appender.end)) == []
    assert list(read_tail(appender.path, appender.end + 1000)) == []


# Files that are replaced


def test_a_reader_sees_the_old_or_the_new_file_never_half_of_one(tmp_path: Path) -> None:
    path = tmp_path / "loss.json"
    versions = [json.dumps({"number": number, "filler": "x" * 50_000}) for number in range(2)]
    replace_file(path, versions[0])
    done, seen = threading.Event(), set()

    def poll() -> None:
        while not done.is_set():
            seen.add(path.read_text(encoding="utf-8"))

    reader = threading.Thread(target=poll)
    reader.start()
    for number in range(400):
        replace_file(path, versions[number % 2], durable=False)
    done.set()
    reader.join()
    assert seen <= set(versions)


def test_nothing_but_the_new_file_is_left(tmp_path: Path) -> None:
    replace_file(tmp_path / "loss.json", "old")
    replace_file(tmp_path / "loss.json", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["loss.json"]
    assert (tmp_path / "loss.json").read_text(encoding="utf-8") == "new"


def test_an_error_leaves_no_temporary_file_behind(tmp_path: Path) -> None:
    in_the_way = tmp_path / "loss.json"
    in_the_way.mkdir()
    (in_the_way / "something").touch()
    with pytest.raises(OSError, match="loss"):
        replace_file(in_the_way, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["loss.json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("durable", [True, False])
def test_the_old_file_stands_where_the_new_one_could_not_be_written(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "loss.json"
    replace_file(path, "old")
    (tmp_path / ".loss.json.new").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, "new", durable)
    assert path.read_text(encoding="utf-8") == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["loss.json"]


def test_a_temporary_file_that_a_kill_left_behind_is_used_up(tmp_path: Path) -> None:
    (tmp_path / ".loss.json.new").write_text("half of a much longer sta", encoding="utf-8")
    replace_file(tmp_path / "loss.json", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["loss.json"]
    assert (tmp_path / "loss.json").read_text(encoding="utf-8") == "new"


# One writer

HOLD = """
import sys
from pathlib import Path
from coherence.runfolder import lock_folder
lock = lock_folder(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""

# A child that is forked, as a data loader is, and outlives its parent; it says when it is there.
FORK_AND_HOLD = HOLD.replace("print(", "import os\nif os.fork():\n    sys.stdin.read()\nprint(")

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no flock")


def holder(folder: Path, script: str = HOLD) -> subprocess.Popen[str]:
    """A process that holds the folder until its standard input ends."""
    process = subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-c", script, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@posix
def test_a_second_writer_in_the_same_process_is_refused(tmp_path: Path) -> None:
    with lock_folder(tmp_path), pytest.raises(RunFolderBusy, match="written to by another"):
        lock_folder(tmp_path)


@posix
def test_a_folder_is_free_again_when_its_lock_is_closed(tmp_path: Path) -> None:
    for _ in range(3):
        lock_folder(tmp_path).close()


@posix
def test_a_second_process_is_refused_until_the_first_one_ends(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        with pytest.raises(RunFolderBusy, match=str(tmp_path)):
            lock_folder(tmp_path)
        process.communicate()
    lock_folder(tmp_path).close()


@posix
@pytest.mark.parametrize("script", [HOLD, FORK_AND_HOLD], ids=["alone", "with a forked child that lives on"])
def test_a_killed_process_lets_go_of_its_folder(tmp_path: Path, script: str) -> None:
    with holder(tmp_path, script) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        lock_folder(tmp_path).close()


def test_the_folder_is_made_to_hold_its_lock(tmp_path: Path) -> None:
    lock_folder(tmp_path / "runs" / "exp7").close()
    assert (tmp_path / "runs" / "exp7").is_dir()


def test_a_folder_below_a_plain_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with pytest.raises(NotADirectoryError):
        lock_folder(tmp_path / "plain" / "run")
