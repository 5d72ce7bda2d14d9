"""The one object a training loop holds: losses and samples in, a verdict and a run folder out.

Source: docs/training.md.
"""

import atexit
import json
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from weakref import WeakSet

from coherence.escape import printable
from coherence.files import RunFolderBusy
from coherence.readers.folder import FORMAT, METRICS, SAMPLES, SETTINGS, STATE, STATUS
from coherence.report import Status, finite_or_none
from coherence.run import given
from coherence.run.folder import sealed
from coherence.run.memory import Memory
from coherence.run.recorder import Recorder
from coherence.scoring.lexicon import Lexicon
from coherence.scoring.profile import SCALES, Profile
from coherence.scoring.scores import Scores
from coherence.signals.both import ACKNOWLEDGED, RESTART, Signals
from coherence.signals.diagnosis import Diagnosis
from coherence.signals.gate import Gate, Verdict
from coherence.signals.loss import LossTracker, true_loss
from coherence.signals.settings import DEFAULTS, Entry, LaterFormat, Settings, from_json, to_json
from coherence.signals.steps import Steps

__all__ = ["HaltedRun", "LaterFormat", "Monitor", "RunFolderBusy"]

log = logging.getLogger("coherence")

OnHalt = Literal["stop", "raise"] | Callable[[Verdict], object]
"""What a halt does, besides setting the verdict."""

LATE, REACH = 16, 100
"""How many steps may overtake a loss in its thread, and how far beyond it they may be."""

THREADS = 64
"""How many threads' losses are distinguished."""

_open_monitors: WeakSet["Monitor"] = WeakSet()


@atexit.register
def _close_all() -> None:
    """Write the last status of runs whose loop did not call `close`."""
    for monitor in list(_open_monitors):
        monitor._end()


def _renew_guards() -> None:
    """Renew the guards in a forked child: a thread that was in a call does not exist there."""
    for monitor in list(_open_monitors):
        monitor._guard = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_guards)


HALTED = 3
"""The exit status of a program that a halt ends; Python, shells and signals use others."""


