"""Follows a run that another process writes: each poll feeds what is new to the monitor.

Source: docs/watch.md.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from heapq import merge
from math import inf
from os.path import relpath
from pathlib import Path
from typing import NamedTuple

from coherence.escape import printable
from coherence.readers.folders import File
from coherence.readers.format import USUAL, Fields
from coherence.run.monitor import Monitor
from coherence.signals.both import RESTART, SAVED
from coherence.signals.gate import Verdict
from coherence.watch.finder import Finder
from coherence.watch.record import Key, Record, find
from coherence.watch.source import Position, Role, Source, Taken

log = logging.getLogger("coherence")

FILES_AT_ONCE = 64
"""Files that are open at once, and whose rows are sorted by their steps."""

SAVED_EVERY, JUDGED_AT_ONCE = 500, 256
"""Rows between two writes of the positions; samples of a step that are judged together."""

SHARE = 20
"""A file that is read as a whole is read again after this many times the duration of its last reading."""


class Judged(NamedTuple):
    """The result for the samples of one step."""

    verdict: Verdict
    samples: int


class Drawn(NamedTuple):
    """A file of samples that were drawn from a checkpoint, and its step."""

    file: File
    step: int


class Follower:
    """Feeds a monitor with the rows of a folder, and remembers how far each file was read.

    Args:
        monitor: of its own run folder.
        record: of the same run folder.
        finder: of the folder that is followed.
        fields: which fields of a row hold what, as the user said.
        drawn: returns the files that were drawn from checkpoints.
        see: is called with the result of each step.
        ends: returns whether reading has to stop now.

    Attributes:
        unsettled: whether, at the last poll, a file may have been in the middle of being written.
    """

    def __init__(
        self,
        monitor: Monitor,
        record: Record,
        finder: Finder,
        fields: Fields = USUAL,
        drawn: Callable[[], Iterable[Drawn]] = tuple,
        see: Callable[[Judged], None] = lambda _judged: None,
        ends: Callable[[], bool] = lambda: False,
    ) -> None:
        self.monitor, self.record, self._finder = monitor, record, finder
        self._fields, self._drawn, self._see, self._ends = fields, drawn, see, ends
        self._sources: dict[str, Source] = {}
        self._looked: dict[str, tuple[int, int]] = {}  # size and modification time of files at the last poll
        self._not_before: dict[str, float] = {}
        self._again: dict[
            str, Counter[Key]
        ] = {}  # the rows known of sources that are read from their beginning
        self._restarted: set[str] = set()
        self._saved: tuple[int, ...] = ()
        self._own_losses = self._gap = False
        self._rows = 0
        self._said: set[str] = set()
        self.unsettled = False
        monitor.follow_on()

    @property
    def halted(self) -> bool:
        """Whether the gate has fired, and does not only observe."""
        return self.monitor.gate.halted and not self.monitor.gate.observe_only

    @property
    def _stops(self) -> bool:
        return self.halted or self._ends()

    def poll(self) -> None:
        """Read what is new, until the gate halts.

        Raises:
            ValueError: the folder holds several runs, or a later version wrote it.
        """
        self.unsettled = False
        behind = self._behind()
        while behind and not self._stops:
            batch, behind = behind[:FILES_AT_ONCE], behind[FILES_AT_ONCE:]
            self._read(batch)
        if not (self._stops or self.unsettled):
            self.record.beyond.clear()  # rows that are left there are no longer in a file
        self._save()

    def _behind(self) -> list[Source]:
        """Return the files that may hold rows that were not taken yet."""
        found = self._finder.look()
        self._saved, self._own_losses = found.saved, bool(found.losses)
        if found.samples or self._drawn is tuple:  # a folder of checkpoints need not hold samples
            self._say(found.notes)
        for file in found.samples:
            self._add("samples", file, None)
        for file in found.losses:
            self._add("losses", file, None)
        for drawn in self._drawn():
            self._add("samples", drawn.file, drawn.step)
        wanted = {*found.samples, *found.losses, *(each.file for each in self._drawn())}
        behind = [each for each in self._sources.values() if each.file in wanted and each.is_behind()]
        due = self._due(behind)
        self.unsettled = len(due) < len(behind)
        return due

    def _due(self, behind: Sequence[Source]) -> list[Source]:
        """Return the files whose turn has come.

        Files of a kind are read in their order, which is that of their steps: none is read before another.
        """
        now, found, waiting = time.monotonic(), [], set()
        for source in behind:
            kind = source.role, source.file.format
            if self._not_before.get(source.key, 0.0) > now:
                waiting.add(kind)
            if kind not in waiting:
                found.append(source)
        return found

    def _add(self, role: Role, file: File, step: int | None) -> None:
        key = f"{role}:{relpath(file.path, self._finder.folder)}"
        known = self._sources.get(key)
        if known is None or known.file != file:
            source = self._sources[key] = Source(file, role, self._fields, step, key)
            source.position = self.record.positions.get(key, Position())

    def _read(self, sources: Sequence[Source]) -> None:
        streams = [source.rows(self._is_settled(source)) for source in sources]
        group: list[Taken] = []
        for taken in merge(*streams, key=_place):
            if group and not _belongs(taken, group):
                self._take(group)
                group = []
                if self._stops:
                    break
            group.append(taken)
        else:
            if group:
                self._take(group)
            for source in sources:
                source.finish()
        for source in sources:
            self._look_after(source)
        self._again.clear()
        self._restarted.clear()

    def _look_after(self, source: Source) -> None:
        if source.runs - {""} and len(source.runs) > 1:
            names = ", ".join(sorted(source.runs)[:3])
            raise ValueError(f"{source.file.path}: holds samples of several runs ({names}); watch one run")
        problems = source.problems
        self._say(f"{each.file}:{each.line}: {each.message}" for each in problems.listed)
        if source.position.start == 0:
            self._not_before[source.key] = time.monotonic() + SHARE * source.seconds

    def _is_settled(self, source: Source) -> bool:
        """Return whether a file is unchanged since the last poll; JSON lines need not wait for that."""
        with suppress(OSError, ValueError):
            if source.is_appended:
                return True
            found = Path(source.file.path).stat()
            now = found.st_size, found.st_mtime_ns
            settled = self._looked.get(source.file.path) == now
            self._looked[source.file.path] = now
            self.unsettled = self.unsettled or not settled
            return settled
        return False

    def _take(self, group: Sequence[Taken]) -> None:
        """Pass rows on that are recorded together, and note that they are."""
        first = group[0].row
        if first.text is None and first.step is not None:
            self._take_loss(group[0], first.step)
        else:
            self._judge(group)
        for taken in group:
            taken.source.take(taken)
        self._rows += len(group)
        if self._rows >= SAVED_EVERY:
            self._save()

    def _take_loss(self, taken: Taken, step: int) -> None:
        if not self._is_recorded(taken, step):
            row = taken.row
            self.monitor.loss(step, row.loss, row.source, beside=() if row.beside is None else (row.beside,))

    def _take_loss_of(self, group: Sequence[Taken], step: int) -> None:
        """Take the loss next to the first sample of a step, if no file holds losses."""
        first = next((each for each in group if each.row.loss is not None), None)
        if first is None or self._own_losses:
            return
        alone = first._replace(row=first.row._replace(text=None, prompt=None, step=step))
        if step != self.monitor.signals.loss.step:
            self._take_loss(alone, step)

    def _judge(self, group: Sequence[Taken]) -> None:
        told = group[0].row.step
        step = self.record.numbered if told is None else told
        new = [taken for taken in group if not self._is_recorded(taken, step)]
        if told is None:
            self.record.numbered += len(group)
        if not new:
            return
        self._note_restart(new, step)
        self._take_loss_of(group, step)
        for saved in self._saved:
            if saved < step and saved not in self.record.saved:
                self.monitor.note(SAVED, saved)
                self.record.saved.add(saved)
        rows = [taken.row for taken in new]
        verdict = self.monitor.judge(step, [row.text for row in rows], [row.prompt for row in rows])
        self._see(Judged(verdict, len(rows)))

    def _is_recorded(self, taken: Taken, step: int) -> bool:
        """Return whether the run folder holds a row already, and count it as found."""
        known = [self.record.beyond]
        if taken.source.rewound:
            key = taken.source.key
            if key not in self._again:
                self._again[key] = self.record.all()
            known.append(self._again[key])
        for rows in known:
            if rows and (found := find(rows, taken.row, step)) is not None:
                rows[found] -= 1
                return True
        return False

    def _note_restart(self, new: Sequence[Taken], step: int) -> None:
        """Note that the trainer was set back, if its file was cut short or written again."""
        last = self.monitor.gate.step
        for source in (taken.source for taken in new):
            if source.rewound and source.is_appended and source.key not in self._restarted:
                self._restarted.add(source.key)
                if last is not None and step <= last:
                    self.monitor.note(RESTART, step)

    def _save(self) -> None:
        """Save how far was read, unless a row was not recorded: then the next start reads it again."""
        self._rows = 0
        self._gap = self._gap or not self.monitor.recording
        if self._gap or +self.record.beyond:
            return
        positions = {key: source.position for key, source in self._sources.items()}
        changed = {key: each for key, each in positions.items() if self.record.positions.get(key) != each}
        if not changed:
            return
        try:
            self.record.advance(changed)
            self.record.save()
        except OSError as error:
            self._say([f"{self.record.folder}: cannot save how far was read ({error}); trying again"])

    def _say(self, notes: Iterable[str]) -> None:
        for note in notes:
            if note not in self._said and len(self._said) < SAVED_EVERY:
                self._said.add(note)
                log.warning("%s", printable(note))


def _place(taken: Taken) -> tuple[float, bool]:
    """Return the sort key of a row among those of other files: its step, the losses of a step first."""
    step = taken.row.step
    return -inf if step is None else step, taken.row.text is not None


def _belongs(taken: Taken, group: Sequence[Taken]) -> bool:
    """Return whether a row is a sample of the same step as those before it."""
    last, row = group[-1].row, taken.row
    alike = last.text is not None and row.text is not None and row.step is not None
    return alike and row.step == last.step and len(group) < JUDGED_AT_ONCE
