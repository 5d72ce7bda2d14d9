"""Scoring the shards of a dump in worker processes, which may die. Source: docs/report.md, "Large dumps"."""

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process, resource_tracker
from threading import Thread

from coherence.audit.runners import ATTEMPTS, Runner, Scoring, score_one
from coherence.audit.shard import ScoringSettings, Shard
from coherence.audit.store import Output


def in_processes(workers: int) -> Runner:
    """Return what scores shards in so many processes.

    Each worker has one shard at a time, so that it is known which one has killed it. A new worker scores that
    again; one that kills all its workers is set aside.
    """

    def run(shards: Sequence[Shard], settings: ScoringSettings) -> Scoring:
        waiting = list(reversed(shards))
        deaths: Counter[int] = Counter()
        with _workers() as start:
            free = [start() for _ in range(min(workers, len(shards)))]
            flying: dict[Future[Output], tuple[ProcessPoolExecutor, Shard]] = {}
            while waiting or flying:
                while waiting and free:
                    worker = free.pop()
                    try:
                        with _without_ctrl_c():
                            flying[worker.submit(score_one, waiting[-1], settings)] = worker, waiting[-1]
                        waiting.pop()
                    except BrokenProcessPool:  # it died with nothing to do
                        free.append(start())
                for future in wait(flying, return_when=FIRST_COMPLETED).done:
                    worker, shard = flying.pop(future)
                    output = _output(future)
                    free.append(worker if output else start())
                    deaths[shard.number] += output is None
                    if output or deaths[shard.number] == ATTEMPTS:
                        yield shard, output
                    else:
                        waiting.append(shard)

    return run


def _output(future: Future[Output]) -> Output | None:
    """Return the output of a shard, none if its worker has died."""
    try:
        return future.result()
    except BrokenProcessPool:
        return None


@contextmanager
def _workers() -> Iterator[Callable[[], ProcessPoolExecutor]]:
    """Yield what starts a worker, and end them all at once: Ctrl-C does not wait for their shards."""
    others = set(active_children())
    started: list[ProcessPoolExecutor] = []

    def start() -> ProcessPoolExecutor:
        # Spawned: a fork of a process with threads may hang.
        started.append(ProcessPoolExecutor(1, get_context("spawn"), _begin))
        return started[-1]

    try:
        yield start
    finally:
        for worker in started:
            worker.shutdown(wait=False, cancel_futures=True)
        for process in set(active_children()) - others:
            process.terminate()
        for worker in started:
            worker.shutdown()


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Keep Ctrl-C from the worker that is started in here, already while it begins: it is for the parent."""
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # when that is started it lets the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    """Leave Ctrl-C to the parent, and end when it does: one that is killed cannot say so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
