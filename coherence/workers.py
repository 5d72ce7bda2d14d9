"""Scoring the shards of a dump: one after the other here, or in worker processes.

An output that exists is done, so a dump that was broken off goes on where it stopped. Source:
docs/report.md, "Large dumps".
"""

import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from threading import Thread

from coherence.outputs import Output, fingerprint
from coherence.shards import Settings, Shard, score_shard

ATTEMPTS = 3
"""How often a shard may kill its worker before it is set aside."""

AHEAD = 2
"""Shards in flight for each worker: the next one is there when it has done the last."""

Scoring = Iterator[tuple[Shard, Output | None]]
"""Each shard with its output as it is done; without one if it has killed its workers."""

Runner = Callable[[Sequence[Shard], Settings], Scoring]


def score_into(
    folder: Path,
    shards: Sequence[Shard],
    settings: Settings,
    runner: Runner,
    done: Callable[[Output], None] = lambda _output: None,
) -> tuple[list[Output], list[Shard]]:
    """Score the shards whose output is not in a folder yet; return all outputs, and the shards set aside.

    Ctrl-C ends it early: the outputs that are there are returned, which are then fewer than the shards.

    Args:
        folder: where the outputs go.
        shards: of the dump.
        settings: how to score.
        runner: what scores them: `here`, a pool of processes, a cluster.
        done: is shown each output.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {shard.number: folder / fingerprint(shard, settings) for shard in shards}
    outputs: dict[int, Output] = {}
    aside: list[Shard] = []

    def load(shard: Shard) -> None:
        outputs[shard.number] = Output.load(shard, paths[shard.number])
        done(outputs[shard.number])

    try:
        for shard in shards:
            with suppress(OSError, ValueError):  # not there, or cut off when the power went
                load(shard)
        for shard, output in runner([shard for shard in shards if shard.number not in outputs], settings):
            if output is None:
                aside.append(shard)
            else:
                output.save(paths[shard.number])
                load(shard)
    except KeyboardInterrupt:
        pass
    return [outputs[number] for number in sorted(outputs)], aside


def score_one(shard: Shard, settings: Settings) -> Output:
    """Score one shard: what every runner runs."""
    return Output.of(shard, score_shard(shard, settings))


def here(shards: Sequence[Shard], settings: Settings) -> Scoring:
    """Score shards in this process."""
    for shard in shards:
        yield shard, score_one(shard, settings)


def in_processes(workers: int) -> Runner:
    """Return what scores shards in so many processes.

    A worker that dies takes the others with it; what was in flight is then scored one at a time, each in a
    process of its own, and set aside if it kills that too.
    """

    def run(shards: Sequence[Shard], settings: Settings) -> Scoring:
        waiting = list(reversed(shards))
        while waiting:
            suspects = yield from _until_broken(waiting, settings, workers)
            for shard in suspects:
                yield shard, _alone(shard, settings)

    return run


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Start workers, and end them at once when they are left: Ctrl-C does not wait for their shards."""
    others = set(active_children())
    # Spawned: a fork of a process with threads may hang.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in set(active_children()) - others:
            worker.terminate()
        pool.shutdown()


def _begin() -> None:
    """Leave Ctrl-C to the parent, and end when it does: one that is killed cannot say so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)


def _until_broken(
    waiting: list[Shard], settings: Settings, workers: int
) -> Generator[tuple[Shard, Output | None], None, list[Shard]]:
    """Score what is waiting; return what was in flight when a worker died."""
    flying: dict[Future[Output], Shard] = {}
    with _pool(workers) as pool:
        try:
            while waiting or flying:
                while waiting and len(flying) < AHEAD * workers:
                    flying[pool.submit(score_one, waiting[-1], settings)] = waiting[-1]
                    waiting.pop()
                for future in wait(flying, return_when=FIRST_COMPLETED).done:
                    output = future.result()
                    yield flying.pop(future), output
        except BrokenProcessPool:
            return list(flying.values())
    return []


def _alone(shard: Shard, settings: Settings) -> Output | None:
    for _ in range(ATTEMPTS):
        with _pool(1) as pool:
            try:
                return pool.submit(score_one, shard, settings).result()
            except BrokenProcessPool:
                continue
    return None
