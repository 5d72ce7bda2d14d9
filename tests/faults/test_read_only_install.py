"""Where the package cannot be written to and the user has no home, commands do the same and leave nothing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from places import ROOT, RUNS, WORDLISTS

import coherence

BOUND = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""Begins a command that root runs, and makes permissions bind it."""


def permissions_bind() -> bool:
    if sys.platform == "win32":
        return False
    if os.geteuid():
        return True
    command = [*BOUND, "true"]
    return shutil.which(BOUND[0]) is not None and subprocess.run(command, check=False).returncode == 0  # noqa: S603


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that cannot be written to: with the package, a run and a snapshot."""
    package, ignored = Path(coherence.__file__).parent, shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, tmp_path / "site/coherence", ignore=ignored)
    shutil.copytree(WORDLISTS, tmp_path / "site/coherence/wordlists", dirs_exist_ok=True)
    shutil.copytree(RUNS / "leak", tmp_path / "run")
    (tmp_path / "empty").mkdir()
    run_as_usual("check", "run", "--snapshot", "good.json", "--update", cwd=tmp_path)
    folders = [tmp_path, *filter(Path.is_dir, tmp_path.rglob("*"))]
    for each in folders:
        each.chmod(0o777 if each.name == "empty" else 0o555)
    yield tmp_path
    for each in folders:
        each.chmod(0o700)


def run_as_usual(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run(arguments, cwd, os.environ | {"PYTHONPATH": str(ROOT)})


def run_without_a_home(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(cwd / "site"),
        "HOME": str(cwd / "no-such-home"),
        "TMPDIR": str(cwd / "empty"),
    }
    return run(arguments, cwd, environment, () if os.geteuid() else BOUND)


def run(
    arguments: Sequence[str], cwd: Path, environment: dict[str, str], before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-m", "coherence.cli", *arguments]
    return subprocess.run(  # noqa: S603 - our own program
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def what_is_there(folder: Path) -> dict[Path, tuple[int, int] | None]:
    """Return what lies in a folder, and of files the size and the time."""
    there = ((path, path.stat()) for path in folder.rglob("*"))
    return {path: None if path.is_dir() else (found.st_size, found.st_mtime_ns) for path, found in there}


@pytest.mark.slow
@pytest.mark.skipif(not permissions_bind(), reason="permissions bind nobody here")
@pytest.mark.parametrize(
    "arguments",
    [
        ("audit", "run"),
        ("audit", "run", "--json", "-"),
        ("score", "run/samples.jsonl"),
        ("check", "run", "--snapshot", "good.json"),
    ],
)
def test_a_command_does_the_same_and_leaves_nothing(folder: Path, arguments: tuple[str, ...]) -> None:
    expected = run_as_usual(*arguments, cwd=folder)
    before = what_is_there(folder)
    found = run_without_a_home(*arguments, cwd=folder)
    assert expected.returncode in (0, 1), expected.stderr
    assert (found.returncode, found.stdout) == (expected.returncode, expected.stdout), found.stderr
    assert "Traceback" not in found.stderr
    assert what_is_there(folder) == before
