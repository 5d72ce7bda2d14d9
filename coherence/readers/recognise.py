"""Detects the format of a file from its content."""

from collections.abc import Iterator
from functools import cache
from importlib import import_module

from coherence.readers import storage, trackers
from coherence.readers.format import Format
from coherence.readers.lines import read_head, shown

FORMATS = {
    "parquet": "parquet",
    "mlflow": "stores.mlflow",
    "trackio": "trackio",
    "wandb_log": "stores.wandb_log",
    "inspect_eval": "inspect_eval",
    "tensorboard": "tensorboard",
    "mlflow_metric": "stores.mlflow_metric",
    "trainer_state": "trainer_state",
    "notebook": "notebook",
    "wandb_table": "wandb_table",
    "json_array": "json_array",
    "json_texts": "json_texts",
    "jsonl": "jsonl",
    "csv_rows": "csv_rows",
    "text_table": "text_table",
    "logs": "logs.reader",
    "text_lines": "text_lines",
    "numbered": "numbered",
}
"""Each format and its module, in the order in which they are tried: first those with known first bytes, then
text formats, from strict to loose. A module is loaded when its turn comes."""


def by_key(key: str) -> Format:
    """Return the format of a name for `--format`.

    Raises:
        ValueError: there is no such format.
    """
    if key not in FORMATS:
        raise ValueError(f"format {key!r}; expected one of {', '.join(FORMATS)}")
    return _load(key)


@cache
def _load(key: str) -> Format:
    found: Format = import_module(f"coherence.readers.formats.{FORMATS[key]}").FORMAT
    return found


def formats() -> Iterator[Format]:
    """Yield all formats in the order in which they are tried."""
    return map(_load, FORMATS)


def format_of(path: str, asked: str | None = None) -> Format:
    """Return the format of a file.

    Args:
        path: of the file.
        asked: the name of the format, which is then not detected.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is empty, a folder, or not of a known format, or there is no format named `asked`.
    """
    if asked is not None:
        return by_key(asked)
    if storage.is_folder(path):
        raise ValueError(f"{path}: a folder, not a file")
    head = read_head(path)
    if not head.text.strip():
        raise ValueError(f"{path}: empty")
    for each in formats():
        if each.recognise(head):
            return each
    if known := trackers.unread(path):
        raise ValueError(f"{path}: {known}")
    kind = "binary, and " if b"\0" in head.raw else ""
    begins = "" if kind else f"; it begins with {shown(head.lines[0])}"
    keys = ", ".join(FORMATS)
    raise ValueError(f"{path}: {kind}none of the formats that are read{begins}; --format names one of {keys}")
