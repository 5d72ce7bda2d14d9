"""Shards scored on a Ray that is started here: killed at any time, the results are those of one process.

With COHERENCE_CAMPAIGN=1 also what takes long: a shard that kills its workers, and Ctrl-C.
"""

import importlib
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import sharded

from coherence.audit.runners import ATTEMPTS
from coherence.lazy import needs

SIZE = 20_000

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None or not Path("/proc/self/stat").exists(),
    reason="needs ray, and /proc to find its processes",
)
campaign = pytest.mark.skipif(os.environ.get("COHERENCE_CAMPAIGN") != "1", reason="takes a minute")


def test_without_ray_a_person_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    cluster = importlib.import_module("coherence.audit.ray")
    with pytest.raises(ValueError, match=re.escape(f"--ray {needs('ray', 'ray')}")):
        cluster.on_ray("local")


def program(folder: Path, *options: str, deadly: int | None = None) -> Any:
    arguments = ("audit", "long.jsonl", "--observe", "--json", "report.json", "--scored", "scored.jsonl")
    return sharded.Program(folder, SIZE, *arguments, *options, deadly=deadly)


def on_ray(folder: Path, deadly: int | None = None) -> Any:
    return program(folder, "--ray", "local", deadly=deadly)


def results(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "report.json").read_bytes(), (folder / "scored.jsonl").read_bytes()


def finished(folder: Path) -> dict[str, int]:
    """When the output of each shard that is done was written."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "scored.jsonl.shards").glob("[0-9]*")}


def workers_of(program: Any) -> list[int]:
    found: list[int] = sharded.descendants(program.pid, "^ray::_score")
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dump of several shards, and what one process makes of it."""
    folder = tmp_path_factory.mktemp("whole")
    lines = [*sharded.rows(range(0, 900, 3), 3), b"no sample", *sharded.rows(range(600, 1500, 3), 3)]
    sharded.write_lines(folder / "long.jsonl", *lines)
    assert program(folder).status() == 0
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    os.link(whole / "long.jsonl", tmp_path / "long.jsonl")
    return tmp_path


@needs_ray
def test_a_worker_that_is_killed_costs_nothing(whole: Path, folder: Path) -> None:
    going = on_ray(folder)
    going.wait_until(lambda: len(finished(folder)) > 1)
    os.kill(workers_of(going)[0], signal.SIGKILL)
    assert going.status() == 0, going.said()
    assert results(folder) == results(whole)


@needs_ray
def test_a_program_that_is_killed_takes_ray_with_it_and_goes_on_where_it_stopped(
    whole: Path, folder: Path
) -> None:
    going = on_ray(folder)
    going.wait_until(lambda: len(finished(folder)) > 1)
    seen = finished(folder)
    going.kill_and_wait_for(sharded.descendants(going.pid, "ray"))
    assert seen.items() <= finished(folder).items()
    going = on_ray(folder)
    going.wait_until(lambda: len(finished(folder)) > len(seen) + 1)
    assert seen.items() <= finished(folder).items(), "a shard was scored again"
    assert going.status() == 0, going.said()
    assert results(folder) == results(whole)


@needs_ray
@campaign
def test_a_shard_that_always_kills_its_worker_is_set_aside_and_named(whole: Path, folder: Path) -> None:
    assert (going := on_ray(folder, deadly=5)).status() == 0, going.said()
    report, expected = (json.loads(results(each)[0]) for each in (folder, whole))
    note = f"skipped long.jsonl from byte {5 * SIZE:,}: it crashed its worker {ATTEMPTS} times"
    assert note in report["notes"]
    assert report["problems"] == expected["problems"], "lines are counted from the beginning of the file"


@needs_ray
@campaign
def test_ctrl_c_reports_what_was_read_and_a_second_start_finishes(whole: Path, folder: Path) -> None:
    going = on_ray(folder)
    going.wait_until(lambda: len(finished(folder)) > 1)
    going.interrupt()
    assert going.status() == 130, going.said()
    assert "interrupted" in going.said()
    assert json.loads(results(folder)[0])["partial"]
    assert on_ray(folder).status() == 0
    assert results(folder) == results(whole)


@needs_ray
@campaign
def test_what_is_no_address_is_refused_in_one_line(folder: Path) -> None:
    refused = program(folder, "--ray", "nonsense")
    assert refused.status() == 2
    assert refused.said() == "coherence: Invalid address format: nonsense\n"
