"""Samples of each new checkpoint, drawn by the user's command: one command at a time, with a timeout.

Source: docs/watch.md, "Checkpoints".
"""

import logging
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from coherence.escape import printable
from coherence.files import RunFolderBusy, lock_folder
from coherence.readers import storage
from coherence.readers.file_names import any_number, step_named
from coherence.readers.folders import NOTHING, File, holds
from coherence.readers.lines import read_head
from coherence.readers.read import samples_in
from coherence.readers.recognise import format_of
from coherence.watch.commands import end, quoted, start
from coherence.watch.follow import Drawn

log = logging.getLogger("coherence")

ATTEMPTS = 3
"""How often a command is tried for one checkpoint."""

LOOKS = 200
"""How often it is checked whether a command that was left behind has ended."""

LARGEST = 256 * 2**20
"""Bytes that a command may write."""

FAILED, GROUP = ".failed", "sampler.pid"

_DRAWN = re.compile(r"step_(\d{1,15})_(\d{1,20})(\.\w+)?")
_UNFINISHED = re.compile(r"[._].*|tmp.*|.*\.(tmp|part|incomplete|failed)", re.IGNORECASE)


class Saved(NamedTuple):
    """A checkpoint: its path, its step, and when it was saved, in nanoseconds."""

    path: Path
    step: int
    time: int


class Sampler:
    """Runs a command for new checkpoints, and keeps what it draws in a folder.

    The samples are moved there only when they are complete, under a name that identifies the checkpoint, so
    that a watcher that is killed and started again neither draws twice nor leaves one out. A command that
    outlives its watcher is ended by the next watcher.

    Args:
        command: for a shell; `{checkpoint}`, `{step}` and `{output}` are filled in, quoted. It writes samples
            to standard output, or to the file `{output}`.
        checkpoints: the folder in which checkpoints appear.
        folder: where the drawn samples are kept.
        timeout: seconds after which a command is ended.
        in_order: draw from all checkpoints in the order in which they were saved; if false, draw from the
            newest and skip older ones.

    Attributes:
        unsettled: whether, at the last poll, a checkpoint may have been in the middle of being written.
    """

    def __init__(
        self, command: str, checkpoints: Path, folder: Path, timeout: float, in_order: bool = False
    ) -> None:
        self._command, self._checkpoints, self._folder = command, checkpoints, folder
        self._timeout, self._in_order = timeout, in_order
        self._looked: dict[Path, tuple[int, int, int]] = {}
        self._failures: dict[Saved, int] = {}
        self._running: _Running | None = None
        self._busy_since: float | None = None
        self.unsettled = False
        folder.mkdir(parents=True, exist_ok=True)
        self._end_orphan()

    def drawn(self) -> Iterator[Drawn]:
        """Yield the files that were drawn so far."""
        for name in storage.names_in(str(self._folder)):
            found = _DRAWN.fullmatch(name)
            if found and found[3] != FAILED:
                path = str(self._folder / name)
                with suppress(OSError, ValueError):
                    yield Drawn(File(path, _format_of(path)), int(found[1]))

    @property
    def is_busy(self) -> bool:
        """Whether a command is running, or a checkpoint waits for one."""
        return self._running is not None or self.unsettled

    def poll(self) -> None:
        """Check the command that is running; if there is none, start one for the next checkpoint."""
        if self._running is not None:
            self._see_to(self._running)
        if self._running is None and (saved := self._next()) is not None:
            self._running = self._start(saved)

    def close(self) -> None:
        """End the command that is running."""
        if self._running is not None:
            self._running.end()
            self._running = None

    def _next(self) -> Saved | None:
        """Return the checkpoint to draw from next."""
        done = [
            (int(m[2]), int(m[1])) for m in map(_DRAWN.fullmatch, storage.names_in(str(self._folder))) if m
        ]
        last = max(done, default=(-1, -1))
        there = [each for each in self._settled() if each.time > last[0] and each.step != last[1]]
        if not there:
            return None
        newest = max(there, key=lambda each: (each.time, each.step))
        return min(there, key=lambda each: (each.time, each.step)) if self._in_order else newest

    def _settled(self) -> list[Saved]:
        """Return the checkpoints that are unchanged since the last poll: others are still being written."""
        looked: dict[Path, tuple[int, int, int]] = {}
        found: dict[int, Saved] = {}
        with suppress(OSError):
            for path in sorted(self._checkpoints.iterdir(), key=lambda path: (not path.is_dir(), path.name)):
                named = step_named(str(path))
                step = any_number(str(path)) if named is None else named
                if step is None or _UNFINISHED.fullmatch(path.name) or step in found:
                    continue
                looked[path] = seen = _look_at(path)
                if self._looked.get(path) == seen:
                    found[step] = Saved(path, step, seen[2])
        self.unsettled = looked != self._looked
        self._looked = looked
        return list(found.values())

    def _start(self, saved: Saved) -> "_Running | None":
        try:
            running = _Running(self._command, saved, self._folder)
        except RunFolderBusy:  # processes of the last command are still ending
            self.unsettled, self._busy_since = True, self._busy_since or time.monotonic()
            if time.monotonic() - self._busy_since > self._timeout:
                self._busy_since = None
                self._fail(saved, "processes of an earlier command are still running")
            return None
        except (OSError, ValueError) as error:
            self._fail(saved, str(error))
            return None
        self._busy_since = None
        return running

    def _see_to(self, running: "_Running") -> None:
        why = running.why_ended(self._timeout)
        if why is None:
            return
        self._running = None
        try:
            why = why or running.keep(self._folder)
        except (OSError, ValueError) as error:
            why = str(error)
        if why:
            self._fail(running.saved, why)

    def _fail(self, saved: Saved, why: str) -> None:
        """Log that nothing could be drawn; after some attempts, give the checkpoint up."""
        self._failures[saved] = self._failures.get(saved, 0) + 1
        times = self._failures[saved]
        more = "it is tried again" if times < ATTEMPTS else "given up"
        log.warning("sampler for step %d: %s; %s", saved.step, printable(why), more)
        if times >= ATTEMPTS:
            with suppress(OSError):
                (self._folder / f"step_{saved.step}_{saved.time}{FAILED}").write_text(why, encoding="utf-8")

    def _end_orphan(self) -> None:
        """End the command that a killed watcher left behind: it holds the lock of the folder."""
        for _ in range(LOOKS):
            try:
                lock_folder(self._folder).close()
                return
            except RunFolderBusy:
                with suppress(OSError, ValueError):
                    end(int((self._folder / GROUP).read_text(encoding="utf-8")))
                time.sleep(0.05)


