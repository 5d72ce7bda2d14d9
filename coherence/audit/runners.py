"""Scoring the shards of a dump: one after another here, or by another runner (`processes`, `ray`).

An output that exists is done, so the audit of a dump that was interrupted resumes where it stopped. Source:
docs/report.md, "Large dumps".
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from coherence.audit.shard import ScoringSettings, Shard, score_shard
from coherence.audit.store import Output, fingerprint

ATTEMPTS = 3
"""How often a shard may crash its worker before it is skipped."""

Scoring = Iterator[tuple[Shard, Output | None]]
"""Each shard with its output when it is done; without an output if it has crashed its workers."""

Runner = Callable[[Sequence[Shard], ScoringSettings], Scoring]


def score_into(
    folder: Path,
    shards: Sequence[Shard],
    settings: ScoringSettings,
    runner: Runner,
    done: Callable[[Output], None] = lambda _output: None,
) -> tuple[list[Output], list[Shard]]:
    """Score the shards whose outputs are not in a folder yet; return all outputs, and the skipped shards.

    Ctrl-C ends it early: then only the existing outputs are returned, fewer than the shards.

    Args:
        folder: where the outputs go.
        shards: of the dump.
        settings: how to score.
        runner: scores them: `here`, a pool of processes, or a cluster.
        done: is called with each output.
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
            with suppress(OSError, ValueError):  # missing, or cut off by a power failure
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


def score_one(shard: Shard, settings: ScoringSettings) -> Output:
    """Score one shard; every runner runs this."""
    return Output.of(shard, score_shard(shard, settings))


def here(shards: Sequence[Shard], settings: ScoringSettings) -> Scoring:
    """Score shards in this process."""
    for shard in shards:
        yield shard, score_one(shard, settings)
