"""A folder and its contents: files of samples, folders of runs, and what is skipped, and why."""

import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from coherence.readers import storage, trackers
from coherence.readers.file_names import (
    SAMPLE_FOLDERS,
    is_called_log,
    is_of_a_step,
    is_of_samples,
    names_no_samples,
    names_training_data,
    original_of,
    step_named,
    step_of,
)
from coherence.readers.folder import METRICS, SAMPLES, SETTINGS, STATE, STATUS
from coherence.readers.format import USUAL, Fields
from coherence.readers.formats.logs.prefix import looks_logged
from coherence.readers.lines import HEAD, Part, Problems, file_name, read_head, shown
from coherence.readers.read import Piece, losses_in, samples_in
from coherence.readers.recognise import format_of

LOSSES = (METRICS, "trainer_state.json", "metrics.csv")

RUN = "run.json"

LOSS_FOLDERS = ("lightning_logs", "runs", "logs", "tensorboard", "tb", "wandb")
"""Folders below the folder of a run in which trainers put losses."""

BOTH = ("trackio", "mlflow", "wandb_log", "tensorboard", "logs", "notebook")
"""Formats that hold losses, and perhaps samples: they count as samples if there are no others."""

WANDB, TABLES = "files", ("files/media/table", "media/table")
"""Where Weights & Biases puts the files of a run, and its tables of samples, below the folder of a run."""

DEEPEST = 100
"""Folders above a link that are looked at; no dump is deeper."""

TRAINING_DATA = "skipped: its name says that a model is trained on it; give the file itself to read it"

NO_SAMPLES = "skipped: its name says that it holds no samples; give the file itself to read it"

_NUMBER = re.compile(r"\d+")

_NO_DATA = re.compile(
    r"\.(pth?|bin|safetensors|ckpt|np[yz]|pkl|h5|keras|onnx|gguf|model|so|whl|zip|tar|lock|png|jpe?g|gif|svg"
    r"|pdf|html|py|sh|ya?ml|toml)"
)
"""Files next to samples that hold none; they are not even opened."""

_KINDS = (
    ("image", re.compile(r"\.(png|jpe?g|gif|svg)")),
    ("checkpoint", re.compile(r"\.(pth?|bin|safetensors|ckpt|h5|keras|onnx|gguf|model)")),
    ("array", re.compile(r"\.np[yz]")),
    ("program", re.compile(r"\.(py|sh|so)")),
    ("page", re.compile(r"\.(pdf|html)")),
)
"""What a folder may hold in the place of samples, by the ends of the names."""

OTHER = "other file"

_DATA = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
"""Extensions that promise samples or losses: if a file holds neither, a note says so."""

_LOSS_SPOKEN = re.compile(r"(?<![a-z])loss\b.{0,20}?\d", re.IGNORECASE)

_LOG_NAME = re.compile(r"(?<![a-z])(?:logs?|loss(?:es)?|metrics|stdout|nohup)(?![a-z])")


class File(NamedTuple):
    """A file and the name of its format."""

    path: str
    format: str


class Asked(NamedTuple):
    """What the user said about files that are not recognised: their format, and the keys of their rows."""

    format: str | None = None
    fields: Fields = USUAL


NOTHING = Asked()


def matching(path: str) -> list[str]:
    """Return the paths that a path names: itself, or those that match it as a pattern."""
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


def once(paths: Iterable[str], notes: list[str]) -> list[str]:
    """Return the paths, only one of those that lead to the same file; a note names each that is left out."""
    given = [(path, identity_of(path)) for path in paths]
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


def identity_of(path: str) -> tuple[int, int] | str:
    """Return what all names of a file share, its soft and hard links; for a URL the path itself."""
    if storage.is_url(path):
        return path
    try:
        seen = Path(path).stat()
    except OSError:
        return path
    return (seen.st_dev, seen.st_ino) if seen.st_ino else path  # some file systems number no files


def _is_lesser_name(path: str) -> tuple[bool, bool]:
    """Tell whether a path is a link and whether it lacks a step: another name of the file is better then."""
    return not storage.is_url(path) and Path(path).is_symlink(), step_of(path) is None


def files_once(files: Iterable[File], notes: list[str]) -> list[File]:
    """Return each of the files once."""
    by_path = {file.path: file for file in files}
    return [by_path[path] for path in once(by_path, notes)]


def recognised(paths: Iterable[str], asked: str | None, notes: list[str]) -> list[File]:
    """Return the files whose format is recognised, in the order given; a note says why others are not."""
    found = []
    for path in paths:
        try:
            found.append(File(path, format_of(path, asked).key))
        except (OSError, ValueError) as error:
            notes.append(_why(path, error))
    return found


def _why(path: str, error: Exception) -> str:
    why = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return as_text(why if why.startswith(path) else f"{path}: {why}")


def as_text(message: str) -> str:
    """Return a message in a form that a report can hold: a path in it may not be UTF-8."""
    return message.encode(errors="surrogateescape").decode(errors="replace")


