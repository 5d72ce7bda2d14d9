"""MLflow's SQLite database, `mlflow.db`: the losses of its runs, and the samples among their artifacts.

The artifacts are files next to the database, `mlruns/<experiment>/<run>/artifacts/`: tables that `log_table`
wrote, and texts that `log_text` wrote under the name of a step.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from coherence.readers.file_names import step_of
from coherence.readers.format import USUAL, Fields, Format
from coherence.readers.formats import numbered, wandb_table
from coherence.readers.formats.stores import sqlite
from coherence.readers.lines import Head, Part, Problems, read_head
from coherence.readers.objects import rows
from coherence.readers.objects.metrics import kind_of, metrics_of
from coherence.readers.objects.names import LOSS, RawRow
from coherence.readers.records import LossRow, MetricRow, Sample
from coherence.signals.loss import kind_beside

ARTIFACTS = ("mlruns", "mlartifacts")
"""The folder of the artifacts next to the database: that of a script, and that of a server."""

COLUMNS = {"key", "value", "timestamp", "step", "is_nan", "run_uuid"}
"""The columns of the table of metrics, by which the database is recognised."""

_RUNS = "SELECT rowid, run_uuid, experiment_id, name FROM runs WHERE lifecycle_stage = 'active'"
_KEYS = "SELECT rowid, run_uuid, key FROM latest_metrics WHERE 1"
_METRICS = "SELECT rowid, run_uuid, key, step, timestamp, is_nan, value FROM metrics WHERE +key IN ({})"
# If the gradient is not finite, the Hugging Face Trainer logs a loss of 0; the number is MLflow's infinity.
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
        for path in _artifacts(Path(part.path), run):
            reader = numbered if path.endswith(".txt") else wandb_table
            try:
                if reader.recognise(read_head(path)):
                    for sample in reader.samples(Part(path), problems, fields):
                        yield sample._replace(run=run.name)
            except (OSError, ValueError) as error:
                problems.add(path, 1, str(error).removeprefix(f"{path}: "))


def losses(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
    """Yield the training losses of all runs that were not deleted, with the number of the row as the line.

    Raises:
        ValueError: the file is not a database of MLflow.
    """
    return rows.losses_of(_losses(part.path, problems), part.path, problems, fields)


def metrics(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[MetricRow]:
    """Yield reward, KL divergence and length from all runs that were not deleted."""
    keys = {key for _, _, key in sqlite.pages(part.path, _KEYS, problems) if kind_of(key)}
    names = {run.identity: run.name for run in _runs(part.path, problems)}
    found = (
        (line, {"run": names[run], "step": step, key: None if is_nan else value})
        for line, run, key, step, _, is_nan, value in _logged(part.path, keys, problems)
        if run in names
    )
    return metrics_of(found, part.path, problems, fields)


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
    keys = set(read.values())
    for line, run, key, step, time, is_nan, value in _logged(path, keys, problems):
        if read.get(run) == key:
            about = {"run": names[run], "step": step, "time": time / 1000, **beside.get(run, {})}
            norm = {"grad_norm": "nan"} if (run, step) in broken else {}
            yield line, {**about, **norm, "loss": "nan" if is_nan else value}


def _logged(path: str, keys: set[str], problems: Problems) -> Iterator[tuple[Any, ...]]:
    """Yield what was logged under some keys, in the order of logging."""
    query = _METRICS.format(", ".join("?" * len(keys)))
    return sqlite.pages(path, query, problems, *sorted(keys))


def loss_among(keys: list[str]) -> str | None:
    """Return the key of the training loss among those that a run logged; None if it logged none.

    >>> loss_among(["eval_loss", "train_loss", "loss"]), loss_among(["accuracy"])
    ('loss', None)
    """
    return next((key for key in LOSS if key in keys), None)


def _artifacts(database: Path, run: _Run) -> Iterator[str]:
    """Yield the files among the artifacts of a run that may hold samples."""
    if not (run.identity.isalnum() and run.experiment.isalnum()):  # they are names of folders
        return
    for place in ARTIFACTS:
        folder = database.parent / place / run.experiment / run.identity / "artifacts"
        for file in sorted(folder.rglob("*")):
            if file.suffix == ".json" or (file.suffix == ".txt" and step_of(str(file)) is not None):
                yield str(file)


FORMAT = Format(
    "mlflow",
    "MLflow database",
    recognise,
    samples,
    losses,
    why="it is an SQLite database with MLflow's table of metrics",
    metrics=metrics,
)
