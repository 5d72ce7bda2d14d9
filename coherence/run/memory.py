"""What a run remembers: both its signals, the samples of its last step, and which of its lines it knows.

It is saved next to the lines, and taken up again from both. Source: docs/training.md, "Resuming".
"""

import math
import time
from collections.abc import Mapping, Sequence
from heapq import merge
from itertools import groupby, islice
from pathlib import Path
from typing import Any, get_args

from coherence.readers.folder import METRICS, SAMPLES, STATE, beside_of, prompt_of, read_rows, scores_of
from coherence.run.folder import unsealed
from coherence.scoring.scores import Scores, score, word_of
from coherence.signals.both import RESTART, Signals
from coherence.signals.diagnosis import Action
from coherence.signals.gate import Verdict
from coherence.signals.samples import StepSamples
from coherence.signals.settings import DEFAULTS, History

ACTIONS = get_args(Action)
"""In the order in which they grow graver: as a number each is its place."""

LATEST = 1e12
"""Seconds; what says it was written later than this was written by no clock."""


class Memory:
    """Takes what comes to a run, and what came before from the run's folder.

    Args:
        signals: of the run, fresh.

    Attributes:
        signals: both, as they stand.
        settings: how samples are scored.
        last_step: of the last loss or sample; last_loss: of the last loss.
        unusable: how many things were handed in that could not be used.
        group: the samples of the last step.
    """

    def __init__(self, signals: Signals) -> None:
        self.signals = signals
        self.settings = DEFAULTS
        self.unusable = 0
        self._fresh = signals.state_dict()
        self._time = 0.0  # of the last line
        self.forget_position()

    def forget_position(self) -> None:
        """Forget where the run stood; the signals stay."""
        self.last_step: int | None = None
        self.last_loss: int | None = None
        self.group, self._group_start = StepSamples(), 0  # the byte where the lines of the group begin
        self._group_step: int | None = None

    def forget(self) -> None:
        """Forget all."""
        self.signals.load_state_dict(self._fresh)
        self.unusable = 0
        self.forget_position()

    def now(self) -> float:
        """Return the time of the next line, later than the last: lines are put in order by it.

        The clock may be set back, or tick too rarely to tell two lines apart.
        """
        self._time = max(time.time(), math.nextafter(self._time, LATEST))
        return self._time

    def judge(self, step: int, index: int, text: str, prompt: str | None) -> tuple[Scores, Verdict]:
        """Score a sample and put it to the gate."""
        scores = score(text, prompt, self.settings.lexicon, self.settings.profile)
        verdict = self.signals.judge(scores, step, index, word_of(scores, text, prompt))
        self.group.add(scores, text, prompt)
        return scores, verdict

    def begin_group(self, step: int, index: int, byte: int) -> None:
        """Begin with the samples of a step, unless more of the last one come."""
        if self.signals.begins(step, index):
            self.group, self._group_start, self._group_step = StepSamples(), byte, step

    def metrics(self) -> dict[str, float]:
        """Return what can be said in numbers of the samples of the last step."""
        found = self.group.means(self.signals.gate.threshold)
        if not found:
            return {}
        found["streak"] = float(self.signals.gate.streak)
        found["action"] = float(ACTIONS.index(self.signals.diagnosis.action))
        return {f"coherence/{name}": value for name, value in found.items()}

    def last_samples(self) -> list[dict[str, Any]]:
        """Return the samples of the last step as flat rows."""
        return [{"step": self._group_step, **row} for row in self.group.rows(self.signals.gate.threshold)]

    def saved(self, metrics_end: int, samples_end: int) -> dict[str, Any]:
        """Return what is saved next to the lines, as plain JSON values.

        Args:
            metrics_end: bytes of the metrics.
            samples_end: bytes of the samples.
        """
        return {
            "state": self.signals.state_dict(),
            "last_step": self.last_step,
            "last_loss": self.last_loss,
            "time": self._time,
            "unusable": self.unusable,
            "metrics_end": metrics_end,
            "group_start": self._group_start if self.group.count else samples_end,
            "group_rows": self.group.count,
        }

    def restore(self, folder: Path, history: History) -> str | None:
        """Take up the saved state of a folder, then the lines that came after it, each under its settings.

        Returns:
            why the saved state cannot be used; None if it can, or if there is none.

        Raises:
            LaterFormat: a later version wrote the folder.
            OSError: what it holds cannot be read.
        """
        metrics_end, rows_of_group, damage = self._load_state(folder / STATE)
        metrics = read_rows(folder / METRICS, metrics_end)
        samples = read_rows(folder / SAMPLES, self._group_start)
        for _, row in islice(samples, rows_of_group):
            self.group.add(self._scores_of(row), str(row["text"]), prompt_of(row))
            self._group_step = row["step"]
        waiting = list(history)
        rows = merge(metrics, samples, key=_time_of)
        for at, call in groupby(rows, key=_time_of):
            while waiting and (waiting[0].time <= at or waiting[0] is history[0]):
                self.signals.configure(waiting.pop(0).settings)
            self._take_back(list(call))  # one call writes one time
            self._time = max(self._time, at)
        self.signals.configure(self.settings)
        self._time = max([self._time, *(entry.time for entry in history)])
        return damage

    def _take_back(self, rows: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
        for byte, row in rows:
            try:
                self._take_row_back(byte, row, row["step"])
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError):  # no monitor wrote it
                self.unusable += 1
        if any("text" in row for _, row in rows):
            self.signals.compare(self.group.diversity)

    def _take_row_back(self, byte: int, row: Mapping[str, Any], step: int) -> None:
        if "event" in row:
            self._take_event_back(row["event"], step, row)
        elif "text" in row:
            index, scores = int(row["index"]), self._scores_of(row)
            text, prompt = str(row["text"]), prompt_of(row)
            self.begin_group(step, index, byte)
            self.signals.judge(scores, step, index, word_of(scores, text, prompt))
            self.group.add(scores, text, prompt)
            self.last_step = step
        elif "loss" in row:
            loss, source = row["loss"], row.get("source")
            known = source if isinstance(source, str) else None
            value = math.nan if loss is None else float(loss)
            self.signals.loss.update(step, value, known, beside=beside_of(row))
            self.last_step = self.last_loss = step
        elif "unusable" in row:
            self.unusable += 1

    def _take_event_back(self, event: str, step: int, row: Mapping[str, Any]) -> None:
        self.signals.take_event(event, step, row.get("state"))
        if event == RESTART:
            self.last_loss = None

    def _scores_of(self, row: Mapping[str, Any]) -> Scores:
        return scores_of(row, self.settings.lexicon, self.settings.profile)

    def _load_state(self, path: Path) -> tuple[int, int, str | None]:
        """Take up the saved state.

        Returns:
            the bytes of metrics that it knows of, its samples of the last step, and why it cannot be used.
        """
        try:
            saved = unsealed(path.read_text(encoding="utf-8"))
            ends = int(saved["metrics_end"]), int(saved["group_rows"])
            last_step, last_loss = saved["last_step"], saved["last_loss"]
            group_start, unusable = int(saved["group_start"]), int(saved["unusable"])
            self.signals.load_state_dict(saved["state"])
        except (FileNotFoundError, NotADirectoryError):
            return 0, 0, None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return 0, 0, str(error)
        self.last_step, self.last_loss = last_step, last_loss
        self._group_start, self.unusable = group_start, unusable
        self._time = max(self._time, _time(saved))
        return *ends, None


def _time(row: Mapping[str, Any]) -> float:
    """Return when a row was written; 0 where another writer did not say, or said what no clock does."""
    time = row.get("time")
    return time if isinstance(time, float) and 0 <= time < LATEST else 0.0


def _time_of(row: tuple[int, Mapping[str, Any]]) -> float:
    return _time(row[1])
