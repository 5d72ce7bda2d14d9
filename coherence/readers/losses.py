"""Losses as JSON lines, as CSV, or as the `trainer_state.json` of the Hugging Face Trainer."""

import csv
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from coherence.loss import true_loss
from coherence.readers.lines import Problems, first_of, read_lines, read_objects, to_float, to_step
from coherence.readers.samples import LOSS, STEP
from coherence.records import LossRow, Origin


def read_losses(path: Path, problems: Problems) -> Iterator[LossRow]:
    """Yield the training losses of a file; which format it is its content says.

    Rows without a training loss (validation, summaries) are passed over in silence: every trainer mixes
    them in. A loss that is not finite is yielded, and noted.
    """
    for line, row in _rows(path, problems):
        value = first_of(row, LOSS)
        if value is None or value == "":
            continue
        try:
            loss_row = _loss_row(row, value, Origin(file=str(path), line=line))
        except ValueError as error:
            problems.add(path, line, str(error))
            continue
        if not math.isfinite(loss_row.loss):
            problems.add(path, line, f"the loss at step {loss_row.step} is not finite")
        yield loss_row


def _loss_row(row: Mapping[str, Any], value: Any, origin: Origin) -> LossRow:
    loss, source = to_float(value), row.get("source")
    if loss is None:
        raise ValueError(f"loss {value!r} is no number")
    step = first_of(row, STEP)
    if step is None:
        raise ValueError(f"no step: none of the keys {', '.join(STEP)}")
    return LossRow(
        step=to_step(step),
        loss=true_loss(loss, to_float(row.get("grad_norm"))),
        origin=origin,
        source=source if isinstance(source, str) and source else None,
    )


def _rows(path: Path, problems: Problems) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open("rb") as file:
        head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    if path.name == "trainer_state.json" or (head.startswith(b"{") and b'"log_history"' in head):
        return _trainer_state(path)
    if head.startswith(b"{"):
        return read_objects(path, problems)
    return _csv(path, problems)


def _trainer_state(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the rows of `log_history`; they have no lines of their own, so their number stands for it."""
    try:
        history = json.loads(path.read_text(encoding="utf-8"))["log_history"]
        rows = [(number, dict(row)) for number, row in enumerate(history, start=1)]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not a trainer_state.json with a log_history: {error}") from error
    yield from rows


def _csv(path: Path, problems: Problems) -> Iterator[tuple[int, Mapping[str, Any]]]:
    lines = list(read_lines(path, problems))
    rows = csv.DictReader(line for _, line in lines)
    names = rows.fieldnames or ()
    if not (set(names) & set(STEP) and set(names) & set(LOSS)):
        raise ValueError(
            f"{path}: no losses; expected JSON lines, trainer_state.json, or CSV with step and loss"
        )
    for (number, _), row in zip(lines[1:], rows, strict=False):
        yield number, row
