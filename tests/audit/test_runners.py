"""Shards scored here and in processes: cut anywhere, killed at any time, the results are the same."""

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sharded

from coherence.audit import processes
from coherence.audit.conduct import audit_dump
from coherence.audit.plan import Request, prepare
from coherence.audit.runners import ATTEMPTS, Scoring, here, score_into
from coherence.audit.shard import ScoringSettings, Shard
from coherence.audit.store import Output
from coherence.readers.lines import Part
from coherence.readers.read import Piece

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")

row, rows, write = sharded.row, sharded.rows, sharded.write_lines


def audited(paths: Sequence[Path], size: int) -> tuple[int, str, str]:
    """How many shards there were, the report, and the scored samples."""
    scored = paths[0].parent / "scored.jsonl"
    request = Request([str(path) for path in paths], scored=str(scored))
    job = prepare(request, size)
    found, _ = audit_dump(request, job, here, lambda _output: None)
    return len(job.shards), found.to_json(indent=1), scored.read_text(encoding="utf-8")


# Where it is cut


def straddling(folder: Path) -> list[Path]:
    """Steps of many samples, one of them of more than are compared."""
    return [write(folder / "a.jsonl", *rows(range(0, 60, 3), 9), *rows([60], 80), *rows(range(63, 90), 2))]


def several_files(folder: Path) -> list[Path]:
    """One run: steps that begin in a file and end in the next, a file for each rank, and an empty one."""
    first, second = rows(range(20), 5), rows(range(19, 40), 5, rank=1)
    return [
        write(folder / "a.jsonl", *first[:52]),
        write(folder / "b.jsonl", *first[52:]),
        write(folder / "c.jsonl"),
        write(folder / "d.jsonl", *second, end=b"\r\n"),
    ]


def several_runs(folder: Path) -> list[Path]:
    """Runs that take turns in a file, and one that comes after them."""
    mixed = [each for step in range(40) for each in rows([step], 2, run=f"run {step % 3}")]
    return [write(folder / "a.jsonl", *mixed, *rows(range(50), run="last"))]


def bad_lines(folder: Path) -> list[Path]:
    random = Random(7)  # noqa: S311 - not for secrets
    bad = (
        *(b"", b'{"step": 3,', b"\xff\xfe", b'{"step": 3, "text": 7}', b"[1]"),
        *(b'{"text": "of which step?"}', b'{"step": "none", "text": "a"}', b'{"step": 5, "loss": 3.0}'),
    )
    lines = [
        each for line in rows(range(99), 3) for each in (line, random.choice(bad))[: random.choice([1, 1, 2])]
    ]
    return [write(folder / "a.jsonl", *lines), write(folder / "b.jsonl", *lines[::-1][:50])]


def restarts(folder: Path) -> list[Path]:
    """A log that was appended to after two restarts, the second further back than the first."""
    return [write(folder / "a.jsonl", *rows(range(60)), *rows(range(41, 80)), *rows(range(20, 90)))]


def without_steps(folder: Path) -> list[Path]:
    lines = [json.dumps({"text": json.loads(line)["text"]}).encode() for line in rows(range(80))]
    return [write(folder / "a.jsonl", *lines[:99]), write(folder / "b.jsonl", *lines[99:])]


def step_told_late(folder: Path) -> list[Path]:
    """A step that goes on after a row that does not tell it: neither a restart nor a sample."""
    lines = rows(range(5), 40)
    for place in range(7, 200, 9):
        lines.insert(place, b'{"text": "of which step, and why?"}')
    return [write(folder / "a.jsonl", *lines)]


DUMPS = (straddling, several_files, several_runs, bad_lines, restarts, without_steps, step_told_late)


@pytest.mark.slow
@pytest.mark.parametrize("dump", DUMPS)
def test_where_a_dump_is_cut_changes_nothing(tmp_path: Path, dump: Callable[[Path], list[Path]]) -> None:
    paths = dump(tmp_path)
    _, *whole = audited(paths, 10**9)
    for size in (20_000, 4_001, 1_999):
        shards, *cut = audited(paths, size)
        assert shards > 2
        assert cut == whole


# Killed


SIZE = 30_000


def program(folder: Path, *options: str, deadly: int | None = None) -> Any:
    arguments = ("audit", "long.jsonl", "--observe", "--json", "report.json", "--scored", "scored.jsonl")
    return sharded.Program(folder, SIZE, *arguments, *options, deadly=deadly)


def results(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "report.json").read_bytes(), (folder / "scored.jsonl").read_bytes()


def finished(folder: Path) -> dict[str, int]:
    """When the output of each shard that is done was written."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "scored.jsonl.shards").glob("[0-9]*")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dump of many shards, and what one process makes of it that nobody kills."""
    folder = tmp_path_factory.mktemp("whole")
    write(folder / "long.jsonl", *rows(range(0, 2000, 3), 7), b"no sample", *rows(range(1401, 2400, 3), 7))
    assert program(folder).status() == 0
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    os.link(whole / "long.jsonl", tmp_path / "long.jsonl")
    return tmp_path


def workers_of(program: Any) -> list[int]:
    found: list[int] = sharded.descendants(program.pid, "spawn_main")
    return found


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing(whole: Path, folder: Path) -> None:
    going = program(folder, "--workers", "2")
    going.wait_until(lambda: len(finished(folder)) > 3)
    os.kill(workers_of(going)[0], signal.SIGKILL)
    assert going.status() == 0, going.said()
    assert results(folder) == results(whole)


@pytest.mark.slow
def test_a_program_that_is_killed_goes_on_where_it_stopped(whole: Path, folder: Path) -> None:
    seen: dict[str, int] = {}
    for shards in (3, 9):
        going = program(folder, "--workers", "2")
        going.wait_until(lambda least=shards: len(finished(folder)) > least)
        going.kill_and_wait_for(workers_of(going))
        assert not (folder / "scored.jsonl").exists()
        assert seen.items() <= finished(folder).items(), "a shard was scored again"
        seen = finished(folder)
    assert program(folder).status() == 0
    assert results(folder) == results(whole)
    assert not (folder / "scored.jsonl.shards").exists()


@pytest.mark.slow
def test_a_shard_that_always_kills_its_worker_is_set_aside_and_named(whole: Path, folder: Path) -> None:
    assert (going := program(folder, "--workers", "2", deadly=5)).status() == 0, going.said()
    report, expected = (json.loads(results(each)[0]) for each in (folder, whole))
    note = f"skipped long.jsonl from byte {5 * SIZE:,}: it crashed its worker {ATTEMPTS} times"
    assert note in report["notes"]
    assert report["problems"] == expected["problems"], "lines are counted from the beginning of the file"
    lines, scored = (results(each)[1].splitlines() for each in (whole, folder))
    assert 0 < len(lines) - len(scored) < 200
    assert not report["partial"]


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_reports_what_was_read_and_a_second_start_finishes(
    whole: Path, folder: Path, workers: str
) -> None:
    going = program(folder, "--workers", workers)
    going.wait_until(lambda: len(finished(folder)) > 3)
    going.interrupt()
    assert going.status() == 130
    assert "interrupted" in going.said()
    assert "Traceback" not in going.said()
    report, scored = results(folder)
    assert json.loads(report)["partial"]
    samples = [json.loads(line) for line in scored.splitlines()]
    assert len(samples) == json.loads(report)["judged"] + json.loads(report)["too_short"]
    assert len(finished(folder)) > 3
    assert program(folder, "--workers", "2").status() == 0
    assert results(folder) == results(whole)


# Workers


