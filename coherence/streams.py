"""Where output goes: machine output to standard output or a file, everything for people to standard error."""

import os
import sys
from pathlib import Path

from rich.console import Console


class _Console(Console):
    """Standard error. A reader who has seen enough and leaves changes neither exit status nor output."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def console() -> Console:
    """Return the terminal of a person."""
    return _Console(stderr=True, highlight=False)


def write(target: str, text: str) -> None:
    """Write to a file, or for `-` to standard output.

    Raises:
        OSError: it cannot be written.
    """
    if target == "-":
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    else:
        Path(target).write_text(text + "\n", encoding="utf-8")
