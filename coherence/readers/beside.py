"""Finds the losses of a run, next to, above or below its samples, and its checkpoints."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain

from coherence.readers import storage, trackers
from coherence.readers.file_names import is_of_a_step, names_validation
from coherence.readers.folders import (
    BOTH,
    LOSS_FOLDERS,
    LOSSES,
    WANDB,
    Asked,
    File,
    Folder,
    files_once,
    holds,
    identity_of,
    matching,
    name_of,
    natural,
    recognised,
)
from coherence.readers.format import Fields
from coherence.readers.lines import HEAD, Part, Problems, file_name, read_head
from coherence.readers.read import Piece, losses_in, metrics_in, samples_in
from coherence.readers.recognise import format_of

VALIDATION = "its name says that its losses are of validation; none of training was found"

LAST = ("text_table",)
"""Formats of losses that count only if there are no others: tables in a model card."""

TABLES = ("csv_rows", "jsonl", "json_array")
"""Formats of which the user can name the key of the loss."""

STORES = ("tensorboard", "wandb_log", "trackio", "mlflow", "mlflow_metric")
"""Formats whose files a library names, after a host or a run: their names say nothing about the losses."""

_NAMES_TRAINING = re.compile(
    r"train(?:ing)?[ _/-]+(?:[a-z]+[ _/-]+)?(?:loss|crossentropyloss)|loss[ _/-]+train", re.IGNORECASE
)
_OF_TRAINING = re.compile(r"(?!.*(?:val|eval|test|dev)).*loss.*", re.IGNORECASE)
_KEY = re.compile(r'"([^"\n]{1,100})"\s*:')

_CHECKPOINT = re.compile(r"checkpoint-(\d{1,15})")

_VERSION = re.compile(r"version_\d+")


def losses_of(folder: Folder | None, samples: Sequence[File], asked: Asked) -> list[File]:
    """Return the files of losses of a run: those next to its samples, or else those among its samples.

    Losses of validation count only if there are no others.
    """
    beside = losses_beside(folder) if folder else []
    among = losses_among(samples, asked)
    for found in (beside, among):
        if of_training := [file for file in found if not _is_of_validation(file)]:
            return of_training
    if any(_has_losses(file, asked.fields) for file in samples):
        return []
    return beside or among


def note_of_validation(losses: Sequence[File]) -> list[str]:
    """Return a note if all losses of a run are of validation, by the names of their files."""
    if not losses or not all(map(_is_of_validation, losses)):
        return []
    return [f"{file_name(losses[0].path)}: {VALIDATION}"]


def _is_of_validation(file: File) -> bool:
    """Tell whether the losses of a file are of validation, by its name; a loss that names training is not."""
    if file.format in STORES or not names_validation(file.path):
        return False
    return not _NAMES_TRAINING.search(read_head(file.path).text)


def losses_among(samples: Iterable[File], asked: Asked) -> list[File]:
    """Return the files of samples that also hold losses, in separate rows."""
    return [file for file in samples if file.format in BOTH or _has_loss_rows(file, asked.fields)]


def _has_loss_rows(file: File, fields: Fields) -> bool:
    piece = Piece(Part(file.path, 0, HEAD), file.format)
    with_loss = sum(sample.loss is not None for sample in samples_in(piece, Problems(), fields))
    return sum(1 for _ in losses_in(piece, Problems(), fields)) > with_loss


def _has_losses(file: File, fields: Fields) -> bool:
    """Tell whether the rows of samples have losses of their own, where a file begins."""
    piece = Piece(Part(file.path, 0, HEAD), file.format)
    with suppress(OSError, ValueError):
        return any(sample.loss is not None for sample in samples_in(piece, Problems(), fields))
    return False


def losses_beside(folder: Folder) -> list[File]:
    """Return the files of losses of a run folder: those of the first kind found.

    Those that are named after validation are left out, unless there are no others.
    """
    of_validation: list[File] = []
    steps = Folder(storage.parent(folder.path), folder.asked) if is_of_a_step(folder.path) else None
    for place in (folder, steps):
        if place is None:
            continue
        for candidates in _loss_candidates(place):
            own = {identity_of(file.path) for file in folder.samples}
            others = [file for file in candidates if identity_of(file.path) not in own]
            found = [file for file in others if holds(file, losses_in, folder.asked, folder.notes)]
            if of_training := [file for file in found if not _is_of_validation(file)]:
                return files_once(of_training, folder.notes)
            of_validation = of_validation or found
    return files_once(of_validation, folder.notes)


def under_other_names(folder: Folder) -> Iterator[str]:
    """Yield notes on tables of a folder without losses that name a loss, none of them by a usual name."""
    own = {identity_of(file.path) for file in folder.samples}
    for file in folder.scanned:
        if file.format not in TABLES or identity_of(file.path) in own:
            continue
        head = read_head(file.path).text
        keys = head.partition("\n")[0].split(",") if file.format == "csv_rows" else _KEY.findall(head)
        read = any(holds(file, reader, folder.asked, []) for reader in (losses_in, metrics_in))
        if any(map(_OF_TRAINING.fullmatch, keys)) and not read:
            name = file_name(file.path)
            yield f"{name}: a loss is in it, but none under a usual name; --loss-field names the key"


def metrics_beside(folder: Folder, losses: Iterable[File]) -> list[File]:
    """Return the files of a run folder that hold rewards and the like, in addition to those of losses."""
    own = {identity_of(file.path) for file in (*folder.samples, *losses)}
    candidates = folder.scanned if losses else chain.from_iterable(_loss_candidates(folder))
    others = [file for file in candidates if identity_of(file.path) not in own]
    return files_once([file for file in others if holds(file, metrics_in, folder.asked, [])], [])


def _loss_candidates(folder: Folder) -> Iterator[list[File]]:
    """Yield the files that may hold the losses of a run, kind by kind, the best known first."""
    for name in LOSSES:
        yield recognised(folder.named(name), None, folder.notes)
    yield recognised(trackers.loss_in(folder.path), None, folder.notes)
    newest = [path for path in folder.folders if _CHECKPOINT.fullmatch(name_of(path))][-1:]
    yield recognised(_existing(newest, "trainer_state.json"), None, folder.notes)
    inner = [path for path in folder.folders if name_of(path) in (*LOSS_FOLDERS, WANDB)]
    deeper = [
        storage.join(path, name) for path in inner for name in sorted(storage.names_in(path), key=natural)
    ]
    below = [*inner, *(path for path in [*folder.folders, *deeper] if storage.is_folder(path))]
    versions = [path for path in below if _VERSION.fullmatch(name_of(path))][-1:]
    yield recognised(_existing(versions, "metrics.csv"), None, folder.notes)
    yield [file for file in folder.scanned if file.format not in (*BOTH, *LAST)]
    yield recognised(_of_the_last_run(folder), None, folder.notes)
    scanned = [folder, *(Folder(path) for path in [*inner, *deeper] if storage.is_folder(path))]
    for kind in (*BOTH, *LAST):
        yield [file for each in scanned for file in each.scanned if file.format == kind]


def _of_the_last_run(folder: Folder) -> list[str]:
    """Return the losses of the run that started last in an MLflow store in a folder."""
    found = [
        loss for path in folder.folders for run in trackers.runs_in(path) for loss in trackers.loss_in(run)
    ]
    if len(found) > 1:
        folder.notes.append(f"losses of {len(found)} runs in MLflow's store; those of the last one are read")
    return found[-1:]


def _existing(folders: Iterable[str], name: str) -> list[str]:
    paths = [storage.join(folder, name) for folder in folders]
    return [path for path in paths if storage.exists(path)]


def saved_steps(losses: Iterable[File], *steps: int) -> tuple[int, ...]:
    """Return the steps of checkpoints, and those of the ones next to losses."""
    places = {storage.parent(file.path) for file in losses if not storage.is_url(file.path)}
    return tuple(sorted({*steps, *(step for place in places for step in checkpoints(place))}))


def checkpoints(folder: str) -> Iterator[int]:
    """Yield the steps of the checkpoints in a folder; if it is one itself, of those next to it."""
    if _CHECKPOINT.fullmatch(name_of(folder)):
        folder = storage.parent(folder)
    try:
        names = storage.names_in(folder)
    except OSError:  # a file in it may still be readable
        return
    for name in names:
        found = _CHECKPOINT.fullmatch(name)
        if found and storage.is_folder(storage.join(folder, name)):
            yield int(found[1])


def given_losses(path: str, asked: Asked) -> list[File]:
    """Return the losses at a path that was named for them: a file, or those of a folder.

    If a folder holds none, the files are those of rewards and the like.

    Raises:
        FileNotFoundError: there is nothing at the path.
        ValueError: the file's format is not supported, or the folder holds no losses.
    """
    (path,) = matching(path)
    if not storage.is_folder(path):
        if asked.format is not None and holds(File(path, asked.format), losses_in, asked, []):
            return [File(path, asked.format)]
        return [File(path, format_of(path).key)]
    folder = Folder(path, Asked(fields=asked.fields))
    if found := losses_beside(folder) or metrics_beside(folder, []):
        return found
    raise ValueError(f"{path}: a folder without losses; expected {', '.join(LOSSES)} or other files of them")