def what_lies_in(folders: Iterable["Folder"]) -> str:
    """Return what folders hold that is not samples, in words: `3 images, 2 checkpoints`."""
    counts: Counter[str] = Counter()
    for folder in folders:
        losses = {file.path for file in folder.scanned}.intersection(
            path for path in folder.files if storage.bare_name(path) in LOSSES
        )
        for path in folder.files:
            kind = next((kind for kind, suffix in _KINDS if suffix.fullmatch(_suffix(path))), OTHER)
            counts["file of losses" if path in losses else kind] += 1
    ordered = sorted(counts.items(), key=lambda each: each[0] == OTHER)
    words = [f"{count:,} {_plural(kind) if count > 1 else kind}" for kind, count in ordered]
    return ", ".join(words) or "no files"


def _plural(kind: str) -> str:
    return kind.replace("file", "files") if "file" in kind else f"{kind}s"


def holds(
    file: File, read: Callable[[Piece, Problems, Fields], Iterator[object]], asked: Asked, notes: list[str]
) -> bool:
    """Tell whether anything can be read from a file; if it can be cut, its beginning decides."""
    piece = Piece(Part(file.path, 0, HEAD), file.format)
    noted = Problems()
    try:
        found = next(read(piece, noted, asked.fields), None) is not None
        notes += [] if found else noted.remarks
        return found
    except (OSError, ValueError) as error:  # what it needs is not installed, for instance
        notes.append(_why(file.path, error))
        return False


class Folder:
    """A folder and its contents.

    Attributes:
        files, folders: the paths in it, in the order of the numbers in their names.
        scanned: its files whose format is recognised.
        samples: its files of samples, and those in the folders below it that trainers use for them.
        notes: what was skipped and why.
    """

    def __init__(self, path: str, asked: Asked = NOTHING, for_samples: bool = False) -> None:
        self.path, self.asked = path, asked
        self._for_samples = for_samples or is_of_samples(path)
        self.notes: list[str] = []
        shown = (name for name in storage.names_in(path) if name[0] not in "._" or is_of_a_step(name))
        names = sorted(shown, key=natural)
        paths = [storage.join(path, name) for name in names]
        folders = [each for each in paths if storage.is_folder(each)]
        known = set(folders)
        self.files = self._without_copies([each for each in paths if each not in known])
        self.folders = [each for each in folders if not self._leads_back(each, folders)]
        self.scanned = self._scan()
        self.samples = self._find_samples()

    def _without_copies(self, files: Sequence[str]) -> list[str]:
        """Return the files without those that are copies of others by their names; a note says so."""
        names, kept = {name_of(path) for path in files}, []
        for path in files:
            original = original_of(name_of(path))
            if original not in names:
                kept.append(path)
            elif not _NO_DATA.fullmatch(_suffix(original)):
                self.notes.append(f"{file_name(path)}: left out, by its name a copy of {original}")
        return kept

    def _leads_back(self, path: str, folders: Sequence[str]) -> bool:
        """Tell whether a link leads to a folder that contains it, or to one next to it: it is read there."""
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
        """Return the file of that name in it, perhaps compressed."""
        return [path for path in self.files if storage.bare_name(path) == name][:1]

    @property
    def is_run(self) -> bool:
        """Whether it holds files that only the folder of a run holds."""
        return any(self.named(name) for name in (*LOSSES, RUN))

    def below(self) -> Iterator["Folder"]:
        """Yield the folders that may be runs: in it, and in its folders of samples and of losses."""
        for path in self.folders:
            if name_of(path) == WANDB and self._holds_tables:
                continue
            if name_of(path).lower() in SAMPLE_FOLDERS:
                yield from Folder(path, self.asked, for_samples=True).below()
            elif name_of(path) in LOSS_FOLDERS:
                inner = Folder(path, self.asked)
                yield from (inner, *inner.below())
            elif runs := trackers.runs_in(path):
                yield from (Folder(run, self.asked) for run in runs)
            elif not is_of_a_step(path):
                yield Folder(path, self.asked)

    def take_logs(self) -> None:
        """Add to the samples the files of formats for losses that do hold samples."""
        logs = [file for file in self.scanned if file.format in BOTH]
        self.samples = [file for file in logs if holds(file, samples_in, self.asked, self.notes)]

    def leave_out_others(self) -> None:
        """Leave out of the samples what is named after something else, if any are left."""
        others = {
            file
            for file in self.samples
            if names_no_samples(file.path) and _first_step(file, self.asked) in (None, step_named(file.path))
        }
        kept = [file for file in self.samples if file not in others]
        if kept and others:
            self.notes += [f"{file_name(file.path)}: {NO_SAMPLES}" for file in self.samples if file in others]
            self.samples = kept

    def _scan(self) -> list[File]:
        # The other files that the monitor writes next to the two logs hold neither losses nor samples.
        kept = self.named(SETTINGS) or self.named(STATE)
        ours = {STATUS, STATE, SETTINGS} if kept else set()
        candidates = [
            path for path in self.files if name_of(path) not in ours and not _NO_DATA.fullmatch(_suffix(path))
        ]
        notes: list[str] = []
        found = recognised(candidates, None, notes)
        known = {file.path for file in found}
        failed = [path for path in candidates if path not in known]
        if self.asked.format is not None:
            return found + recognised(failed, self.asked.format, self.notes)
        told = (note.partition("; --format")[0] for note in notes)
        self.notes += [note for path, note in zip(failed, told, strict=True) if _suffix(path) in _DATA]
        self.notes += _unread_logs([path for path in failed if _suffix(path) not in _DATA])
        return found

    def _find_samples(self) -> list[File]:
        if ours := self.named(SAMPLES):
            return recognised(ours, self.asked.format, self.notes)
        found = [file for file in self.scanned if self._may_be_samples(file) and self._are_samples(file)]
        kept = trackers.ARTIFACTS if self.named(trackers.ABOUT) else None
        for path in self.folders:
            if name_of(path).lower() in SAMPLE_FOLDERS or is_of_a_step(path) or name_of(path) == kept:
                inner = Folder(path, self.asked, for_samples=True)
                found += inner.samples
                self.notes += inner.notes
        return found + [file for file in self._tables() if self._are_samples(file)]

    @property
    def _holds_tables(self) -> bool:
        return any(storage.is_folder(storage.join(self.path, tables)) for tables in TABLES)

    def _tables(self) -> list[File]:
        """Return the tables of samples that Weights & Biases or MLflow keeps below the folder of a run."""
        folders = (*TABLES, trackers.ARTIFACTS) if self.named(trackers.ABOUT) else TABLES
        paths = (
            path
            for tables in folders
            for path in storage.matching(f"{storage.literal(storage.join(self.path, tables))}/**/*.json")
        )
        # Nobody expects other JSON among the artifacts to be samples.
        return recognised(sorted(paths, key=natural), None, self.notes if folders is TABLES else [])

    def _may_be_samples(self, file: File) -> bool:
        if self.asked.format is not None:
            return file.format == self.asked.format
        if file.format == "numbered" and not self._for_samples:
            return self._is_one_of_several(file)
        return storage.bare_name(file.path) not in LOSSES and file.format not in BOTH

    def _is_one_of_several(self, file: File) -> bool:
        """Tell whether other files have the same name except for the number, as those of other steps do."""
        return self._alike[_NUMBER.sub("#", name_of(file.path))] > 1

    @cached_property
    def _alike(self) -> Counter[str]:
        return Counter(_NUMBER.sub("#", name_of(each.path)) for each in self.scanned)

    def _are_samples(self, file: File) -> bool:
        noted = len(self.notes)
        if not self._for_samples and names_training_data(file.path) and _first_step(file, self.asked) is None:
            self.notes.append(f"{file_name(file.path)}: {TRAINING_DATA}")
            return False
        if holds(file, samples_in, self.asked, self.notes):
            return True
        in_vain = len(self.notes) == noted and not holds(file, losses_in, self.asked, self.notes)
        if in_vain and _suffix(file.path) in _DATA:
            self.notes.append(f"{file_name(file.path)}: neither samples nor losses where it begins")
        return False


