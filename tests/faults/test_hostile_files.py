"""Whatever a file holds or is: the audit ends with 0, 1 or 2, and says what it did not use."""

import bz2
import gzip
import io
import json
import lzma
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from cost import lines, memory
from whole_files import LINES, METRICS, ROWS, TEXTS, WHOLE, content

from coherence.audit.rows import ROW, Segment
from coherence.audit.shard import Shard, ShardResult
from coherence.audit.store import Output
from coherence.audit.timeline import Timeline
from coherence.cli.main import main
from coherence.readers import documents, storage
from coherence.readers import folders as files
from coherence.readers.find import find_runs
from coherence.readers.formats import csv_rows
from coherence.readers.formats.stores import sqlite
from coherence.readers.lines import Part, Problems, raw_lines
from coherence.readers.read import Piece, losses_in, samples_in
from coherence.readers.recognise import FORMATS
from coherence.readers.records import Sample

RANDOM = Random(0)  # noqa: S311 - not for secrets

ZSTD = next(magic for magic, kind in storage.MAGIC.items() if kind == "zstd")


def samples_of(path: Path, kind: str) -> tuple[list[Sample], Problems]:
    """What a reader makes of a file, samples and losses; nothing but its own errors may come out."""
    problems = Problems()
    found: list[Sample] = []
    piece = Piece(Part(str(path)), kind)
    try:
        found += samples_in(piece, problems)
        list(losses_in(piece, problems))
    except (OSError, ValueError) as error:
        problems.add(str(path), 0, str(error))
    return found, problems


def audit(folder: Path, *paths: Path | str) -> tuple[int, dict[str, Any]]:
    """The exit status of an audit, and its report; an exception is a failure of the test."""
    out, page = folder / "out.json", folder / "out.html"
    out.unlink(missing_ok=True)
    status = main(["audit", "--observe", "--json", str(out), "--html", str(page), *map(str, paths)])
    return status, json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}


def shown_texts(report: dict[str, Any]) -> int:
    return int(report["judged"]) + int(report["too_short"])


@pytest.fixture(params=list(WHOLE))
def whole(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path, bytes]:
    try:
        whole = content(request.param)
    except ImportError as error:
        pytest.skip(f"{request.param} is written with {error.name}")
    path = tmp_path / WHOLE[request.param][0]
    path.write_bytes(whole)
    return request.param.partition(".")[0], path, whole


# --- Cut and damaged --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_file_cut_at_any_byte_gives_the_samples_before_the_cut_and_says_that_one_is_missing(
    whole: tuple[str, Path, bytes],
) -> None:
    kind, path, content = whole
    complete, noted = samples_of(path, kind)
    assert noted.count == 0
    told = {sample.text for sample in complete}
    for cut in range(len(content)):
        path.write_bytes(content[:cut])
        found, problems = samples_of(path, kind)
        same = [sample.text for sample in found if sample.text in told]
        assert same == [sample.text for sample in complete[: len(same)]]
        assert len(found) - len(same) <= 1  # the text that the cut goes through, in formats without an end
        compressed = path.suffix in (".gz", ".bz2", ".xz", ".zst")
        whole_frame = path.suffix == ".zst" and content.startswith(ZSTD, cut)
        if (compressed and cut > 6 and not whole_frame) or kind in ("parquet", "trackio"):
            assert problems.count
        if kind == "json_array" and content[:cut].strip():
            assert problems.count


@pytest.mark.slow
def test_flipped_bits_raise_nothing_but_the_errors_of_a_reader(whole: tuple[str, Path, bytes]) -> None:
    kind, path, content = whole
    complete = len(samples_of(path, kind)[0])
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(RANDOM.randint(1, 4)):
            damaged[RANDOM.randrange(len(damaged))] ^= 1 << RANDOM.randrange(8)
        path.write_bytes(damaged)
        found, problems = samples_of(path, kind)
        if kind in ("jsonl", "json_array") and path.suffix.startswith(".json") and 0 < len(found) < complete:
            assert problems.count, bytes(damaged)


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_no_file_of_a_format_is_refused_or_passed_over_by_its_reader(
    kind: str, tmp_path: Path
) -> None:
    pieces = [b"\0", b"\xff\xfe", b"\n", b'"', b"[", b"PAR1"]
    for name in WHOLE:
        with suppress(ImportError):
            pieces.append(content(name)[:40])
    path = tmp_path / "hostile"
    for _ in range(40):
        path.write_bytes(b"".join(RANDOM.choices([*pieces, RANDOM.randbytes(20)], k=RANDOM.randint(0, 9))))
        samples_of(path, kind)


