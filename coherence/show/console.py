"""Where output goes: machine output to standard output or a file, everything for people to standard error.

And how a line of it looks: printable, in the colour of its verdict.
"""

import errno
import os
import sys
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, cast

from rich.console import Console
from rich.text import Text

from coherence.escape import harmless_json, on_github, printable, tamed
from coherence.files import whole_file

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


def check_targets(*targets: str | None) -> None:
    """Refuse files that cannot be written, before anything is read or scored for them.

    Args:
        targets: as for `write`; None is an output that nobody asked for.

    Raises:
        OSError: the folder cannot be written to.
        ValueError: there is no such folder, or the target is one.
    """
    for target in targets:
        if target is not None and target != "-":
            _check_target(target)


def _check_target(target: str) -> None:
    path = Path(os.path.realpath(target))  # of a link, what it points to is written
    if path.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), target)
    if path.is_dir():
        raise ValueError(f"{target}: a folder; expected the name of a file")
    if not path.parent.is_dir():
        raise ValueError(f"{target}: no such folder: {os.path.dirname(target)}")  # noqa: PTH120 - as it was given
    if path.exists() and not path.is_file():  # a pipe or a device is written to as it is
        return
    try:
        with TemporaryFile(dir=path.parent):  # nobody else can tell as surely whether that is allowed
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, target) from error


def write_json(target: str, text: str) -> None:
    """Write JSON, in which what is not seen is escaped; else as `write`.

    Raises:
        OSError: it cannot be written.
    """
    write(target, harmless_json(text))


def write(target: str, text: str) -> None:
    """Write to a file, whole or not at all, or for `-` to standard output.

    Raises:
        OSError: it cannot be written.
    """
    if target == "-":
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    else:
        with whole_file(Path(target)) as file:
            file.write((text + "\n").encode())
