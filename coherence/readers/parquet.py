"""Parquet tables: a sample or a loss a row, read a few rows at a time (extra `parquet`).

TRL writes `completions_00010.parquet` with step, prompt, completion, rewards and advantage.
"""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from coherence.readers import rows, storage
from coherence.readers.lines import Head, Part, Problems
from coherence.records import LossRow, Sample

NAME = "Parquet"

BATCH = 256
"""Rows that are held at a time."""

BUFFER = 2**20
"""Bytes that are read of a column at once; without it a row group would be held whole."""


def recognise(head: Head) -> bool:
    """Tell whether a file is Parquet, or is called so: what is then wrong with it, reading it says."""
    return head.raw.startswith(b"PAR1") or storage.bare_name(head.path).endswith(".parquet")


def parts(path: str, size: int) -> list[Part]:
    """Return the stretches of row groups that hold about `size` bytes each, together the whole file.

    Raises:
        ValueError: the file is no Parquet, or pyarrow is missing.
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


def samples(
    part: Part, problems: Problems, prompt_field: str | None = None, group_field: str | None = None
) -> Iterator[Sample]:
    """Yield the samples of a table; the number of a row stands for its line.

    Raises:
        ValueError: the file is no Parquet, or pyarrow is missing.
    """
    usual = {*rows.TEXT, *rows.STEP, *rows.PROMPT, *rows.LOSS, *rows.TIME, *rows.RUN, *rows.GROUP, "source"}
    asked = {prompt_field or "prompt", group_field or "source"}
    table = _rows(part, problems, usual | asked, rows.TEXT)
    return rows.samples_of(table, part.path, problems, prompt_field, group_field=group_field)


def losses(part: Part, problems: Problems) -> Iterator[LossRow]:
    """Yield the training losses of a table; the number of a row stands for its line.

    Raises:
        ValueError: the file is no Parquet, or pyarrow is missing.
    """
    wanted = {*rows.LOSS, *rows.STEP, *rows.RUN, "grad_norm", "source", rows.SUMMARY}
    return rows.losses_of(_rows(part, problems, wanted, rows.LOSS), part.path, problems)


def _rows(
    part: Part, problems: Problems, wanted: set[str], one_of: tuple[str, ...]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the rows of a part of a table; none, and none of its bytes are read, without the columns."""
    with storage.open_raw(part.path) as file:
        table = _opened(part.path, file)
        columns = [name for name in table.schema_arrow.names if name in wanted]
        if not set(columns) & set(one_of):
            return
        end = table.num_row_groups if part.end is None else min(part.end, table.num_row_groups)
        before = 0
        for group in range(part.start, end):
            yield from _group(table, part.path, group, columns, before, problems)
            before += table.metadata.row_group(group).num_rows


def _group(
    table: Any, path: str, group: int, columns: list[str], before: int, problems: Problems
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the rows of a row group; what cannot be read of it is noted."""
    number, rows_of_group = before, table.metadata.row_group(group).num_rows
    try:
        for batch in table.iter_batches(BATCH, row_groups=[group], columns=columns, use_threads=False):
            for row in _mappings(batch):
                number += 1
                if isinstance(row, str):
                    problems.add(path, number, row)
                else:
                    yield number, row
    except (OSError, ValueError) as error:  # what pyarrow raises is one of them or derives from one
        left = before + rows_of_group - number
        problems.add(path, number + 1, f"{left} rows cannot be read: {_first_line(error)}")


def _mappings(batch: Any) -> list[Mapping[str, Any] | str]:
    """Return the rows of a batch as mappings; of one that holds no UTF-8, what is wrong."""
    try:
        return list(batch.to_pylist())
    except UnicodeDecodeError:
        return [_mapping(batch.slice(index, 1)) for index in range(batch.num_rows)]


def _mapping(row: Any) -> Mapping[str, Any] | str:
    try:
        found: Mapping[str, Any] = row.to_pylist()[0]
    except UnicodeDecodeError as error:
        return f"not UTF-8: byte {error.object[error.start]:#04x} at {error.start}"
    return found


def _opened(path: str, file: Any) -> Any:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise ValueError(f"{path}: parquet needs pyarrow: pip install 'coherence[parquet]'") from error
    try:
        return parquet.ParquetFile(file, buffer_size=BUFFER, pre_buffer=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: not Parquet, or cut off: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