# --- Deep, long, doubled ----------------------------------------------------------------------------------

ODD_ROWS = {
    "arrays 100,000 deep": '{"step": 1, "text": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "objects 100,000 deep": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "a step of 10,000 digits": '{"text": "a b", "step": ' + "1" * 10_000 + "}",
    "a step of 4,000 digits": '{"text": "a b", "step": ' + "1" * 4_000 + "}",
    "half a pair": '{"step": 1, "text": "\\ud800"}',
}


@pytest.mark.slow
@pytest.mark.parametrize("row", ODD_ROWS.values(), ids=ODD_ROWS)
@pytest.mark.parametrize("name", ["samples.jsonl", "samples.json"])
def test_a_row_that_cannot_be_read_is_listed_and_the_others_count(
    name: str, row: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    rows = [json.dumps(each) for each in ROWS]
    rows.insert(3, row)
    path.write_text("\n".join(rows) if name.endswith("l") else f"[{','.join(rows)}]", encoding="utf-8")
    status, report = audit(tmp_path, path)
    assert status == 0
    assert shown_texts(report) == len(ROWS)
    assert report["problem_count"] == 1


def test_of_a_key_that_comes_twice_the_last_value_counts(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(b'{"step": 1, "step": 2, "text": "one", "text": "two"}\n')
    (sample,), problems = samples_of(path, "jsonl")
    assert (sample.step, sample.text, problems.count) == (2, "two", 0)


@pytest.mark.parametrize("row", ODD_ROWS.values(), ids=ODD_ROWS)
def test_a_trainer_state_that_cannot_be_read_is_refused_or_its_row_is_listed(
    row: str, tmp_path: Path
) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_text(f'{{"log_history": [{row.replace("text", "loss")}]}}', encoding="utf-8")
    samples = tmp_path / "samples.jsonl"
    samples.write_bytes(LINES)
    assert main(["audit", str(samples), "--loss", str(path)]) == 2


# --- Bombs ------------------------------------------------------------------------------------------------


@pytest.fixture
def packers() -> dict[str, Callable[[bytes], bytes]]:
    packers: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".bz2": bz2.compress}
    packers[".many.gz"] = lambda data: b"".join(
        gzip.compress(data[at : at + 2**16]) for at in range(0, len(data), 2**16)
    )
    packers[".xz"] = partial(lzma.compress, preset=1)
    if find_spec("zstandard"):
        packers[".zst"] = import_module("zstandard").compress
    return packers


def test_compressed_data_is_read_up_to_a_stated_size(
    packers: dict[str, Callable[[bytes], bytes]], tmp_path: Path
) -> None:
    for name, pack in packers.items():
        path = tmp_path / f"samples.jsonl{name}"
        path.write_bytes(pack(LINES + bytes(2**22)))
        too_much = pytest.raises(storage.TooMuch, match="more than 1 MB and 100 times its size; unpack it")
        with storage.open_bytes(str(path), unpacked=2**20) as file, too_much:
            shutil.copyfileobj(file, read := io.BytesIO(), 2**10)
        assert read.getvalue().startswith(LINES)
        assert read.tell() <= max(2**20, storage.TIMES * path.stat().st_size)


@pytest.mark.slow
def test_what_unpacks_to_far_more_than_a_dump_is_noted_and_what_was_read_counts(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl.gz"
    path.write_bytes(gzip.compress(LINES) + gzip.compress(bytes(2**20)) * (1 + storage.UNPACKED // 2**20))
    found, problems = samples_of(path, "jsonl")
    assert [sample.text for sample in found] == TEXTS
    assert problems.count == 2  # of the samples, and once more of the losses
    assert "more than 256 MB and 100 times its size; unpack it first" in problems.listed[0].message


@pytest.mark.slow
def test_a_line_of_60_mb_in_a_small_file_is_passed_over_in_flat_memory(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl.gz"

    def held(megabytes: int) -> int:
        path.write_bytes(gzip.compress(LINES) + gzip.compress(b"a" * 10**6) * megabytes)
        problems = Problems()
        most = memory(lambda: list(samples_in(Piece(Part(str(path)), "jsonl"), problems)))
        assert f"a line of {megabytes} MB" in problems.listed[0].message
        return most

    assert held(60) < 1.5 * held(20)


@pytest.mark.slow
def test_a_record_of_a_table_that_never_ends_is_listed_and_not_held(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"

    def held(lines: int) -> int:
        path.write_bytes(b"step,text\n1,once upon a time\n" + (b'"' + b"a" * 997 + b'\n",') * lines)
        problems = Problems()
        found = list(csv_rows._records(Part(str(path)), problems, longest=2**18))
        assert found[1] == (2, ["1", "once upon a time"])
        assert "a record of more than 16 MB" in problems.listed[0].message
        return memory(lambda: list(csv_rows._records(Part(str(path)), Problems(), longest=2**18)))

    assert held(8000) < 1.5 * held(2000)


@pytest.mark.slow
def test_a_trainer_state_of_nothing_but_brackets_is_refused_before_it_takes_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_bytes(b'{"log_history": [' + b"{}," * (documents.VALUES // 2) + b"{}]}")
    found, count, held, said = peak(path, "losses_in")
    assert (found, count) == (0, 1)
    assert "more than 16 million values" in said
    assert held - peak_of_lines(tmp_path) < 4 * path.stat().st_size  # as objects it is 24 times its size


def with_a_large_dictionary() -> bytes:
    """Lines as xz whose header, in order but for that, asks for a dictionary of 1.5 GB."""
    packed = bytearray(lzma.compress(LINES, preset=1))
    packed[packed.index(b"\x21\x01", 12) + 2] = 37  # of the filter LZMA2: three times two to the 29th
    end = 12 + 4 * packed[12]  # of the header of the block, where its checksum stands
    packed[end : end + 4] = zlib.crc32(packed[12:end]).to_bytes(4, "little")
    return bytes(packed)


@pytest.mark.slow
def test_an_xz_file_that_asks_for_gigabytes_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl.xz"
    path.write_bytes(with_a_large_dictionary())
    found, count, held, _ = peak(path)
    assert (found, count) == (len(ROWS), 0)
    assert held < 1.5 * peak_of_lines(tmp_path)
    found, count, _, said = peak(path, allowed=2**30)
    assert (found, count) == (0, 1)
    assert "MemoryError" in said


@pytest.mark.slow
def test_a_zstd_frame_that_asks_for_gigabytes_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("zstandard", reason="zstd is read with zstandard")
    path, plain = tmp_path / "samples.jsonl.zst", peak_of_lines(tmp_path)
    for window, told in ((0x88, (len(ROWS), 0)), (0x90, (0, 1)), (0xA8, (0, 1))):  # 128 and 256 MB, 2 GB
        block = (len(LINES) << 3 | 1).to_bytes(3, "little")  # the last one, not compressed
        path.write_bytes(ZSTD + bytes([0, window]) + block + LINES)
        found, count, held, said = peak(path)
        assert (found, count) == told
        assert held < 1.5 * plain
        assert not count or "too much memory" in said


PEAK = """
import resource, sys
if allowed := int(sys.argv[3]):
    resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))
from coherence.readers import read
from coherence.readers.lines import Part, Problems, raw_lines
from coherence.readers.recognise import format_of
problems = Problems()
try:
    piece = read.Piece(Part(sys.argv[1]), format_of(sys.argv[1]).key)
    found = sum(1 for _ in getattr(read, sys.argv[2])(piece, problems))
except ValueError as error:
    found, problems = 0, Problems(1, [error])
held = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(found, problems.count, held, problems.listed[:1])
"""


def peak(path: Path, what: str = "samples_in", allowed: int = 0) -> tuple[int, int, float, str]:
    """Of a process that reads a file: how much it found, could not use and held at most; what it said."""
    if not Path("/proc/self/status").exists():  # getrusage would count what the process was forked from
        pytest.skip("the memory of a process alone is not told here")
    command = [sys.executable, "-c", PEAK, str(path), what, str(allowed)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)  # noqa: S603 - our own interpreter
    found, count, held, said = answer.stdout.split(maxsplit=3)
    return int(found), int(count), int(held) * 1024, said


def peak_of_lines(folder: Path) -> float:
    """What a process holds at most that reads the same lines from a file that asks for nothing."""
    path = folder / "lines.jsonl"
    path.write_bytes(LINES)
    return peak(path)[2]


def named_often(path: Path, size: int, rows: int) -> Path:
    """A table of a few kilobytes: one long text, which stands in a dictionary and is every row."""
    pyarrow = pytest.importorskip("pyarrow", reason="a Parquet file is written with pyarrow")
    text = pyarrow.array(["the cat " * (size // 8)])
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * rows, pyarrow.int32()), text)
    table = pyarrow.table({"step": list(range(rows)), "text": column})
    import_module("pyarrow.parquet").write_table(
        table, path, store_schema=False, compression="gzip", dictionary_pagesize_limit=2**30
    )
    return path


@pytest.mark.slow
def test_a_table_that_names_one_long_text_many_times_is_held_a_few_rows_at_a_time(tmp_path: Path) -> None:
    _, _, before, _ = peak(named_often(tmp_path / "few.parquet", 8 * 2**20, 8))
    path = named_often(tmp_path / "samples.parquet", 8 * 2**20, 128)
    found, count, held, said = peak(path)
    assert path.stat().st_size < 2**16
    assert (20 < found < 32, count) == (True, 1)
    assert f"{128 - found} rows cannot be read: not read on from here: it unpacks to more than 256 MB" in said
    assert held < 1.5 * before


@pytest.mark.slow
def test_rows_of_a_table_of_more_than_16_mb_are_passed_over(tmp_path: Path) -> None:
    _, _, before, _ = peak(named_often(tmp_path / "few.parquet", 17 * 2**20, 3))
    found, count, held, said = peak(named_often(tmp_path / "samples.parquet", 17 * 2**20, 12))
    assert (found, count) == (0, 12)
    assert "a row of 18 MB; the largest that is read has 16 MB" in said
    assert held < 1.5 * before


def test_a_table_of_millions_of_rows_without_anything_is_not_gone_over(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="a Parquet file is written with pyarrow")
    table = pyarrow.table({"step": pyarrow.nulls(12_000_000), "text": pyarrow.nulls(12_000_000, "string")})
    path = tmp_path / "samples.parquet"
    import_module("pyarrow.parquet").write_table(table, path, row_group_size=12_000_000)
    found, problems = samples_of(path, "parquet")
    assert not found
    assert "12,000,000 rows cannot be read" in problems.listed[0].message


def test_samples_without_text_are_scored_in_bounded_batches() -> None:
    from coherence.audit.shard import BATCH, EMPTY, _batches
    from coherence.readers.read import PromptedSample

    read = PromptedSample(0, "", Sample(1, "", "s.jsonl", 1), None)
    batch = next(_batches([read] for _ in range(BATCH)))
    assert len(batch) <= BATCH // EMPTY


# --- Databases that compute -------------------------------------------------------------------------------


def database(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        for row in ROWS:
            logged = json.dumps({"completion": row["text"]})
            if "VIEW" not in statements[0]:
                connection.execute("INSERT INTO metrics (run_name, metrics) VALUES ('a', ?)", (logged,))
        connection.commit()
    return path


@pytest.mark.slow
def test_a_database_that_counts_for_ever_is_given_up(tmp_path: Path) -> None:
    forever = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
    columns = "x AS rowid, '' AS timestamp, 'a' AS run_name, 1 AS step, '{}' AS metrics"
    path = database(tmp_path / "a.db", f"CREATE VIEW metrics AS {forever} SELECT {columns} FROM c")  # noqa: S608
    problems = Problems()
    assert not list(samples_in(Piece(Part(str(path)), "trackio"), problems))
    assert "interrupted" in problems.listed[0].message


def test_a_database_that_makes_a_huge_value_is_given_up(tmp_path: Path) -> None:
    huge = f"step AS (zeroblob({sqlite.LARGEST + 1}))"
    path = database(tmp_path / "a.db", f"CREATE TABLE metrics ({METRICS}, {huge})")
    found, problems = samples_of(path, "trackio")
    assert not found
    assert "too big" in problems.listed[0].message


def test_a_value_of_a_database_that_cannot_be_read_is_listed_and_the_others_count(tmp_path: Path) -> None:
    nested = "[" * 900 + "]" * 900
    table = (
        f'{{"t": {{"_type": "trackio.table", "_value": [{{"step": 1, "completion": "a", "b": {nested}}}]}}}}'
    )
    path = database(
        tmp_path / "a.db",
        f"CREATE TABLE metrics ({METRICS}, step INTEGER DEFAULT 1)",
        "INSERT INTO metrics (run_name, metrics) VALUES ('a', CAST(X'ff00ff' AS TEXT))",
        f"""INSERT INTO metrics (run_name, metrics) VALUES ('a', '{{"t": {nested}}}')""",  # noqa: S608
        f"INSERT INTO metrics (run_name, metrics) VALUES ('a', '{table}')",  # noqa: S608
        "INSERT INTO metrics (run_name, timestamp, metrics) VALUES (X'ff', '0001-01-01T00:00:00', '{}')",
    )
    found, problems = samples_of(path, "trackio")
    assert [sample.text for sample in found if sample.text != "a"] == TEXTS
    assert any("not UTF-8" in problem.message for problem in problems.listed)


# --- What is no file, and names ---------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_pipes_devices_dead_links_and_folders_are_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "dead.jsonl").symlink_to("nowhere")
    (tmp_path / "self.jsonl").symlink_to("self.jsonl")
    (tmp_path / "zero.jsonl").symlink_to("/dev/zero")
    (tmp_path / "folder.jsonl").mkdir()
    for name in ("pipe", "dead", "self", "zero", "folder"):
        assert main(["audit", str(tmp_path / f"{name}.jsonl")]) == 2
        assert f"{name}.jsonl: " in capsys.readouterr().err
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "good.jsonl").write_bytes(LINES)
    status, report = audit(tmp_path, tmp_path)
    assert (status, shown_texts(report)) == (0, len(ROWS))
    notes = " ".join(report["notes"])
    assert all(f"{name}.jsonl" in notes for name in ("pipe", "dead", "self", "zero"))


def test_links_that_lead_back_are_followed_once(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "samples").mkdir(parents=True)
    (run / "samples" / "step_5.jsonl").write_bytes(LINES)
    for folder in (run, run / "samples"):
        for name in ("completions", "generations", "checkpoint-7", "runs", "logs", "tb", "best"):
            (folder / name).symlink_to(".")
    (run / "samples" / "up").symlink_to("..")
    (run / "latest").symlink_to("samples")
    status, report = audit(tmp_path, run)
    assert (status, shown_texts(report)) == (0, len(ROWS))
    assert any("a link to a folder that is read already" in note for note in report["notes"])


EVIL = b"x\n\x1b[31m\x1b]0;t\x07<b onmouseover=a>\xff\xe2\x80\xae.jsonl"


@pytest.mark.skipif(os.name != "posix", reason="names are bytes where files may be called anything")
def test_names_with_escapes_newlines_and_no_utf_8_are_shown_harmlessly(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / os.fsdecode(b"run\xff\n\x1b[31m<script>")
    folder.mkdir()
    (folder / os.fsdecode(EVIL)).write_bytes(LINES + b"no JSON\n")
    (folder / os.fsdecode(b"empty" + EVIL)).write_bytes(b"")
    (tmp_path / "good.jsonl").write_bytes(LINES)
    for paths in ([folder], [folder / os.fsdecode(b"empty" + EVIL)], [folder, tmp_path / "good.jsonl"]):
        audit(tmp_path, *paths)
        captured = capfd.readouterr()
        assert not re.search(r"[\x1b\x07\u202e\ud800-\udfff]", captured.err + captured.out)
    status, report = audit(tmp_path, folder)
    assert (status, shown_texts(report), report["problem_count"]) == (0, len(ROWS), 1)
    assert any("empty" in note for note in report["notes"])
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "<b onmouseover" not in page
    assert "\x1b" not in page


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ('"event": "\\ud800", "details": {}', "a lone surrogate"),
        ('"event": "x", "details": {"\\ud800": 1}', "a lone surrogate"),
        ('"event": "x", "details": {"a": [{"b": "\\udfff"}]}', "a lone surrogate"),
        ('"event": "x", "details": {"a": ' + "[" * 800 + "]" * 800 + "}", "nested deeper"),
    ],
)
def test_an_event_that_no_report_can_hold_is_listed(event: str, why: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "samples.jsonl").write_bytes(LINES)
    losses = '{"step": 1, "loss": 2.5}\n{"format": 1, "step": 1, ' + event + "}\n"
    (run / "metrics.jsonl").write_text(losses, encoding="utf-8")
    status, report = audit(tmp_path, run)
    assert (status, report["problem_count"], report["events"]) == (0, 1, [])
    assert why in report["problems"][0]["message"]


# --- Thousands of them ------------------------------------------------------------------------------------


def work_for(runs: int) -> int:
    """How many lines run to find the rows of each of so many runs in one output, of a sample each."""
    rows = np.zeros(runs, ROW)
    rows["run"] = rows["segment"] = rows["row"] = range(runs)
    names = [f"run {number}" for number in range(runs)]
    segments = [Segment(number, 0, 1, 1) for number in range(runs)]
    shard = Shard(0, (Piece(Part("samples.jsonl"), "jsonl", None),))

    def find() -> None:
        output = Output.of(shard, ShardResult(rows, names, segments, [], 0, [], []))
        assert all(len(Timeline([output], name).restarts) == 0 for name in names)

    return lines(find)


def test_four_times_the_runs_take_four_times_the_work() -> None:
    assert work_for(400) < 5 * work_for(100)


def test_four_times_the_numbered_files_are_looked_at_four_times_as_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[int] = Counter()
    name = files.name_of
    for count in (40, 160):
        (folder := tmp_path / str(count)).mkdir()
        for number in range(count):
            (folder / f"samples-{number}.txt").write_bytes(b"==== SAMPLE 1 ====\nthe cat sat\n")
        monkeypatch.setattr(files, "name_of", lambda path, at=count: asked.update([at]) or name(path))
        assert len(find_runs([str(folder)])[0].samples) == count
    assert asked[160] < 5 * asked[40]


# --- While it is read -------------------------------------------------------------------------------------


def test_a_file_that_shrinks_while_it_is_read_is_said_to_have(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(LINES * 10_000)
    problems = Problems()
    read = iter(samples_in(Piece(Part(str(path)), "jsonl"), problems))
    next(read)
    os.truncate(path, len(LINES) * 100)
    rest = sum(1 for _ in read)
    assert rest < len(ROWS) * 10_000
    assert "shorter meanwhile" in problems.listed[-1].message


def test_a_part_beyond_the_end_of_a_file_that_shrank_says_so(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(LINES)
    problems = Problems()
    assert not list(samples_in(Piece(Part(str(path), 10**6, 2 * 10**6), "jsonl"), problems))
    assert "shorter meanwhile" in problems.listed[0].message


@pytest.mark.parametrize("ending", [b"\n", b""], ids=["a whole line", "half of a line"])
def test_what_is_added_while_a_file_is_read_is_left_for_the_next_time(ending: bytes, tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(LINES + LINES[:50] + ending)
    problems = Problems()
    read = 0
    for _ in raw_lines(Part(str(path)), problems):
        read += 1
        with path.open("ab") as file:
            file.write(LINES[50:])
    assert (read, problems.count) == (LINES.count(b"\n") + 1, 0)


def test_a_file_that_grows_while_it_is_read_is_audited_with_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(LINES * 20)
    stop = threading.Event()

    def grow() -> None:
        with path.open("ab", buffering=0) as file:
            while not stop.is_set() and file.tell() < 2**21:
                file.write(LINES[:50])
                file.write(LINES[50:])
                stop.wait(0.001)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        status, report = audit(tmp_path, path)
    finally:
        stop.set()
        writer.join()
    assert status == 0
    assert shown_texts(report) + report["superseded"] >= 20 * len(ROWS)
    assert report["problem_count"] <= 1  # the line that was being written


# --- Encodings and ends of lines --------------------------------------------------------------------------


def encodings() -> Iterator[tuple[str, bytes, int]]:
    text = LINES.decode().replace("cat", "c\u00e2t")
    yield "a byte order mark", text.encode("utf-8-sig"), 0
    yield "carriage returns", text.replace("\n", "\r\n").encode(), 0
    yield "mixed ends of lines", text.replace("\n", "\r\n", 3).encode(), 0
    yield "one line of Latin-1", text.encode() + LINES[:30] + b"\xe9\n", 1
    yield "a null byte", text.encode() + b"\0\n", 1


@pytest.mark.parametrize(
    ("content", "unused"), [each[1:] for each in encodings()], ids=[e[0] for e in encodings()]
)
def test_encodings_and_ends_of_lines_lose_no_sample(content: bytes, unused: int, tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(content)
    status, report = audit(tmp_path, path)
    assert (status, shown_texts(report), report["problem_count"]) == (0, len(ROWS), unused)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-7"])
def test_a_file_in_another_encoding_is_refused_or_its_lines_are_listed(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(LINES.decode().encode(encoding))
    status, report = audit(tmp_path, path)
    assert status == 2 or shown_texts(report) + report["problem_count"] == len(ROWS)
