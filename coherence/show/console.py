"""The terminal of a person, and how a line looks there: printable, in the colour of its verdict."""

import os
import re
import sys
from typing import IO, Any, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from coherence.escape import on_github, printable, tamed
from coherence.show.manner import manner
from coherence.show.page.marks import Excerpt, in_brackets, on_a_line

LOOP = "yellow underline"
"""How what is repeated looks."""

STYLE = re.compile(r"[\d;]*m")
"""The rest of a sequence that sets colours."""

WIDE = 10_000
"""Columns that no table needs."""

NARROW = 60
"""Columns below which two columns of words stand one above the other."""

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


class _Tidy:
    """Standard error, no line of which ends in blanks, or where GitHub's runner reads along is a command."""

    def __init__(self, tame: bool) -> None:
        self._tame = tame

    def write(self, text: str) -> int:
        *lines, last = text.split("\n")
        text = "".join(f"{_without_padding(line)}\n" for line in lines) + last
        return sys.stderr.write(tamed(text) if self._tame else text)

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def _without_padding(line: str) -> str:
    """Return a line without the blanks that a table was filled up with; the colours between them stay."""
    styles = ""
    while True:
        line = line.rstrip(" ")
        before, escape, style = line.rpartition("\x1b[")
        if not escape or not STYLE.fullmatch(style):
            return line + styles
        line, styles = before, f"{escape}{style}{styles}"


def console(tame: bool = False) -> Console:
    """Return the terminal of a person, who may have asked for errors alone, or for no colours.

    Args:
        tame: let nothing through that GitHub's runner would do; in its jobs that is always so.
    """
    asked = manner()
    if sys.stderr is None:
        return Console(quiet=True)
    return _Console(
        file=cast("IO[str]", _Tidy(tame or on_github())),
        highlight=False,
        quiet=asked.quiet,
        no_color=None if asked.colour else True,
    )


def fitting(console: Console, *tables: Table) -> Table:
    """Return the first of several tables that is not wider than the terminal, or else the last."""
    options = console.options.update(max_width=WIDE)
    fit = (each for each in tables if console.measure(each, options=options).maximum <= console.width)
    return next(fit, tables[-1])


def as_line(text: str) -> Text:
    r"""Return a line for a person: its content has no power over the terminal, and wraps to the next line.

    >>> as_line("a\x1b[31mb").plain
    'a [31mb'
    """
    return Text(printable(text), overflow="fold")


def marked(shown: Excerpt, styled: bool) -> Text:
    """Return an excerpt on one line, with what is repeated underlined; else in brackets.

    >>> from coherence.show.page.marks import excerpt
    >>> print(marked(excerpt("We left. We left. We left. We left.", None, 99), styled=False))
    [We left. We left. We left. We left.]
    """
    if not styled:
        return Text(in_brackets(shown), overflow="fold")
    line, shift = Text(on_a_line(shown), overflow="fold"), int(shown.before > 0)
    for start, end in shown.loops:
        line.stylize(LOOP, start + shift, end + shift)
    return line
