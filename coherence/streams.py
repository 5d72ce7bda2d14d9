"""Where output goes: machine output to standard output or a file, everything for people to standard error."""

import os
import sys
from pathlib import Path
from typing import IO, Any, cast

from rich.console import Console

from coherence.harmless import harmless_json, on_github, tamed
from coherence.runfolder import whole_file


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
