"""Samples as JSON lines: an object a line, under the keys that trainers use."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from coherence.readers.lines import (
    Problems,
    file_name,
    first_of,
    read_objects,
    to_float,
    to_step,
    to_text,
)
from coherence.records import Origin, Sample

STEP = ("step", "global_step", "iter", "iteration", "steps", "current_steps", "epoch")
TEXT = ("text", "completion", "generated_text", "generated", "generation", "output", "sample", "response")
PROMPT = ("prompt", "input", "question")
LOSS = ("loss", "train_loss", "train/loss")
TIME = ("time", "timestamp")


def read_samples(path: Path, problems: Problems, indexes: Counter[int] | None = None) -> Iterator[Sample]:
    """Yield the samples of a file of JSON lines.

    The index counts the samples of a step. Of a file whose first sample has no step all are numbered in
    the order of the file.

    Args:
        path: of the file.
        problems: takes the lines that could not be used.
        indexes: how many samples each step has; hand the same one in for each file of a run, or samples
            of one step in two files would pass for the same.
    """
    indexes = Counter() if indexes is None else indexes
    with_steps: bool | None = None
    for line, row in read_objects(path, problems):
        if with_steps is None and first_of(row, TEXT) is not None:
            with_steps = first_of(row, STEP) is not None
        try:
            step = to_step(_required(row, STEP)) if with_steps else indexes.total()
            sample = _sample(row, step, indexes[step], Origin(file=file_name(path), line=line))
        except ValueError as error:
            problems.add(path, line, str(error))
            continue
        indexes[step] += 1
        yield sample


def _sample(row: Mapping[str, Any], step: int, index: int, origin: Origin) -> Sample:
    text, time = to_text(_required(row, TEXT)), to_float(first_of(row, TIME))
    if text is None:
        raise ValueError(f"the text is no string but {type(_required(row, TEXT)).__name__}")
    return Sample(
        step=step,
        index=index,
        text=text,
        origin=origin,
        prompt=to_text(first_of(row, PROMPT)),
        loss=to_float(first_of(row, LOSS)),
        source=to_text(row.get("source")),
        time=time if time is not None and math.isfinite(time) else None,
    )


def _required(row: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    value = first_of(row, keys)
    if value is None:
        raise ValueError(f"no {keys[0]}: none of the keys {', '.join(keys)}")
    return value
