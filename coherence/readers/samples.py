"""Samples as JSON lines: an object a line, under the keys that trainers use."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from coherence.readers.lines import Problems, first_of, read_objects, to_float, to_step
from coherence.records import Origin, Sample

STEP = ("step", "global_step", "iter", "iteration", "steps", "current_steps", "epoch")
TEXT = ("text", "completion", "generated_text", "generated", "generation", "output", "sample", "response")
PROMPT = ("prompt", "input", "question")
LOSS = ("loss", "train_loss", "train/loss")
TIME = ("time", "timestamp")


def read_samples(path: Path, problems: Problems) -> Iterator[Sample]:
    """Yield the samples of a file of JSON lines.

    The index counts within the step where the row gives none. Rows of a file whose first row has no step
    are numbered in the order of the file.
    """
    indexes: Counter[int] = Counter()
    numbered: bool | None = None
    for line, row in read_objects(path, problems):
        if numbered is None:
            numbered = first_of(row, STEP) is not None
        try:
            step = to_step(_required(row, STEP)) if numbered else indexes.total()
            sample = _sample(row, step, indexes[step], Origin(file=str(path), line=line))
        except ValueError as error:
            problems.add(path, line, str(error))
            continue
        indexes[step] += 1
        yield sample


def _sample(row: Mapping[str, Any], step: int, index: int, origin: Origin) -> Sample:
    text, prompt, source = _required(row, TEXT), first_of(row, PROMPT), row.get("source")
    if not isinstance(text, str):
        raise ValueError(f"the text is no string but {type(text).__name__}")
    return Sample(
        step=step,
        index=index,
        text=text,
        origin=origin,
        prompt=prompt if isinstance(prompt, str) else None,
        loss=to_float(first_of(row, LOSS)),
        source=source if isinstance(source, str) else None,
        time=to_float(first_of(row, TIME)),
    )


def _required(row: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    value = first_of(row, keys)
    if value is None:
        raise ValueError(f"no {keys[0]}: none of the keys {', '.join(keys)}")
    return value
