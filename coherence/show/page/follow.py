"""A run that is going on, followed as its folder grows: what a page shows of it, without reading it again.

Memory and the cost of a reply do not grow with the run. Source: docs/page.md, "The server".
"""

import json
import math
import os
import re
import stat
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from coherence.readers.folder import METRICS, SAMPLES, SETTINGS, STATUS, is_row, parsed
from coherence.report import Status
from coherence.scoring.lexicon import Lexicon
from coherence.show.page.live_report import LiveReport, time_of
from coherence.signals.settings import DEFAULTS, LARGEST, Entry, from_json

FILES = (METRICS, SAMPLES, STATUS)

HEAD = 2**16
"""Bytes of a file in which a row of a monitor is looked for."""

OUR_ROW = re.compile(rb'^\{"format": ?1\b', re.MULTILINE)

AT_ONCE = 2**20
"""Bytes of each file that are read for one reply; the next continues from there."""

LONGEST_LINE = 2**24
"""A longer line is skipped, and of a longer status only the beginning is read."""

WAITING = 1000
"""Samples that wait for the losses that were written before them."""

QUIET = 120.0
"""Seconds without a line after which a run is called quiet, or three times the longest of its last pauses."""


class Tail:
    """The lines that are appended to a file, read as they come.

    Attributes:
        behind: whether the file holds more than was read at once.
        size: bytes that it held when it was read last.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.behind = False
        self.size = 0
        self._end = 0
        self._file: int | None = None
        self._skipping = False

    @property
    def read(self) -> int:
        """Bytes that were read."""
        return self._end

    def replaced(self) -> bool:
        """Tell whether another file has come into the place, or the file has shrunk."""
        try:
            found = self.path.stat()
        except OSError:
            return self._file is not None
        return self._file is not None and (found.st_ino != self._file or found.st_size < self._end)

    def rows(self) -> list[dict[str, Any]]:
        """Read the next rows; a torn line is left for the next time, one that is not a row is skipped."""
        self.behind = False
        try:
            with _open(self.path) as file:
                found = os.fstat(file.fileno())
                self._file, self.size = found.st_ino, found.st_size
                file.seek(self._end)
                return list(self._read(file.readline))
        except OSError:
            return []

    def _read(self, readline: Any) -> Iterator[dict[str, Any]]:
        start = self._end
        while line := readline(LONGEST_LINE):
            whole = line.endswith(b"\n")
            if not whole and len(line) < LONGEST_LINE:
                return
            self._end += len(line)
            if whole and not self._skipping:
                row = parsed(line)
                if is_row(row):
                    yield row
            self._skipping = not whole
            if self._end - start >= AT_ONCE:
                self.behind = True
                return


class Run:
    """The folder of a run, as far as it was read.

    A page asks with the last number it has seen and gets what came after it. Where a file was replaced,
    or the run was set back, everything starts again under another name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lexicon = Lexicon.load()
        self._start()

    def _start(self) -> None:
        self._epoch = time.time_ns()
        self._metrics, self._samples = Tail(self.folder / METRICS), Tail(self.folder / SAMPLES)
        self._waiting: deque[dict[str, Any]] = deque()
        self._times: deque[float] = deque(maxlen=20)
        self._stated = 0
        self._history: tuple[Entry, ...] = ()
        self._read_settings()
        self._changes: list[Entry] = list(self._history[1:])
        try:
            self._live = LiveReport(self._history[0].settings if self._history else DEFAULTS)
        except ValueError:  # out of range: no monitor stated them
            self._live = LiveReport(DEFAULTS)

    def read(self) -> None:
        """Read on: what was appended, at most a megabyte at a time."""
        if self._metrics.replaced() or self._samples.replaced():
            self._start()
        if len(self._waiting) < WAITING:
            self._waiting.extend(self._samples.rows())
        rows = self._metrics.rows()
        # After the rows: those that are here were written under settings that are stated by now.
        if not self._follow_settings():
            self._start()
            self.read()
            return
        restarts = self._live.restarts
        for row in rows:
            while self._waiting and time_of(self._waiting[0]) <= time_of(row):
                self._take(self._live.take_sample, self._waiting.popleft())
            self._take(self._live.take_metric, row)
        while self._waiting and not self._metrics.behind:
            self._take(self._live.take_sample, self._waiting.popleft())
        if not self._metrics.behind and not self._samples.behind:
            self._change_until(math.inf)
        if self._live.restarts != restarts:
            self._epoch = time.time_ns()  # points are gone: a page begins again

    def _follow_settings(self) -> bool:
        """Take what the run states as its settings since; False where it is not what was stated before."""
        known = self._history
        if self._read_settings():
            if not known or [entry.time for entry in self._history[: len(known)]] != [e.time for e in known]:
                return False
            self._changes += self._history[len(known) :]
        return True

    def _change_until(self, time: float) -> None:
        """Let the changes of the settings hold that were made until a time."""
        while self._changes and self._changes[0].time <= time:
            with suppress(ValueError):  # out of range: no monitor stated them
                self._live.configure(self._changes.pop(0).settings)

    def _read_settings(self) -> bool:
        """Read what the run states as its settings, if that has changed; tell whether it has."""
        path = self.folder / SETTINGS
        try:
            stated = path.stat().st_mtime_ns
            if stated == self._stated:
                return False
            self._stated = stated
            with _open(path) as file:
                self._history = from_json(json.loads(file.read(LARGEST)))
        except (OSError, ValueError, RecursionError):
            return False
        return True

    def _take(self, take: Callable[[dict[str, Any]], None], row: dict[str, Any]) -> None:
        self._change_until(time_of(row))
        with suppress(KeyError, TypeError, ValueError, OverflowError, AttributeError):  # a row of no monitor
            take(row)
            self._times.append(time_of(row))

    def news(self, epoch: int, since: int) -> dict[str, Any]:
        """Return what a page does not know yet.

        Args:
            epoch: of the last reply; if it is not ours, the page gets everything.
            since: the number of the last reply.
        """
        since = since if epoch == self._epoch else -1
        news = self._live.news(since, self._lexicon)
        behind = self.reads or news["behind"]
        report = self._live.report().to_plain()
        return (
            news
            | self.freshness()
            | self.progress()
            | {
                "name": self.folder.name,
                "epoch": str(self._epoch),
                "whole": since < 0,
                "behind": behind,
                "report": report,
            }
        )

    def line(self) -> dict[str, Any]:
        """Return the run in a line, as far as it was read."""
        report = self._live.report()
        return (
            {
                "last_step": report.last_step,
                "smoothed": report.loss.smoothed if report.loss else None,
                "halt": report.halt and not report.settings.observe,
                "halt_step": report.halt_step,
                "diagnosis": vars(report.diagnosis),
            }
            | self.freshness()
            | self.progress()
        )

    @property
    def reads(self) -> bool:
        """Whether there is more than was read so far."""
        return self._metrics.behind or self._samples.behind or bool(self._waiting)

    def progress(self) -> dict[str, Any]:
        """Return how many bytes were read of how many, while there is more."""
        files = (self._metrics, self._samples)
        read, size = sum(each.read for each in files), sum(each.size for each in files)
        return {"reading": [min(read, size), size] if self.reads else None}

    def freshness(self) -> dict[str, Any]:
        """Return the seconds since the folder was written to, and whether the run went quiet."""
        pauses = [after - before for before, after in pairwise(self._times)]
        age = age_of(self.folder)
        return {"age": age, "quiet": age is None or age > max(QUIET, 3 * max(pauses, default=0.0))}


