"""SQLite databases of trackers: read with the standard library, while they are written.

Readers and writers do not block each other: a page of rows is read at a time, without a lock if no write is
under way, and read again if a write came between.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from coherence.readers import storage
from coherence.readers.lines import Head, Problems

PAGE = 1000
PAGE_BYTES = 16 * 2**20
"""Rows that are read at a time, and the bytes they may have together: a table is logged in one row."""

LARGEST = 256 * 2**20
"""Bytes of one value; a larger one is not a table of samples."""

TURNS = 64
"""Millions of steps that SQLite may take for a page: it takes about ten thousand."""

ATTEMPTS = 20
"""How often a page is read again if it changes while it is read."""


def is_database(head: Head) -> bool:
    """Tell whether a file is an SQLite database, by its first bytes."""
    return head.raw.startswith(b"SQLite format 3\0")


def columns(path: str, table: str) -> set[str] | None:
    """Return the names of the columns of a table, empty if it does not exist; None if it cannot be read."""
    try:
        return _columns(path, table)
    except (OSError, ValueError):
        return None


def named(names: dict[str, str], identity: str | None, name: str) -> str:
    """Return what a run is called: its name, with its id if another run has that name already.

    >>> names: dict[str, str] = {}
    >>> named(names, "a1", "first"), named(names, "b2", "first"), named(names, "a1", "first")
    ('first', 'first b2', 'first')
    """
    if identity is None:
        return name
    if identity not in names:
        names[identity] = f"{name} {identity}" if name in names.values() else name
    return names[identity]


def has(path: str, table: str, column: str) -> bool:
    """Tell whether a table has a column.

    Raises:
        ValueError: the database cannot be read.
    """
    return column in _columns(path, table)


def _columns(path: str, table: str) -> set[str]:
    return {name for _, name, *_ in read(path, f"PRAGMA table_info({table})", ())}


def read(path: str, query: str, values: tuple[Any, ...]) -> list[Any]:
    """Return the answer to a query, consistent even if somebody writes.

    Raises:
        ValueError: it is not a database, or it changes all the time.
    """
    if storage.is_url(path):
        raise ValueError(f"{path}: a database is read where it lies; copy it to a local disk first")
    file = Path(path).resolve()  # unfinished writes are next to it
    for _ in range(ATTEMPTS):
        before = _state(file)
        # Without a file of unfinished writes nobody is writing: then no locks are needed, and no files made.
        mode = "immutable=1" if before[2:] == (None, None) else "mode=ro"
        try:
            with closing(sqlite3.connect(f"{file.as_uri()}?{mode}", uri=True)) as connection:
                _bound(connection)
                if mode == "immutable=1":
                    _check_end(connection, before[1])
                found = rows_within(connection.execute(query, values))
            if mode == "mode=ro" or _state(file) == before:
                return found
        except sqlite3.Error as error:
            if _state(file) == before:
                raise ValueError(f"{path}: not a database, or a damaged one: {error}") from error
    raise ValueError(f"{path}: it changes all the time; copy it and read the copy")


def pages(path: str, query: str, problems: Problems, *values: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query in order; the query selects the rowid first and has a WHERE."""
    query, last = f"{query} AND rowid > ? ORDER BY rowid LIMIT {PAGE}", -(2**63)
    try:
        while page := read(path, query, (*values, last)):
            for row in page:
                if not isinstance(row[0], int) or row[0] <= last:  # its page would be read for ever
                    raise ValueError("its rows are out of order")
                last = row[0]
                yield row
    except ValueError as error:
        problems.add(path, max(last, 0) + 1, f"cannot be read from here on: {error}")


def _check_end(connection: sqlite3.Connection, size: int) -> None:
    """Refuse a file that ends in the middle of a page: SQLite reads the rest of that page as zeros."""
    ((page,),) = connection.execute("PRAGMA page_size")
    if size % page:
        raise sqlite3.DatabaseError("cut off in the middle of a page")


def _bound(connection: sqlite3.Connection) -> None:
    """Bound the cost of an answer: a database may compute its content, and never end."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
    connection.execute("PRAGMA trusted_schema = OFF")
    turns = iter(range(TURNS))
    connection.set_progress_handler(lambda: next(turns, None) is None, 2**20)
    connection.text_factory = _text_or_bytes


def _text_or_bytes(raw: bytes) -> str | bytes:
    """Return text, or bytes if it is not UTF-8: the other values can still be read."""
    with suppress(UnicodeDecodeError):
        return raw.decode("utf-8")
    return raw


def rows_within(cursor: sqlite3.Cursor, most: int = PAGE_BYTES) -> list[Any]:
    """Return rows of an answer until they fill a page."""
    found: list[Any] = []
    held = 0
    for row in cursor:
        found.append(row)
        held += len(row[-1]) if isinstance(row[-1], str | bytes) else 0
        if held > most:
            break
    return found


def _state(file: Path) -> tuple[int, int, int | None, int | None]:
    """Return what changes with a database: its time and size, and the sizes of unfinished writes."""
    found = file.stat()
    return found.st_mtime_ns, found.st_size, _size(f"{file}-wal"), _size(f"{file}-journal")


def _size(path: str) -> int | None:
    with suppress(FileNotFoundError):
        return Path(path).stat().st_size
    return None
