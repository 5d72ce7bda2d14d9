"""The SQLite database of trackio, Hugging Face's local tracker: losses, tables, traces and texts of its runs.

It is read with the standard library, and a writer is never in the way of a reader nor the other way round:
a page of rows at a time, without a lock where no write is under way, and once more where one came between.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from coherence.readers import storage
from coherence.readers.format import USUAL, Fields, Format
from coherence.readers.lines import Head, Part, Problems, first_of, shown, why_not_json
from coherence.readers.objects import rows
from coherence.readers.objects.metrics import metrics_of
from coherence.readers.objects.names import STEP, TEXT, RawRow
from coherence.readers.records import LossRow, MetricRow, Sample

PAGE = 1000
PAGE_BYTES = 16 * 2**20
"""Rows that are read at once, and what they may have together: a table is logged in one row."""

LARGEST = 256 * 2**20
"""Bytes of one value; what is larger is no table of samples."""

TURNS = 64
"""Millions of steps that SQLite may take for a page: it takes some ten thousand."""

ATTEMPTS = 20
"""How often a page is read that changes while it is read."""

OWN_STEP = ("__step", *(key for key in STEP if key not in ("step", "epoch")))
"""Metrics that tell the step better than trackio, which counts the calls where it is not told. It renames
a metric called `step`; the Hugging Face Trainer logs `train/global_step`."""

Logged = tuple[int, dict[str, Any], dict[str, Any]]


def recognise(head: Head) -> bool:
    """Tell whether a file is an SQLite database; whether of trackio, reading it says."""
    return head.raw.startswith(b"SQLite format 3\0")


def samples(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[Sample]:
    """Yield the texts of all runs, from tables, traces, Markdown and strings; their rows stand for lines.

    Raises:
        ValueError: the file is no database of trackio.
    """
    return rows.samples_of(_texts(part.path, problems), part.path, problems, fields)


def losses(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
    """Yield the training losses of all runs; the number of a row stands for its line.

    Raises:
        ValueError: the file is no database of trackio.
    """
    return rows.losses_of(_metrics(part, problems), part.path, problems, fields)


def metrics(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[MetricRow]:
    """Yield reward, KL divergence and length of all runs."""
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
    if _has(path, "traces", "messages"):
        for line, about, messages in _pages(path, "traces", "messages", names, problems):
            yield line, {**about, "text": messages}


def _rows_of(value: Any) -> list[dict[str, Any]]:
    """Return the rows with a text that a logged object holds, or a list of such objects."""
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
        case "trackio.trace":  # older databases; newer ones keep traces in a table of their own
            return [{"text": value.get("messages")}]
    return []


class _GrownTables:
    """Knows the rows of tables that are logged again and again, longer each time, as TRL does it."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[int, bytes]] = {}

    def new_rows(self, run: str, key: str, table: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the rows beyond those of the last table; all, unless they tell their steps.

        Without its step a row may be equal to another one and still be new: a model that repeats itself.
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
    """Yield what was logged: the row, its run, step and time, and the metrics, without `train/` before them.

    Raises:
        ValueError: the file is no database of trackio.
    """
    if not _has(path, "metrics", "metrics"):
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
    run_id = "run_id" if _has(path, table, "run_id") else "NULL"
    query = (
        f"SELECT rowid, {run_id}, run_name, step, timestamp, {column} FROM {table} "  # noqa: S608 - names of ours
        f"WHERE rowid > ? ORDER BY rowid LIMIT {PAGE}"
    )
    last = -(2**63)
    while page := _page(path, query, last, problems):
        for line, identity, name, step, timestamp, content in page:
            if not isinstance(line, int) or line <= last:  # its page would come again for ever
                problems.add(path, max(last, 0) + 1, "cannot be read from here on: its rows are out of order")
                return
            last = line
            about = {"run": _shown(names, identity, name), "step": step, "time": _seconds(timestamp)}
            try:
                yield last, about, json.loads(content)
            except UnicodeDecodeError as error:
                problems.add(path, last, f"not UTF-8: byte {content[error.start]:#04x} at {error.start}")
            except (ValueError, RecursionError) as error:
                problems.add(path, last, f"not JSON: {why_not_json(error)}")
            except TypeError:
                problems.add(path, last, f"not JSON but {type(content).__name__}")


def _page(path: str, query: str, last: int, problems: Problems) -> list[Any]:
    try:
        return _read(path, query, (last,))
    except ValueError as error:
        problems.add(path, max(last, 0) + 1, f"cannot be read from here on: {error}")
        return []


def _shown(names: dict[str, str], identity: str | None, name: str) -> str:
    """Return what a run is called: by its name, and with its id where the name is another run's already."""
    if identity is None:
        return name
    if identity not in names:
        names[identity] = f"{name} {identity}" if name in names.values() else name
    return names[identity]


def _seconds(timestamp: Any) -> float | None:
    with suppress(TypeError, ValueError, OverflowError, OSError):
        return datetime.fromisoformat(timestamp).timestamp()
    return None


def _has(path: str, table: str, column: str) -> bool:
    return column in {name for _, name, *_ in _read(path, f"PRAGMA table_info({table})", ())}


def _read(path: str, query: str, values: tuple[int, ...]) -> list[Any]:
    """Return the answer to a query, as it is while nobody writes.

    Raises:
        ValueError: it is no database, or one that is never at rest.
    """
    if storage.is_url(path):
        raise ValueError(f"{path}: a database is read where it lies; copy it to a local disk first")
    file = Path(path).resolve()  # beside which unfinished writes lie
    for _ in range(ATTEMPTS):
        before = _state(file)
        # Without a file of unfinished writes nobody is writing: then neither locks are needed nor files made.
        mode = "immutable=1" if before[2:] == (None, None) else "mode=ro"
        try:
            with closing(sqlite3.connect(f"{file.as_uri()}?{mode}", uri=True)) as connection:
                _bound(connection)
                if mode == "immutable=1":
                    _check_end(connection, before[1])
                found = _rows_within(connection.execute(query, values))
            if mode == "mode=ro" or _state(file) == before:
                return found
        except sqlite3.Error as error:
            if _state(file) == before:
                raise ValueError(f"{path}: not a database of trackio, or a damaged one: {error}") from error
    raise ValueError(f"{path}: it changes all the time; copy it and read the copy")


def _check_end(connection: sqlite3.Connection, size: int) -> None:
    """Refuse what ends in the middle of a page: SQLite reads the rest of that page as zeros."""
    ((page,),) = connection.execute("PRAGMA page_size")
    if size % page:
        raise sqlite3.DatabaseError("cut off in the middle of a page")


def _bound(connection: sqlite3.Connection) -> None:
    """Bound what an answer costs: a database may compute what it holds, and go on for ever."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
    connection.execute("PRAGMA trusted_schema = OFF")
    turns = iter(range(TURNS))
    connection.set_progress_handler(lambda: next(turns, None) is None, 2**20)
    connection.text_factory = _text_or_bytes


def _text_or_bytes(raw: bytes) -> str | bytes:
    """Return what is no UTF-8 as bytes: one such value is no reason not to read the others."""
    with suppress(UnicodeDecodeError):
        return raw.decode("utf-8")
    return raw


def _rows_within(cursor: sqlite3.Cursor, most: int = PAGE_BYTES) -> list[Any]:
    """Return the rows of an answer until those so far are long enough for a page."""
    found: list[Any] = []
    held = 0
    for row in cursor:
        found.append(row)
        held += len(row[-1]) if isinstance(row[-1], str | bytes) else 0
        if held > most:
            break
    return found


def _state(file: Path) -> tuple[int, int, int | None, int | None]:
    """Return what tells that a database changed: its time and size, and the sizes of unfinished writes."""
    found = file.stat()
    return found.st_mtime_ns, found.st_size, _size(f"{file}-wal"), _size(f"{file}-journal")


def _size(path: str) -> int | None:
    with suppress(FileNotFoundError):
        return Path(path).stat().st_size
    return None


FORMAT = Format(
    "trackio",
    "trackio database",
    recognise,
    samples,
    losses,
    why="it is an SQLite database",
    metrics=metrics,
)