def _first_step(file: File, asked: Asked) -> int | None:
    """Return the step of the first sample of a file: training data has none."""
    with suppress(OSError, ValueError):
        first = next(samples_in(Piece(Part(file.path, 0, HEAD), file.format), Problems(), asked.fields), None)
        return None if first is None else first.step
    return None


def _unread_logs(paths: Sequence[str]) -> list[str]:
    """Return a note that quotes the first line of files that look like logs but were not understood."""
    found = [(path, line) for path in paths if (line := _of_a_log(path))]
    if not found:
        return []
    path, line = found[0]
    others = len(found) - 1
    more = f" and {others} more file{'s' if others > 1 else ''}" if others else ""
    look = "look like logs" if more else "looks like a log"
    return [
        f"{file_name(path)}{more}: {look}, but nothing there was understood; the first line is {shown(line)}"
    ]


def _of_a_log(path: str) -> str | None:
    """Return the first line of a log that mentions a loss, or else its first; None for any other file."""
    try:
        head = read_head(path)
    except (OSError, ValueError):
        return None
    if b"\0" in head.raw or not head.lines:
        return None
    spoken = next((line for line in head.lines if _LOSS_SPOKEN.search(line)), None)
    called = is_called_log(path) or _LOG_NAME.search(storage.bare_name(path))
    return (spoken or head.lines[0]) if called or (spoken and looks_logged(head.lines)) else None


def name_of(path: str) -> str:
    """Return the name of a file or a folder."""
    if storage.is_url(path):
        return path.rstrip("/").rpartition("/")[2]
    return file_name(Path(path).name or Path(path).resolve().name)


def _suffix(path: str) -> str:
    return Path(storage.bare_name(path)).suffix
