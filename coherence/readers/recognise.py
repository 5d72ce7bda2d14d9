"""Which format a file is of: its content decides."""

from coherence.readers import storage, trackers
from coherence.readers.format import Format
from coherence.readers.formats import (
    csv_rows,
    inspect_eval,
    json_array,
    json_texts,
    jsonl,
    notebook,
    numbered,
    parquet,
    tensorboard,
    text_lines,
    text_table,
    trackio,
    trainer_state,
    wandb_table,
)
from coherence.readers.formats.logs import reader as logs
from coherence.readers.formats.stores import mlflow, mlflow_metric, wandb_log
from coherence.readers.lines import read_head, shown

FORMATS: tuple[Format, ...] = (
    parquet.FORMAT,
    mlflow.FORMAT,
    trackio.FORMAT,
    wandb_log.FORMAT,
    inspect_eval.FORMAT,
    tensorboard.FORMAT,
    mlflow_metric.FORMAT,
    trainer_state.FORMAT,
    notebook.FORMAT,
    wandb_table.FORMAT,
    json_array.FORMAT,
    json_texts.FORMAT,
    jsonl.FORMAT,
    csv_rows.FORMAT,
    text_table.FORMAT,
    logs.FORMAT,
    text_lines.FORMAT,
    numbered.FORMAT,
)
"""In the order in which they are tried: what is known by its first bytes, then text, from strict to loose."""


def by_key(key: str) -> Format:
    """Return a format as `--format` names it.

    Raises:
        ValueError: there is none.
    """
    formats = {each.key: each for each in FORMATS}
    if key not in formats:
        raise ValueError(f"format {key!r}; expected one of {', '.join(formats)}")
    return formats[key]


def format_of(path: str, asked: str | None = None) -> Format:
    """Return the format of a file.

    Args:
        path: of the file.
        asked: the name of the format, which is then taken for granted.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is empty, a folder, of no format that is known, or there is none named `asked`.
    """
    if asked is not None:
        return by_key(asked)
    if storage.is_folder(path):
        raise ValueError(f"{path}: a folder, not a file")
    head = read_head(path)
    if not head.text.strip():
        raise ValueError(f"{path}: empty")
    for each in FORMATS:
        if each.recognise(head):
            return each
    if known := trackers.unread(path):
        raise ValueError(f"{path}: {known}")
    kind = "binary, and " if b"\0" in head.raw else ""
    keys = ", ".join(each.key for each in FORMATS)
    begins = "" if kind else f"; it begins with {shown(head.lines[0])}"
    raise ValueError(f"{path}: {kind}none of the formats that are read{begins}; --format names one of {keys}")
