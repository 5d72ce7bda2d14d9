"""Finds the files of a folder that hold samples and losses, while new files come.

Source: docs/watch.md, "What is read".
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from coherence.readers.find import find_runs
from coherence.readers.folders import Asked, File
from coherence.readers.lines import HEAD
from coherence.readers.recognise import by_key, format_of
from coherence.signals.settings import LaterFormat

_NUMBER = re.compile(r"\d+")


class Found(NamedTuple):
    """What was found: files of samples, files of losses, steps of checkpoints, and notes on other files."""

    samples: tuple[File, ...] = ()
    losses: tuple[File, ...] = ()
    saved: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


class Finder:
    """Looks into a folder again and again, and reads the beginnings of files only if there are new ones.

    A new file whose name differs from that of a file of samples only in its numbers holds samples too.

    Args:
        folder: the folder that is followed.
        asked: what the user said about its files.
        loss: where the losses are, if not in the folder.

    Raises:
        ValueError: no format has the name that was asked for.
    """

    def __init__(self, folder: Path, asked: Asked, loss: str | None = None) -> None:
        if asked.format is not None:
            by_key(asked.format)
        self.folder, self._asked, self._loss = folder, asked, loss
        self._sizes: dict[str, int] = {}
        self._found = Found()

    def look(self) -> Found:
        """Return the files that are there now.

        Raises:
            ValueError: the folder holds several runs.
        """
        sizes = dict(_files_in(self.folder))
        known = {file.path for file in (*self._found.samples, *self._found.losses)}
        new = [path for path in sizes if path not in self._sizes]
        # A file is recognised by its beginning: one that was too short before may hold samples now.
        grown = [
            path
            for path, size in self._sizes.items()
            if path not in known and size < HEAD and sizes.get(path, size) > size
        ]
        if (new or grown) and not (not grown and self._take_alike(new)):
            self._found = self._classify()
        gone = self._sizes.keys() - sizes.keys()
        if gone:
            self._found = self._found._replace(
                samples=tuple(f for f in self._found.samples if f.path not in gone)
            )
        self._sizes = sizes
        return self._found

    def _take_alike(self, new: Iterable[str]) -> bool:
        """Take new files that are named like those of samples; return whether all of them are."""
        shapes = {_NUMBER.sub("#", file.path): file.format for file in self._found.samples}
        more = []
        for path in new:
            if (known := shapes.get(_NUMBER.sub("#", path))) is None:
                return False
            try:
                found = format_of(path, self._asked.format).key
            except (OSError, ValueError):  # it is still being written
                return False
            if found != known:
                return False
            more.append(File(path, found))
        self._found = self._found._replace(samples=(*self._found.samples, *more))
        return True

    def _classify(self) -> Found:
        loss = self._loss if self._loss is not None and Path(self._loss).exists() else None
        try:
            runs = find_runs([str(self.folder)], loss, self._asked.format, self._asked.fields)
        except LaterFormat:
            raise
        except ValueError as error:  # there are no samples yet
            return Found(notes=(f"nothing to read yet: {error}",))
        if len(runs) > 1:
            names = ", ".join(run.name for run in runs[:3])
            raise ValueError(f"{self.folder}: holds {len(runs)} runs ({names}); watch one of them")
        (run,) = runs
        return Found(run.samples, run.losses, run.saved, run.notes)


def _files_in(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield the files below a folder with their sizes, except those that the readers leave out."""
    for above, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name[0] not in "._"]
        for name in names:
            if name[0] not in "._":
                path = os.path.join(above, name)  # noqa: PTH118 - as the readers name it
                with suppress(OSError):
                    yield path, os.stat(path).st_size  # noqa: PTH116
