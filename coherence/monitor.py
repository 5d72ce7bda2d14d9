"""The one object a training loop holds: losses and samples in, a verdict and a run folder out.

Source: docs/training.md.
"""

import json
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from heapq import merge
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from coherence.diagnosis import Diagnosis
from coherence.gate import Gate, Verdict
from coherence.harmless import printable
from coherence.lexicon import Lexicon
from coherence.loss import LossTracker, true_loss
from coherence.profile import SCALES, Profile
from coherence.records import DiagnosisRecord, GateStatus, SourceRecord, Status
from coherence.runfolder import FORMAT, Appender, RunFolderBusy, lock_folder, read_tail, replace_file
from coherence.samples import compare
from coherence.scores import Scores, score_tokens
from coherence.signals import Signals
from coherence.spectra import spectra
from coherence.text import clean, tokenize

__all__ = ["HaltedRun", "Monitor", "RunFolderBusy"]

log = logging.getLogger("coherence")

SAMPLES, METRICS, STATUS, STATE = "samples.jsonl", "metrics.jsonl", "loss.json", "gate.json"
ACKNOWLEDGED, RESTART = "halt acknowledged", "restart"
LATEST = 1e12
"""Seconds; what says it was written later than this was written by no clock."""


class HaltedRun(RuntimeError):
    """The run was halted by its gate; to train on all the same, acknowledge the halt."""


