"""A file that asks a trainer elsewhere to stop: the watcher of the run writes it, the trainer looks for it.

Source: docs/watch.md, "When the gate halts".
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from coherence.escape import printable
from coherence.files import replace_file

STOP = "stop"
"""The file in a run folder that the adapters look for."""

LONGEST = 65_536
"""Bytes that are read of it."""


def should_stop(path: str | os.PathLike[str]) -> bool:
    """Return whether a trainer is asked to stop: whether there is a file at the path.

    If the file system does not answer, the trainer is not asked to stop.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "stop")
    ...     before = should_stop(path)
    ...     ask_to_stop(path, {"reason": "5 samples in a row scored below 30", "step": 2500})
    ...     before, should_stop(path)
    (False, True)
    """
    try:
        return Path(path).exists()
    except OSError:
        return False


def reason_to_stop(path: str | os.PathLike[str]) -> str | None:
    """Return why a trainer is asked to stop, "" if the file does not say; None if it is not asked.

    Control characters are replaced, because anyone may have written the file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, STOP)
    ...     before = reason_to_stop(path)
    ...     ask_to_stop(path, {"reason": "5 samples in a row scored below 30", "step": 2500})
    ...     before, reason_to_stop(path)
    (None, '5 samples in a row scored below 30')
    """
    if not should_stop(path):
        return None
    with suppress(OSError, ValueError, RecursionError, TypeError, KeyError):
        with Path(path).open("rb") as file:
            found = json.loads(file.read(LONGEST))["reason"]
        return printable(found) if isinstance(found, str) else ""
    return ""


def ask_to_stop(path: str | os.PathLike[str], why: Mapping[str, Any]) -> None:
    """Ask a trainer to stop: write the file, with the reason as JSON.

    Raises:
        OSError: it cannot be written.
    """
    replace_file(Path(path), json.dumps(why) + "\n")
