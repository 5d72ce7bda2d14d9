"""Finds the runs at a path, and the files of samples and of losses of each."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from coherence.readers import storage, trackers
from coherence.readers.beside import (
    checkpoints,
    given_losses,
    losses_beside,
    losses_of,
    metrics_beside,
    note_of_validation,
    saved_steps,
    under_other_names,
)
from coherence.readers.folder import SAMPLES, SETTINGS, STATE, STATUS
from coherence.readers.folders import (
    LOSSES,
    RUN,
    Asked,
    File,
    Folder,
    as_text,
    files_once,
    matching,
    name_of,
    once,
    recognised,
    what_lies_in,
)
from coherence.readers.format import USUAL, Fields
from coherence.readers.lines import HEAD, file_name
from coherence.readers.recognise import by_key
from coherence.signals import settings
from coherence.signals.settings import History

WRITTEN = (STATE, STATUS)
"""Files that only a monitor writes next to its samples."""


class RunFiles(NamedTuple):
    """The files and notes of one run.

    Attributes:
        name: that of its folder, or of its first file.
        samples, losses: its files, in the order of the numbers in their names.
        vocab_size: from its run.json.
        notes: what was skipped and why, for the report.
        folder: what else a monitor wrote there; None if the samples are not a monitor's.
        saved: the steps of the checkpoints there, in ascending order.
        metrics: its files that may hold rewards and the like, those of losses first; empty for a monitor.
    """

    name: str
    samples: tuple[File, ...]
    losses: tuple[File, ...]
    vocab_size: int | None = None
    notes: tuple[str, ...] = ()
    folder: "RunFolder | None" = None
    saved: tuple[int, ...] = ()
    metrics: tuple[File, ...] = ()


class RunFolder(NamedTuple):
    """The contents of a folder that a monitor wrote, other than samples and losses.

    Attributes:
        history: its settings; empty if it states none.
        events: the file with the events of the run; None if there were no events.
    """

    history: History
    events: tuple[File, ...]


def find_runs(
    paths: Sequence[str],
    loss: str | None = None,
    format: str | None = None,  # noqa: A002 - as the option
    fields: Fields = USUAL,
) -> list[RunFiles]:
    """Return the runs at paths.

    One or more files are one run; a folder is one run, or one for each run folder in it. A path may be a
    pattern, a URL, or `-` for standard input.

    Args:
        paths: as the user gave them.
        loss: where the losses are, if not next to the samples.
        format: of the samples, if it cannot be detected, and of the losses if it fits.
        fields: the keys that the user named.

    Raises:
        FileNotFoundError: there is nothing at a path.
        ValueError: a file's format is not supported, or a folder holds no samples.
    """
    asked = Asked(format, fields)
    if format is not None:
        by_key(format)  # an unknown name is not a file's fault
    named = [found for path in paths for found in matching(path)]
    folders = [path for path in named if storage.is_folder(path)]
    notes: list[str] = []
    files = once((path for path in named if path not in set(folders)), notes)
    runs: list[RunFiles] = []
    errors: list[ValueError] = []
    for group in [*_grouped(files), *folders]:
        try:
            runs += _runs_in(group, asked) if isinstance(group, str) else [_run_of_files(group, asked)]
        except ValueError as error:
            errors.append(error)
    if not runs:
        raise errors[0]
    notes += [as_text(str(error)) for error in errors]
    runs[0] = runs[0]._replace(notes=(*runs[0].notes, *notes))
    if loss is None:
        runs = [run._replace(notes=(*run.notes, *note_of_validation(run.losses))) for run in runs]
    else:
        if len(runs) > 1:
            raise ValueError(f"{loss}: the losses of one run, but there are {len(runs)} runs")
        given = tuple(given_losses(loss, asked))
        saved = [saved_steps(given, *run.saved) for run in runs]
        runs = [
            run._replace(losses=given, saved=steps, metrics=given)
            for run, steps in zip(runs, saved, strict=True)
        ]
    return _named_apart(runs)


def _grouped(files: Sequence[str]) -> list[list[str]]:
    """Return files grouped into runs: one group, unless they are from several of our run folders."""
    ours = [
        file
        for file in files
        if storage.bare_name(file) == SAMPLES and storage.exists(storage.join(storage.parent(file), RUN))
    ]
    apart = ours if len({storage.parent(file) for file in ours}) > 1 else []
    alone = set(apart)
    together = [file for file in files if file not in alone]
    return ([together] if together else []) + [[file] for file in apart]


def _run_of_files(files: Sequence[str], asked: Asked) -> RunFiles:
    """Return the run that files make up; if there are several, unreadable ones are skipped and noted."""
    notes: list[str] = []
    samples = recognised(files, asked.format, notes)
    if not samples:
        raise ValueError("; ".join(notes[:3]))
    name = file_name(files[0]) + (f" and {len(files) - 1} more" if len(files) > 1 else "")
    beside = {storage.parent(file.path) for file in samples if storage.bare_name(file.path) == SAMPLES}
    folder = Folder(beside.pop(), asked) if len(beside) == 1 else None
    losses = losses_of(folder, samples, asked)
    vocab_size = _vocab_size(folder) if folder else None
    written = _run_folder(folder) if folder else None
    notes += folder.notes if folder else []
    saved = saved_steps(losses, *(checkpoints(folder.path) if folder else ()))
    metrics = () if written else (*losses, *(metrics_beside(folder, losses) if folder else ()))
    return RunFiles(name, tuple(samples), tuple(losses), vocab_size, tuple(notes), written, saved, metrics)


def _runs_in(path: str, asked: Asked) -> list[RunFiles]:
    """Return the run of a folder, or the runs of the folders in it.

    Raises:
        ValueError: there are no samples.
    """
    folder = Folder(path, asked)
    below = list(folder.below())
    runs = _runs_of(folder, below)
    if not runs:
        for each in (folder, *below):
            each.take_logs()
        runs = _runs_of(folder, below)
    if not runs:
        known = trackers.unread_in(path)
        why = f"; {known or folder.notes[0]}" if known or folder.notes else ""
        seen = what_lies_in([folder, *below])
        raise ValueError(
            f"{path}: a folder without samples; expected {SAMPLES} or other files of them; "
            f"it holds {seen}{why}"
        )
    return runs


def _runs_of(folder: Folder, below: Iterable[Folder]) -> list[RunFiles]:
    """Return the run of a folder; the folders below it are parts of it unless they are runs themselves."""
    below = [child for child in below if child.samples]
    one_run = folder.is_run or bool(folder.samples) or len(below) < 2
    runs = []
    for child in below:
        if one_run and not child.is_run and not _has_losses_of_its_own(child, folder):
            folder.samples += child.samples
            folder.notes += child.notes
        else:
            runs.append(_run_in(child))
    return [_run_in(folder), *runs] if folder.samples else runs


def _has_losses_of_its_own(child: Folder, folder: Folder) -> bool:
    """Tell whether a folder has losses; those of validation are not its own if the one above has some."""
    losses = losses_beside(child)
    return bool(losses) and not (note_of_validation(losses) and losses_beside(folder))


def _run_in(folder: Folder) -> RunFiles:
    folder.samples = files_once(folder.samples, folder.notes)
    folder.leave_out_others()
    losses = losses_of(folder, folder.samples, folder.asked)
    vocab_size, written = _vocab_size(folder), _run_folder(folder)
    if not losses:
        known = trackers.unread_in(folder.path)
        folder.notes += [known] if known else under_other_names(folder)
    notes = tuple(dict.fromkeys(folder.notes))
    saved = saved_steps(losses, *checkpoints(folder.path))
    metrics = () if written else (*losses, *metrics_beside(folder, losses))
    name, samples = trackers.name_of_run(folder.path) or name_of(folder.path), tuple(folder.samples)
    return RunFiles(name, samples, tuple(losses), vocab_size, notes, written, saved, metrics)


def _vocab_size(folder: Folder) -> int | None:
    """Return the vocabulary size that a run folder states in its run.json."""
    for path in folder.named(RUN):
        try:
            with storage.open_bytes(path) as file:
                size = json.loads(file.read(HEAD).decode("utf-8-sig")).get("vocab_size")
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path}: not a JSON object: {error}") from error
        return size if isinstance(size, int) and not isinstance(size, bool) else None
    return None


def _run_folder(folder: Folder) -> RunFolder | None:
    """Return what else a monitor wrote into a folder; None if no monitor did."""
    if not folder.named(SAMPLES) or not any(map(folder.named, (SETTINGS, *WRITTEN))):
        return None
    events = recognised(folder.named(LOSSES[0]), "jsonl", folder.notes)
    return RunFolder(_history(folder), tuple(events))


def _history(folder: Folder) -> History:
    """Return the settings that a run folder states; add a note if they cannot be read."""
    for path in folder.named(SETTINGS):
        try:
            with storage.open_bytes(path) as file:
                values = json.loads(file.read(settings.LARGEST))
            history = settings.from_json(values)
            if missing := settings.unknown(values):
                folder.notes.append(f"judged with {' and '.join(missing)}, which this version does not have")
            return history
        except settings.LaterFormat as error:
            raise settings.LaterFormat(f"{path}: {error}") from error
        except (OSError, ValueError, RecursionError, KeyError, TypeError, IndexError) as error:
            folder.notes.append(f"{file_name(path)}: {as_text(str(error))}; the settings are the usual ones")
    return ()


def _named_apart(runs: list[RunFiles]) -> list[RunFiles]:
    """Return the runs; those whose folders share a name are called by their paths."""
    names = Counter(run.name for run in runs)
    return [
        run._replace(name=file_name(storage.parent(run.samples[0].path))) if names[run.name] > 1 else run
        for run in runs
    ]
