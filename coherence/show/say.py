"""A line for a person on standard error, without waiting for what lays out a report."""

import os
import sys
from importlib import import_module
from typing import TextIO

from coherence.escape import on_one_line
from coherence.show.manner import manner


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
        print(on_one_line(line).rstrip(), file=sys.stderr)  # noqa: T201 - this is the command line
    except OSError:
        silence(sys.stderr)


def inform(line: str, style: str = "") -> None:
    """Write a line that is not an error to standard error, unless only errors are to be said.

    Args:
        line: as for `say`.
        style: as for `say`.
    """
    if not manner().quiet:
        say(line, style)


def several(count: int, what: str) -> str:
    """Return how many there are of something, in words.

    >>> several(1, "sample"), several(1200, "sample")
    ('1 sample', '1,200 samples')
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def width() -> int:
    """Return how many columns standard error has: as COLUMNS says, as the terminal has, or 80.

    >>> width() > 0
    True
    """
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(2).columns or 80
    except OSError:
        return 80


def silence(stream: TextIO) -> None:
    """Drop what a stream still holds: nobody reads it, and Python would complain of it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
