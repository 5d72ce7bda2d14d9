"""Scoring the shards of a dump on a Ray cluster, one task each (extra `ray`).

Source: docs/report.md, "Large dumps".
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from coherence.audit.runners import ATTEMPTS, Runner, Scoring, score_one
from coherence.audit.shard import ScoringSettings, Shard
from coherence.audit.store import Output
from coherence.lazy import needs

AHEAD = 2
"""Shards in flight for each processor, so that the next one is there when one is done."""

STORE = 128 * 2**20
"""Bytes of the object store of a Ray that is started here: it holds a few outputs in transit."""


def on_ray(address: str) -> Runner:
    """Return a runner that scores shards on a Ray cluster.

    Every node must reach the files of the dump by the same paths, and have this package installed. Ray
    restarts a task whose worker or node is lost; a shard that has crashed three workers is skipped.

    Args:
        address: of the cluster; `auto` for the one that this machine belongs to, `local` for one that is
            started here and ends with the scoring.

    Raises:
        ValueError: ray is missing.
    """
    if find_spec("ray") is None:
        raise ValueError(f"--ray {needs('ray', 'ray')}")

    def run(shards: Sequence[Shard], settings: ScoringSettings) -> Scoring:
        if shards:
            with _connected(address) as ray:
                yield from _score(ray, shards, settings)

    return run


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Connect to a cluster, or start one; an existing connection is used and left open."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read when ray is imported, so that nothing is sent anywhere
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # without it Ray warns of a later change
    ray = import_module("ray")
    if ray.is_initialized():
        yield ray
        return
    own = {"include_dashboard": False, "object_store_memory": STORE} if address == "local" else {}
    ray.init(address, logging_level=logging.ERROR, log_to_driver=False, **own)
    try:
        yield ray
    finally:
        ray.shutdown()


def _score(ray: Any, shards: Sequence[Shard], settings: ScoringSettings) -> Scoring:
    task = ray.remote(num_cpus=1, max_retries=ATTEMPTS - 1)(_score_there)
    stored, folder = ray.put(settings), str(Path.cwd())
    waiting = list(reversed(shards))
    flying: dict[Any, Shard] = {}
    while waiting or flying:
        while waiting and len(flying) < AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1))):
            shard = waiting.pop()
            flying[task.remote(shard, stored, folder)] = shard
        for done in ray.wait(list(flying))[0]:
            yield flying.pop(done), _output(ray, done)


def _output(ray: Any, done: Any) -> Output | None:
    """Return the result of a task; None if it has crashed its workers.

    Raises:
        OSError, ValueError: the task raised it, or the cluster cannot run the task.
    """
    lost = ray.exceptions
    try:
        output: Output = ray.get(done)
    except (lost.WorkerCrashedError, lost.NodeDiedError, lost.OutOfMemoryError, lost.ObjectLostError):
        return None
    except lost.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, OSError | ValueError):
            raise cause from None
        raise OSError(f"Ray: {str(error).strip().splitlines()[-1]}") from error
    return output


def _score_there(shard: Shard, settings: ScoringSettings, folder: str) -> Output:
    """Score a shard in a worker, which may have started in another folder than the paths refer to."""
    with suppress(OSError):  # the folder does not exist on this node: then the paths are URLs, or absolute
        os.chdir(folder)
    return score_one(shard, settings)
