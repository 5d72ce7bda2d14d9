"""Scored samples as a table: one row each, in the order of the steps, as JSON lines or Parquet.

Source: docs/report.md, "Scored samples".
"""

import json
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from coherence.audit.dump import Dump
from coherence.audit.plan import is_parquet
from coherence.audit.rows import GatedSample
from coherence.escape import harmless_json
from coherence.files import whole_file
from coherence.readers import storage
from coherence.report import finite_or_none
from coherence.scoring.profile import SCALES

BATCH = 4096
"""Rows that are written at a time."""

COLUMNS = {
    "format": "int64",
    "run": "string",
    "step": "int64",
    "index": "int64",
    **dict.fromkeys(SCALES, "float64"),
    "tokens": "int64",
    "characters": "int64",
    "low": "bool_",
    "streak": "int64",
    "loss": "float64",
    "smoothed": "float64",
    "file": "string",
    "line": "int64",
}
"""The columns and their types in Parquet."""


class Writer:
    """Writes scored samples to a temporary file, which is renamed when it is complete.

    Without a target it does nothing.

    Raises:
        OSError: the file cannot be written.
        ValueError: its name ends neither in `.jsonl` nor in `.parquet`, or an extra is missing.
    """

    def __init__(self, target: str | None, dump: Dump) -> None:
        self._target, self._dump = target, dump
        self._rows: list[dict[str, Any]] = []
        self._table: Any = None
        self._file: Any = None
        self._ending = ExitStack()
        if target is not None:
            self._file = self._ending.enter_context(_open(target))
            self._ending.push(self._finish)

    def of(self, run: str) -> list[Callable[[GatedSample], None]]:
        """Return the functions that take the samples of a run; none if there is no target."""

        def take(judged: GatedSample) -> None:
            self._rows.append(self._row(run, judged))
            if len(self._rows) == BATCH:
                self._flush()

        return [] if self._file is None else [take]

    def _row(self, run: str, judged: GatedSample) -> dict[str, Any]:
        origin = self._dump.origin(judged.output, judged.row.piece, judged.row.line)
        return {
            "format": 1,
            "run": run,
            "step": judged.row.step,
            "index": judged.place,
            **dict(zip(SCALES, judged.scores.values, strict=True)),
            "tokens": judged.row.tokens,
            "characters": judged.row.characters,
            "low": judged.verdict.low,
            "streak": judged.verdict.streak,
            "loss": finite_or_none(judged.loss),
            "smoothed": judged.smoothed,
            "file": origin.file,
            "line": origin.line,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.__exit__(kind, error, trace)

    def _finish(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
            if self._table is not None:
                self._table.close()

    def _flush(self) -> None:
        if self._target is not None and is_parquet(self._target):
            self._write_table()
        else:
            lines = (harmless_json(json.dumps(row, ensure_ascii=False)) + "\n" for row in self._rows)
            self._file.write("".join(lines).encode("utf-8", "replace"))
        self._rows = []

    def _write_table(self) -> None:
        pyarrow = import_module("pyarrow")
        columns = [pyarrow.field(name, getattr(pyarrow, kind)()) for name, kind in COLUMNS.items()]
        table = pyarrow.Table.from_pylist(self._rows, schema=pyarrow.schema(columns))
        if self._table is None:
            self._table = import_module("pyarrow.parquet").ParquetWriter(self._file, table.schema)
        self._table.write_table(table)


def _open(target: str) -> Any:
    if storage.is_url(target):
        return storage.file_system(target).open(target, "wb")
    return whole_file(Path(target))
