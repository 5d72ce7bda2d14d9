"""Small whole files of every supported format, written by the real libraries, to be cut and damaged."""

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from wandb_written import history, log_of

TEXTS = [f"the cat sat on the mat number {number} and looked at the moon" for number in range(6)]
ROWS: list[dict[str, Any]] = [
    {"step": 10 * number, "text": text} for number, text in enumerate(TEXTS, start=1)
]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
LOG = "".join(
    f"step {number} | loss 2.5\nrank 0 sample 0: {text}\n" for number, text in enumerate(TEXTS)
).encode()
METRICS = "id INTEGER PRIMARY KEY, timestamp TEXT, run_name TEXT, metrics TEXT"


def parquet(**options: Any) -> bytes:
    """Return a table in two row groups, written by pyarrow."""
    pyarrow, table = import_module("pyarrow"), io.BytesIO()
    columns = {key: [row[key] for row in ROWS] for key in ROWS[0]} | {"loss": [2.5] * len(ROWS)}
    import_module("pyarrow.parquet").write_table(
        pyarrow.table(columns), table, row_group_size=3, store_schema=False, **options
    )
    return table.getvalue()


def events() -> bytes:
    """Return events of TensorBoard: for each step a text and a loss, as a tensor and as a number."""
    proto = "tensorboard.compat.proto."
    event, summary = import_module(f"{proto}event_pb2").Event, import_module(f"{proto}summary_pb2").Summary
    make = import_module("tensorboard.util.tensor_util").make_tensor_proto
    file = io.BytesIO()
    write = import_module("tensorboard.summary.writer.record_writer").RecordWriter(file).write
    write(event(wall_time=1.0, file_version="brain.Event:2").SerializeToString())
    for row in ROWS:
        text = summary.Value(tag="sample/text_summary", tensor=make([str(row["text"]).encode()]))
        text.metadata.plugin_data.plugin_name = "text"
        loss = summary.Value(tag="train/loss", tensor=make(2.5))
        number = summary.Value(tag="train/grad_norm", simple_value=1.5)
        of_step = summary(value=[text, loss, number])
        write(event(wall_time=2.0, step=row["step"], summary=of_step).SerializeToString())
    return file.getvalue()


def trackio() -> bytes:
    """Return a database of trackio, of several small pages."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("PRAGMA page_size = 512")
            connection.execute(f"CREATE TABLE metrics ({METRICS}, step INTEGER)")
            for row in ROWS:
                logged = json.dumps({"completion": row["text"], "loss": 2.5})
                connection.execute(
                    "INSERT INTO metrics (run_name, step, metrics) VALUES ('a', ?, ?)", (row["step"], logged)
                )
        return path.read_bytes()


def zstd(lines: bytes = LINES) -> bytes:
    """Return lines as two frames, the first with a checksum."""
    compressor, half = import_module("zstandard").ZstdCompressor, lines.index(b"\n", len(lines) // 2) + 1
    return bytes(compressor(write_checksum=True).compress(lines[:half]) + compressor().compress(lines[half:]))


def inspect_eval() -> bytes:
    """Return an archive of samples like inspect-ai's, each a document."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_journal/start.json", "{}")
        for number, text in enumerate(TEXTS):
            answer = {"message": {"role": "assistant", "content": text}, "stop_reason": "stop"}
            sample = {"id": number, "epoch": 1, "input": "Go on.", "output": {"choices": [answer]}}
            archive.writestr(f"samples/{number}_epoch_1.json", json.dumps(sample))
    return file.getvalue()


_TABLE = b"step,text,loss\n" + b"".join(b'%d,"%s",2.5\n' % (n, t.encode()) for n, t in enumerate(TEXTS))
_STATE = json.dumps({"log_history": [{"step": 1, "loss": 2.5}] * 6}).encode()
_PRINTED = [line + "\n" for n, t in enumerate(TEXTS, 1) for line in (f"step {n}: loss 2.5", f"Sample 1: {t}")]
_OUTPUTS = [{"output_type": "stream", "name": "stdout", "text": _PRINTED}]
_NOTEBOOK = json.dumps({"cells": [{"cell_type": "code", "outputs": _OUTPUTS}], "nbformat": 4}).encode()

WHOLE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "jsonl": ("samples.jsonl", lambda: LINES),
    "json_array": ("samples.json", lambda: json.dumps(ROWS, indent=1).encode()),
    "csv_rows": ("samples.csv", lambda: _TABLE),
    "logs": ("train.log", lambda: LOG),
    "numbered": (
        "samples-100.txt",
        lambda: b"".join(b"==== SAMPLE 1 ====\n%s\n" % t.encode() for t in TEXTS),
    ),
    "trainer_state": ("trainer_state.json", lambda: _STATE),
    "notebook": ("train.ipynb", lambda: _NOTEBOOK),
    "wandb_table": (
        "completions_10_4dfa.table.json",
        lambda: json.dumps({"columns": list(ROWS[0]), "data": [list(row.values()) for row in ROWS]}).encode(),
    ),
    "json_texts": ("generations.json", lambda: json.dumps([TEXTS[:3], TEXTS[3:]]).encode()),
    "inspect_eval": ("log.eval", inspect_eval),
    "text_table": (
        "README.md",
        lambda: (
            b"| Step | Training Loss |\n|---|---|\n" + b"".join(b"| %d | 2.5 |\n" % n for n in range(1, 7))
        ),
    ),
    "jsonl.gz": ("samples.jsonl.gz", partial(gzip.compress, LINES)),
    "jsonl.bz2": ("samples.jsonl.bz2", partial(bz2.compress, LINES)),
    "jsonl.xz": ("samples.jsonl.xz", partial(lzma.compress, LINES)),
    "jsonl.zst": ("samples.jsonl.zst", zstd),
    "parquet": ("samples.parquet", parquet),
    "tensorboard": ("events.out.tfevents.1.a.7.0", events),
    "trackio": ("a.db", trackio),
    "wandb_log": ("run-a.wandb", lambda: log_of(history(row["step"], row | {"loss": 2.5}) for row in ROWS)),
}
"""The name of each file, and the function that makes its bytes.

Raises:
    ImportError: the library that writes it is not installed.
"""


@cache
def content(name: str) -> bytes:
    """Return the bytes of a whole file.

    Raises:
        ImportError: the library that writes it is not installed.
    """
    return WHOLE[name][1]()
