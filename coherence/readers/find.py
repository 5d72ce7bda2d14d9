"""What a person means by a path: the runs there, and of each its files of samples and of losses."""

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from coherence.readers import storage
from coherence.readers.file_names import SAMPLE_FOLDERS, is_called_log, is_of_a_step, is_of_samples, step_of
from coherence.readers.folder import METRICS, SAMPLES, SETTINGS, STATE, STATUS
from coherence.readers.format import USUAL, Fields
from coherence.readers.formats.logs.prefix import looks_logged
from coherence.readers.lines import HEAD, Part, Problems, file_name, read_head, shown
from coherence.readers.read import Piece, losses_in, samples_in
from coherence.readers.recognise import by_key, format_of
from coherence.signals import settings
from coherence.signals.settings import History

LOSSES = (METRICS, "trainer_state.json", "metrics.csv")
RUN = "run.json"
WRITTEN = (STATE, STATUS)
"""What a monitor writes beside its samples, and no other trainer does."""

LOSS_FOLDERS = ("lightning_logs", "runs", "logs", "tensorboard", "tb")
"""Where trainers put losses below the folder of a run."""

BOTH = ("trackio", "tensorboard", "logs")
"""Formats that hold losses, and perhaps samples: they count as samples where there are no others."""

DEEPEST = 100
"""Folders above a link that are looked at; no dump lies deeper."""

_CHECKPOINT = re.compile(r"checkpoint-(\d{1,15})")
_VERSION = re.compile(r"version_\d+")
_NUMBER = re.compile(r"\d+")

_NO_DATA = re.compile(
    r"\.(pth?|bin|safetensors|ckpt|np[yz]|pkl|h5|keras|onnx|gguf|model|so|whl|zip|tar|lock|png|jpe?g|gif|svg"
    r"|pdf|html|py|ipynb|sh|ya?ml|toml)"
)
"""What lies beside samples and holds none; it is not even opened."""

_DATA = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
"""Names that promise samples or losses: where one holds neither, the person is told."""


_LOSS_SPOKEN = re.compile(r"(?<![a-z])loss\b.{0,20}?\d", re.IGNORECASE)
_LOG_NAME = re.compile(r"(?<![a-z])(?:logs?|loss(?:es)?|metrics|stdout|nohup)(?![a-z])")


class File(NamedTuple):
    """A file and the name of its format."""

    path: str
    format: str


class Asked(NamedTuple):
    """What a person said of files whose content does not tell: their format, where their rows hold what."""

    format: str | None = None
    fields: Fields = USUAL


NOTHING = Asked()


class RunFiles(NamedTuple):
    """What was found of one run.

    Attributes:
        name: of its folder, or of its first file.
        samples, losses: its files, in the order of the numbers in their names.
        vocab_size: which its run.json states.
        notes: what was passed over and why, for the report.
        folder: what else a monitor wrote there; None where the samples are not a monitor's.
        saved: the steps of the checkpoints that lie there, in ascending order.
    """

    name: str
    samples: tuple[File, ...]
    losses: tuple[File, ...]
    vocab_size: int | None = None
    notes: tuple[str, ...] = ()
    folder: "RunFolder | None" = None
    saved: tuple[int, ...] = ()


class RunFolder(NamedTuple):
    """What lies in the folder that a monitor wrote, besides samples and losses.

    Attributes:
        history: its settings; empty where it states none.
        events: the file that what befell the run stands in; none if nothing did.
    """

    history: History
    events: tuple[File, ...]


