"""The `trainer_state.json` of the Hugging Face Trainer: the losses in its `log_history`."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from coherence.readers import storage
from coherence.readers.format import USUAL, Fields, Format
from coherence.readers.lines import Head, Part, Problems
from coherence.readers.objects import rows
from coherence.readers.objects.metrics import mentions, metrics_of
from coherence.readers.records import LossRow, MetricRow

LARGEST = 256 * 2**20
"""Bytes; a state of a million rows is half of it, and what is larger is none."""

VALUES = 16_000_000
"""Of a state; one of a million rows has some ten million, and what has more is hardly anything but values."""


def recognise(head: Head) -> bool:
    """Tell whether a file is a trainer state, by its name or by its keys: other names are common copies."""
    named = storage.bare_name(head.path) == "trainer_state.json"
    return named or (head.text.lstrip().startswith("{") and '"log_history"' in head.text)


def losses(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
    """Yield the training losses; rows have no lines of their own, so their number stands for it.

    Raises:
        ValueError: the file is no trainer state.
    """
    return rows.losses_of(_history(part.path, problems), part.path, problems, fields)


def metrics(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[MetricRow]:
    """Yield reward, KL divergence and length of a file."""
    found = _history(part.path, problems) if mentions(part.path) else ()
    return metrics_of(found, part.path, problems, fields)


def _history(path: str, problems: Problems) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        history = json.loads(_read(path))["log_history"]
    except RecursionError:
        raise ValueError(f"{path}: not a trainer_state.json: nested too deeply") from None
    except (ValueError, KeyError, TypeError, *storage.BROKEN) as error:
        raise ValueError(f"{path}: not a trainer_state.json with a log_history: {error}") from error
    if not isinstance(history, list):
        raise ValueError(f"{path}: its log_history is not a list but {type(history).__name__}")
    for number, row in enumerate(history, start=1):
        if isinstance(row, dict):
            yield number, row
        else:
            problems.add(path, number, f"not a JSON object but {type(row).__name__}")


def _read(path: str, largest: int = LARGEST) -> str:
    with storage.open_bytes(path) as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise ValueError(f"more than {largest // 2**20} MB")
    if sum(map(content.count, (b",", b"[", b"{"))) > VALUES:  # an empty object of three bytes takes seventy
        raise ValueError(f"more than {VALUES // 10**6} million values")
    return content.decode("utf-8-sig")


FORMAT = Format(
    "trainer_state",
    "Hugging Face trainer_state.json",
    recognise,
    losses=losses,
    why="its name says so, or it holds a log_history",
    metrics=metrics,
)
