"""A file that asks a trainer elsewhere to stop: whoever watches the run writes it, the trainer looks for it.

Source: docs/watch.md, "When the gate halts".
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coherence.files import replace_file


def should_stop(path: str | os.PathLike[str]) -> bool:
    """Tell whether a trainer is asked to stop: whether there is a file at the path.

    A file system that does not answer asks for nothing.

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


def ask_to_stop(path: str | os.PathLike[str], why: Mapping[str, Any]) -> None:
    """Ask a trainer to stop: write the file, with the reason as JSON.

    Raises:
        OSError: it cannot be written.
    """
    replace_file(Path(path), json.dumps(why) + "\n")
