"""The user's shell commands: each runs in its own process group, so that the whole group can be ended."""

import os
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
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform != "win32":
            os.killpg(group, signal.SIGKILL)
        else:
            os.kill(group, signal.SIGTERM)
