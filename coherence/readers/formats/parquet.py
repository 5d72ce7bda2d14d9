"""Parquet tables: one sample or one loss per row, read a few rows at a time (extra `parquet`).

TRL writes `completions_00010.parquet` with step, prompt, completion, rewards and advantage.
"""

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from coherence.lazy import needs
from coherence.readers import storage
from coherence.readers.format import USUAL, Cut, Fields, Format
from coherence.readers.lines import LONGEST_LINE, Head, Part, Problems, not_utf8
from coherence.readers.objects import rows
from coherence.readers.objects.metrics import NAMES, metrics_of
from coherence.readers.objects.names import BESIDE, LOSS, READ, RUN, SEVERAL, SPELLED, STEP, TEXT
from coherence.readers.records import LossRow, MetricRow, Sample
from coherence.signals.loss import kind_beside

BATCH = 32
"""Rows that are held at a time. With 256, a row takes some microseconds less, but rows of 16 MB take 4 GB."""

HELD = 128 * 2**20
"""Bytes that these rows may have together; fewer are held if they are longer."""

ROW = 24
"""Bytes that a row counts at least towards what a file may unpack to: empty rows take time too."""

BUFFER = 2**20
"""Bytes of a column that are read at a time; without it a row group would be held whole."""


def recognise(head: Head) -> bool:
    """Tell whether a file is Parquet, or is named so; in that case reading it says what is wrong."""
    return head.raw.startswith(b"PAR1") or storage.bare_name(head.path).endswith(".parquet")


def parts(path: str, size: int) -> list[Part]:
    """Return stretches of row groups of about `size` bytes each, which together are the whole file.

    Raises:
        ValueError: the file is not Parquet, or pyarrow is missing.
    """
    with storage.open_raw(path) as file:
        metadata = _opened(path, file).metadata
        groups = [metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)]
    found, start, held = [], 0, 0
    for number, weight in enumerate(groups):
        if held and held + weight > size:
            found.append(Part(path, start, number))
            start, held = number, 0
        held += weight
    return [*found, Part(path, start, len(groups))]


def length(part: Part) -> int:
    """Return how many rows the row groups of a part have."""
    with storage.open_raw(part.path) as file:
        metadata = _opened(part.path, file).metadata
        end = metadata.num_row_groups if part.end is None else part.end
        return sum(metadata.row_group(number).num_rows for number in range(part.start, end))


