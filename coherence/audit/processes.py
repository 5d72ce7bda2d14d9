"""Scoring the shards of a dump in worker processes, which may die. Source: docs/report.md, "Large dumps"."""

import os
import pickle
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from threading import Thread
from traceback import format_exc
from typing import Any, NamedTuple

from coherence.audit.runners import ATTEMPTS, Runner, Scoring, score_one
from coherence.audit.shard import ScoringSettings, Shard
from coherence.audit.store import Output

if sys.platform == "win32":
    from multiprocessing.connection import PipeConnection as Connection
else:
    from multiprocessing.connection import Connection

MOST_WORKERS = 60 if sys.platform == "win32" else sys.maxsize
"""Windows cannot wait for more at a time."""


class _Worker(NamedTuple):
    """A process that scores one shard at a time, and the pipe to it."""

    process: BaseProcess
    pipe: Connection


def in_processes(workers: int) -> Runner:
    """Return a runner that scores shards in this many processes.

    Each worker has one shard at a time, so it is known which shard crashed it. A new worker scores that
    shard again; a shard that crashes all its workers is skipped.
    """

    def run(shards: Sequence[Shard], settings: ScoringSettings) -> Scoring:
        waiting = list(reversed(shards))
        deaths: Counter[int] = Counter()
        with _workers() as start:
            free = [start() for _ in range(min(workers, len(shards), MOST_WORKERS))]
            flying: dict[Connection, tuple[_Worker, Shard]] = {}
            while waiting or flying:
                while waiting and free:
                    worker, shard = free.pop(), waiting.pop()
                    with suppress(OSError):  # it has died, which is noticed when its answer is awaited
                        worker.pipe.send((shard, settings))
                    flying[worker.pipe] = worker, shard
                ready: list[Any] = wait(list(flying))
                for pipe in ready:
                    worker, shard = flying.pop(pipe)
                    output = _output(pipe)
                    free.append(worker if output else start())
                    deaths[shard.number] += output is None
                    if output or deaths[shard.number] == ATTEMPTS:
                        yield shard, output
                    else:
                        waiting.append(shard)

    return run


def _output(pipe: Connection) -> Output | None:
    """Return the output of a shard; None if its worker has died, perhaps having sent half of it."""
    try:
        answer = pipe.recv()
    except (EOFError, OSError):
        return None
    if isinstance(answer, Exception):
        raise answer
    return answer if isinstance(answer, Output) else None


@contextmanager
def _workers() -> Iterator[Callable[[], _Worker]]:
    """Yield a function that starts a worker, and kill all at the end: Ctrl-C does not wait for shards."""
    # Spawned: a fork of a process with threads may hang.
    context = get_context("spawn")
    started: list[_Worker] = []

    def start() -> _Worker:
        pipe, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _without_ctrl_c():
            process.start()
        theirs.close()  # the worker has the only other end, so the pipe closes when it dies
        started.append(_Worker(process, pipe))
        return started[-1]

    try:
        yield start
    finally:
        for worker in started:
            worker.process.kill()  # it may have been started with SIGTERM ignored
            worker.pipe.close()
        for worker in started:
            worker.process.join()


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Keep Ctrl-C from a worker that is started in this context, from its beginning: it is for the parent."""
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # starting it would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection) -> None:
    """Score shards until no more come; a worker runs this.

    It leaves Ctrl-C to the parent, and ends when the parent does, which may be killed without notice.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        while True:
            shard, settings = pipe.recv()
            pipe.send(_scored(shard, settings))


def _scored(shard: Shard, settings: ScoringSettings) -> Output | Exception:
    """Score a shard; return an error in a form that the parent can unpickle and report."""
    try:
        return score_one(shard, settings)
    except Exception as error:
        error.add_note(f"in a worker:\n{format_exc()}")
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
        except Exception:
            return RuntimeError(f"{type(error).__name__}: {error}")
        return error


def _end_with_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
