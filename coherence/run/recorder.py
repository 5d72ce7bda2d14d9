"""The only writer of a run folder: it writes, or logs once that it cannot and lets the run continue.

Source: docs/training.md, "When things go wrong".
"""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from coherence.escape import printable
from coherence.files import RunFolderBusy, lock_folder, moved, replace_file, set_aside
from coherence.readers.folder import METRICS, SAMPLES, STATUS
from coherence.run.folder import Appender

log = logging.getLogger("coherence")


class Recorder:
    """Writes the files of a run folder, and notices if the folder is removed.

    Attributes:
        metrics, samples: the two files that only grow.
        gap: whether lines were lost and the metrics do not record that yet.
        anew: whether the folder had to be made again, so that it lacks what is written only once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.metrics, self.samples = Appender(folder / METRICS), Appender(folder / SAMPLES)
        self.gap = self.anew = False
        self._unwritten: set[str] = set()  # files whose last write failed
        self._closed = False
        self._lock: IO[str] | None = None
        self._lost: str | None = None  # who took the folder, for good
        self._process = os.getpid()
        try:
            self._take_lock()
        except OSError as error:
            self._cannot(STATUS, error)

    @property
    def recording(self) -> bool:
        """Whether everything could be written so far."""
        return not self._unwritten

    @property
    def name(self) -> str:
        """The folder's name for the log, without control characters."""
        return printable(str(self._folder))

    @property
    def is_ours(self) -> bool:
        """Whether this process opened the folder; a forked child did not."""
        return self._process == os.getpid()

    def failed(self, file: str) -> bool:
        """Return whether the last write of a file failed."""
        return file in self._unwritten

    def append(self, file: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows to the metrics or to the samples, all of them or none."""
        appender = self.samples if file == SAMPLES else self.metrics
        self._write(file, lambda: appender.append(*rows), by_name=not appender.is_open)

    def replace(self, file: str, text: Callable[[], str], durable: bool = True) -> None:
        """Rewrite a file; its text is computed only once the folder is known to be ours."""
        self._write(file, lambda: replace_file(self._folder / file, text(), durable), by_name=True)

    def set_aside(self, file: str, why: str) -> None:
        """Rename a damaged file and log that."""
        with suppress(OSError):  # a folder that cannot be written to: the next write logs that
            there = set_aside(self._folder / file)
            log.warning(
                "%s: %s could not be used (%s); kept as %s", *(self.name, file, printable(why), there.name)
            )

    def look(self) -> None:
        """Check whether the folder and its files are still those that are open; log if they are not.

        The next write then opens the files that are there, or makes them again.
        """
        found = [
            f"{each.path.name} {why}" for each in (self.metrics, self.samples) if (why := each.displaced)
        ]
        if self._is_moved():
            found.insert(0, "the run folder was deleted, renamed or replaced")
            self._let_go()
        if not found:
            return
        for each in (self.metrics, self.samples):
            if each.displaced:
                each.close()
        log.warning(
            "%s: %s during the run; lines may be lost, writing continues", self.name, ", ".join(found)
        )
        self.gap = self.anew = True

    def close(self) -> None:
        """Release the folder for good."""
        self._closed = True
        self._let_go()

    def _let_go(self) -> None:
        self.metrics.close()
        self.samples.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take_lock(self) -> None:
        """Hold the lock, without which nothing is written."""
        if self._closed:
            raise OSError("the monitor is closed")
        if not self.is_ours:
            raise OSError("a forked process writes nothing")
        if self._lost is not None:
            raise OSError(self._lost)
        if self._lock is None or self._lock.closed:
            self._lock = lock_folder(self._folder)

    def _check_lock(self) -> None:
        """Check the lock before a file is opened by its name: another process may be the writer by now."""
        if self._is_moved():
            self.look()

    def _is_moved(self) -> bool:
        try:
            lock = self._lock
            return self.is_ours and lock is not None and not lock.closed and moved(lock, self._folder)
        except OSError:  # it may not be read: the next line raises the error
            return False

    def _write(self, file: str, write: Callable[[], None], by_name: bool) -> None:
        try:
            if by_name:
                self._check_lock()
            self._take_lock()
            write()
        except RunFolderBusy as error:  # it became the writer after the folder was removed
            self._lost = str(error)
            self._cannot(file, error)
        except OSError as error:
            self._cannot(file, error)
        else:
            if self._unwritten == {file}:
                log.info("%s: recording again", self.name)
            self._unwritten.discard(file)

    def _cannot(self, file: str, error: Exception) -> None:
        if not self._unwritten:
            why = printable(str(error))
            log.warning("%s: cannot record (%s); the gate continues in memory", self.name, why)
        self._unwritten.add(file)
        self.gap = self.gap or file in (SAMPLES, METRICS)
