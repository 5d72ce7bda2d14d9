"""A terminal of so many columns, as a person has it; POSIX only."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path
from typing import NamedTuple

from places import ROOT

CONTROL = re.compile(r"\x1b\[[?\d;]*[A-Za-z]|\r")
WITHDRAWN = re.compile(r"[^\n]*\n(?:\x1b\[\?25h|\r)*\x1b\[1A|[^\n]*\x1b\[2K")
"""What was shown and is gone: a line that was erased, and one to which the cursor went up again."""


class Screen(NamedTuple):
    """What a command left: its exit status, and all that it wrote."""

    status: int
    raw: str

    @property
    def lines(self) -> list[str]:
        """What stays on the screen, without styles."""
        return CONTROL.sub("", WITHDRAWN.sub("", self.raw.replace("\r\n", "\n"))).splitlines()

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.lines).split())


def at_terminal(columns: int, *arguments: str, typed: str = "", **environment: str) -> Screen:
    """Run `coherence` at a terminal and return what it wrote there.

    Args:
        columns: of the terminal.
        arguments: of the command.
        typed: what a person types; `\x04` is Ctrl-D.
        environment: variables to set.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    unset = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "GITHUB_ACTIONS", "CI")
    given = {name: value for name, value in os.environ.items() if name not in unset}
    path = filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
    given |= {"TERM": "xterm-256color", "PYTHONUTF8": "1", "PYTHONPATH": os.pathsep.join(path)} | environment
    written: list[bytes] = []
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "coherence.cli", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=given,
        cwd=Path.cwd(),
        start_new_session=True,
    ) as process:
        os.close(theirs)
        reader = threading.Thread(target=_read_all, args=(ours, written))
        reader.start()
        os.write(ours, typed.encode())
        status = process.wait()
        reader.join()
    os.close(ours)
    return Screen(status, b"".join(written).decode())


def _read_all(terminal: int, written: list[bytes]) -> None:
    while True:
        try:
            more = os.read(terminal, 65536)
        except OSError:  # the other end was closed
            return
        if not more:
            return
        written.append(more)
