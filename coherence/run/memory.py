"""The state of a run: both its signals, the samples of its last step, and which of its lines are in it.

It is saved next to the lines, and restored from both. Source: docs/training.md, "Resuming".
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
from coherence.scoring.between import score_step
from coherence.scoring.scores import Scores, score, word_of
from coherence.signals.both import RESTART, Signals
from coherence.signals.diagnosis import Action
from coherence.signals.gate import Verdict
from coherence.signals.samples import StepSamples
from coherence.signals.settings import DEFAULTS, History

ACTIONS = get_args(Action)
"""In order of severity: the number of an action is its place."""

LATEST = 1e12
"""Seconds; a later time cannot be from a clock."""


class Memory:
    """Takes the losses and samples of a run, and those that the run's folder holds already.

    Args:
        signals: new ones for the run.

    Attributes:
        signals: both signals in their current state.
        settings: how samples are scored.
        last_step: the step of the last loss or sample; last_loss: the step of the last loss.
        unusable: how many values were passed in that could not be used.
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
        """Forget the position of the run; the signals are kept."""
        self.last_step: int | None = None
        self.last_loss: int | None = None
        self.group, self._group_start = StepSamples(), 0  # the byte at which the lines of the group begin
        self._group_step: int | None = None

    def forget(self) -> None:
        """Forget all."""
        self.signals.load_state_dict(self._fresh)
        self.unusable = 0
        self.forget_position()

    def now(self) -> float:
        """Return the time of the next line, later than the last one, because lines are sorted by time.

        The clock may be set back, or be too coarse to distinguish two lines.
        """
        self._time = max(time.time(), math.nextafter(self._time, LATEST))
        return self._time

    def judge(
        self, step: int, first: int, samples: Sequence[tuple[str, str | None]]
    ) -> list[tuple[Scores, Verdict]]:
        """Score samples of a step, pass them to the gate, and compare all samples of the step.

        Args:
            step: the training step they were drawn at.
            first: which of the samples of that step the first of them is.
            samples: the texts, each with its prompt.
        """
        are_all = not self.group.count
        lexicon, profile = self.settings.lexicon, self.settings.profile
        if are_all:
            scored, diversity = score_step(samples, lexicon, profile)
        else:
            scored = [score(*sample, lexicon, profile) for sample in samples]
        found = []
        for index, ((text, prompt), scores) in enumerate(zip(samples, scored, strict=True), first):
            found.append((scores, self.signals.judge(scores, step, index, word_of(scores, text, prompt))))
            self.group.add(scores, text, prompt)
        self.signals.compare(diversity if are_all else self.group.diversity)
        return found

    def begin_group(self, step: int, index: int, byte: int) -> None:
        """Begin the samples of a step, unless it is still the last step."""
        if self.signals.begins(step, index):
            self.group, self._group_start, self._group_step = StepSamples(), byte, step

    def metrics(self) -> dict[str, float]:
        """Return the samples of the last step as numbers."""
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
        """Return the state that is saved next to the lines, as plain JSON values.

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
        """Restore the saved state of a folder, then take the later lines, each with the settings of its time.

        Returns:
            why the saved state cannot be used; None if it can, or if there is none.

        Raises:
            LaterFormat: a later version wrote the folder.
            OSError: its files cannot be read.
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
            self._take_back(list(call))  # all lines of a call have the same time
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
        """Restore the saved state.

        Returns:
            the bytes of metrics that are in it, its number of samples of the last step, and why it cannot be
            used.
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
    """Return the time of a row; 0 if another writer did not write it, or if it cannot be from a clock."""
    time = row.get("time")
    return time if isinstance(time, float) and 0 <= time < LATEST else 0.0


def _time_of(row: tuple[int, Mapping[str, Any]]) -> float:
    return _time(row[1])