def find_runs(
    paths: Sequence[str],
    loss: str | None = None,
    format: str | None = None,  # noqa: A002 - as the option
    fields: Fields = USUAL,
) -> list[RunFiles]:
    """Return the runs that paths stand for.

    A file, or several, are one run; a folder is one, or one for each run folder in it. A path may be a
    pattern, a URL, or `-` for standard input.

    Args:
        paths: what the person named.
        loss: where the losses are, if not beside the samples.
        format: of the samples, if their content does not tell, and of the losses where it fits.
        fields: where a person said that rows hold what.

    Raises:
        FileNotFoundError: there is nothing at a path.
        ValueError: a file is of no format that is read, or a folder holds no samples.
    """
    asked = Asked(format, fields)
    if format is not None:
        by_key(format)  # a name that is none is no file's fault
    named = [found for path in paths for found in _matching(path)]
    folders = [path for path in named if storage.is_folder(path)]
    notes: list[str] = []
    files = _once((path for path in named if path not in set(folders)), notes)
    runs: list[RunFiles] = []
    errors: list[ValueError] = []
    for group in [*_grouped(files), *folders]:
        try:
            runs += _runs_in(group, asked) if isinstance(group, str) else [_run_of_files(group, asked)]
        except ValueError as error:
            errors.append(error)
    if not runs:
        raise errors[0]
    notes += [_shown(str(error)) for error in errors]
    runs[0] = runs[0]._replace(notes=(*runs[0].notes, *notes))
    if loss is not None:
        if len(runs) > 1:
            raise ValueError(f"{loss}: the losses of one run, but there are {len(runs)} runs")
        given = tuple(_given_losses(loss, asked))
        runs = [run._replace(losses=given, saved=_saved(given, *run.saved)) for run in runs]
    return _named_apart(runs)


def _matching(path: str) -> list[str]:
    """Return what a path stands for: itself, or what matches it as a pattern."""
    if path == "-":
        return [storage.spooled(sys.stdin.buffer)]
    if storage.exists(path):
        return [path]
    if not any(sign in path for sign in "*?["):
        raise FileNotFoundError(f"{path}: no such file or folder")
    if found := sorted(storage.matching(path), key=natural):
        return found
    raise FileNotFoundError(f"{path}: nothing matches")


