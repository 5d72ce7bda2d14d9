"""The parts that the adapters share, without any framework.

Source: docs/trainers/.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn, TypeVar
from weakref import WeakKeyDictionary

from coherence.lazy import needs
from coherence.run.monitor import HaltedRun, Monitor
from coherence.run.stop import STOP, reason_to_stop
from coherence.signals.both import RESTART
from coherence.signals.gate import Verdict

T = TypeVar("T")
Draw = Callable[[Any, int], Sequence[str] | Sequence[tuple[Any, str]]]
"""Draws samples: takes the model and the step, returns texts without prompts, or (prompt, text) pairs."""
Send = Callable[[Any], Any]
"""Gives every rank the value of rank 0: every rank calls it with its own value."""

WARMUP_SHARE = 0.05  # of the run: a model loops early in training, and recovers

RELEASE = 0.2
"""For how many seconds the GIL is released before a program ends."""

log = logging.getLogger("coherence")

_own_warmup: WeakKeyDictionary[Monitor, int] = WeakKeyDictionary()
"""The warm-up that an adapter set in the gate of a monitor."""


def missing(adapter: str, library: str) -> ImportError:
    """Return the error that names a library and the extra that installs it.

    >>> print(missing("keras", "keras"))
    coherence.trainers.keras needs keras: pip install keras, or in a clone pip install '.[keras]'
    """
    return ImportError(f"coherence.trainers.{adapter} {needs(library, adapter.removesuffix('_loop'))}")


def release_the_threads() -> None:
    """Let threads of torch free their last tensors before the program ends.

    Threads of gloo need the GIL for that. A program that ends while such a thread waits for the GIL can hang
    for ever, in the destructor of the process group.
    """
    time.sleep(RELEASE)


def draw_nothing(_model: Any, _step: int) -> list[str]:
    """Draw no samples, because another process draws them.

    >>> draw_nothing(None, 100)
    []
    """
    return []


class Judged(NamedTuple):
    """What rank 0 sends to the other ranks about the samples of a step.

    Attributes:
        verdict: the gate's verdict.
        metrics: the samples as numbers, for a tracker.
        raises: whether a halt raises `HaltedRun` after the training has ended.
    """

    verdict: Verdict
    metrics: dict[str, float]
    raises: bool

    @classmethod
    def of(cls, monitor: Monitor, step: int, drawn: Any) -> "Judged":
        """Judge samples with the monitor; the verdict is a halt as well if another process asks to stop."""
        verdict = monitor.judge(step, drawn)
        why = None if verdict.halt else _asked_to_stop(monitor)
        if why is not None:
            monitor.note("asked to stop", step, reason=why)
            verdict = verdict._replace(halt=True, step=step, reason=why)
        return cls(verdict, monitor.metrics, monitor.on_halt == "raise")

    def raise_if_asked(self) -> None:
        """End the program after a halt, if the monitor was asked to.

        Raises:
            HaltedRun: the gate has fired, and `on_halt` of the monitor is "raise".
        """
        if self.raises and self.verdict.halt:
            self.end()

    def end(self) -> NoReturn:
        """End the program.

        Raises:
            HaltedRun: always.
        """
        release_the_threads()
        raise HaltedRun(self.verdict.reason)


def _asked_to_stop(monitor: Monitor) -> str | None:
    """Return the reason for which another process asks the run to stop; None if none asks."""
    path = monitor.folder / STOP
    why = reason_to_stop(path)
    return None if why is None else f"{path} asks to stop" + (f": {why}" if why else "")


def check_every(every: int) -> int:
    """Return the sampling interval in steps, if it is valid.

    Raises:
        ValueError: it is below 1.

    >>> check_every(500)
    500
    """
    if every < 1:
        raise ValueError(f"every {every!r}; expected a number of steps, 1 or more")
    return every


def begin(monitor: Monitor, warmup: int | None, steps: float | None, step: int = 0) -> None:
    """Refuse a run that was halted or is asked to stop; else set the gate's warm-up.

    A training that begins at an earlier step than the monitor has seen is recorded as a restart: a second
    trainer with the same monitor, for example.

    Args:
        monitor: of the run.
        warmup: the first step that is judged; None for 5 % of the run, unless the gate has a warm-up.
        steps: the length of the run; None, infinite or not positive if it is not known.
        step: the last step of the training so far.

    Raises:
        HaltedRun: its gate has fired, or its folder holds a file `stop`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Monitor(folder) as monitor:
    ...     begin(monitor, warmup=None, steps=10_000)
    ...     monitor.gate.warmup
    500
    """
    monitor.refuse_halted()
    if (why := _asked_to_stop(monitor)) is not None:
        log.error("%s; remove the file to train on", why)  # Python prints nothing for this SystemExit
        raise HaltedRun(why)
    if monitor.last_step is not None and step < monitor.last_step:
        monitor.note(RESTART, step + 1)
    gate = monitor.gate
    if warmup is not None:
        gate.warmup = warmup
    elif gate.warmup in (0, _own_warmup.get(monitor)) and steps is not None and 0 < steps < float("inf"):
        # A second trainer with the same monitor has its own warm-up.
        gate.warmup = _own_warmup[monitor] = int(WARMUP_SHARE * steps)
        log.info("samples are judged from step %d on, after 5 %% of the run", gate.warmup)


def say_halt(verdict: Verdict) -> None:
    """Log why training stops.

    >>> say_halt(Verdict(True, True, True, 5, 5, 2500, (), "5 samples in a row scored below 30"))
    """
    log.warning("training stops at step %d: %s", verdict.step, verdict.reason)


def from_rank_zero(monitor: Monitor | None, work: Callable[[Monitor], T], send: Send) -> T:
    """Return on every rank what `work(monitor)` returns on rank 0; on other ranks `monitor` is None.

    Raises:
        HaltedRun: on every rank, if the work raised it.
        RuntimeError: rank 0 has no monitor, or, on the other ranks, its work has failed. Rank 0 raises what
            the work raised. No rank is left waiting.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Monitor(folder) as monitor:
    ...     from_rank_zero(monitor, lambda monitor: monitor.gate.patience, send=lambda value: value)
    5
    """
    failed: BaseException | None = None
    answer: tuple[T | None, BaseException | None] = None, RuntimeError("rank 0 has no monitor; it needs one")
    if monitor is not None:
        try:
            answer = work(monitor), None
        except HaltedRun as error:
            failed, answer = error, (None, HaltedRun(str(error)))
        except (Exception, SystemExit) as error:  # in any case, because the other ranks wait for an answer
            failed, answer = error, (None, RuntimeError(f"rank 0 failed: {type(error).__name__}: {error}"))
    result, failure = send(answer)
    if isinstance(failure, HaltedRun):
        release_the_threads()
    if failed is not None:
        raise failed
    if failure is not None:
        raise failure
    found: T = result
    return found
