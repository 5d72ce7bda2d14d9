"""The SQLite database of trackio, Hugging Face's local tracker: losses and texts of its runs."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from coherence.readers.format import USUAL, Fields, Format
from coherence.readers.formats.stores import sqlite
from coherence.readers.lines import Head, Part, Problems, first_of, shown, why_not_parsed
from coherence.readers.objects import rows
from coherence.readers.objects.metrics import metrics_of
from coherence.readers.objects.names import STEP, TEXT, RawRow
from coherence.readers.records import LossRow, MetricRow, Sample

OWN_STEP = ("__step", *(key for key in STEP if key not in ("step", "epoch")))
"""Metrics that give the step better than trackio, which counts the calls if none was passed. It renames
a metric called `step`; the Hugging Face Trainer logs `train/global_step`."""

Logged = tuple[int, dict[str, Any], dict[str, Any]]


def recognise(head: Head) -> bool:
    """Tell whether a file is a database of trackio; if it cannot be opened, reading it says why."""
    if not sqlite.is_database(head):
        return False
    found = sqlite.columns(head.path, "metrics")
    return found is None or "metrics" in found


def samples(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[Sample]:
    """Yield the texts of all runs, from tables, traces, Markdown and strings, with their rows as lines.

    Raises:
        ValueError: the file is not a database of trackio.
    """
    return rows.samples_of(_texts(part.path, problems), part.path, problems, fields)


def losses(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
    """Yield the training losses of all runs, with the number of the row as the line.

    Raises:
        ValueError: the file is not a database of trackio.
    """
    return rows.losses_of(_metrics(part, problems), part.path, problems, fields)


def metrics(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[MetricRow]:
    """Yield reward, KL divergence and length from all runs."""
    return metrics_of(_metrics(part, problems), part.path, problems, fields)


def _metrics(part: Part, problems: Problems) -> Iterator[tuple[int, RawRow]]:
    return ((line, {**logged, **about}) for line, about, logged in _logged(part.path, {}, problems))


def _texts(path: str, problems: Problems) -> Iterator[tuple[int, RawRow]]:
    grown, names = _GrownTables(), dict[str, str]()
    for line, about, metrics in _logged(path, names, problems):
        if any(isinstance(metrics.get(key), str) for key in TEXT):
            yield line, {**metrics, **about}
        for key, value in metrics.items():
            try:
                new = grown.new_rows(about["run"], key, _rows_of(value))
            except RecursionError:
                problems.add(path, line, f"{shown(key)}: nested too deeply")
                continue
            for row in new:
                told = {name: cell for name, cell in row.items() if cell is not None}
                yield line, {**about, **told, "run": about["run"]}
    if sqlite.has(path, "traces", "messages"):
        for line, about, messages in _pages(path, "traces", "messages", names, problems):
            yield line, {**about, "text": messages}


def _rows_of(value: Any) -> list[dict[str, Any]]:
    """Return the rows with a text in a logged object, or in a list of such objects."""
    if isinstance(value, list):
        return [row for each in value for row in _rows_of(each)]
    if not isinstance(value, dict):
        return []
    content = value.get("_value")
    match value.get("_type"):
        case "trackio.table" if isinstance(content, list):
            tabled = [row for row in content if isinstance(row, dict)]
            return [row for row in tabled if any(key in row for key in TEXT)]
        case "trackio.markdown":
            return [{"text": content}]
        case "trackio.trace":  # older databases; newer ones keep traces in a separate table
            return [{"text": value.get("messages")}]
    return []


class _GrownTables:
    """Remembers the rows of tables that are logged again and again, longer each time, as TRL does."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[int, bytes]] = {}

    def new_rows(self, run: str, key: str, table: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the rows beyond those of the last table; all of them if they have no steps.

        A row without a step may equal another and still be new: the model may repeat itself.
        """
        if not table or any(first_of(row, STEP) is None for row in table):
            return table
        count, digest = self._seen.get((run, key), (0, b""))
        known = count if count <= len(table) and _digest(table[:count]) == digest else 0
        self._seen[run, key] = len(table), _digest(table)
        return table[known:]


def _digest(table: list[dict[str, Any]]) -> bytes:
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).digest()


def _logged(path: str, names: dict[str, str], problems: Problems) -> Iterator[Logged]:
    """Yield what was logged: the row, its run, step and time, and the metrics, without the prefix `train/`.

    Raises:
        ValueError: the file is not a database of trackio.
    """
    if not sqlite.has(path, "metrics", "metrics"):
        raise ValueError(f"{path}: an SQLite database, but not one of trackio: it has no table of metrics")
    for line, about, metrics in _pages(path, "metrics", "metrics", names, problems):
        if not isinstance(metrics, dict):
            problems.add(path, line, f"not a JSON object but {type(metrics).__name__}")
            continue
        named = {key.removeprefix("train/"): value for key, value in metrics.items()}
        step = first_of(named, OWN_STEP)
        yield line, about if step is None else {**about, "step": step}, named


def _pages(
    path: str, table: str, column: str, names: dict[str, str], problems: Problems
) -> Iterator[tuple[int, dict[str, Any], Any]]:
    """Yield the rows of a table, each with its run, step and time, and the JSON of a column."""
    run_id = "run_id" if sqlite.has(path, table, "run_id") else "NULL"
    query = f"SELECT rowid, {run_id}, run_name, step, timestamp, {column} FROM {table} WHERE 1"  # noqa: S608 - names of ours
    for line, identity, name, step, timestamp, content in sqlite.pages(path, query, problems):
        about = {"run": sqlite.named(names, identity, name), "step": step, "time": _seconds(timestamp)}
        try:
            yield line, about, json.loads(content)
        except (ValueError, RecursionError) as error:
            problems.add(path, line, why_not_parsed(error))
        except TypeError:
            problems.add(path, line, f"not JSON but {type(content).__name__}")


def _seconds(timestamp: Any) -> float | None:
    with suppress(TypeError, ValueError, OverflowError, OSError):
        return datetime.fromisoformat(timestamp).timestamp()
    return None


FORMAT = Format(
    "trackio",
    "trackio database",
    recognise,
    samples,
    losses,
    why="it is an SQLite database with a table of metrics in JSON",
    metrics=metrics,
)