def natural(path: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts names by the numbers in them: `samples-100` before `samples-1000`.

    >>> sorted(["s-1000", "s-100", "s-20"], key=natural)
    ['s-20', 's-100', 's-1000']
    """
    return [
        (0, int(piece), "") if piece.isdecimal() else (1, 0, piece)
        for piece in re.split(r"(\d{1,18})", path)
        if piece
    ]


def _once(paths: Iterable[str], notes: list[str]) -> list[str]:
    """Return the paths, of those that lead to the same file one; of each left out a note says so."""
    given = [(path, _identity(path)) for path in paths]
    kept: dict[tuple[int, int] | str, int] = {}
    for place, (path, identity) in enumerate(given):
        before = kept.setdefault(identity, place)
        if _is_lesser_name(path) < _is_lesser_name(given[before][0]):
            kept[identity] = place
    for place, (path, identity) in enumerate(given):
        if kept[identity] != place:
            same = file_name(given[kept[identity]][0])
            notes.append(f"{file_name(path)}: left out, the same file as {same}")
    return [path for place, (path, identity) in enumerate(given) if kept[identity] == place]


def _identity(path: str) -> tuple[int, int] | str:
    """Return what the names of a file share, soft and hard links; of a URL the path itself."""
    if storage.is_url(path):
        return path
    try:
        seen = Path(path).stat()
    except OSError:
        return path
    return (seen.st_dev, seen.st_ino) if seen.st_ino else path  # some file systems number no files


def _is_lesser_name(path: str) -> tuple[bool, bool]:
    """Tell whether a path is a link and whether it tells no step; of a file another name is better then."""
    return not storage.is_url(path) and Path(path).is_symlink(), step_of(path) is None


def _files_once(files: Iterable[File], notes: list[str]) -> list[File]:
    """Return files, each of them once."""
    by_path = {file.path: file for file in files}
    return [by_path[path] for path in _once(by_path, notes)]


def _grouped(files: Sequence[str]) -> list[list[str]]:
    """Return files grouped to runs: they are one, but those of several run folders of ours one each."""
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
    """Return the run that files make up; of several one that cannot be read is passed over, and noted."""
    notes: list[str] = []
    samples = _recognised(files, asked.format, notes)
    if not samples:
        raise ValueError("; ".join(notes[:3]))
    name = file_name(files[0]) + (f" and {len(files) - 1} more" if len(files) > 1 else "")
    beside = {storage.parent(file.path) for file in samples if storage.bare_name(file.path) == SAMPLES}
    folder = _Folder(beside.pop(), asked) if len(beside) == 1 else None
    losses = (folder and _losses_in(folder)) or _losses_among(samples, asked)
    vocab_size = _vocab_size(folder) if folder else None
    written = _run_folder(folder) if folder else None
    notes += folder.notes if folder else []
    saved = _saved(losses, *(_checkpoints(folder.path) if folder else ()))
    return RunFiles(name, tuple(samples), tuple(losses), vocab_size, tuple(notes), written, saved)


def _recognised(paths: Iterable[str], asked: str | None, notes: list[str]) -> list[File]:
    """Return the files whose format is known, in the order given; of the others a note says why."""
    found = []
    for path in paths:
        try:
            found.append(File(path, format_of(path, asked).key))
        except (OSError, ValueError) as error:
            notes.append(_why(path, error))
    return found


def _why(path: str, error: Exception) -> str:
    why = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return _shown(why if why.startswith(path) else f"{path}: {why}")


def _shown(message: str) -> str:
    """Return a message as a report can hold it: a path in it may be no UTF-8."""
    return message.encode(errors="surrogateescape").decode(errors="replace")


def _losses_among(samples: Iterable[File], asked: Asked) -> list[File]:
    """Return the files of samples that hold losses as well, in rows of their own."""
    return [file for file in samples if file.format in BOTH or _has_loss_rows(file, asked.fields)]


def _has_loss_rows(file: File, fields: Fields) -> bool:
    piece = Piece(Part(file.path, 0, HEAD), file.format)
    with_loss = sum(sample.loss is not None for sample in samples_in(piece, Problems(), fields))
    return sum(1 for _ in losses_in(piece, Problems(), fields)) > with_loss


def _holds(
    file: File, read: Callable[[Piece, Problems, Fields], Iterator[object]], asked: Asked, notes: list[str]
) -> bool:
    """Tell whether anything is read of a file; where it can be cut, its beginning decides."""
    piece = Piece(Part(file.path, 0, HEAD), file.format)
    try:
        return next(read(piece, Problems(), asked.fields), None) is not None
    except (OSError, ValueError) as error:  # what it needs is not installed, for instance
        notes.append(_why(file.path, error))
        return False


def _runs_in(path: str, asked: Asked) -> list[RunFiles]:
    """Return the run that a folder is of, or the runs of the folders in it.

    Raises:
        ValueError: there are no samples.
    """
    folder = _Folder(path, asked)
    below = list(folder.below())
    runs = _runs_of(folder, below)
    if not runs:
        for each in (folder, *below):
            each.take_logs()
        runs = _runs_of(folder, below)
    if not runs:
        why = f"; {folder.notes[0]}" if folder.notes else ""
        raise ValueError(f"{path}: a folder without samples; expected {SAMPLES} or other files of them{why}")
    return runs


def _runs_of(folder: "_Folder", below: Iterable["_Folder"]) -> list[RunFiles]:
    """Return the run of a folder, of which those below it are parts unless they are runs themselves."""
    below = [child for child in below if child.samples]
    one_run = folder.is_run or bool(folder.samples) or len(below) < 2
    runs = []
    for child in below:
        if one_run and not child.is_run and not _losses_in(child):
            folder.samples += child.samples
            folder.notes += child.notes
        else:
            runs.append(_run_in(child))
    return [_run_in(folder), *runs] if folder.samples else runs


def _run_in(folder: "_Folder") -> RunFiles:
    folder.samples = _files_once(folder.samples, folder.notes)
    losses = _losses_in(folder) or _losses_among(folder.samples, folder.asked)
    vocab_size, written = _vocab_size(folder), _run_folder(folder)
    notes = tuple(dict.fromkeys(folder.notes))
    saved = _saved(losses, *_checkpoints(folder.path))
    return RunFiles(
        _name(folder.path), tuple(folder.samples), tuple(losses), vocab_size, notes, written, saved
    )


class _Folder:
    """A folder, and what lies in it.

    Attributes:
        files, folders: the paths in it, in the order of the numbers in their names.
        scanned: its files whose format is known.
        samples: its files of samples, and those below it where trainers put them.
        notes: what was passed over and why.
    """

    def __init__(self, path: str, asked: Asked = NOTHING, for_samples: bool = False) -> None:
        self.path, self.asked = path, asked
        self._for_samples = for_samples or is_of_samples(path)
        self.notes: list[str] = []
        names = sorted((name for name in storage.names_in(path) if name[0] not in "._"), key=natural)
        paths = [storage.join(path, name) for name in names]
        folders = [each for each in paths if storage.is_folder(each)]
        known = set(folders)
        self.files = [each for each in paths if each not in known]
        self.folders = [each for each in folders if not self._leads_back(each, folders)]
        self.scanned = self._scan()
        self.samples = self._find_samples()

    def _leads_back(self, path: str, folders: Sequence[str]) -> bool:
        """Tell whether a link leads to a folder that it lies in, or to one beside it: it is read there."""
        if storage.is_url(path) or not Path(path).is_symlink():
            return False
        above = [path]
        while (upper := storage.parent(above[-1])) not in (above[-1], ".") and len(above) < DEEPEST:
            above.append(upper)
        others = [
            *above[1:],
            *folders[: folders.index(path)],
            *(p for p in folders if not Path(p).is_symlink()),
        ]
        if os.path.realpath(path) not in {os.path.realpath(other) for other in (*others, ".")}:
            return False
        self.notes.append(f"{file_name(path)}: a link to a folder that is read already")
        return True

    def named(self, name: str) -> list[str]:
        """Return the file of a name in it, perhaps compressed."""
        return [path for path in self.files if storage.bare_name(path) == name][:1]

    @property
    def is_run(self) -> bool:
        """Whether files lie in it that lie in the folder of a run alone."""
        return any(self.named(name) for name in (*LOSSES, RUN))

    def below(self) -> Iterator["_Folder"]:
        """Yield the folders in it, and in its folders of samples and of losses, that may be runs."""
        for path in self.folders:
            if _name(path).lower() in SAMPLE_FOLDERS:
                yield from _Folder(path, self.asked, for_samples=True).below()
            elif _name(path) in LOSS_FOLDERS:
                inner = _Folder(path, self.asked)
                yield from (inner, *inner.below())
            elif not is_of_a_step(path):
                yield _Folder(path, self.asked)

    def take_logs(self) -> None:
        """Take for samples what holds losses and perhaps samples, and does hold some."""
        logs = [file for file in self.scanned if file.format in BOTH]
        self.samples = [file for file in logs if _holds(file, samples_in, self.asked, self.notes)]

    def _scan(self) -> list[File]:
        candidates = [path for path in self.files if not _NO_DATA.fullmatch(_suffix(path))]
        notes: list[str] = []
        found = _recognised(candidates, None, notes)
        known = {file.path for file in found}
        failed = [path for path in candidates if path not in known]
        if self.asked.format is not None:
            return found + _recognised(failed, self.asked.format, self.notes)
        self.notes += [note for path, note in zip(failed, notes, strict=True) if _suffix(path) in _DATA]
        self.notes += _unread_logs([path for path in failed if _suffix(path) not in _DATA])
        return found

    def _find_samples(self) -> list[File]:
        if ours := self.named(SAMPLES):
            return _recognised(ours, self.asked.format, self.notes)
        found = [file for file in self.scanned if self._may_be_samples(file) and self._are_samples(file)]
        for path in self.folders:
            if _name(path).lower() in SAMPLE_FOLDERS or is_of_a_step(path):
                inner = _Folder(path, self.asked, for_samples=True)
                found += inner.samples
                self.notes += inner.notes
        return found

    def _may_be_samples(self, file: File) -> bool:
        if self.asked.format is not None:
            return file.format == self.asked.format
        if file.format == "numbered" and not self._for_samples:
            return self._is_one_of_several(file)
        return storage.bare_name(file.path) not in LOSSES and file.format not in BOTH

    def _is_one_of_several(self, file: File) -> bool:
        """Tell whether other files are named alike but for the number, as those of other steps are."""
        return self._alike[_NUMBER.sub("#", _name(file.path))] > 1

    @cached_property
    def _alike(self) -> Counter[str]:
        return Counter(_NUMBER.sub("#", _name(each.path)) for each in self.scanned)

    def _are_samples(self, file: File) -> bool:
        noted = len(self.notes)
        if _holds(file, samples_in, self.asked, self.notes):
            return True
        in_vain = len(self.notes) == noted and not _holds(file, losses_in, self.asked, self.notes)
        if in_vain and _suffix(file.path) in _DATA:
            self.notes.append(f"{file_name(file.path)}: neither samples nor losses where it begins")
        return False


def _unread_logs(paths: Sequence[str]) -> list[str]:
    """Say of files that look like logs and in which nothing was understood how the first of them goes."""
    found = [(path, line) for path in paths if (line := _of_a_log(path))]
    if not found:
        return []
    path, line = found[0]
    more = f" ({len(found)} files, the first of them {file_name(path)})" if len(found) > 1 else ""
    name = f"{len(found)} logs" if len(found) > 1 else file_name(path)
    return [f"{name}: looks like a log, but nothing in it was understood{more}: {shown(line)}"]


def _of_a_log(path: str) -> str | None:
    """Return the first line of a log that speaks of a loss, or else its first; None of any other file."""
    try:
        head = read_head(path)
    except (OSError, ValueError):
        return None
    if b"\0" in head.raw or not head.lines:
        return None
    spoken = next((line for line in head.lines if _LOSS_SPOKEN.search(line)), None)
    called = is_called_log(path) or _LOG_NAME.search(storage.bare_name(path))
    return (spoken or head.lines[0]) if called or (spoken and looks_logged(head.lines)) else None


def _losses_in(folder: _Folder) -> list[File]:
    """Return the files of losses of a run folder: the first kind that is there."""
    steps = _Folder(storage.parent(folder.path), folder.asked) if is_of_a_step(folder.path) else None
    for place in (folder, steps):
        if place is None:
            continue
        for candidates in _loss_candidates(place):
            own = {_identity(file.path) for file in folder.samples}
            others = [file for file in candidates if _identity(file.path) not in own]
            if found := [file for file in others if _holds(file, losses_in, folder.asked, folder.notes)]:
                return _files_once(found, folder.notes)
    return []


def _loss_candidates(folder: _Folder) -> Iterator[list[File]]:
    """Yield what may hold the losses of a run, kind by kind, the best known first."""
    for name in LOSSES:
        yield _recognised(folder.named(name), None, folder.notes)
    newest = [path for path in folder.folders if _CHECKPOINT.fullmatch(_name(path))][-1:]
    yield _recognised(_existing(newest, "trainer_state.json"), None, folder.notes)
    inner = [path for path in folder.folders if _name(path) in LOSS_FOLDERS]
    deeper = [
        storage.join(path, name) for path in inner for name in sorted(storage.names_in(path), key=natural)
    ]
    below = [*inner, *(path for path in [*folder.folders, *deeper] if storage.is_folder(path))]
    versions = [path for path in below if _VERSION.fullmatch(_name(path))][-1:]
    yield _recognised(_existing(versions, "metrics.csv"), None, folder.notes)
    yield [file for file in folder.scanned if file.format not in BOTH]
    scanned = [folder, *(_Folder(path) for path in [*inner, *deeper] if storage.is_folder(path))]
    for kind in BOTH:
        yield [file for each in scanned for file in each.scanned if file.format == kind]


def _existing(folders: Iterable[str], name: str) -> list[str]:
    paths = [storage.join(folder, name) for folder in folders]
    return [path for path in paths if storage.exists(path)]


def _saved(losses: Iterable[File], *steps: int) -> tuple[int, ...]:
    """Return the steps of checkpoints, and those of the ones beside losses."""
    places = {storage.parent(file.path) for file in losses if not storage.is_url(file.path)}
    return tuple(sorted({*steps, *(step for place in places for step in _checkpoints(place))}))


def _checkpoints(folder: str) -> Iterator[int]:
    """Yield the steps of the checkpoints in a folder; if it is one itself, of those beside it."""
    if _CHECKPOINT.fullmatch(_name(folder)):
        folder = storage.parent(folder)
    try:
        names = storage.names_in(folder)
    except OSError:  # a file in it may be read all the same
        return
    for name in names:
        found = _CHECKPOINT.fullmatch(name)
        if found and storage.is_folder(storage.join(folder, name)):
            yield int(found[1])


def _given_losses(path: str, asked: Asked) -> list[File]:
    """Return the losses at a path that was named for them: a file, or those of a folder.

    Raises:
        FileNotFoundError: there is nothing at the path.
        ValueError: the file is of no format that is read, or the folder holds no losses.
    """
    (path,) = _matching(path)
    if not storage.is_folder(path):
        if asked.format is not None and _holds(File(path, asked.format), losses_in, asked, []):
            return [File(path, asked.format)]
        return [File(path, format_of(path).key)]
    if found := _losses_in(_Folder(path, Asked(fields=asked.fields))):
        return found
    raise ValueError(f"{path}: a folder without losses; expected {', '.join(LOSSES)} or other files of them")


def _vocab_size(folder: _Folder) -> int | None:
    """Return the vocabulary size that a run folder states in its run.json."""
    for path in folder.named(RUN):
        try:
            with storage.open_bytes(path) as file:
                size = json.loads(file.read(HEAD).decode("utf-8-sig")).get("vocab_size")
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path}: not a JSON object: {error}") from error
        return size if isinstance(size, int) and not isinstance(size, bool) else None
    return None


def _run_folder(folder: _Folder) -> RunFolder | None:
    """Return what a monitor wrote into a folder besides; None where no monitor did."""
    if not folder.named(SAMPLES) or not any(map(folder.named, (SETTINGS, *WRITTEN))):
        return None
    events = _recognised(folder.named(LOSSES[0]), "jsonl", folder.notes)
    return RunFolder(_history(folder), tuple(events))


def _history(folder: _Folder) -> History:
    """Return the settings that a run folder states; a note says where they cannot be read."""
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
            folder.notes.append(f"{file_name(path)}: {_shown(str(error))}; the settings are the usual ones")
    return ()


def _name(path: str) -> str:
    """Return the name of a file or a folder."""
    if storage.is_url(path):
        return path.rstrip("/").rpartition("/")[2]
    return file_name(Path(path).name or Path(path).resolve().name)


def _suffix(path: str) -> str:
    return Path(storage.bare_name(path)).suffix


def _named_apart(runs: list[RunFiles]) -> list[RunFiles]:
    """Return the runs, those whose folders have the same name called by their paths."""
    names = Counter(run.name for run in runs)
    return [
        run._replace(name=file_name(storage.parent(run.samples[0].path))) if names[run.name] > 1 else run
        for run in runs
    ]
