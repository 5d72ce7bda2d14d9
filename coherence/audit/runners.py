"""Scoring the shards of a dump: one after the other here, or by another runner (`processes`, `ray`).

An output that exists is done, so a dump that was interrupted goes on where it stopped. Source:
docs/report.md, "Large dumps".
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from coherence.audit.shard import ScoringSettings, Shard, score_shard
from coherence.audit.store import Output, fingerprint

ATTEMPTS = 3
"""How often a shard may kill its worker before it is skipped."""

Scoring = Iterator[tuple[Shard, Output | None]]
"""Each shard with its output as it is done; without one if it has killed its workers."""

Runner = Callable[[Sequence[Shard], ScoringSettings], Scoring]


def score_into(
    folder: Path,
    shards: Sequence[Shard],
    settings: ScoringSettings,
    runner: Runner,
    done: Callable[[Output], None] = lambda _output: None,
) -> tuple[list[Output], list[Shard]]:
    """Score the shards whose output is not in a folder yet; return all outputs, and the shards skipped.

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


def score_one(shard: Shard, settings: ScoringSettings) -> Output:
    """Score one shard: what every runner runs."""
    return Output.of(shard, score_shard(shard, settings))


def here(shards: Sequence[Shard], settings: ScoringSettings) -> Scoring:
    """Score shards in this process."""
    for shard in shards:
        yield shard, score_one(shard, settings)
