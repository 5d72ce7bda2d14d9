"""The terminal of a person, and how a line looks there: printable, in the colour of its verdict."""

import os
import sys
from typing import IO, Any, cast

from rich.console import Console
from rich.text import Text

from coherence.escape import on_github, printable, tamed

COLOURS = {
    "continue": "green",
    "watch": "yellow",
    "pivot": "magenta",
    "halt": "red",
    "pass": "green",
    "warning": "yellow",
    "inconclusive": "yellow",
    "too few": "yellow",
    "fail": "red",
}
"""Of an action, and of the verdict of a check."""


class _Console(Console):
    """Standard error. A reader who has seen enough and leaves changes neither exit status nor output."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


class _Tamed:
    """Standard error where GitHub's runner reads along: no line that is written is a command to it."""

    def write(self, text: str) -> int:
        return sys.stderr.write(tamed(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def console(tame: bool = False) -> Console:
    """Return the terminal of a person.

    Args:
        tame: let nothing through that GitHub's runner would do; in its jobs that is always so.
    """
    if tame or on_github():
        return _Console(file=cast("IO[str]", _Tamed()), highlight=False)
    return _Console(stderr=True, highlight=False)


def as_line(text: str) -> Text:
    r"""Return a line for a person: what stands in it has no power over the terminal, and goes on below.

    >>> as_line("a\x1b[31mb").plain
    'a [31mb'
    """
    return Text(printable(text), overflow="fold")
