"""A metric in MLflow's file store, `mlruns/<experiment>/<run>/metrics/<name>`: one value per line."""

import math
import re
from collections.abc import Iterator

from coherence.readers import storage
from coherence.readers.format import USUAL, Fields, Format
from coherence.readers.lines import Head, Part, Problems, read_whole_lines, to_float
from coherence.readers.objects import rows
from coherence.readers.objects.names import LOSS, RawRow
from coherence.readers.records import LossRow
from coherence.signals.loss import kind_beside

_LINE = re.compile(r"(\d{12,14}) (\S{1,30}) (-?\d{1,18})")

_METRICS = "/metrics/"

_GRADIENT_NORM = ("grad_norm", "train/grad_norm")


def recognise(head: Head) -> bool:
    """Tell whether a file in a folder of metrics has only lines of a time, a value and a step."""
    lines = head.lines if head.whole else head.lines[:-1]
    return _METRICS in _slashed(head.path) and all(map(_LINE.fullmatch, filter(None, lines)))


def losses(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
    """Yield the values of a metric that has the name of a training loss."""
    folder, _, name = _slashed(part.path).rpartition(_METRICS)
    if name in LOSS or name == fields.loss:
        yield from rows.losses_of(_rows(part, f"{folder}{_METRICS}", problems), part.path, problems)


def _rows(part: Part, folder: str, problems: Problems) -> Iterator[tuple[int, RawRow]]:
    """Yield the losses, each with other metrics of its step: a reward, a gradient that is not finite."""
    kind = kind_beside(_names(folder))
    beside = {} if kind is None else {kind: True}
    broken = {
        step
        for name in _GRADIENT_NORM
        if storage.exists(f"{folder}{name}")
        for _, _, value, step in _values(Part(f"{folder}{name}"), Problems())
        if not math.isfinite(to_float(value) or 0.0)
    }
    for line, time, value, step in _values(part, problems):
        norm = {"grad_norm": "nan"} if step in broken else {}
        yield line, {"time": int(time) / 1000, "loss": value, "step": step, **beside, **norm}


def _names(folder: str) -> Iterator[str]:
    """Yield the names of all metrics: one with a slash in it is in a subfolder."""
    for name in storage.names_in(folder):
        yield name
        if storage.is_folder(inner := storage.join(folder, name)):
            yield from (f"{name}/{each}" for each in storage.names_in(inner))


def _values(part: Part, problems: Problems) -> Iterator[tuple[int, str, str, str]]:
    for number, line in read_whole_lines(part, problems):
        if found := _LINE.fullmatch(line.strip()):
            yield number, found[1], found[2], found[3]
        elif line.strip():
            problems.add(part.path, number, "not a time, a value and a step")


def _slashed(path: str) -> str:
    return path.replace("\\", "/")


FORMAT = Format(
    "mlflow_metric",
    "metric of MLflow",
    recognise,
    losses=losses,
    why="it is in a folder of metrics and has lines of a time, a value and a step",
)
