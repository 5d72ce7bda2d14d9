"""The commands of README and of the pages run as they are written, from the top of a page to its end.

Each page gets a folder with what its reader has: the fixtures and the examples, a run, samples, a corpus. In
README and in a tutorial, which name the fixtures, a command has to end with 0 or with the status that its
comment names ("exits with 1"). The other pages speak of the reader's own files, so a command may end with 1:
a verdict. A block with a title is written to the file of that name first, because a later command needs it.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from places import ROOT, RUNS

PAGES = sorted(str(page.relative_to(ROOT)) for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r'^```(?:(sh)|\w+ title="([\w./]+)")\n(.*?)^```', re.MULTILINE | re.DOTALL)
SETTINGS = re.compile(r"^```toml\n(\[tool\.coherence\].*?)^```", re.MULTILINE | re.DOTALL)
STATUS = re.compile(r"# exits with (\d+)")

LEFT_OUT = {
    r"python3 -m venv |pip install ": "it installs from a package index; CI runs it",
    r"\. \.venv/bin/activate": "the shell of a person",
    r"coherence serve ": "it runs until it is stopped; tests/show and tests/faults start it",
    r"coherence watch .*(--webhook|--checkpoints|--stop-file)": "it needs a service: tests/watch",
    r"coherence audit (s3://|'rollouts/\*\.jsonl\.zst')": "it needs a bucket or extras: tests/readers",
    r".*(sample_checkpoint|sample_server)": "it needs a checkpoint or a server: tests/trainers",
    r"srun |status=|if \[ |exit ": "a script for a cluster",
    r"torchrun ": "it needs several ranks: tests/trainers",
}
"""What begins like this is not run, and why."""

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a POSIX shell"),
]


class Command(NamedTuple):
    """A command of a page, and the status with which it is to end."""

    text: str
    status: int = 0


def commands(block: str) -> Iterator[Command]:
    """Yield the commands of a block: a line each, with the lines that continue it or belong to its `if`."""
    parts: list[str] = []
    for line in block.splitlines():
        parts.append(line)
        whole = "\n".join(parts)
        inside = len(re.findall(r"^if ", whole, re.MULTILINE)) > len(re.findall(r"^fi$", whole, re.MULTILINE))
        if line.endswith("\\") or inside:
            continue
        if whole.strip() and not whole.lstrip().startswith("#"):
            status = STATUS.search(whole)
            yield Command(whole, int(status[1]) if status else 0)
        parts = []


def left_out(command: str) -> str | None:
    """Say why a command is not run."""
    if "| jq" in command and not shutil.which("jq"):
        return "jq is not installed"
    return next((why for begin, why in LEFT_OUT.items() if re.match(begin, command)), None)


def in_a_clone(page: str) -> bool:
    """Say whether a page is followed in a clone of this repository, with nothing else at hand."""
    return page == "README.md" or page.startswith("docs/tutorials")


def furnish(desk: Path, page: str) -> dict[str, str]:
    """Put on the desk what the reader of a page has, and return the environment of the shell."""
    (desk / "bin").mkdir()
    for name, arguments in (("python", ""), ("coherence", "-m coherence.cli ")):
        shim = desk / "bin" / name
        shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}"$@"\n', encoding="utf-8")
        shim.chmod(0o755)
    for name in ("fixtures", "examples"):
        shutil.copytree(ROOT / name, desk / name)
    shutil.copy(ROOT / "README.md", desk)
    if not in_a_clone(page):
        shutil.copytree(RUNS / "leak", desk / "runs" / "exp7")
        shutil.copytree(RUNS / "leak", desk / "rollouts")
        shutil.copy(RUNS / "healthy" / "samples.jsonl", desk)
        shutil.copy(RUNS / "healthy" / "samples.jsonl", desk / "before.jsonl")
        shutil.copy(RUNS / "leak" / "samples.jsonl", desk / "now.jsonl")
        shutil.copy(ROOT / "docs" / "scores.md", desk / "corpus.txt")
    path = f"{desk / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    return {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "HOME": str(desk)}


class Desk:
    """A folder in which the commands of a page run."""

    def __init__(self, folder: Path, page: str) -> None:
        self.folder = folder
        self._environment = furnish(folder, page)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a shell."""
        return subprocess.run(  # noqa: S603 - our own pages
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    def set(self, settings: str) -> None:
        """Give the project the settings that a page shows, and the snapshot that they name."""
        (self.folder / "pyproject.toml").write_text(settings, encoding="utf-8")
        (self.folder / "snapshots").mkdir()
        assert self.run("coherence check samples.jsonl --update").returncode == 0


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run_as_they_are_written(page: str, tmp_path: Path) -> None:
    desk, text = Desk(tmp_path, page), (ROOT / page).read_text(encoding="utf-8")
    if settings := SETTINGS.search(text):
        desk.set(settings[1])
    ran = 0
    for shell, title, block in BLOCK.findall(text):
        if not shell:
            (tmp_path / title).write_text(block, encoding="utf-8")
            continue
        for command in commands(block):
            if left_out(command.text):
                continue
            ended = desk.run(command.text)
            expected = {command.status} if in_a_clone(page) or command.status else {0, 1}
            assert ended.returncode in expected, f"{command.text}\n{ended.stdout}{ended.stderr}"
            assert "Traceback" not in ended.stderr, command.text
            ran += 1
    if not ran:
        pytest.skip("the page has no command that runs here")


def test_every_reason_to_leave_a_command_out_is_needed() -> None:
    given = [
        command.text
        for page in PAGES
        for shell, _, block in BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
        if shell
        for command in commands(block)
    ]
    assert not [begin for begin in LEFT_OUT if not any(re.match(begin, text) for text in given)]
