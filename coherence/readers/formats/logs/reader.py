"""Training logs: what a trainer prints, losses and samples between each other, as a file.

Read are the logs of llm.c, build-nanogpt, modded-nanogpt, nanoGPT, nanochat, Megatron, torchtune,
gpt-2-simple, the Hugging Face Trainer, and of scripts that begin a line with the step and name the loss.
Other lines are passed over in silence, for a log is full of them.
"""

import re
from collections.abc import Iterable, Iterator

from coherence.readers.file_names import step_named
from coherence.readers.format import USUAL, Fields, Format
from coherence.readers.formats.logs.lines import ESTIMATE, TRAINING, VALIDATION, Line, lines_of, read_log
from coherence.readers.formats.logs.metrics import metrics_with
from coherence.readers.formats.logs.samples import LoggedSample, LogSamples
from coherence.readers.lines import Head, Part, Problems, cut_into_lines, file_name
from coherence.readers.objects import rows
from coherence.readers.objects.names import RawRow
from coherence.readers.records import LossRow, Sample

_ONE_STEP = re.compile(r"=+ *SAMPLE +\d+ *=+", re.IGNORECASE)
"""The first line of a file that holds the samples of one step alone; its name tells the step."""


def recognise(head: Head) -> bool:
    """Tell whether a loss or a sample stands in the first lines, or the code of a script that logs itself."""
    first = next(iter(head.lines), "")
    if "\0" in head.text or not first or _ONE_STEP.fullmatch(first):
        return False
    if not head.whole and "sys.argv[0]" in head.text and ".read()" in head.text:
        return True  # as modded-nanogpt, where the first step stands behind it
    return _tells(head.path, head.text) or any(_tells(head.path, text) for text in head.further())


def _tells(path: str, text: str) -> bool:
    lines = list(lines_of(enumerate(cut_into_lines(text))))
    if any(line.entry is not None and line.entry.loss is not None for line in lines):
        return True
    return next(_samples(lines, LogSamples(path, Problems())), None) is not None


def samples(
    part: Part,
    problems: Problems,
    fields: Fields = USUAL,  # noqa: ARG001 - text has no fields
) -> Iterator[Sample]:
    """Yield the samples of a log; what is no UTF-8 is replaced, and noted."""
    named = step_named(part.path)
    for found in _samples(read_log(part, problems), LogSamples(part.path, problems)):
        yield Sample(
            step=named if found.step is None else found.step,
            text=found.text,
            prompt=found.prompt,
            file=file_name(part.path),
            line=found.line,
        )


def losses(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
    """Yield the training losses of a log; where it has none, those that were estimated, or of validation."""
    return rows.losses_of(_losses(part, problems), part.path, problems, fields)


def _samples(lines: Iterable[Line], reader: LogSamples) -> Iterator[LoggedSample]:
    for line in lines:
        yield from reader.feed(line)
    yield from reader.finish()


def _losses(part: Part, problems: Problems) -> Iterator[tuple[int, RawRow]]:
    held: dict[int, list[tuple[int, RawRow]]] | None = {ESTIMATE: [], VALIDATION: []}
    for number, _, entry, _ in read_log(part, problems):
        if entry is None or entry.step is None or entry.loss is None:
            continue
        row = number, {"step": entry.step, "loss": entry.loss, "grad_norm": entry.grad_norm}
        if entry.beside is not None:
            row[1][entry.beside] = True
        if entry.kind == TRAINING:
            held = None
            yield row
        elif held is not None:
            held[entry.kind].append(row)
    if held is not None:
        yield from held[ESTIMATE] or held[VALIDATION]


FORMAT = Format(
    "logs",
    "training log",
    recognise,
    samples,
    losses,
    why="its lines tell steps and losses, or mark samples",
    metrics=metrics_with(losses),
)
