"""Training logs: what a trainer prints, losses and samples in one file.

The shapes of `shapes.SHAPES` are read, and lines of any script that name a step and a loss. A survey of the
whole log first finds out which lines count, which steps they have, and which run they belong to.
Other lines are skipped silently, because a log is full of them.
"""

import re
from collections.abc import Iterable, Iterator

from coherence.readers.file_names import step_named
from coherence.readers.format import USUAL, Fields, Format
from coherence.readers.formats.logs.blocks import LoggedSample
from coherence.readers.formats.logs.lines import Line, bare_lines_of, pieces_of, read_pieces, seen_in
from coherence.readers.formats.logs.metrics import metrics_with
from coherence.readers.formats.logs.samples import LogSamples
from coherence.readers.formats.logs.survey import Survey, remarks_of, survey_of
from coherence.readers.lines import Head, Part, Problems, file_name
from coherence.readers.objects import rows
from coherence.readers.objects.names import RawRow
from coherence.readers.records import DATED, LossRow, Sample

_ONE_STEP = re.compile(r"=+ *SAMPLE +\d+ *=+", re.IGNORECASE)
"""The first line of a file with only the samples of one step; its name gives the step."""


def recognise(head: Head) -> bool:
    """Tell whether the first lines hold a loss or a sample, or the code of a script that logs itself."""
    first = next(iter(head.lines), "")
    if "\0" in head.text or not first or _ONE_STEP.fullmatch(first):
        return False
    if not head.whole and "sys.argv[0]" in head.text and ".read()" in head.text:
        return True  # like modded-nanogpt, where the first step comes after it
    return _tells(head.path, head.text) or any(_tells(head.path, text) for text in head.further())


def _tells(path: str, text: str) -> bool:
    pieces = list(pieces_of(enumerate(text.split("\n"))))
    survey = Survey(seen_in(pieces))
    if survey.has_losses or survey.of_policies:
        return True
    return next(_samples(pieces, survey, LogSamples(path, Problems())), None) is not None


def samples(
    part: Part,
    problems: Problems,
    fields: Fields = USUAL,  # noqa: ARG001 - text has no fields
) -> Iterator[Sample]:
    """Yield the samples of a log; bytes that are not UTF-8 are replaced and noted."""
    yield from samples_of(read_pieces(part, problems), survey_of(part), part.path, problems)


def samples_of(
    pieces: Iterable[tuple[int, str]], survey: Survey, path: str, problems: Problems
) -> Iterator[Sample]:
    """Yield the samples in the numbered lines of a log, using the survey of the whole log."""
    named = step_named(path)
    for found in _samples(pieces, survey, LogSamples(path, problems)):
        if survey.dated:
            problems.tally(DATED, file_name(path), found.line)
        yield Sample(
            step=named if found.step is None else found.step,
            text=found.text,
            prompt=found.prompt,
            file=file_name(path),
            line=found.line,
            run=survey.run_at(found.line),
        )


def losses(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
    """Yield the training losses of a log; if it has none, estimates, or losses of validation."""
    yield from losses_of(survey_of(part), part.path, problems, fields)


def losses_of(survey: Survey, path: str, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
    """Yield the losses of a log from its survey."""
    problems += survey.problems
    remarks_of(survey, path, problems)
    yield from rows.losses_of(_losses(survey), path, problems, fields)


def _samples(pieces: Iterable[tuple[int, str]], survey: Survey, reader: LogSamples) -> Iterator[LoggedSample]:
    for line in _known(pieces, survey):
        yield from reader.feed(line)
    yield from reader.finish()


def _known(pieces: Iterable[tuple[int, str]], survey: Survey) -> Iterator[Line]:
    """Yield the lines of a log with what the survey knows about them.

    Of bars, which have no text, only those with a loss that counts.
    """
    entries = survey.entries()
    place, entry = next(entries, (-1, None))
    for number, (line, is_bar) in enumerate(bare_lines_of(pieces)):
        if number == place:
            if not is_bar or (entry is not None and entry.loss is not None):
                yield line._replace(entry=entry, text="" if is_bar else line.text)
            place, entry = next(entries, (-1, None))
        elif not is_bar:
            yield line


def _losses(survey: Survey) -> Iterator[tuple[int, RawRow]]:
    for number, entry in survey.losses():
        row: RawRow = {"step": entry.step, "loss": entry.loss, "grad_norm": entry.grad_norm}
        if entry.beside is not None:
            row = {**row, entry.beside: True}
        if (run := survey.run_at(number)) is not None:
            row = {**row, "run": run}
        yield number, row


FORMAT = Format(
    "logs",
    "training log",
    recognise,
    samples,
    losses,
    why="its lines tell steps and losses, or mark samples",
    metrics=metrics_with(losses),
)
