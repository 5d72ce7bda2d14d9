"""The commands of README and of the pages run as they are written, from the top of a page to its end.

Each page gets a folder with what its reader has: the fixtures and the examples, a run, samples, a corpus. In
README and in a tutorial, which name the fixtures, a command has to end with 0 or with the status that its
comment names ("exits with 1"). The other pages speak of the reader's own files, so a command may end with 1:
a verdict. A block with a title is written to the file of that name first, because a later command needs it.
"""

import contextlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from places import ROOT, RUNS
from shell import Outcome, Shell

PAGES = sorted(str(page.relative_to(ROOT)) for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r'^```(?:(sh)|\w+ title="([\w./]+)")\n(.*?)^```', re.MULTILINE | re.DOTALL)
SETTINGS = re.compile(r"^```toml\n(\[tool\.coherence\].*?)^```", re.MULTILINE | re.DOTALL)
PLAIN = re.compile(r"coherence (?:'[^']*'|[^|<>$;&`*'\\\n])*")
STATUS = re.compile(r"# exits with (\d+)")

LEFT_OUT = {
    r"python3 -m venv |pip install ": "it installs from a package index; CI runs it",
    r"\. \.venv/bin/activate": "the shell of a person",
    r"coherence serve ": "it runs until it is stopped; tests/show and tests/faults start it",
    r"coherence watch .*(--webhook|--checkpoints|--stop-file)": "it needs a service: tests/watch",
    r"coherence audit (s3://|'rollouts/\*\.jsonl\.zst')": "it needs a bucket or extras: tests/readers",
    r".*(sample_checkpoint|sample_server)": "it needs a checkpoint or a server: tests/trainers",
    r"coherence --print-completion ": "it needs an extra: tests/cli",
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

    def __init__(self, folder: Path, page: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._environment = furnish(folder, page)
        self._here = Shell(capsys)

    def run(self, command: str) -> Outcome:
        """Run a command: one that needs no shell in this process, which takes a third of the time."""
        if PLAIN.fullmatch(command):
            with contextlib.chdir(self.folder):
                return self._here(*shlex.split(command, comments=True)[1:])
        ended = subprocess.run(  # noqa: S603 - our own pages
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        return Outcome(ended.returncode, ended.stdout, ended.stderr)

    def set(self, settings: str) -> None:
        """Give the project the settings that a page shows, and the snapshot that they name."""
        (self.folder / "pyproject.toml").write_text(settings, encoding="utf-8")
        (self.folder / "snapshots").mkdir()
        assert self.run("coherence check samples.jsonl --update").status == 0


def blocks(page: str) -> list[tuple[str, str, str]]:
    """Return the blocks of a page: whether it is of a shell, its title, and what is in it."""
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def given(page: str) -> list[Command]:
    """Return the commands of a page."""
    return [command for shell, _, block in blocks(page) if shell for command in commands(block)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if not all(left_out(command.text) for command in given(page))]
)
def test_the_commands_of_a_page_run_as_they_are_written(
    page: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(tmp_path, page, capsys)
    if settings := SETTINGS.search((ROOT / page).read_text(encoding="utf-8")):
        desk.set(settings[1])
    for shell, title, block in blocks(page):
        if not shell:
            (tmp_path / title).write_text(block, encoding="utf-8")
        for command in commands(block) if shell else ():
            if left_out(command.text):
                continue
            status, out, err = desk.run(command.text)
            expected = {command.status} if in_a_clone(page) or command.status else {0, 1}
            assert status in expected, f"{command.text}\n{out}{err}"
            assert "Traceback" not in err, command.text


def test_every_reason_to_leave_a_command_out_is_needed() -> None:
    texts = [command.text for page in PAGES for command in given(page)]
    assert not [begin for begin in LEFT_OUT if not any(re.match(begin, text) for text in texts)]