def status(folder: Path) -> Status | None:
    """Return the status of a run; None if there is none, or it is not ours."""
    try:
        with _open(folder / STATUS) as file:
            return Status.from_json(file.read(LONGEST_LINE))
    except (OSError, ValueError):
        return None


def is_run(folder: Path) -> bool:
    """Tell whether a folder is that of a run: a monitor has written its status there, or its rows."""
    return _is_file(folder / STATUS) or any(_is_ours(folder / name) for name in (METRICS, SAMPLES))


def _is_file(path: Path) -> bool:
    with suppress(OSError):
        return stat.S_ISREG(path.lstat().st_mode)
    return False


def _is_ours(path: Path) -> bool:
    """Tell whether a file holds rows of a monitor, or nothing yet: others write files of these names too."""
    if not _is_file(path):
        return False
    with suppress(OSError), _open(path) as file:
        head = file.read(HEAD)
        return not head or OUR_ROW.search(head) is not None
    return False


def age_of(folder: Path) -> float | None:
    """Return the seconds since a run was last written to; None where nothing is there."""
    times = []
    for name in FILES:
        with suppress(OSError):
            times.append((folder / name).stat().st_mtime)
    return max(0.0, round(time.time() - max(times), 1)) if times else None


def _open(path: Path) -> BinaryIO:
    """Open a file of a run folder, and nothing that a link there leads to, nor a pipe that never ends.

    Raises:
        OSError: it is not a regular file, or cannot be read.
    """
    # Without waiting, a pipe opens at once; where a system has no such flags it has no such files either.
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    file = os.fdopen(os.open(path, flags), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(f"{path}: not a file")
    return file
