"""The files of a run folder: what a line, a replaced file and a lock withstand."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coherence.files import RunFolderBusy, lock_folder, moved, replace_file, set_aside
from coherence.readers.folder import check_format, read_rows
from coherence.run.folder import Appender, sealed, unsealed
from coherence.signals.settings import LaterFormat

ROW = {"format": 1, "step": 7, "text": "Once upon a time"}


@pytest.fixture
def appender(tmp_path: Path) -> Iterator[Appender]:
    each = Appender(tmp_path / "samples.jsonl")
    yield each
    each.close()


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def read_tail(path: Path, start: int) -> Iterator[dict[str, Any]]:
    return (row for _, row in read_rows(path, start))


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
from coherence.run.folder import Appender
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


TEXT = st.text(st.characters() | st.sampled_from([*map(chr, range(128)), *'"\\\n']))


@given(text=TEXT, prompt=st.none() | TEXT)
@example(text='\n\t\r"\\\x7f\x85\u2028', prompt="\n")
@example(text="".join(map(chr, range(32))), prompt=None)
@example(text='"text": null', prompt='{"text": null')
def test_a_line_is_what_json_makes_of_it(text: str, prompt: str | None) -> None:
    row = {"format": 1, "step": 7, "prompt": prompt, "text": text, "scores": {"bigram": None}, "time": 1e-7}
    with tempfile.TemporaryDirectory() as folder:
        appender = Appender(Path(folder) / "samples.jsonl")
        appender.append(row)
        appender.close()
        line = appender.path.read_bytes()
    try:
        assert line == json.dumps(row, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:
        assert line == json.dumps(row).encode() + b"\n"


@pytest.mark.slow
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


# What others do to a file that is open


def appended(appender: Appender, step: int = 7, text: str = "Once upon a time") -> Path:
    appender.append({**ROW, "step": step, "text": text})
    return appender.path


def delete(path: Path) -> None:
    path.unlink()


def rename(path: Path) -> None:
    path.rename(path.with_name("moved.jsonl"))


def rename_the_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


def put_a_file_in_place_of_the_folder(path: Path) -> None:
    rename_the_folder(path)
    path.parent.write_text("a file", encoding="utf-8")


def put_another_in_its_place(path: Path) -> None:
    other = path.with_name("other.jsonl")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def cut_one_byte_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def append_as_well(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"format": 1, "step": 9}\n')


def leave_alone(path: Path) -> None:
    assert path.exists()


@pytest.fixture
def in_folder(tmp_path: Path) -> Iterator[Appender]:
    each = Appender(tmp_path / "exp7" / "samples.jsonl")
    yield each
    each.close()


posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no flock, nor renames what is open")


@posix
@pytest.mark.parametrize(
    ("disturb", "told"),
    [
        (leave_alone, None),
        (append_as_well, None),
        (delete, "was deleted or renamed"),
        (rename, "was deleted or renamed"),
        (rename_the_folder, "was deleted or renamed"),
        (put_a_file_in_place_of_the_folder, "was deleted or renamed"),
        (put_another_in_its_place, "was replaced"),
        (empty, "was cut short"),
        (cut_one_byte_off, "was cut short"),
    ],
)
@pytest.mark.parametrize("looks_before", [0, 1, 2])
def test_an_appender_says_what_happened_to_its_open_file(
    in_folder: Appender, disturb: Callable[[Path], None], told: str | None, looks_before: int
) -> None:
    path = appended(in_folder)
    assert [in_folder.displaced for _ in range(looks_before)] == [None] * looks_before
    disturb(path)
    assert in_folder.displaced == told


@posix
@pytest.mark.parametrize("disturb", [delete, rename, rename_the_folder, put_another_in_its_place, empty])
def test_after_it_has_said_so_the_next_line_opens_the_path_anew(
    in_folder: Appender, disturb: Callable[[Path], None]
) -> None:
    disturb(appended(in_folder))
    assert in_folder.displaced
    in_folder.close()
    assert in_folder.displaced is None
    appended(in_folder, step=8)
    assert [row["step"] for row in read_tail(in_folder.path, 0)][-1] == 8
    assert in_folder.displaced is None


def test_a_file_that_was_cut_in_the_middle_of_a_line_goes_on_in_a_new_one(in_folder: Appender) -> None:
    appended(in_folder, step=7)
    os.truncate(appended(in_folder, step=8), in_folder.end - 5)
    assert in_folder.displaced == "was cut short"
    in_folder.close()
    appended(in_folder, step=9)
    assert [row["step"] for row in read_tail(in_folder.path, 0)] == [7, 9]


def test_a_file_that_was_cut_short_between_two_of_our_lines_is_told_of_after_the_second(
    in_folder: Appender,
) -> None:
    empty(appended(in_folder))
    appended(in_folder, step=8)
    assert in_folder.displaced == "was cut short"


def test_what_others_appended_must_stay_too(in_folder: Appender) -> None:
    path = appended(in_folder)
    ours = path.stat().st_size
    append_as_well(path)
    assert in_folder.displaced is None
    os.truncate(path, ours)
    assert in_folder.displaced == "was cut short"


def test_a_file_that_was_there_before_must_not_become_shorter_either(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text((json.dumps(ROW) + "\n") * 9, encoding="utf-8")
    appender = Appender(path)
    appended(appender)
    os.truncate(path, len(json.dumps(ROW)) + 1)
    appended(appender)
    assert appender.displaced == "was cut short"
    appender.close()


def test_nothing_is_said_of_a_file_before_its_first_line_nor_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "exp7" / "samples.jsonl"
    (tmp_path / "exp7").write_text("a file stands where the folder should", encoding="utf-8")
    appender = Appender(path)
    assert appender.displaced is None
    with pytest.raises(OSError, match="exp7"):
        appended(appender)
    assert appender.displaced is None


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="the system has no /dev/null")
def test_a_device_that_stays_empty_is_not_called_cut_short(tmp_path: Path) -> None:
    (tmp_path / "samples.jsonl").symlink_to("/dev/null")
    appender = Appender(tmp_path / "samples.jsonl")
    appended(appender)
    assert [appender.displaced for _ in range(2)] == [None, None]
    appender.close()


def test_where_the_system_does_not_say_the_next_line_is_tried(
    in_folder: Appender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> os.stat_result:
        raise PermissionError(f"{path}: not for you")

    appended(in_folder)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", refuse)
        assert in_folder.displaced is None


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


LATER = {**ROW, "format": 2, "time": 1.7e9}


@pytest.mark.parametrize("number", [2, 3, 2**60])
def test_a_row_of_a_later_version_is_refused_with_its_place(tmp_path: Path, number: int) -> None:
    path = tmp_path / "metrics.jsonl"
    ours = json.dumps(ROW) + "\n"
    path.write_text(ours + ours + json.dumps({**LATER, "format": number}) + "\n" + ours, encoding="utf-8")
    for start in (0, len(ours)):
        rows_read = read_tail(path, start)
        assert next(rows_read) == ROW
        with pytest.raises(LaterFormat) as refused:
            list(rows_read)
        assert str(refused.value) == (
            f"{path}:byte {2 * len(ours)}: format {number}; this version reads format 1: "
            "a later version wrote this run folder"
        )


@pytest.mark.parametrize(
    "change",
    [
        {"format": 1},
        {"format": 0},
        {"format": -2},
        {"format": 2.0},
        {"format": "2"},
        {"format": True},
        {"format": None},
        {"format": [2]},
        {"step": None},
        {"step": "5"},
        {"step": 5.0},
        {"step": True},
    ],
)
def test_a_row_of_another_writer_is_not_taken_for_one_of_a_later_version(change: dict[str, Any]) -> None:
    check_format(LATER | change, "metrics.jsonl", 1)


@pytest.mark.parametrize("key", ["format", "step", "time"])
def test_a_row_that_lacks_what_ours_have_is_not_of_a_later_version(key: str) -> None:
    check_format({name: value for name, value in LATER.items() if name != key}, "metrics.jsonl", 1)


@pytest.mark.parametrize("record", [None, 2, "format", [LATER], []])
def test_what_is_not_an_object_is_not_of_a_later_version(record: Any) -> None:
    check_format(record, "metrics.jsonl", 1)


def test_a_reader_that_counts_lines_names_the_line() -> None:
    with pytest.raises(LaterFormat, match=r"^runs/metrics\.jsonl:12: format 2; this version reads format 1"):
        check_format(LATER, Path("runs/metrics.jsonl"), 12)


def test_reading_beyond_the_end_finds_nothing(appender: Appender) -> None:
    appender.append(ROW)
    assert list(read_tail(appender.path, appender.end)) == []
    assert list(read_tail(appender.path, appender.end + 1000)) == []


# Files that are replaced


@pytest.mark.slow
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


# States with a seal

KEYS = st.text(st.characters(), max_size=5)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=9,
)
STATE = {"streak": 3, "smma": 2.5e-05, "sources": {"caf\xe9": [0.1, -0.0, None, True]}, "halt": "it\n\ud800"}


@pytest.mark.slow
@given(values=st.dictionaries(KEYS, VALUES, max_size=4))
@settings(deadline=None)
def test_what_is_unsealed_is_what_was_sealed(values: dict[str, Any]) -> None:
    back = unsealed(sealed(values).encode().decode("utf-8"))
    assert json.dumps(back) == json.dumps(values), "to the last bit, and in the same order"


def test_keys_that_are_numbers_come_back_as_json_has_them() -> None:
    assert unsealed(sealed({"judged": {10: 0, 9: (1, 2)}})) == {"judged": {"10": 0, "9": [1, 2]}}


def test_a_seal_is_json_that_says_its_format_and_its_content() -> None:
    told = json.loads(sealed(STATE))
    assert list(told) == ["format", "checksum", "content"]
    assert told["format"] == 1
    assert told["content"] == STATE
    compact = json.dumps(STATE, separators=(",", ":")).encode()
    assert told["checksum"] == hashlib.sha256(compact).hexdigest()


@pytest.mark.slow
@given(data=st.data(), flips=st.integers(1, 2))
@settings(deadline=None, max_examples=500)
def test_a_flipped_bit_or_two_are_refused_or_change_nothing(data: st.DataObject, flips: int) -> None:
    whole = bytearray(sealed(STATE).encode())
    for bit in data.draw(st.sets(st.integers(0, 8 * len(whole) - 1), min_size=flips, max_size=flips)):
        whole[bit // 8] ^= 1 << bit % 8
    try:
        back = unsealed(whole.decode("utf-8"))
    except ValueError:
        return
    assert json.dumps(back) == json.dumps(STATE)


def test_no_flipped_bit_goes_unnoticed() -> None:
    whole = sealed(STATE).encode()
    refused = 0
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            back = unsealed(flipped.decode("utf-8"))
        except ValueError:
            refused += 1
        else:
            assert json.dumps(back) == json.dumps(STATE)
    assert refused > 0.97 * 8 * len(whole), "the others are letters of an exponent, or of an escape"


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_seal_that_was_cut_off_or_filled_up_with_zeros_is_refused(share: float) -> None:
    whole = sealed(STATE)
    kept = whole[: int(share * len(whole))]
    for damaged in (kept, kept.ljust(len(whole), "\0"), whole + whole):
        with pytest.raises(ValueError, match=r"^empty|^nothing but zeros|^not JSON"):
            unsealed(damaged)


DIGEST = json.loads(sealed(STATE))["checksum"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "^empty$"),
        (" \n\t", "^empty$"),
        ("\0" * 4096, "^nothing but zeros$"),
        ("nonsense", "^not JSON: "),
        ("\ufeff{}", "^not JSON: "),
        ("[" * 100_000, "^nested too deeply$"),
        ('{"content": ' * 100_000, "^nested too deeply$"),
        ("9" * 5000, "^not JSON: "),
        ("null", "^not an object with a format, a checksum and a content$"),
        ("3", "^not an object"),
        ("[]", "^not an object"),
        ("{}", "^not an object"),
        ('{"format": 1, "state": {}}', "^not an object"),
        ('{"format": 1, "checksum": "", "content": []}', "^not an object"),
        ('{"checksum": "", "content": {}}', "^not an object"),
        ('{"format": true, "checksum": "", "content": {}}', "^not an object"),
        ('{"format": "1", "checksum": "", "content": {}}', "^not an object"),
        ('{"format": 0, "checksum": "", "content": {}}', "^format 0; this version reads format 1$"),
        ('{"format": 1, "content": {}}', "^the checksum does not fit the content$"),
        ('{"format": 1, "checksum": null, "content": {}}', "^the checksum does not fit"),
        (json.dumps({"format": 1, "checksum": DIGEST, "content": {**STATE, "streak": 4}}), "^the checksum"),
        (json.dumps({"format": 1, "checksum": DIGEST.upper(), "content": STATE}), "^the checksum"),
        ('{"format": 1, "checksum": "", "content": {"smma": NaN}}', "^not JSON: "),
        ('{"format": 1, "checksum": "", "content": {"smma": 1e999}}', "^not JSON: "),
    ],
)
def test_what_is_not_whole_is_refused_in_plain_words(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        unsealed(text)
    assert type(refused.value) is ValueError


@pytest.mark.parametrize("key", ["format", "checksum", "content"])
def test_no_depth_at_all_is_an_error_of_another_kind(key: str) -> None:
    for depth in range(100, 1100, 7):
        nested = "[" * depth + "]" * depth
        parts = {"format": "1", "checksum": '"x"', "content": '{"a": ' + nested + "}"} | {key: nested}
        with pytest.raises(ValueError, match=r"not an object|nested|checksum"):
            unsealed("{" + ", ".join(f'"{name}": {value}' for name, value in parts.items()) + "}")


def test_a_seal_of_a_later_version_is_told_from_damage() -> None:
    with pytest.raises(LaterFormat, match=r"^format 2; this version reads format 1$"):
        unsealed(sealed(STATE).replace('"format": 1', '"format": 2'))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_not_a_number_is_not_sealed(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        sealed({"smma": [value]})


@pytest.mark.slow
def test_what_nests_too_deeply_is_not_sealed() -> None:
    values: dict[str, Any] = {}
    for _ in range(100_000):
        values = {"a": values}
    with pytest.raises(ValueError, match="nested too deeply"):
        sealed(values)


@pytest.mark.parametrize(
    ("name", "aside"),
    [
        ("gate.json", "gate.damaged.json"),
        ("metrics.jsonl", "metrics.damaged.jsonl"),
        ("lock", "lock.damaged"),
    ],
)
def test_a_damaged_file_is_set_aside_in_the_place_of_an_earlier_one(
    tmp_path: Path, name: str, aside: str
) -> None:
    for content in ("first", "second"):
        (tmp_path / name).write_text(content, encoding="utf-8")
        assert set_aside(tmp_path / name) == tmp_path / aside
        assert [path.name for path in tmp_path.iterdir()] == [aside]
        assert (tmp_path / aside).read_text(encoding="utf-8") == content


def test_what_cannot_be_set_aside_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        set_aside(tmp_path / "gate.json")


# One writer

HOLD = """
import sys
from pathlib import Path
from coherence.files import lock_folder
lock = lock_folder(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""

# A child that is forked, as a data loader is, and outlives its parent; it says when it is there.
FORK_AND_HOLD = HOLD.replace("print(", "import os\nif os.fork():\n    sys.stdin.read()\nprint(")


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
    with lock_folder(tmp_path), pytest.raises(RunFolderBusy) as refused:
        lock_folder(tmp_path)
    assert str(refused.value) == (
        f"{tmp_path} is written to by this process already; close the other monitor "
        "(close(), or `with Monitor(...)`)"
    )


@posix
def test_a_folder_by_another_name_is_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(tmp_path / "exp7")
    with (
        lock_folder(tmp_path / "exp7"),
        pytest.raises(RunFolderBusy, match="latest is written to by this pro"),
    ):
        lock_folder(tmp_path / "latest")


@posix
def test_a_folder_that_another_process_holds_is_not_called_ours(tmp_path: Path) -> None:
    others = [lock_folder(tmp_path / name) for name in ("exp6", "exp8")]
    others[1].close()
    with holder(tmp_path / "exp7") as process:
        with pytest.raises(RunFolderBusy, match="exp7 is written to by another process; stop it"):
            lock_folder(tmp_path / "exp7")
        process.communicate()
    others[0].close()


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


@posix
@pytest.mark.parametrize(
    ("disturb", "is_moved"),
    [
        (leave_alone, False),
        (append_as_well, False),
        (delete, True),
        (rename, True),
        (rename_the_folder, True),
        (put_a_file_in_place_of_the_folder, True),
        (put_another_in_its_place, True),
    ],
)
def test_a_lock_that_lies_in_its_folder_no_longer_is_known(
    tmp_path: Path, disturb: Callable[[Path], None], is_moved: bool
) -> None:
    with lock_folder(tmp_path / "exp7") as lock:
        disturb(tmp_path / "exp7" / "lock")
        assert moved(lock, tmp_path / "exp7") is is_moved


def test_a_lock_that_was_let_go_of_is_moved(tmp_path: Path) -> None:
    lock = lock_folder(tmp_path)
    assert not moved(lock, tmp_path)
    lock.close()
    assert moved(lock, tmp_path)


def test_the_folder_is_made_to_hold_its_lock(tmp_path: Path) -> None:
    lock_folder(tmp_path / "runs" / "exp7").close()
    assert (tmp_path / "runs" / "exp7").is_dir()


def test_a_folder_below_a_plain_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with pytest.raises(NotADirectoryError):
        lock_folder(tmp_path / "plain" / "run")