class Unreadable(Exception):
    """It can be written, and not be read again."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} {other}")


def shard_of(path: str) -> Shard:
    return Shard(0, (Piece(Part(path), "jsonl", None),))


def test_what_a_worker_cannot_hand_over_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_shard: Shard, _settings: ScoringSettings) -> Output:
        raise Unreadable("no", "way")

    monkeypatch.setattr(processes, "score_one", fail)
    found = processes._scored(shard_of("a.jsonl"), ScoringSettings())
    assert isinstance(found, RuntimeError)
    assert str(found) == "Unreadable: no way"


def test_an_error_of_a_worker_tells_where_it_arose(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_shard: Shard, _settings: ScoringSettings) -> Output:
        raise LookupError("no such thing")

    monkeypatch.setattr(processes, "score_one", fail)
    found = pickle.loads(pickle.dumps(processes._scored(shard_of("a.jsonl"), ScoringSettings())))  # noqa: S301 - our own
    assert isinstance(found, LookupError)
    assert "in fail" in found.__notes__[0]


NO_WORKER_BEGINS = """
from coherence import Lexicon
from coherence.audit.processes import in_processes
from coherence.audit.shard import ScoringSettings, Shard
settings = ScoringSettings(lexicon=Lexicon(f"word{number}" for number in range(100_000)))
print([output for _, output in in_processes(1)([Shard(0, ())], settings)])
"""


@pytest.mark.slow
def test_workers_that_die_as_they_begin_are_not_started_for_ever(tmp_path: Path) -> None:
    # Each of them runs the script once more, which is not how a script starts processes.
    script = tmp_path / "unguarded.py"
    script.write_text(NO_WORKER_BEGINS)
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)  # noqa: S603 - ours
    assert (done.returncode, done.stdout) == (0, "[None]\n"), done.stderr


def test_workers_end_where_they_are_told_to_ignore_the_end() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with processes._workers() as start:
            worker = start()
        assert not worker.process.is_alive()
    finally:
        signal.signal(signal.SIGTERM, before)


# The work folder


def jobs(folder: Path) -> tuple[list[Shard], ScoringSettings]:
    job = prepare(Request([str(write(folder / "a.jsonl", *rows(range(40))))]), 4_000)
    return job.shards, job.settings


def test_an_output_that_is_cut_off_is_scored_again(tmp_path: Path) -> None:
    shards, settings = jobs(tmp_path)
    work = tmp_path / "work"
    outputs, _ = score_into(work, shards, settings, here)
    cut_off = sorted(work.iterdir())[:3]
    os.truncate(cut_off[0], 0)
    os.truncate(cut_off[1], 7)
    os.truncate(cut_off[2], cut_off[2].stat().st_size - 9)
    asked: list[int] = []

    def seen(shards: Sequence[Shard], settings: ScoringSettings) -> Scoring:
        asked.extend(shard.number for shard in shards)
        return here(shards, settings)

    again, _ = score_into(work, shards, settings, seen)
    assert asked == [0, 1, 2]
    assert [each.rows(0, each.count).tobytes() for each in again] == [
        each.rows(0, each.count).tobytes() for each in outputs
    ]


def test_an_output_is_of_its_file_and_its_settings_alone(tmp_path: Path) -> None:
    shards, settings = jobs(tmp_path)

    def scored(settings: ScoringSettings) -> int:
        asked: list[Shard] = []

        def seen(shards: Sequence[Shard], settings: ScoringSettings) -> Scoring:
            asked.extend(shards)
            return here(shards, settings)

        score_into(tmp_path / "work", shards, settings, seen)
        return len(asked)

    assert scored(settings) == len(shards)
    assert scored(settings) == 0
    assert scored(settings._replace(prefixes=("old man",))) == len(shards)
    os.utime(tmp_path / "a.jsonl", ns=(1, 1))
    assert scored(settings) == len(shards)


def test_ctrl_c_before_anything_was_scored_is_said(tmp_path: Path) -> None:
    def broken_off(_shards: Sequence[Shard], _settings: ScoringSettings) -> Scoring:
        raise KeyboardInterrupt

    request = Request([str(write(tmp_path / "a.jsonl", *rows(range(40))))])
    with pytest.raises(KeyboardInterrupt, match="interrupted before a sample was scored"):
        audit_dump(request, prepare(request), broken_off, lambda _output: None)
