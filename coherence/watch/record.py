"""How far each file was read, kept next to what was recorded: no row is lost, and none comes twice.

Source: docs/watch.md, "Killed and restarted".
"""

import logging
import math
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from coherence.escape import printable
from coherence.files import replace_file, set_aside
from coherence.readers.folder import METRICS, SAMPLES, prompt_of, read_rows
from coherence.run.folder import sealed, unsealed
from coherence.signals.both import SAVED
from coherence.watch.source import Position, Row

log = logging.getLogger("coherence")

POSITIONS = "watch.json"
"""The file in the run folder that holds the positions."""

Key = tuple[Any, ...]


class Record:
    """The rows of the followed files that are in the run folder.

    The rows of the run folder are the record, and the positions are written after them. If the watcher is
    killed in between, the rows of the folder beyond the positions are read again and skipped.

    Args:
        folder: the run folder.

    Attributes:
        positions: of each source, by its key.
        numbered: how many samples had no step and were numbered.
        saved: the steps of the checkpoints that were noted.
        told: whether the halt was reported.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.positions: dict[str, Position] = {}
        self.numbered = 0
        self.saved: set[int] = set()
        self.told = False
        self._ends = {SAMPLES: 0, METRICS: 0}
        self._load()
        self.beyond = self._recorded(self._ends)

    def _load(self) -> None:
        path = self.folder / POSITIONS
        try:
            found = unsealed(path.read_text(encoding="utf-8"))
            positions = {key: Position(*each) for key, each in found["positions"].items()}
            ends = {SAMPLES: int(found["samples_end"]), METRICS: int(found["metrics_end"])}
            self.numbered, self.saved, self.told = found["numbered"], set(found["saved"]), found["told"]
        except (FileNotFoundError, NotADirectoryError):
            return
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            # Then everything is read again, and what is recorded is skipped.
            log.warning("%s: %s could not be used: %s", self.folder, POSITIONS, printable(str(error)))
            with suppress(OSError):
                set_aside(path)
            return
        self.positions, self._ends = positions, ends

    def advance(self, positions: Mapping[str, Position]) -> None:
        """Take new positions, once the rows before them are on the disk.

        Raises:
            OSError: they cannot be written to the disk.
        """
        for name in self._ends:
            self._ends[name] = _end_on_disk(self.folder / name)
        self.positions |= positions

    def save(self) -> None:
        """Write the positions.

        Raises:
            OSError: they cannot be written.
        """
        values = {
            "positions": {key: list(each) for key, each in self.positions.items()},
            "samples_end": self._ends[SAMPLES],
            "metrics_end": self._ends[METRICS],
            "numbered": self.numbered,
            "saved": sorted(self.saved),
            "told": self.told,
        }
        replace_file(self.folder / POSITIONS, sealed(values))

    def all(self) -> Counter[Key]:
        """Return every row of the folder with the number of its copies."""
        return self._recorded({SAMPLES: 0, METRICS: 0})

    def _recorded(self, ends: Mapping[str, int]) -> Counter[Key]:
        found: Counter[Key] = Counter()
        for name, end in ends.items():
            for _, row in read_rows(self.folder / name, end):
                if "text" in row:
                    found[row["step"], prompt_of(row), str(row["text"])] += 1
                elif "loss" in row:
                    found[row["step"], row["loss"], row.get("source")] += 1
                elif row.get("event") == SAVED:
                    self.saved.add(row["step"])
        return found


def key_of(row: Row, step: int) -> Key:
    """Return the key under which a row of a step is recorded: as a sample, or as a loss alone.

    >>> key_of(Row(100, "Once"), 100), key_of(Row(100, loss=3.4), 100)
    ((100, None, 'Once'), (100, 3.4, None))
    """
    if row.text is not None:
        return step, row.prompt, row.text
    finite = row.loss is not None and math.isfinite(row.loss)
    return step, row.loss if finite else None, row.source or None


def find(rows: Counter[Key], row: Row, step: int) -> Key | None:
    """Return the key under which rows hold a row; a row without a step may be there under any step."""
    key = key_of(row, step)
    if rows[key] > 0:
        return key
    if row.step is not None or row.text is None:
        return None
    return next((each for each, count in rows.items() if count > 0 and each[1:] == key[1:]), None)


def _end_on_disk(path: Path) -> int:
    """Wait until a file is on the disk; return how many bytes it has."""
    if not path.exists():
        return 0
    with path.open("ab") as file:
        os.fsync(file.fileno())
        return file.tell()
