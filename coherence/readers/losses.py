"""Losses as JSON lines, as CSV, or as the `trainer_state.json` of the Hugging Face Trainer."""

import csv
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from coherence.loss import true_loss
from coherence.readers.lines import (
    Problems,
    file_name,
    first_of,
    read_lines,
    read_objects,
    shown,
    to_float,
    to_step,
    to_text,
)
from coherence.readers.samples import LOSS, STEP
from coherence.records import Event, LossRow, Origin

SUMMARY = "train_runtime"
"""A row with it is the Hugging Face Trainer's last word; its `train_loss` is the mean of the whole run."""


def read_losses(path: Path, problems: Problems) -> Iterator[LossRow]:
    """Yield the training losses of a file; which format it is its content says.

    Rows without a training loss (validation, summaries) are passed over in silence: every trainer mixes
    them in. A loss that is not finite is yielded, and noted.
    """
    for line, row in _rows(path, problems):
        value = math.nan if _is_ours_and_nan(row) else first_of(row, LOSS)
        if value is None or SUMMARY in row:
            continue
        try:
            loss_row = _loss_row(row, value, Origin(file=file_name(path), line=line))
        except ValueError as error:
            problems.add(path, line, str(error))
            continue
        if not math.isfinite(loss_row.loss):
            problems.add(path, line, f"the loss at step {loss_row.step} is not finite")
        yield loss_row


def read_events(path: Path) -> Iterator[Event]:
    """Yield what a run folder's own rows tell of besides losses: a pivot, a restart.

    What is not usable in a file `read_losses` says.
    """
    for _, row in _rows(path, Problems()):
        if row.get("format") == 1 and isinstance(row.get("event"), str):
            with suppress(ValueError):
                details = row.get("details")
                yield Event(
                    step=to_step(row.get("step")),
                    event=row["event"],
                    details=details if isinstance(details, dict) else {},
                )


def _is_ours_and_nan(row: Mapping[str, Any]) -> bool:
    """Tell whether a run folder's own row holds a not-a-number, for which JSON has only null."""
    return row.get("format") == 1 and "loss" in row and row["loss"] is None


def _loss_row(row: Mapping[str, Any], value: Any, origin: Origin) -> LossRow:
    loss = to_float(value)
    if loss is None:
        raise ValueError(f"loss {shown(value)} is no number")
    step = first_of(row, STEP)
    if step is None:
        raise ValueError(f"no step: none of the keys {', '.join(STEP)}")
    return LossRow(
        step=to_step(step),
        loss=true_loss(loss, to_float(row.get("grad_norm"))),
        origin=origin,
        source=to_text(row.get("source")) or None,
    )


def _rows(path: Path, problems: Problems) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open("rb") as file:
        head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    lines = [line.strip() for line in head.split(b"\n")]
    one_object = lines[0] == b"{" or (head.startswith(b"{") and b'"log_history"' in head)
    if path.name == "trainer_state.json" or one_object:
        return _trainer_state(path, problems)
    if any(line.startswith(b"{") for line in lines):
        return read_objects(path, problems)
    return _csv(path, problems)


def _trainer_state(path: Path, problems: Problems) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the rows of `log_history`; they have no lines of their own, so their number stands for it."""
    try:
        history = json.loads(path.read_text(encoding="utf-8-sig"))["log_history"]
    except RecursionError:
        raise ValueError(f"{path}: not a trainer_state.json: nested too deeply") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not a trainer_state.json with a log_history: {error}") from error
    if not isinstance(history, list):
        raise ValueError(f"{path}: its log_history is no list but {type(history).__name__}")
    for number, row in enumerate(history, start=1):
        if isinstance(row, dict):
            yield number, row
        else:
            problems.add(path, number, f"not a JSON object but {type(row).__name__}")


def _csv(path: Path, problems: Problems) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the rows of a CSV file without their blank cells; a row is one line."""
    lines = read_lines(path, problems)
    names = _cells(next(lines, (1, ""))[1])
    if not (set(names) & set(STEP) and set(names) & set(LOSS)):
        raise ValueError(
            f"{path}: no losses; expected JSON lines, trainer_state.json, or CSV with step and loss"
        )
    for number, line in lines:
        if cells := _cells(line):
            yield number, {name: cell for name, cell in zip(names, cells, strict=False) if cell.strip()}
        else:
            problems.add(path, number, "not CSV")


def _cells(line: str) -> list[str]:
    """Return the cells of a line; none if it is no CSV."""
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []
