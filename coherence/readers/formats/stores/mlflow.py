"""MLflow's SQLite database, `mlflow.db`: the losses of its runs, and the samples among their artifacts.

The artifacts are files next to the database, `mlruns/<experiment>/<run>/artifacts/`: tables that `log_table`
wrote, and texts that `log_text` wrote under the name of a step.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from coherence.readers.file_names import step_of
from coherence.readers.format import USUAL, Fields, Format
from coherence.readers.formats.stores import sqlite
from coherence.readers.lines import LONGEST_LINE, Head, Part, Problems, why_not_json
from coherence.readers.objects import rows
from coherence.readers.objects.names import LOSS, RawRow
from coherence.readers.records import LossRow, Sample
from coherence.signals.loss import kind_beside

ARTIFACTS = ("mlruns", "mlartifacts")
"""Where the artifacts lie next to the database: as a script leaves them, and as a server does."""

COLUMNS = {"key", "value", "timestamp", "step", "is_nan", "run_uuid"}
"""Of the table of metrics, by which the database is recognised."""

_RUNS = "SELECT rowid, run_uuid, experiment_id, name FROM runs WHERE lifecycle_stage = 'active'"
_KEYS = "SELECT rowid, run_uuid, key FROM latest_metrics WHERE 1"
_METRICS = "SELECT rowid, run_uuid, key, step, timestamp, is_nan, value FROM metrics WHERE +key IN ({})"
# Where the gradient is not finite the Hugging Face Trainer logs a loss of 0; the number stands for infinity.
_BROKEN = (
    "SELECT rowid, run_uuid, step FROM metrics "
    "WHERE +key IN ('grad_norm', 'train/grad_norm') AND (is_nan OR abs(value) = 1.7976931348623157e308)"
)


class _Run(NamedTuple):
    identity: str
    experiment: str
    name: str


def recognise(head: Head) -> bool:
    """Tell whether a file is an SQLite database with MLflow's table of metrics."""
    return sqlite.is_database(head) and (sqlite.columns(head.path, "metrics") or set()) >= COLUMNS


def samples(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[Sample]:
    """Yield the samples among the artifacts of all runs that were not deleted.

    Raises:
        ValueError: the file is not a database of MLflow.
    """
    for run in _runs(part.path, problems):
        for file in _artifacts(Path(part.path), run):
            found = ((line, {**row, "run": run.name}) for line, row in _rows_of(file, problems))
            yield from rows.samples_of(found, str(file), problems, fields)


def losses(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
    """Yield the training losses of all runs that were not deleted; the number of a row stands for its line.

    Raises:
        ValueError: the file is not a database of MLflow.
    """
    return rows.losses_of(_losses(part.path, problems), part.path, problems, fields)


def _runs(path: str, problems: Problems) -> list[_Run]:
    if not (sqlite.has(path, "metrics", "run_uuid") and sqlite.has(path, "runs", "lifecycle_stage")):
        raise ValueError(f"{path}: an SQLite database, but not one of MLflow")
    names: dict[str, str] = {}
    return [
        _Run(identity, str(experiment), sqlite.named(names, identity, name or identity))
        for _, identity, experiment, name in sqlite.pages(path, _RUNS, problems)
    ]


def _losses(path: str, problems: Problems) -> Iterator[tuple[int, RawRow]]:
    names = {run.identity: run.name for run in _runs(path, problems)}
    logged: dict[str, list[str]] = {run: [] for run in names}
    for _, identity, key in sqlite.pages(path, _KEYS, problems):
        if identity in logged:
            logged[identity].append(key)
    read = {run: key for run, keys in logged.items() if (key := loss_among(keys))}
    if not read:
        return
    beside = {run: {kind: True} for run, keys in logged.items() if (kind := kind_beside(keys))}
    broken = {(run, step) for _, run, step in sqlite.pages(path, _BROKEN, problems)}
    metrics = _METRICS.format(", ".join("?" * len(set(read.values()))))
    for line, run, key, step, time, is_nan, value in sqlite.pages(
        path, metrics, problems, *set(read.values())
    ):
        if read.get(run) == key:
            about = {"run": names[run], "step": step, "time": time / 1000, **beside.get(run, {})}
            norm = {"grad_norm": "nan"} if (run, step) in broken else {}
            yield line, {**about, **norm, "loss": "nan" if is_nan else value}


def loss_among(keys: list[str]) -> str | None:
    """Return the key of the training loss among those that a run logged; None where it logged none.

    >>> loss_among(["eval_loss", "train_loss", "loss"]), loss_among(["accuracy"])
    ('loss', None)
    """
    return next((key for key in LOSS if key in keys), None)


def _artifacts(database: Path, run: _Run) -> Iterator[Path]:
    """Yield the files among the artifacts of a run that may hold samples."""
    if not (run.identity.isalnum() and run.experiment.isalnum()):  # they name folders
        return
    for place in ARTIFACTS:
        folder = database.parent / place / run.experiment / run.identity / "artifacts"
        for file in sorted(folder.rglob("*")):
            if file.suffix == ".json" or (file.suffix == ".txt" and step_of(str(file)) is not None):
                yield file


def _rows_of(file: Path, problems: Problems) -> Iterator[tuple[int, RawRow]]:
    """Yield the rows of a table, or the one of a text; nothing of any other JSON."""
    if file.stat().st_size > LONGEST_LINE:
        problems.add(str(file), 1, "an artifact of more than 16 MB, which is the most that is read as one")
        return
    text = file.read_text(encoding="utf-8", errors="replace")
    if file.suffix == ".txt":
        yield 1, {"text": text, "step": step_of(str(file))}
        return
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        problems.add(str(file), 1, f"not JSON: {why_not_json(error)}")
        return
    if (
        isinstance(content, dict)
        and isinstance(content.get("columns"), list)
        and isinstance(content.get("data"), list)
    ):
        for line, cells in enumerate(content["data"], 1):
            if isinstance(cells, list):
                yield line, dict(zip(map(str, content["columns"]), cells, strict=False))


FORMAT = Format(
    "mlflow",
    "MLflow database",
    recognise,
    samples,
    losses,
    why="it is an SQLite database with MLflow's table of metrics",
)
