"""What the adapters share, without any framework.

Source: docs/trainers/.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from coherence.run.monitor import Monitor
from coherence.signals.gate import Verdict

T = TypeVar("T")
Draw = Callable[[Any, int], Sequence[str]]
"""Draws samples: takes the model and the step, returns what the model wrote, without the prompts."""
Send = Callable[[Any], Any]
"""Gives every rank the value of rank 0: all call it, each with its own."""

WARMUP_SHARE = 0.05  # of the run: a young model loops, and recovers

log = logging.getLogger("coherence")


def missing(adapter: str, library: str) -> ImportError:
    """Return the error that names the extra which brings a library.

    >>> missing("lightning", "lightning")
    ImportError("coherence.trainers.lightning needs lightning: pip install 'coherence[lightning]'")
    """
    extra = adapter.removesuffix("_loop")
    return ImportError(f"coherence.trainers.{adapter} needs {library}: pip install 'coherence[{extra}]'")


def check_every(every: int) -> int:
    """Return the number of steps between two samplings.

    Raises:
        ValueError: it is below 1.

    >>> check_every(500)
    500
    """
    if every < 1:
        raise ValueError(f"every {every!r}; expected a number of steps, 1 or more")
    return every


def begin(monitor: Monitor, warmup: int | None, steps: float | None) -> None:
    """Refuse a halted run; else see to it that the gate passes over a young model's samples.

    Args:
        monitor: of the run.
        warmup: the first step that is judged; None for 5 % of the run, unless the gate has a warm-up.
        steps: how long the run will be; None, infinite or not positive where that is not known.

    Raises:
        HaltedRun: its gate has fired.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Monitor(folder) as monitor:
    ...     begin(monitor, warmup=None, steps=10_000)
    ...     monitor.gate.warmup
    500
    """
    monitor.refuse_halted()
    gate = monitor.gate
    if warmup is not None:
        gate.warmup = warmup
    elif gate.warmup == 0 and steps is not None and 0 < steps < float("inf"):
        gate.warmup = int(WARMUP_SHARE * steps)
        log.info("samples are judged from step %d on, after 5 %% of the run", gate.warmup)


def say_halt(verdict: Verdict) -> None:
    """Log why training stops.

    >>> say_halt(Verdict(True, True, True, 5, 5, 2500, (), "5 samples in a row scored below 30"))
    """
    log.warning("training stops at step %d: %s", verdict.step, verdict.reason)


def from_rank_zero(monitor: Monitor | None, work: Callable[[Monitor], T], send: Send) -> T:
    """Return what `work(monitor)` returns on rank 0, on every rank; the others have None for a monitor.

    Raises:
        RuntimeError: rank 0 has no monitor, or, on the other ranks, its work has failed. Rank 0 raises what
            the work raised: none is left waiting.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Monitor(folder) as monitor:
    ...     from_rank_zero(monitor, lambda monitor: monitor.gate.patience, send=lambda value: value)
    5
    """
    failed: Exception | None = None
    answer: tuple[T | None, str | None] = None, "rank 0 has no monitor; expected it to have one"
    if monitor is not None:
        try:
            answer = work(monitor), None
        except Exception as error:  # whatever it is, the other ranks wait for an answer
            failed, answer = error, (None, f"rank 0 failed: {type(error).__name__}: {error}")
    result, failure = send(answer)
    if failed is not None:
        raise failed
    if failure is not None:
        raise RuntimeError(failure)
    found: T = result
    return found
