"""Surveys a whole log: which of its lines count, which steps they have, and which run they belong to."""

import math
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import groupby, pairwise
from pathlib import Path

from coherence.readers.formats.logs.entries import (
    BAR,
    ESTIMATE,
    GENERAL,
    NAMED,
    POLICY,
    TRAINING,
    VALIDATION,
    LogEntry,
)
from coherence.readers.formats.logs.lines import Line, Seen, read_pieces, seen_in
from coherence.readers.formats.logs.steps import Rows
from coherence.readers.lines import Part, Problems, file_name
from coherence.readers.records import PHASE
from coherence.signals.loss import KINDS

MANY, FEW, HALF = 10, 3, 0.5
"""Lines of no trainer's shape count if there are this many; or fewer, if they are that share of the lines."""

FALLS = 0.1
"""The share of such lines at which the step may fall: a run may be restarted."""

OUTNUMBERED = 10
"""If they outnumber the lines in a trainer's shape this many times, those were not of the training."""

AGAIN = 2
"""An evaluation that counts its own steps is known by its total after this many times."""

NO_STEP = -1


class Survey:
    """A survey of a whole log, with a row for each line that a trainer wrote.

    Attributes:
        problems: what could not be read.
        remarks: what the reader of a report should know, without the name of the file.
        of_policies: whether it is a log of reinforcement learning, without losses to read.
        dated: whether a time is before each line, also before blank ones: a logger rarely writes those.
    """

    def __init__(self, lines: Iterable[Seen], problems: Problems | None = None) -> None:
        self.problems = problems or Problems()
        self.remarks: list[str] = []
        self.of_policies = False
        self._places, self._numbers, self._steps = array("q"), array("q"), array("q")
        self._losses, self._norms, self._epochs = array("d"), array("d"), array("d")
        self._lengths, self._ranks = array("q"), array("q")
        self._kinds, self._certain, self._beside = array("b"), array("b"), array("b")
        self._counts = bytearray()
        self._of_trainer = {NAMED, BAR}
        self._stepless = array("q")
        self._rows = Rows()
        self._begun: list[int] = []
        self._lines = self._logged = 0
        self.dated = False
        self._read(lines)
        self._settle()

    # --- Reading ------------------------------------------------------------------------------------------

    def _read(self, lines: Iterable[Seen]) -> None:
        awaited = False
        for place, (line, rank, bar, blank) in enumerate(lines):
            if bar is not None and not bar.name and bar.total:
                if awaited:
                    self._rows.follow(bar.done, bar.total)
                self._rows.bars.see(place, bar.done, bar.total, len(self._rows.epochs))
            if line.text or bar is not None:
                awaited = False
            self._lines += bool(line.text)
            self._logged += line.logged
            self.dated = self.dated or blank
            if line.entry is not None:
                awaited = self._take(place, line, line.entry, rank)
        self.dated = self.dated and self._logged == self._lines

    def _take(self, place: int, line: Line, entry: LogEntry, rank: int | None) -> bool:
        """Take what a trainer wrote; return whether its step is awaited."""
        stepless = entry.step is None and entry.loss is not None
        if stepless:
            self._stepless.append(len(self._places))
            self._rows.add(entry.epoch)
        elif entry.step is None and entry.epoch is not None:
            self._rows.end(entry.epoch)
        self._places.append(place)
        self._numbers.append(line.number)
        self._steps.append(NO_STEP if entry.step is None else entry.step)
        self._losses.append(math.nan if entry.loss is None else entry.loss)
        self._norms.append(math.inf if entry.grad_norm is None else entry.grad_norm)
        self._epochs.append(math.nan if entry.epoch is None else entry.epoch)
        self._lengths.append(entry.length or 0)
        self._ranks.append(-1 if rank is None else rank)
        self._kinds.append(entry.kind)
        self._certain.append(entry.certain)
        self._beside.append(KINDS.index(entry.beside))
        self._counts.append(entry.loss is not None)
        return stepless

    # --- Settling -----------------------------------------------------------------------------------------

    def _settle(self) -> None:
        self._name_steps()
        rows = self._chosen()
        kept = bytearray(len(self._places))
        rows = self._without_evaluations(self._of_one_rank(rows))
        self._count_on(rows)
        for place in self._once(rows):
            kept[place] = True
        self._counts = kept
        self._find_phases([place for place in rows if kept[place]])
        self.of_policies = not rows and POLICY in self._kinds
        if self.of_policies:
            self.remarks.append(
                "a log of reinforcement learning: a policy's loss is not a language model's, "
                "so no loss is read"
            )

    def _name_steps(self) -> None:
        """Give losses without a step their step, or their number if it cannot be found."""
        others = any(
            self._counts[place] and self._steps[place] != NO_STEP and self._certain[place] == NAMED
            for place in range(len(self._places))
        )
        counted = 0
        for place, step in zip(self._stepless, self._rows.steps(), strict=True):
            if step is None and not others:
                counted += 1
                step = counted
            if step is None:
                self._counts[place] = False
            else:
                self._steps[place] = step
        if counted:
            self.remarks.append("its losses have no steps; they are numbered")

    def _chosen(self) -> list[int]:
        """Return the rows that hold the losses of the training, or the best substitute."""
        by_kind: dict[tuple[int, int], list[int]] = {}
        for place, counts in enumerate(self._counts):
            if counts:
                by_kind.setdefault((self._certain[place], self._kinds[place]), []).append(place)
        general = [row for (certain, _), rows in by_kind.items() if certain == GENERAL for row in rows]
        if self._is_of_a_trainer(sorted(general)):
            self._of_trainer.add(GENERAL)
        else:
            by_kind = {key: rows for key, rows in by_kind.items() if key[0] != GENERAL}
        of_training = {certain: by_kind.get((certain, TRAINING), []) for certain in (NAMED, GENERAL, BAR)}
        if len(of_training[GENERAL]) >= OUTNUMBERED * len(of_training[NAMED]) > 0:
            return of_training[GENERAL]
        for certain in (NAMED, GENERAL, BAR):
            if of_training[certain]:
                return of_training[certain]
        for kind, what in (
            (ESTIMATE, "estimates of the training loss are used, because the file has no losses of steps"),
            (VALIDATION, "its losses are of validation: it has none of training"),
        ):
            for certain in (NAMED, GENERAL, BAR):
                if rows := by_kind.get((certain, kind)):
                    self.remarks.append(what)
                    return rows
        return []

    def _is_of_a_trainer(self, rows: list[int]) -> bool:
        """Tell whether lines in no trainer's shape are a trainer's, by their number and their steps."""
        rises = 1 + sum(self._steps[row] > self._steps[before] for before, row in pairwise(rows))
        if rises < MANY and not (rises >= FEW and len(rows) >= HALF * self._lines):
            return False
        falls = sum(
            self._steps[row] < self._steps[before] and not self._epochs[row] > self._epochs[before]
            for before, row in pairwise(rows)
        )
        return falls <= max(FALLS * len(rows), 1)

    def _of_one_rank(self, rows: list[int]) -> list[int]:
        ranks = {self._ranks[row] for row in rows}
        if len(ranks) < 2:
            return rows
        first = next(self._ranks[row] for row in rows if self._ranks[row] >= 0)
        return [row for row in rows if self._ranks[row] in (first, -1)]

    def _without_evaluations(self, rows: list[int]) -> list[int]:
        """Return rows without those of evaluations that count their own steps.

        They have another total, `step 1/3`, the step falls to them, and the next one is above the old one: a
        run that was restarted goes back and does not leave out steps.
        """
        stretches = [list(same) for _, same in groupby(rows, key=self._lengths.__getitem__)]
        times: Counter[int] = Counter()
        for before, stretch, after in zip(stretches, stretches[1:], stretches[2:], strict=False):
            last, first = before[-1], after[0]
            goes_on = self._lengths[last] == self._lengths[first] and self._steps[last] < self._steps[first]
            if goes_on and self._steps[stretch[0]] < self._steps[last]:
                times[self._lengths[stretch[0]]] += 1
        totals = {total for total, found in times.items() if total and found >= AGAIN}
        left = [row for row in rows if self._lengths[row] not in totals]
        if not totals or not left:
            return rows
        for row in rows:
            if self._lengths[row] in totals:
                self._steps[row] = NO_STEP
        self.remarks.append(
            f"{len(rows) - len(left):,} losses are left out: they count steps of their own "
            "between those of the training, as an evaluation does"
        )
        return left

    def _count_on(self, rows: list[int]) -> None:
        """Turn steps that begin again in each epoch into steps of the run."""
        pairs = list(pairwise(rows))
        if not any(self._is_next_epoch(*pair) for pair in pairs):
            return
        first = self._epochs[rows[0]]
        least = 0 if any(self._epochs[row] == 0 for row in rows) else 1
        offset, before, told = 0, None, [self._steps[row] for row in rows]
        for row, step in zip(rows, told, strict=True):
            length, epoch = self._lengths[row], self._epochs[row]
            if length and math.isfinite(epoch):
                offset = length * max(int(epoch) - least, 0)
            elif before is not None and self._is_next_epoch(before[0], row, before[1], step):
                offset += length or before[1] + (1 if told[0] == 0 else 0)
            elif before is not None and math.isfinite(first) and epoch < self._epochs[before[0]]:
                offset = 0
            before = row, step
            self._steps[row] = offset + step

    def _is_next_epoch(self, before: int, row: int, last: int | None = None, step: int | None = None) -> bool:
        last = self._steps[before] if last is None else last
        step = self._steps[row] if step is None else step
        if math.isfinite(self._epochs[row]) and self._epochs[row] > self._epochs[before]:
            return step <= last
        of_bars = self._certain[row] == BAR and not math.isfinite(self._epochs[row])
        return of_bars and step < last and self._lengths[row] == self._lengths[before]

    def _once(self, rows: list[int]) -> Iterator[int]:
        """Yield rows; of consecutive rows with the same step only the last, or one that is not finite."""
        held: int | None = None
        for row in rows:
            if held is not None and self._steps[held] == self._steps[row]:
                held = held if not math.isfinite(self._losses[held]) else row
                continue
            if held is not None:
                yield held
            held = row
        if held is not None:
            yield held

    def _find_phases(self, rows: list[int]) -> None:
        """Find where another run begins: the step falls to the first one or lower."""
        for before, row in pairwise(rows):
            if self._steps[row] <= self._steps[rows[0]] and self._steps[row] < self._steps[before]:
                self._begun.append(self._numbers[row])

    # --- Asking -------------------------------------------------------------------------------------------

    @property
    def has_losses(self) -> bool:
        """Whether it holds any."""
        return 1 in self._counts

    def run_at(self, number: int) -> str | None:
        """Return the name of the run that a line belongs to; None if the log has only one run."""
        return f"{PHASE}{bisect_right(self._begun, number) + 1}" if self._begun else None

    def losses(self) -> Iterator[tuple[int, LogEntry]]:
        """Yield the losses that count, each with its line."""
        for row in range(len(self._places)):
            if self._counts[row]:
                yield self._numbers[row], self._entry(row)

    def entries(self) -> Iterator[tuple[int, LogEntry]]:
        """Yield the entries that a trainer wrote, each with its place among the lines."""
        for row, place in enumerate(self._places):
            if self._certain[row] in self._of_trainer:
                yield place, self._entry(row)

    def _entry(self, row: int) -> LogEntry:
        step, norm = self._steps[row], self._norms[row]
        return LogEntry(
            None if step == NO_STEP else step,
            self._losses[row] if self._counts[row] else None,
            self._kinds[row],
            None if norm == math.inf else norm,
            KINDS[self._beside[row]],
        )


def _survey(path: str) -> Survey:
    problems = Problems()
    return Survey(seen_in(read_pieces(Part(path), problems)), problems)


def survey_of(part: Part, survey: Callable[[str], Survey] = _survey) -> Survey:
    """Return the survey of a log; that of the last file is cached until the file changes.

    Args:
        part: of the file.
        survey: surveys the file at a path, if it is more than a log.
    """
    try:
        seen = Path(part.path).stat()
    except OSError:
        return survey(part.path)
    return _kept(survey, part.path, seen.st_size, seen.st_mtime_ns)


@lru_cache(maxsize=1)
def _kept(
    survey: Callable[[str], Survey],
    path: str,
    size: int,  # noqa: ARG001 - they identify the state of the file
    time: int,  # noqa: ARG001
) -> Survey:
    return survey(path)


def remarks_of(survey: Survey, path: str, problems: Problems) -> None:
    """Add the remarks about a log for the reader of a report."""
    for remark in survey.remarks:
        problems.remark(f"{file_name(path)}: {remark}")