def samples(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[Sample]:
    """Yield the samples of a table, with the number of the row as the line.

    Raises:
        ValueError: the file is not Parquet, or pyarrow is missing.
    """
    usual = {*READ, *SPELLED}
    asked = _columns_of(fields)
    table = _rows(part, problems, usual | asked, {*TEXT, *SEVERAL, *SPELLED, *BESIDE, *asked})
    return rows.samples_of(table, part.path, problems, fields)


def losses(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
    """Yield the training losses of a table, with the number of the row as the line.

    Raises:
        ValueError: the file is not Parquet, or pyarrow is missing.
    """
    asked = _columns_of(fields)
    wanted = {*LOSS, *STEP, *RUN, *SPELLED, "grad_norm", "source", rows.SUMMARY} | asked
    table = _rows(part, problems, wanted, {*LOSS, *SPELLED, *asked})
    return rows.losses_of(table, part.path, problems, fields)


def metrics(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[MetricRow]:
    """Yield reward, KL divergence and length from a table."""
    wanted = {*NAMES, *STEP, *RUN, *SPELLED} | _columns_of(fields)
    return metrics_of(_rows(part, problems, wanted, {*NAMES}), part.path, problems, fields)


def _columns_of(fields: Fields) -> set[str]:
    """Return the columns that the user named, also as the beginning of a path."""
    named = [field for field in fields if field is not None]
    return {*named, *(re.split(r"[.\[]", field)[0] for field in named)}


def _rows(
    part: Part, problems: Problems, wanted: set[str], one_of: set[str]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the rows of a part of a table; if it lacks the columns, none, and without reading its bytes."""
    with storage.open_raw(part.path) as file:
        table = _opened(part.path, file)
        names = table.schema_arrow.names
        with_loss = not set(names).isdisjoint(LOSS)
        columns = [name for name in names if name in wanted or (with_loss and kind_beside([name]))]
        if one_of.isdisjoint(columns):
            return
        end = table.num_row_groups if part.end is None else min(part.end, table.num_row_groups)
        before, left = 0, _Left(storage.most(storage.size(part.path)))
        for group in range(part.start, end):
            batches = _batches(table, group, columns, left)
            size = table.metadata.row_group(group).num_rows
            yield from _group(batches, part.path, before, size, problems)
            before += size


class _Left:
    """How many bytes a table may still unpack to: a row of a gigabyte may be named a million times."""

    def __init__(self, size: int) -> None:
        self._size = size

    def check(self, size: int) -> None:
        """Raise TooMuch if fewer are left."""
        if size > self._size:
            raise storage.TooMuch

    def take(self, size: int) -> None:
        """Count bytes that were unpacked."""
        self.check(size)
        self._size -= size


def _batches(table: Any, group: int, columns: list[str], left: _Left) -> Iterator[Any]:
    """Yield the rows of a group, as many at a time as may be held."""
    told = table.metadata.row_group(group)  # its columns are not accessed: pyarrow aborts on damaged ones
    left.check(max(ROW * told.num_rows, told.total_byte_size))
    at_once = min(BATCH, max(1, HELD // _held_for_one(table, group, columns)))
    for batch in table.iter_batches(at_once, row_groups=[group], columns=columns, use_threads=False):
        plain = batch.from_arrays([_plain(column) for column in batch.columns], names=batch.schema.names)
        left.take(max(ROW * plain.num_rows, plain.nbytes))
        yield plain


def _held_for_one(table: Any, group: int, columns: list[str]) -> int:
    """Return how many bytes are held to read one row of a group: its dictionary may hold every text."""
    allocated = importlib.import_module("pyarrow").total_allocated_bytes
    before = allocated()
    reader = table.iter_batches(1, row_groups=[group], columns=columns, use_threads=False)
    row = next(reader, None)  # held while memory is counted
    held = allocated() - before
    del row
    return max(1, int(held))


def _plain(column: Any) -> Any:
    """Return a column with its values one by one, not as a dictionary, so that their size is known."""
    return column.dictionary_decode() if hasattr(column, "dictionary_decode") else column


def _group(
    batches: Iterator[Any], path: str, before: int, size: int, problems: Problems
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the rows of a row group of a given size; rows that cannot be read are noted."""
    number = before
    try:
        for batch in batches:
            for row in _mappings(batch):
                number += 1
                if isinstance(row, str):
                    problems.add(path, number, row)
                else:
                    yield number, row
    except (OSError, ValueError, storage.TooMuch) as error:  # all errors of pyarrow derive from these
        left = before + size - number
        problems.add(path, number + 1, f"{left:,} rows cannot be read: {_first_line(error)}")


def _mappings(batch: Any) -> Iterable[Mapping[str, Any] | str]:
    """Return the rows of a batch as mappings; for one that is not UTF-8 or too large, a message."""
    if batch.nbytes <= LONGEST_LINE:
        with suppress(UnicodeDecodeError):
            return list(batch.to_pylist())
    return (_mapping(batch.slice(index, 1)) for index in range(batch.num_rows))


def _mapping(row: Any) -> Mapping[str, Any] | str:
    if row.nbytes > LONGEST_LINE:
        return f"a row of {row.nbytes / 1e6:,.0f} MB; the largest that is read has 16 MB"
    try:
        found: Mapping[str, Any] = row.to_pylist()[0]
    except UnicodeDecodeError as error:
        return not_utf8(error)
    return found


def _opened(path: str, file: Any) -> Any:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise ValueError(f"{path}: parquet {needs('pyarrow', 'parquet')}") from error
    try:
        return parquet.ParquetFile(file, buffer_size=BUFFER, pre_buffer=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: not Parquet, or cut off: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


FORMAT = Format(
    "parquet",
    "Parquet",
    recognise,
    samples,
    losses,
    cut=Cut(parts, length),
    why="it begins with PAR1, or is called so",
    metrics=metrics,
)
