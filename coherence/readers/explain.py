"""Explains how a path is read: the format of each file and why, what was read from it, and examples.

Nothing is scored, so a user can check that a dump is understood before auditing it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from coherence.readers import storage
from coherence.readers.file_names import names_last
from coherence.readers.find import RunFiles, find_runs
from coherence.readers.folders import File, Folder, matching
from coherence.readers.format import USUAL, Fields
from coherence.readers.lines import Part, Problems
from coherence.readers.read import Piece, losses_in, samples_in
from coherence.readers.recognise import by_key, format_of
from coherence.readers.records import LossRow, Sample
from coherence.signals.settings import DEFAULTS, Settings

COUNTED, LEFT_OUT = "counted in their order", "left out, because others have steps"
LAST = "read as the step after the last one, by the name of the file"
"""What an audit does with samples without a step."""


@dataclass
class Steps:
    """The first and the last step, and how many have an unknown step.

    >>> steps = Steps()
    >>> for step in 100, None, 50:
    ...     steps.see(step)
    >>> steps.first, steps.last, steps.unknown
    (50, 100, 1)
    """

    first: int | None = None
    last: int | None = None
    unknown: int = 0

    def see(self, step: int | None) -> None:
        """Count one more."""
        if step is None:
            self.unknown += 1
            return
        self.first = step if self.first is None else min(self.first, step)
        self.last = step if self.last is None else max(self.last, step)


@dataclass
class FileReading:
    """The format that was detected for a file, and what was read from it.

    Attributes:
        path: of the file.
        format: its name; empty if it is not supported.
        why: how it was recognised, or why not.
        samples, prompts: how many samples, and how many of them have a prompt.
        sample_steps: of the samples.
        without_step: what an audit does with samples without a step, in words.
        first, last: of the samples.
        losses: how many rows of loss.
        loss_steps: of the losses.
        first_loss, last_loss: of the losses.
        problems: what could not be used, and remarks.
    """

    path: str
    format: str = ""
    why: str = ""
    samples: int = 0
    prompts: int = 0
    sample_steps: Steps = field(default_factory=Steps)
    without_step: str = COUNTED
    first: Sample | None = None
    last: Sample | None = None
    losses: int = 0
    loss_steps: Steps = field(default_factory=Steps)
    first_loss: LossRow | None = None
    last_loss: LossRow | None = None
    problems: Problems = field(default_factory=Problems)


@dataclass
class RunReading:
    """What was read from a run: its files, what was skipped, and the settings that its folder states."""

    name: str
    files: list[FileReading]
    notes: Sequence[str] = ()
    settings: Settings = DEFAULTS


def explain(
    paths: Sequence[str],
    loss: str | None = None,
    format: str | None = None,  # noqa: A002 - as the option
    fields: Fields = USUAL,
) -> list[RunReading]:
    """Read paths as an audit would, and say which format was detected for each file.

    If there are no samples, the files are those that were looked at, and the note says why.

    Raises:
        FileNotFoundError: there is nothing at a path.
    """
    try:
        runs = find_runs(paths, loss, format, fields)
    except ValueError as error:
        return [RunReading(paths[0], _looked_at([*paths, *([loss] if loss else [])], format), [str(error)])]
    return [RunReading(run.name, _files_of(run, fields), run.notes, _stated(run)) for run in runs]


def _stated(run: RunFiles) -> Settings:
    if run.folder and run.folder.history:
        return run.folder.history[-1].settings
    return DEFAULTS._replace(vocab_size=run.vocab_size)


def _files_of(run: RunFiles, fields: Fields) -> list[FileReading]:
    readings = {file.path: _reading(file) for file in (*run.samples, *run.losses)}
    seen = {file.path: _read_samples(readings[file.path], file, fields) for file in run.samples}
    with_steps = {name for runs in seen.values() for name, has_step in runs if has_step}
    for path, runs in seen.items():
        if any(runs[name, False] for name in with_steps):
            last = names_last(path) and not any(has_step for _, has_step in runs)
            readings[path].without_step = LAST if last else LEFT_OUT
    for file in run.losses:
        _read_losses(readings[file.path], file, fields, again=file in run.samples)
    return list(readings.values())


def _reading(file: File) -> FileReading:
    found = by_key(file.format)
    return FileReading(file.path, found.name, found.why)


def _read_samples(reading: FileReading, file: File, fields: Fields) -> Counter[tuple[str | None, bool]]:
    """Read the samples of a file; return how many there are of each run, with and without a step."""
    seen: Counter[tuple[str | None, bool]] = Counter()
    try:
        for sample in samples_in(Piece(Part(file.path), file.format), reading.problems, fields):
            reading.samples += 1
            reading.prompts += bool(sample.prompt)
            reading.sample_steps.see(sample.step)
            seen[sample.run, sample.step is not None] += 1
            reading.first, reading.last = reading.first or sample, sample
    except (OSError, ValueError) as error:
        reading.problems.add(file.path, 0, f"not read on from here: {error}")
    return seen


def _read_losses(reading: FileReading, file: File, fields: Fields, again: bool) -> None:
    noted = Problems()
    try:
        for row in losses_in(Piece(Part(file.path), file.format), noted, fields):
            reading.losses += 1
            reading.loss_steps.see(row.step)
            reading.first_loss, reading.last_loss = reading.first_loss or row, row
    except (OSError, ValueError) as error:
        noted.add(file.path, 0, f"not read on from here: {error}")
    if again:  # the problems of its lines were noted when its samples were read
        reading.problems.remarks |= noted.remarks
    else:
        reading.problems += noted


def _looked_at(paths: Sequence[str], asked: str | None) -> list[FileReading]:
    """Return the files at paths and those in the folders there; none of them holds samples."""
    named = [found for path in paths for found in matching(path)]
    files = [file for path in named for file in (Folder(path).files if storage.is_folder(path) else [path])]
    return [_unread(path, asked) for path in files]


def _unread(path: str, asked: str | None) -> FileReading:
    try:
        found = format_of(path, asked)
    except (OSError, ValueError) as error:
        return FileReading(path, why=str(error).removeprefix(f"{path}: ").partition("; --format")[0])
    reading = FileReading(path, found.name, found.why)
    file = File(path, found.key)
    _read_samples(reading, file, USUAL)
    _read_losses(reading, file, USUAL, again=True)
    return reading
