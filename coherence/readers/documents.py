"""JSON documents that are read whole: bounded in their size and in how many values they hold."""

import json
from typing import Any

from coherence.readers import storage

LARGEST = 256 * 2**20
"""Bytes; a trainer's state of a million rows is half of it, and so is a notebook full of pictures."""

VALUES = 16_000_000
"""Of a document; a state of a million rows has some ten million."""


def read_document(path: str, largest: int = LARGEST) -> Any:
    """Return the value that a JSON file holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON, too large, or nested too deeply.
    """
    with storage.open_bytes(path) as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise ValueError(f"more than {largest // 2**20} MB")
    if sum(map(content.count, (b",", b"[", b"{"))) > VALUES:  # an empty object of three bytes takes seventy
        raise ValueError(f"more than {VALUES // 10**6} million values")
    try:
        return json.loads(content.decode("utf-8-sig"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