class HaltedRun(SystemExit):
    """The run was halted by its gate; to continue training anyway, acknowledge the halt.

    Uncaught, it ends the program with status 3, so that a scheduler can distinguish a halt from a crash.

    >>> HaltedRun("5 samples in a row scored below 30").code
    3
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.code = HALTED


class Monitor:
    """Follows one training run: takes its losses and samples, decides, and keeps the run folder.

    The folder holds `samples.jsonl` and `metrics.jsonl`, which only grow, `loss.json`, the status,
    `gate.json`, the state, and `settings.json`, all settings. An existing folder is resumed: smoothing,
    sources, streak and settings continue where they were. Only the constructor raises: a value that is not
    understood is counted and skipped, and a folder that cannot be written to does not stop the run: one
    warning is logged, the gate continues in memory, `monitor.recording` is False, and writing resumes when
    it can. It is safe to call from several threads.

    Args:
        folder: the run folder.
        vocab_size: for the uniform baseline.
        gate: the gate.
        window: of the SMMA.
        status_every: steps from one write of status and state to the next.
        lexicon: the words that count as English.
        profile: the reference to score against, or the name of one, as for `score`; default broad English.
        acknowledge_halt: continue a run that was halted; the gate starts again.
        on_halt: what a halt does: "stop" only returns the verdict, and the loop ends itself; "raise" raises
            `HaltedRun`, which ends the program with status 3; a function is called once, with the verdict.
        on_verdict: a function that is called with every verdict, for example to log `metrics`.

    Settings that are not given come from the folder, or for a new folder from the defaults in `Settings`.

    Raises:
        HaltedRun: the run in the folder was halted.
        RunFolderBusy: another process, or another monitor in this process, writes to it.
        LaterFormat: a later version wrote the folder.
        OSError: its files cannot be read.
        ValueError: a setting is out of range.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Monitor(folder, vocab_size=8449) as monitor:
    ...     monitor.loss(100, 8.43, source="gutenberg")
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
        window: int | None = None,
        status_every: int = 100,
        lexicon: Lexicon | None = None,
        profile: Profile | str | None = None,
        acknowledge_halt: bool = False,
        on_halt: OnHalt = "stop",
        on_verdict: Callable[[Verdict], object] | None = None,
    ) -> None:
        self._closed = True  # until the folder is open
        if not callable(on_halt) and on_halt not in ("stop", "raise"):
            raise ValueError(f'on_halt {on_halt!r}; expected "stop", "raise" or a function')
        self.on_halt, self.on_verdict = on_halt, on_verdict
        self._fired = False  # the gate has fired, and `on_halt` was not called yet
        self._failing: set[str] = set()  # the user's functions that have failed
        if status_every < 1:
            raise ValueError(f"status_every {status_every!r}; expected a number of steps, 1 or more")
        self.folder = Path(folder)
        self.status_every = status_every
        self.verdict: Verdict | None = None
        self._given = _given(
            gate, smma_window=window, vocab_size=vocab_size, lexicon=lexicon, profile=profile
        )
        own = DEFAULTS._replace(**self._given)
        self.signals = Signals(gate or Gate(), LossTracker(own.vocab_size, own.smma_window), own.profile)
        self._memory = Memory(self.signals)
        self._history: tuple[Entry, ...] = ()
        self._damaged: dict[str, str] = {}  # files that cannot be used, and why
        self._broken_off = False  # Ctrl-C came during a call
        self._acknowledged = acknowledge_halt
        self._restarts = 0
        self._guard = threading.RLock()
        self._forget_position()
        self._open()

    def _forget_position(self) -> None:
        self._memory.forget_position()
        self._kept_step: int | None = None
        self._loss_steps: dict[int, Steps] = {}  # of each thread
        self._opened = {METRICS, SAMPLES}  # the files to which nothing was added since the run was opened

    def _open(self) -> None:
        """Become the writer of the folder, then read how long its files are and what they hold."""
        self._recorder = Recorder(self.folder)
        try:
            self._settle()
            self._restore()
            self._closed = False
            _open_monitors.add(self)
            self._go_on_if_acknowledged()
        except BaseException:
            self._closed = True
            self._recorder.close()
            raise

    @property
    def recording(self) -> bool:
        """Whether everything could be written so far."""
        return self._recorder.recording

    @property
    def unusable(self) -> int:
        """How many values were passed in that could not be used."""
        return self._memory.unusable

    @property
    def gate(self) -> Gate:
        """The gate of the run."""
        return self.signals.gate

    @property
    def settings(self) -> Settings:
        """The current settings: a gate's attributes may be changed during the run."""
        return self._settings._replace(
            **dict(zip(Settings._fields, _of_gate(self.signals.gate), strict=False))
        )

    @property
    def diagnosis(self) -> Diagnosis:
        """What the two signals mean together: at the halt, or now if there was none."""
        with self._guard:
            return self.signals.diagnosis

    @property
    def metrics(self) -> dict[str, float]:
        """The last step's samples as numbers for a tracker, under names that begin with "coherence/".

        The means of the four scores, from 0 to 100; `mean`, of these; `low`, the share of low samples;
        `streak`; `between`, how different the samples are from each other, and `order`, how well their words
        fit English word order, both only if they are known; `action`: 0 continue, 1 watch, 2 pivot, 3 halt.
        Empty before any sample.
        """
        with self._guard:
            return self._memory.metrics()

    @property
    def last_samples(self) -> list[dict[str, Any]]:
        """The last step's samples as rows for a tracker's table, at most 64; empty before any sample.

        Each has `step`, `prompt`, `text`, `low` and the four scores, None if a score cannot be computed.
        """
        with self._guard:
            return self._memory.last_samples()

    @property
    def resume_from(self) -> int | None:
        """The step to go back to; None if there is no such step."""
        with self._guard:
            return self.signals.place.step

    @property
    def last_step(self) -> int | None:
        """The step of the last loss or sample, including those in the folder; None before any."""
        with self._guard:
            return self._memory.last_step

    def loss(
        self, step: Any, loss: Any, source: Any = None, grad_norm: Any = None, beside: Iterable[Any] = ()
    ) -> None:
        """Take the loss of one step.

        A value that is not understood is counted in `unusable` and recorded, and changes nothing.

        Args:
            step: the training step, an integer.
            loss: in nats, a number or a tensor of one; not-a-number has its own trend.
            source: the part of the data mix it belongs to.
            grad_norm: uncovers a not-a-number that was logged as 0.0.
            beside: the names of the metrics logged with it; a reward, a KL divergence or an advantage among
                them shows that the loss is not a cross-entropy.
        """
        with self._taking():
            at, value = given.whole(step), given.number(loss)
            if at is None or value is None:
                what = f"step {given.kind(step)}" if at is None else f"loss {given.kind(loss)}"
                self._set_aside(what, at)
                return
            self._go_to(at, METRICS)
            value = true_loss(value, given.number(grad_norm))
            # Sources are often numbered.
            name = None if source is None else str(given.plain(source)) or None
            kind = given.beside(beside)
            self.signals.loss.update(at, value, name, beside=kind)
            row = {"format": FORMAT, "step": at, "loss": finite_or_none(value), "time": self._memory.now()}
            told = {"source": name, "beside": kind}
            told = {key: each for key, each in told.items() if each is not None}
            self._recorder.append(METRICS, [row | told])
            self._keep(at)

    def sample(self, step: Any, texts: Any, prompts: Any = None) -> Verdict:
        """Take the samples drawn at one step and return the gate's verdict.

        A text that is not understood is counted in `unusable` and recorded; the other texts are taken.

        Args:
            step: the training step, an integer.
            texts: what the model wrote: one text or several, which count in this order, or pairs of a prompt
                and a text. Bytes and chat messages are accepted as well.
            prompts: one for all, or one for each; cut off if a text begins with it.

        Raises:
            HaltedRun: the gate has fired, and `on_halt` is "raise".
            Exception: errors of iterating over `texts` or `prompts` pass through; no text was taken.
        """
        verdict = self.judge(step, texts, prompts)
        if verdict.halt and self.on_halt == "raise":
            raise HaltedRun(verdict.reason)
        return verdict

    def judge(self, step: Any, texts: Any, prompts: Any = None) -> Verdict:
        """Take samples as `sample` does, but let the caller raise after a halt.

        For adapters: every rank has to know of a halt before one of them exits.
        """
        verdict = self._take(step, texts, prompts)
        with self._guard:  # a thread whose verdict came before the halt leaves it to the thread that sees it
            fired = self._fired and verdict.halt
            self._fired = self._fired and not fired
        self._call("on_verdict", self.on_verdict, verdict)
        if fired:
            self._call("on_halt", self.on_halt, verdict)
        return verdict

    def _call(self, name: str, function: object, verdict: Verdict) -> None:
        """Call a function of the user, if it is one; an exception is only logged as a warning."""
        if not callable(function):
            return
        try:
            function(verdict)
        except Exception as error:
            if name not in self._failing:
                self._failing.add(name)
                kind, what = type(error).__name__, printable(str(error))
                log.warning("%s: %s failed: %s: %s; logged once", self._recorder.name, name, kind, what)

    def _take(self, step: Any, texts: Any, prompts: Any) -> Verdict:
        drawn, asked = given.texts(texts), None if prompts is None else given.texts(prompts)
        if prompts is None and drawn is not None and (told := given.pairs(drawn)) is not None:
            asked, drawn = told
            prompts = asked
        with self._taking():
            at = given.whole(step)
            if at is None:
                self._set_aside(f"step {given.kind(step)}", at)
                return self._unchanged("no step")
            if drawn is None:
                self._set_aside(f"texts {given.kind(texts)}", at)
            pairs = self._usable(drawn or [], self._for_each(asked, prompts, len(drawn or []), at), at)
            return self._judge_all(pairs, at) if pairs else self._unchanged("no text")

    def _for_each(self, asked: list[object] | None, prompts: Any, texts: int, step: int) -> list[object]:
        """Return a prompt for each text; None for all if their numbers do not fit."""
        if asked is not None and len(asked) == 1 and asked[0] is prompts:
            return asked * texts
        if asked is None or len(asked) != texts:
            if prompts is not None:
                number = given.kind(prompts) if asked is None else str(len(asked))
                self._set_aside(f"prompts: {number} for {texts} texts", step)
            return [None] * texts
        return asked

    def _usable(
        self, drawn: Sequence[object], prompts: Sequence[object], step: int
    ) -> list[tuple[str, str | None]]:
        pairs = []
        for text, prompt in zip(drawn, prompts, strict=True):
            found = given.text(text)
            if found is None:
                self._set_aside(f"text {given.kind(text)}", step)
            else:
                pairs.append((found, None if prompt is None else given.prompt(prompt)))
        return pairs

    def _judge_all(self, pairs: Sequence[tuple[str, str | None]], step: int) -> Verdict:
        # A new process may draw the last samples again.
        anew = SAMPLES in self._opened
        self._go_to(step, SAMPLES)
        halted, now, first = self.gate.halted, self._memory.now(), 0 if anew else self.gate.next_index(step)
        self._memory.begin_group(step, first, self._recorder.samples.end)
        found = self._memory.judge(step, first, pairs)
        rows = [
            _sample_row(step, index, *pair, *judged, now)
            for index, (pair, judged) in enumerate(zip(pairs, found, strict=True), first)
        ]
        self._recorder.append(SAMPLES, rows)
        verdict = found[-1][1]
        fired = self.gate.halted and not halted
        if fired:
            name, sentence = self._recorder.name, self.signals.diagnosis.sentence
            log.warning("%s: %s. %s", name, verdict.reason, sentence)
        self._fired = self._fired or fired
        self._keep(step, now=fired)
        self.verdict = verdict
        return verdict

    def _unchanged(self, why: str) -> Verdict:
        """Return the current verdict if none of the values passed in could be judged."""
        step = self._memory.last_step or 0
        self.verdict = self.gate.unchanged(step, f"nothing to judge: {why} that could be used")
        return self.verdict

    def note(self, event: Any, step: Any, /, **details: Any) -> None:
        """Record an event of the run among the losses; the audit's report shows it.

        Four names also have an effect. "checkpoint": the trainer has saved one at that step, and the step to
        go back to is one of the saved ones; "checkpoint deleted": it no longer exists; "restart": the run was
        set back to that step; "halt acknowledged": the halted run continues.

        Args:
            event: its name, a word or two: "pivot".
            step: the training step.
            details: anything else to record: `brought_in="code"`.
        """
        with self._taking():
            at, name = given.whole(step), str(given.plain(event))
            if at is None:
                self._set_aside(f"step {given.kind(step)}", at)
                return
            if name == RESTART:
                self._go_back(at, details=details)
            else:
                self._write_event(name, at, details)
                self.signals.take_event(name, at)

    def _write_event(
        self, event: str, step: int, details: Mapping[str, Any], state: Mapping[str, Any] | None = None
    ) -> None:
        row = {
            "format": FORMAT,
            "event": event,
            "step": step,
            "after": self._memory.last_step,
            "details": {str(given.plain(name)): given.plain(each) for name, each in details.items()},
            "time": self._memory.now(),
        }
        self._recorder.append(METRICS, [row if state is None else row | {"state": state}])

    def follow_on(self) -> None:
        """Declare that this process follows the run from outside and did not start it.

        The next samples then continue after the last ones. With a trainer that starts again, they would count
        as the same samples drawn again, or as a restart.
        """
        with self._guard:
            self._opened = set()

    def refuse_halted(self) -> None:
        """Raise if training is about to begin on a run that was halted.

        Raises:
            HaltedRun: the gate has fired, and does not only observe.
        """
        if self._is_refused():
            why = (
                f"{self.folder}: this run was halted: {self.gate.halt_reason}; start from a coherent "
                "checkpoint with another run folder, or acknowledge the halt: "
                "Monitor(..., acknowledge_halt=True)"
            )
            log.error("%s", why)  # Python prints nothing if a SystemExit ends the program
            raise HaltedRun(why)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the run as plain JSON values, for a checkpoint."""
        with self._guard:
            return self.signals.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state from a checkpoint; what the folder holds of later steps stays there.

        With a checkpoint of a halted run the halt is restored too, unless it is acknowledged.

        Raises:
            ValueError: the state is of another format.
        """
        with self._taking():
            state = _as_json(state)
            if self.signals.state_dict() == state:
                return
            self.signals.load_state_dict(state)
            steps = [step for step in (self.gate.step, self.signals.loss.step) if step is not None]
            last = max(steps, default=None)
            self._go_back(0 if last is None else last + 1, state=state)
            self._forget_position()
            self._memory.last_step = last
            self._go_on_if_acknowledged(refuse=False)
            self._save_state()

    def close(self) -> None:
        """Write the status and release the folder."""
        with self._guard:
            if self._closed:
                return
            try:
                if self._recorder.is_ours:
                    self._recover()
                    self._keep(self._memory.last_step or 0, now=True)
            finally:
                self._recorder.close()
                self._closed = True
                _open_monitors.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self._end()

    def _end(self) -> None:
        """Close a monitor that was not closed, unless it is a forked child's copy of its parent's monitor."""
        with suppress(Exception):  # when the interpreter ends, anything may be gone already
            if not self._closed and self._recorder.is_ours:
                self.close()

    @contextmanager
    def _taking(self) -> Iterator[None]:
        """Run one call at a time; remember if Ctrl-C interrupted it: then memory and lines may differ."""
        with self._guard:
            self._recover()
            if _of_gate(self.gate) != self._recorded:
                self._take_settings()
            try:
                yield
            except BaseException as error:
                self._broken_off = self._broken_off or not isinstance(error, Exception)
                raise

    def _recover(self) -> None:
        """After an interrupted call, restore the state from the lines; if some were lost, keep the memory."""
        if self._broken_off and self.recording and not self._closed:
            self._memory.forget()
            self._forget_position()
            self._restore()
            self._opened = set()
        self._broken_off = False

    def _go_on_if_acknowledged(self, refuse: bool = True) -> None:
        if not self._acknowledged:
            if refuse:
                self.refuse_halted()
        elif self._is_refused():
            self._write_event(ACKNOWLEDGED, self._memory.last_step or 0, {})
            self.signals.acknowledge_halt()
            self._save_state()

    def _is_refused(self) -> bool:
        return self.gate.halted and not self.gate.observe_only

    # Settings

    def _settle(self) -> None:
        """Take from the folder the settings that were not given; log once if a given one differs."""
        self._history = self._read_settings()
        stated = self._history[-1].settings if self._history else DEFAULTS
        self._settings = self._memory.settings = stated._replace(**self._given)
        self.signals.configure(self._settings)
        self._recorded = _of_gate(self.gate)
        changes = stated.changes(self._settings) if self._history else []
        if changes:
            log.warning("%s: continues with other settings: %s", self._recorder.name, ", ".join(changes))

    def _read_settings(self) -> tuple[Entry, ...]:
        try:
            return from_json(json.loads((self.folder / SETTINGS).read_text(encoding="utf-8")))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except LaterFormat as error:
            raise LaterFormat(f"{self.folder / SETTINGS}: {error}") from error
        except (ValueError, RecursionError) as error:
            self._damaged[SETTINGS] = str(error)
            return ()

    def _take_settings(self) -> None:
        """Take settings that the gate was given during the run, unless they are invalid."""
        before = self._recorded
        try:
            self.gate.configure(*_of_gate(self.gate))
        except ValueError as error:
            self.gate.configure(*before)
            self._set_aside(f"setting: {error}", self._memory.last_step)
        if _of_gate(self.gate) != before:
            self._record_settings()

    def _record_settings(self) -> None:
        """Record the settings from now on."""
        self._settings, self._recorded = self.settings, _of_gate(self.gate)
        self._memory.settings = self._settings
        self.signals.samples.threshold = self._settings.threshold
        self._history = (*self._history, Entry(self._memory.now(), self._memory.last_step, self._settings))
        self._save_settings()

    def _save_settings(self) -> None:
        self._recorder.replace(SETTINGS, lambda: json.dumps(to_json(self._history), indent=1))

    def _restore(self) -> None:
        """Restore the state from the folder; rename the files that are damaged."""
        if damage := self._memory.restore(self.folder, self._history):
            self._damaged[STATE] = damage
        # Only after all lines were read: a folder that a later version wrote is left unchanged.
        for file, why in self._damaged.items():
            self._recorder.set_aside(file, why)
        self._damaged = {}
        if not self._history or self._history[-1].settings.named() != self._settings.named():
            self._record_settings()

    # Restarts

    def _go_to(self, step: int, file: str) -> None:
        """Move to the step of a loss or a sample; if it is too far back, mark a restart."""
        if self._is_restart(step, file):
            self._restarts += 1
            if self._restarts == 2:
                log.warning(
                    "%s: the steps went back a second time, from %s to %d; if nothing was restarted, pass "
                    "late values in the order of their steps",
                    *(self._recorder.name, self._memory.last_step, step),
                )
            self._go_back(step)
        if file == METRICS:
            self._steps_here().take(step)
            self._memory.last_loss = step
        self._opened.discard(file)
        self._memory.last_step = step

    def _is_restart(self, step: int, file: str) -> bool:
        last = self.gate.step if file == SAMPLES else self._memory.last_loss
        if file in self._opened and last is not None and step < last:
            return True  # a new process does not answer late
        return self.gate.is_restart(step) if file == SAMPLES else self._steps_here().is_restart(step)

    def _steps_here(self) -> Steps:
        """Return the steps of the losses that this thread logs: those of several threads are not in order."""
        thread = threading.get_ident()
        if thread not in self._loss_steps:
            if len(self._loss_steps) >= THREADS:
                self._loss_steps.clear()
            self._loss_steps[thread] = Steps(LATE, REACH)
        return self._loss_steps[thread]

    def _go_back(
        self, step: int, details: Mapping[str, Any] | None = None, state: Mapping[str, Any] | None = None
    ) -> None:
        """Mark a restart."""
        self._write_event(RESTART, step, details or {}, state)
        self.signals.take_event(RESTART, step, state)
        self._loss_steps, self._opened, self._kept_step, self._memory.last_loss = {}, set(), None, None

    # What is written

    def _set_aside(self, what: str, step: int | None) -> None:
        """Count a value that cannot be used and record it; log it once."""
        self._memory.unusable += 1
        what = printable(what)
        if self.unusable == 1:
            log.warning(
                "%s: not usable, skipped: %s; more of the kind are counted in metrics.jsonl",
                *(self._recorder.name, what),
            )
        at = step if step is not None else self._memory.last_step or 0
        row = {"format": FORMAT, "step": at, "unusable": what, "time": self._memory.now()}
        self._recorder.append(METRICS, [row])

    def _keep(self, step: int, now: bool = False) -> None:
        """Write state and status if they are due.

        Between two writes the lines are the record; the state is also due after a line could not be written.
        """
        recorder = self._recorder
        due = now or self._kept_step is None or step >= self._kept_step + self.status_every
        if due:
            self._kept_step = step
            recorder.look()
        if recorder.anew:
            recorder.anew = False
            self._save_settings()
        failed = not recorder.recording
        if recorder.gap and not recorder.failed(SAMPLES):
            self._write_event("lines lost", step, {})
            recorder.gap = recorder.failed(METRICS)
        if recorder.failed(SETTINGS):
            self._save_settings()
        if due or failed:
            self._save_state()
        if due or recorder.failed(STATUS):
            self._save_status()

    def _save_status(self) -> None:
        self._recorder.replace(
            STATUS, lambda: Status.of(self.signals, self.last_step, self.unusable).to_json(indent=1)
        )

    def _save_state(self) -> None:
        # The lines are the record and can be read again, so this write need not wait for the disk.
        self._recorder.replace(STATE, lambda: sealed(self._saved()), durable=False)

    def _saved(self) -> dict[str, Any]:
        return self._memory.saved(self._recorder.metrics.end, self._recorder.samples.end)


