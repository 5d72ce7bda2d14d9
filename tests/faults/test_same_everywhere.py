"""The same input gives the same bytes: any hash seed, locale, Python, number of workers, either scorer."""

import os
import shutil
import sys
from pathlib import Path
from subprocess import run

import pytest
from places import RUNS

from coherence.scoring import fast

ANY = "from coherence.cli.main import main; raise SystemExit(main({arguments!r}))"
ROUNDED_ONCE = (
    """
import builtins, math
add = builtins.sum
def rounded_once(values, start=0):
    values = list(values)
    return math.fsum(values) if any(isinstance(value, float) for value in values) else add(values, start)
builtins.sum = rounded_once
"""
    + ANY
)
"""As from Python 3.12 on, where the sum of floats is rounded in another way than before."""

WITHOUT_CORE = "import sys; sys.modules['coherence.scoring._core'] = None; " + ANY

ELSEWHERE = [
    pytest.param({"PYTHONHASHSEED": "1"}, id="another hash seed"),
    pytest.param({"PYTHONHASHSEED": "random"}, id="any hash seed"),
    pytest.param(
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}, id="ASCII"
    ),
    pytest.param({"TZ": "Asia/Kathmandu", "COLUMNS": "40", "TERM": "dumb"}, id="another clock and terminal"),
    pytest.param({"PYTHONOPTIMIZE": "2"}, id="without assertions"),
]


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs in one folder: a collapsed and a healthy one."""
    folder = tmp_path_factory.mktemp("dump")
    for name in ("leak", "healthy"):
        shutil.copytree(RUNS / name, folder / name)
    return folder


def output(
    folder: Path, arguments: list[str], environment: dict[str, str], code: str = ANY, expected: int = 1
) -> bytes:
    """What a command writes to the file that its arguments end with."""
    plain = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}
    found = run(  # noqa: S603 - our own program
        [sys.executable, "-c", code.format(arguments=arguments)],
        env={**os.environ, **plain, **environment},
        cwd=folder,
        capture_output=True,
        check=False,
    )
    assert found.returncode == expected, found.stderr.decode()
    return Path(folder, arguments[-1]).read_bytes()


def audit(dump: Path, folder: Path, *options: str) -> list[str]:
    return ["audit", str(dump), *options, "--json", str(folder / "report.json")]


@pytest.fixture(scope="module")
def report(dump: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("report")
    return output(folder, audit(dump, folder), {})


@pytest.mark.slow
@pytest.mark.parametrize("environment", ELSEWHERE)
def test_an_audit_writes_the_same_bytes(
    dump: Path, report: bytes, tmp_path: Path, environment: dict[str, str]
) -> None:
    assert output(tmp_path, audit(dump, tmp_path), environment) == report


@pytest.mark.slow
def test_two_workers_write_what_one_writes(dump: Path, report: bytes, tmp_path: Path) -> None:
    assert output(tmp_path, audit(dump, tmp_path, "--workers", "2"), {}) == report


@pytest.mark.slow
@pytest.mark.skipif(fast.CORE is None, reason="the core is optional")
def test_the_plain_scorer_writes_what_the_core_writes(dump: Path, report: bytes, tmp_path: Path) -> None:
    assert output(tmp_path, audit(dump, tmp_path), {}, WITHOUT_CORE) == report


@pytest.mark.slow
def test_a_python_that_rounds_sums_in_another_way_writes_the_same_bytes(dump: Path, tmp_path: Path) -> None:
    for name in ("healthy", "leak"):  # the report of one run shows more means than a ranking
        arguments, expected = audit(dump / name, tmp_path), int(name == "leak")
        usual = output(tmp_path, arguments, {}, expected=expected)
        assert output(tmp_path, arguments, {}, ROUNDED_ONCE, expected) == usual


@pytest.mark.slow
@pytest.mark.parametrize("environment", [ELSEWHERE[1], ELSEWHERE[2]])
def test_a_check_and_its_snapshot_are_the_same_bytes(tmp_path: Path, environment: dict[str, str]) -> None:
    """Half of the samples against the other: chance decides, and it has a fixed seed."""
    lines = (RUNS / "healthy/samples.jsonl").read_text("utf-8").splitlines(keepends=True)
    written = []
    for number, variables in enumerate(({}, environment)):
        folder = tmp_path / str(number)
        folder.mkdir()
        for half in range(2):
            (folder / f"{half}.jsonl").write_text("".join(lines[24 * half :][:24]), "utf-8")
        update = ["check", "0.jsonl", "--update", "--snapshot", "good.json"]
        written.append(output(folder, update, variables, expected=0))
        compare = ["check", "1.jsonl", "--snapshot", "good.json", "--json", "check.json"]
        written.append(output(folder, compare, variables, expected=0))
    assert written[:2] == written[2:]