class Monitor:
    """Follows one training run: takes its losses and samples, decides, and keeps the run folder.

    The folder holds `samples.jsonl` and `metrics.jsonl`, which only grow, `loss.json`, the status, and
    `gate.json`, the state. An existing folder is resumed: smoothing, sources and streak go on as if never
    stopped. A folder that cannot be written to does not stop the run: one warning is logged, the gate goes
    on in memory, `verdict.recording` is False, and writing resumes when it can. Safe to call from threads.

    Args:
        folder: the run folder.
        vocab_size: for the uniform baseline.
        gate: the gate; default `Gate()`.
        window: of the SMMA.
        status_every: steps between two writings of status and state.
        lexicon: the words that count as English.
        profile: the reference to score against.
        acknowledge_halt: go on with a run that was halted; the gate starts anew.

    Raises:
        HaltedRun: the run in the folder was halted.
        RunFolderBusy: another process writes to it.
        OSError: what it holds cannot be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Monitor(folder, vocab_size=8449) as monitor:
    ...     monitor.loss(100, 3.43, source="gutenberg")
    ...     verdict = monitor.sample(100, "The cat sat by the door and waited for the rain to stop.")
    >>> verdict.halt, monitor.diagnosis.action
    (False, 'continue')
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        vocab_size: int | None = None,
        gate: Gate | None = None,
        *,
        window: int = 100,
        status_every: int = 100,
        lexicon: Lexicon | None = None,
        profile: Profile | None = None,
        acknowledge_halt: bool = False,
    ) -> None:
        if status_every < 1:
            raise ValueError(f"status_every {status_every!r}; expected a number of steps, 1 or more")
        self.folder = Path(folder)
        self.signals = Signals(gate or Gate(), LossTracker(vocab_size, window))
        self._lexicon, self._profile = lexicon, profile
        self.status_every = status_every
        self.verdict: Verdict | None = None
        self._unwritten: set[str] = set()  # files whose last writing failed
        self._gap = False  # a line was lost, and the metrics do not say so yet
        self._closed = False
        self._broken_off = False  # Ctrl-C came in the middle of a call
        self._acknowledged = acknowledge_halt
        self._guard = threading.RLock()
        self._last_step: int | None = None
        self._kept_step: int | None = None
        self._sample_step: int | None = None
        self._index = 0  # of the next sample of that step
        self._time = 0.0  # of the last line
        self._fresh = self.signals.state_dict()
        self._lock: IO[str] | None = None
        self._open()

    def _open(self) -> None:
        """Become the writer of the folder, then see how long its files are and what they hold."""
        try:
            self._take_lock()
        except OSError as error:
            self._cannot_record(STATUS, error)
        self._metrics = Appender(self.folder / METRICS)
        self._samples = Appender(self.folder / SAMPLES)
        try:
            self._restore()
            self._go_on_if_acknowledged()
        except BaseException:
            self._release()
            raise

    @property
    def recording(self) -> bool:
        """Whether everything could be written, as far as it was tried."""
        return not self._unwritten

    @property
    def gate(self) -> Gate:
        """The gate of the run."""
        return self.signals.gate

    @property
    def diagnosis(self) -> Diagnosis:
        """What the two signals mean together, now."""
        with self._guard:
            return self.signals.diagnosis

    @property
    def last_step(self) -> int | None:
        """The step of the last loss or sample, those that the folder held included; None before any."""
        with self._guard:
            return self._last_step

    def loss(self, step: int, loss: float, source: str | None = None, grad_norm: float | None = None) -> None:
        """Take the loss of one step.

        Args:
            step: the training step.
            loss: in nats; not-a-number is a state of its own.
            source: the part of the mixture it belongs to.
            grad_norm: uncovers a not-a-number that was logged as 0.0.
        """
        with self._taking():
            step = self._take_step(step)
            value = true_loss(float(loss), grad_norm)
            source = None if source is None else str(source)  # sources are often numbered
            self.signals.loss.update(step, value, source)
            row: dict[str, Any] = {
                "format": FORMAT,
                "step": step,
                "loss": _finite(value),
                "time": self._now(),
            }
            if source is not None:
                row["source"] = source
            self._record(METRICS, lambda: self._metrics.append(row))
            self._keep(step)

    def sample(
        self, step: int, texts: str | Sequence[str], prompts: str | Sequence[str] | None = None
    ) -> Verdict:
        """Take the samples drawn at one step and return the gate's verdict.

        Args:
            step: the training step.
            texts: what the model wrote: one text or several, which count in this order.
            prompts: one for all, or one for each; cut off where a text begins with it.

        Raises:
            ValueError: there is not a prompt for each text, or no text.
        """
        pairs = _pairs(texts, prompts)
        with self._taking():
            step = self._take_step(step)
            if step != self._sample_step:
                self._sample_step, self._index = step, 0
            halted, now = self.gate.halted, self._now()
            judged = [self._judge(text, prompt, step, now) for text, prompt in pairs]
            self.signals.samples.update_between(compare((scores, tokens) for scores, tokens, _ in judged))
            verdict = judged[-1][-1]
            fired = self.gate.halted and not halted
            if fired:
                log.warning("%s: %s %s", self._name, verdict.reason, self.signals.diagnosis.sentence)
            self._keep(step, now=fired)
            self.verdict = verdict._replace(recording=self.recording)
            return self.verdict

    def note(self, event: str, step: int, **details: str | int | float | bool | None) -> None:
        """Write down what was done to the run, among the losses; the audit's report shows it.

        Args:
            event: what it was, in a word or two: "pivot".
            step: the training step.
            details: what else to say: `brought_in="code"`.
        """
        with self._taking():
            row = {
                "format": FORMAT,
                "event": event,
                "step": int(step),
                "after": self._last_step,
                "details": {
                    name: _finite(each) if isinstance(each, float) else each for name, each in details.items()
                },
                "time": self._now(),
            }
            self._record(METRICS, lambda: self._metrics.append(row))

    def refuse_halted(self) -> None:
        """Raise where training is about to begin on a run that was halted.

        Raises:
            HaltedRun: the gate has fired, and does not only observe.
        """
        if self._is_refused():
            raise HaltedRun(
                f"{self.folder}: this run was halted: {self.gate.halt_reason}; start anew from a coherent "
                "checkpoint in another folder, or acknowledge the halt: Monitor(..., acknowledge_halt=True)"
            )

    def state_dict(self) -> dict[str, Any]:
        """Return what the run remembers, as plain JSON values, for a checkpoint."""
        with self._guard:
            return self.signals.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from the state in a checkpoint; what the folder holds of later steps stays there.

        A checkpoint of the halted run brings its halt with it, unless the halt is acknowledged.

        Raises:
            ValueError: the state is of another format.
        """
        with self._taking():
            self.signals.load_state_dict(state)
            steps = [step for step in (self.gate.step, self.signals.loss.step) if step is not None]
            if self._last_step is not None and max(steps, default=0) < self._last_step:
                self.note(RESTART, max(steps, default=0))
            self._last_step = max(steps, default=None)
            self._kept_step = self._sample_step = None
            if self._acknowledged and self.gate.halted:
                self.signals.acknowledge_halt()
            self._record(STATE, self._save_state)

    def close(self) -> None:
        """Write the status and let go of the folder."""
        with self._guard:
            if self._closed:
                return
            try:
                self._recover()
                self._record(STATE, self._save_state)
                self._record(STATUS, self._save_status)
            finally:
                self._release()
                self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _taking(self) -> Iterator[None]:
        """Let one call in; remember where Ctrl-C broke it off, for then memory and lines may differ."""
        with self._guard:
            self._recover()
            try:
                yield
            except BaseException as error:
                self._broken_off = self._broken_off or not isinstance(error, Exception)
                raise

    def _recover(self) -> None:
        """After a call that was broken off, believe the lines; where some were lost, the memory."""
        if self._broken_off and self.recording and not self._closed:
            self.signals.load_state_dict(self._fresh)
            self._last_step = self._kept_step = self._sample_step = None
            self._restore()
        self._broken_off = False

    def _now(self) -> float:
        """Return the time of the next line, later than the last: lines are put in order by it.

        The clock may be set back, or tick too rarely to tell two lines apart.
        """
        self._time = max(time.time(), math.nextafter(self._time, LATEST))
        return self._time

    def _take_lock(self) -> None:
        """Hold the lock, without which nothing is written."""
        if self._closed:
            raise OSError("the monitor is closed")
        if self._lock is None or self._lock.closed:
            self._lock = lock_folder(self.folder)

    def _go_on_if_acknowledged(self) -> None:
        if not self._acknowledged:
            self.refuse_halted()
        elif self._is_refused():
            self.signals.acknowledge_halt()
            self.note(ACKNOWLEDGED, self._last_step or 0)
            self._record(STATE, self._save_state)

    def _is_refused(self) -> bool:
        return self.gate.halted and not self.gate.observe_only

    def _restore(self) -> None:
        """Take up the saved state, then the lines that were written after it."""
        metrics_end, samples_end = self._load_state()
        losses, samples = (
            read_tail(self._metrics.path, metrics_end),
            read_tail(self._samples.path, samples_end),
        )
        rows = merge(losses, samples, key=_time)
        for (_, at), call in groupby(rows, key=lambda row: (row["step"], _time(row))):
            self._take_back(list(call))  # one call writes one time
            self._time = max(self._time, at)

    def _take_back(self, rows: Sequence[Mapping[str, Any]]) -> None:
        samples = []
        for row in rows:
            step = row["step"]
            if row.get("event") == ACKNOWLEDGED:
                self.signals.acknowledge_halt()
            elif row.get("event") == RESTART:
                self.gate.restart()
            elif "text" in row:
                scores, tokens = self._score(row["text"], row.get("prompt"))
                samples.append((scores, tokens))
                self.signals.judge(scores, step, row["index"])
                self._last_step = step
            elif "loss" in row:
                loss = math.nan if row["loss"] is None else row["loss"]
                self.signals.loss.update(step, loss, row.get("source"))
                self._last_step = step
        self.signals.samples.update_between(compare(samples))

    def _load_state(self) -> tuple[int, int]:
        """Return the bytes of metrics and samples that the saved state knows of."""
        path = self.folder / STATE
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            ends = int(saved["metrics_end"]), int(saved["samples_end"])
            self._last_step = saved["last_step"]
            self._time = max(self._time, _time(saved))
            self.signals.load_state_dict(saved["state"])
        except (FileNotFoundError, NotADirectoryError):
            return 0, 0
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(
                f"{path} is no state of a run ({error}); remove it, and the run is read again from its lines"
            ) from error
        return ends

    def _judge(
        self, text: str, prompt: str | None, step: int, now: float
    ) -> tuple[Scores, list[str], Verdict]:
        scores, tokens = self._score(text, prompt)
        verdict = self.signals.judge(scores, step, self._index)
        row = {
            "format": FORMAT,
            "step": step,
            "index": self._index,
            "prompt": prompt,
            "text": text,
            "scores": dict(zip(SCALES, scores.values, strict=True)),
            "low": verdict.low,
            "streak": verdict.streak,
            "time": now,
        }
        self._index += 1
        self._record(SAMPLES, lambda: self._samples.append(row))
        return scores, tokens, verdict

    def _score(self, text: str, prompt: str | None) -> tuple[Scores, list[str]]:
        cleaned = clean(text, prompt)
        tokens = tokenize(cleaned)
        return score_tokens(cleaned, tokens, self._lexicon, self._profile, spectra), tokens

    def _take_step(self, step: int) -> int:
        """Return the step as a plain number; where steps go back, mark a restart."""
        step = int(step)
        if self._last_step is not None and step < self._last_step:
            self.note(RESTART, step)
            self.gate.restart()
            self._kept_step = self._sample_step = None
        self._last_step = step
        return step

    def _record(self, file: str, write: Callable[[], None]) -> None:
        """Write, or say once that it cannot be done and go on."""
        try:
            self._take_lock()
            write()
        except (OSError, RunFolderBusy) as error:
            self._cannot_record(file, error)
        else:
            if self._unwritten == {file}:
                log.info("%s: recording again", self._name)
            self._unwritten.discard(file)

    @property
    def _name(self) -> str:
        """The folder as it is logged: a name may hold what commands a terminal."""
        return printable(str(self.folder))

    def _cannot_record(self, file: str, error: Exception) -> None:
        if not self._unwritten:
            why = printable(str(error))
            log.warning("%s: cannot record (%s); the gate goes on in memory", self._name, why)
        self._unwritten.add(file)
        self._gap = self._gap or file in (SAMPLES, METRICS)

    def _keep(self, step: int, now: bool = False) -> None:
        """Write state and status where they are due.

        Between two writings the lines are the record; the state is due as well when one could not be written.
        """
        due = now or self._kept_step is None or step >= self._kept_step + self.status_every
        if due:
            self._kept_step = step
        failed = bool(self._unwritten)
        if self._gap and SAMPLES not in self._unwritten:
            self.note("lines lost", step)
            self._gap = METRICS in self._unwritten
        if due or failed:
            self._record(STATE, self._save_state)
        if due or STATUS in self._unwritten:
            self._record(STATUS, self._save_status)

    def _save_status(self) -> None:
        replace_file(self.folder / STATUS, self._status().model_dump_json(indent=1))

    def _save_state(self) -> None:
        state = {
            "format": FORMAT,
            "state": self.signals.state_dict(),
            "last_step": self._last_step,
            "time": self._time,
            "metrics_end": self._metrics.end,
            "samples_end": self._samples.end,
        }
        # The lines are the record and can be read again: this one need not wait for the disk.
        replace_file(self.folder / STATE, json.dumps(state, allow_nan=False), durable=False)

    def _status(self) -> Status:
        loss, gate, found = self.signals.loss, self.gate, self.signals.diagnosis
        return Status(
            step=self._last_step,
            loss=loss.loss,
            smma=loss.smma,
            perplexity=loss.perplexity,
            uniform_baseline=loss.uniform_baseline,
            trend=loss.trend,
            sources={name: SourceRecord(loss=s.loss, smma=s.smma) for name, s in loss.sources.items()},
            gate=GateStatus(
                streak=gate.streak,
                threshold=gate.threshold,
                patience=gate.patience,
                halted=gate.halted,
                reason=gate.halt_reason,
            ),
            diagnosis=DiagnosisRecord.of(found),
            updated_at=time.time(),
        )

    def _release(self) -> None:
        self._metrics.close()
        self._samples.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _pairs(texts: str | Sequence[str], prompts: str | Sequence[str] | None) -> list[tuple[str, str | None]]:
    texts = [texts] if isinstance(texts, str) else list(texts)
    each = [prompts] * len(texts) if prompts is None or isinstance(prompts, str) else list(prompts)
    if not texts:
        raise ValueError("no text; expected one sample or more")
    if len(each) != len(texts):
        raise ValueError(f"{len(each)} prompts for {len(texts)} texts; expected one for all, or one for each")
    return list(zip(texts, each, strict=True))


def _time(row: Mapping[str, Any]) -> float:
    """Return when a row was written; 0 where another writer did not say, or said what no clock does."""
    time = row.get("time")
    return time if isinstance(time, float) and 0 <= time < LATEST else 0.0


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
