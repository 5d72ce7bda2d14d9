"""A line for a person on standard error, without waiting for what lays out a report."""

import os
import sys
from importlib import import_module
from typing import TextIO

from coherence.escape import on_one_line


def say(line: str, style: str = "") -> None:
    """Write a line to standard error; where nobody reads it, the exit status says enough.

    Args:
        line: it is made printable, and no command to GitHub's runner.
        style: of rich, which only a terminal waits for.
    """
    if sys.stderr is None:
        return
    if style and sys.stderr.isatty():
        terminal = import_module("coherence.show.console")
        terminal.console().print(terminal.as_line(line), style=style)
        return
    try:
        print(on_one_line(line), file=sys.stderr)  # noqa: T201 - this is the command line
    except OSError:
        silence(sys.stderr)


def silence(stream: TextIO) -> None:
    """Drop what a stream still holds: nobody reads it, and Python would complain of it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
