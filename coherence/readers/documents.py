"""Reads a JSON document whole, because what is needed may be anywhere in it."""

import json
from typing import Any

from coherence.readers import storage

LARGEST = 256 * 2**20
"""Bytes; a trainer's state of a million rows is half of that."""

VALUES = 16_000_000
"""In a document; a state of a million rows has about ten million."""


def read_document(path: str, kind: str, largest: int = LARGEST) -> Any:
    """Return the value of a JSON document.

    Args:
        path: of the file.
        kind: what it should be, in the words of an error: "a W&B table".
        largest: bytes that it may have at most.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not JSON, or too large.
    """
    try:
        return json.loads(_read(path, largest))
    except RecursionError:
        raise ValueError(f"{path}: not {kind}: nested too deeply") from None
    except (ValueError, *storage.BROKEN) as error:
        raise ValueError(f"{path}: not {kind}: {error}") from error


def _read(path: str, largest: int) -> str:
    with storage.open_bytes(path) as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise ValueError(f"more than {largest // 2**20} MB")
    if sum(map(content.count, (b",", b"[", b"{"))) > VALUES:  # an empty object of three bytes takes seventy
        raise ValueError(f"more than {VALUES // 10**6} million values")
    return content.decode("utf-8-sig")
