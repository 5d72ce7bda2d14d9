"""The user's shell commands: each runs in its own process group, so that the whole group can be ended."""

import os
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from typing import IO, Any


def start(
    command: str, stdin: int, stdout: IO[bytes] | None = None, stderr: IO[bytes] | None = None, *held: IO[Any]
) -> "subprocess.Popen[bytes]":
    """Start a command.

    Args:
        command: a command line.
        stdin: as for `subprocess.Popen`.
        stdout: where it writes; None to write where this process does.
        stderr: likewise.
        held: files that stay open as long as any process of the command lives.

    Raises:
        OSError: it cannot be started.
    """
    return subprocess.Popen(  # noqa: S602 - a command line that the user gave
        command,
        shell=True,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        pass_fds=[file.fileno() for file in held] if sys.platform != "win32" else (),
    )


def end(group: int) -> None:
    """End all processes of a command, at once."""
    if sys.platform == "win32":  # a process has no group to be ended with, but a tree
        command = ["taskkill", "/F", "/T", "/PID", str(group)]
        subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - the system's own
    else:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


def quoted(value: str) -> str:
    """Return a value so that a shell takes it for one word, whatever is in it.

    Raises:
        ValueError: on Windows, whose shell can be kept from some characters by no quotes.

    >>> quoted("run/step 100.pt") if sys.platform != "win32" else "'run/step 100.pt'"
    "'run/step 100.pt'"
    """
    if sys.platform != "win32":
        return shlex.quote(value)
    if found := set(value).intersection('"%!^&|<>\n'):
        raise ValueError(f"{value}: a name with {' '.join(sorted(found))} cannot be given to a command here")
    return f'"{value}"'
