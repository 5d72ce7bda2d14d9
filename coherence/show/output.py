"""Where machine output goes: to standard output or a file, whole or not at all."""

import errno
import os
import sys
from pathlib import Path
from tempfile import TemporaryFile

from coherence.escape import harmless_json
from coherence.files import whole_file


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