def _as_json(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state as it comes back from a file: a framework may have converted our numbers to numpy's.

    Raises:
        ValueError: it is not a state.
    """
    try:
        return dict(json.loads(json.dumps(state, default=given.plain)))
    except (TypeError, RecursionError) as error:
        raise ValueError(f"not a state of a run: {error}") from error


def _of_gate(gate: Gate) -> tuple[Any, ...]:
    """Return the settings of a gate, in the order of `Settings`."""
    return gate.threshold, gate.patience, gate.window, gate.warmup, gate.observe_only


def _given(gate: Gate | None, **others: Any) -> dict[str, Any]:
    """Return the settings that were given, by their names; those that are None were not, except in a gate."""
    of_gate = {} if gate is None else dict(zip(Settings._fields, _of_gate(gate), strict=False))
    for name in ("smma_window", "vocab_size"):
        if others[name] is not None and (number := given.whole(others[name])) is not None:
            others[name] = number  # numpy's, as a plain one; other values are refused later
    if others["profile"] is not None:
        others["profile"] = Profile.load(others["profile"])
    return of_gate | {name: value for name, value in others.items() if value is not None}


def _sample_row(
    step: int, index: int, text: str, prompt: str | None, scores: Scores, verdict: Verdict, time: float
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "step": step,
        "index": index,
        "prompt": prompt,
        "text": text,
        "scores": dict(zip(SCALES, scores.values, strict=True)),
        "low": verdict.low,
        "streak": verdict.streak,
        "time": time,
    }