class _Running:
    """A command that is running: its output goes to files next to the kept samples."""

    def __init__(self, command: str, saved: Saved, folder: Path) -> None:
        self.saved = saved
        self.printed, self.output, self._errors = (
            folder / f".{name}" for name in ("printed", "output", "errors")
        )
        for path in (self.printed, self.output, self._errors):
            path.unlink(missing_ok=True)
        values = {"checkpoint": str(saved.path), "step": str(saved.step), "output": str(self.output)}
        filled = command
        for name, value in values.items():
            filled = filled.replace(f"{{{name}}}", quoted(value))
        self.started = time.monotonic()
        lock = lock_folder(folder)
        with lock, self.printed.open("wb") as printed, self._errors.open("wb") as errors:
            self._process = start(filled, subprocess.DEVNULL, printed, errors, lock)
        (folder / GROUP).write_text(str(self._process.pid), encoding="utf-8")

    def why_ended(self, timeout: float) -> str | None:
        """Return why the command failed, "" if it did not; None while it runs."""
        status = self._process.poll()
        if status is None:
            written = sum(
                path.stat().st_size for path in (self.printed, self.output, self._errors) if path.exists()
            )
            if time.monotonic() - self.started > timeout:
                self.end()
                return f"ended after {timeout:g} seconds"
            if written > LARGEST:
                self.end()
                return f"ended after it had written {written // 2**20} MB"
            return None
        self.end()  # any process that it left running
        if status:
            return f"exit status {status}{self._last_words()}"
        return ""

    def end(self) -> None:
        """End the command and what it started."""
        end(self._process.pid)
        self._process.wait()

    def keep(self, folder: Path) -> str:
        """Move the drawn samples to their place; return why they cannot be used, or ""."""
        path = self.output if self.output.is_file() else self.printed
        if not path.stat().st_size:
            return f"it wrote no samples{self._last_words()}"
        if b"\0" in (head := read_head(str(path))).raw and not head.raw.startswith(b"PAR1"):
            return "it wrote no text"
        with path.open("rb") as file:
            os.fsync(file.fileno())
        kind = _format_of(str(path))
        notes: list[str] = []
        if not holds(File(str(path), kind), samples_in, NOTHING, notes):
            return f"it wrote no samples that could be read{''.join(f'; {note}' for note in notes[:1])}"
        ending = {"jsonl": ".jsonl", "parquet": ".parquet"}.get(kind, ".txt" if kind == "numbered" else "")
        path.replace(folder / f"step_{self.saved.step}_{self.saved.time}{ending}")
        return ""

    def _last_words(self) -> str:
        """Return the last line that the command wrote to standard error."""
        with suppress(OSError, ValueError):
            if lines := read_head(str(self._errors)).lines:
                return f": {lines[-1][:200]}"
        return ""


def _format_of(path: str) -> str:
    """Return the format of a command's output: the detected one, or else a single text."""
    try:
        return format_of(path).key
    except ValueError:
        return "numbered"


def _look_at(path: Path) -> tuple[int, int, int]:
    """Return how many files a checkpoint has, their bytes, and when the last of them was written."""
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    found = [each.stat() for each in files]
    return (
        len(found),
        sum(each.st_size for each in found),
        max((each.st_mtime_ns for each in found), default=0),
    )
