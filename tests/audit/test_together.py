"""Samples that are put to the signals together: with the same result as one by one."""

import math
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coherence.audit import replay, summary, timeline
from coherence.audit.build import ReaderNotes, Text, replay_run, report_of
from coherence.audit.losses import Collector, Losses
from coherence.audit.plan import Options
from coherence.audit.replay import Replay, RunRecord
from coherence.audit.rows import ROW, GatedSample, Row, Rows, kinds_of
from coherence.audit.shard import Shard, ShardResult
from coherence.audit.store import Output
from coherence.audit.summary import Summary
from coherence.audit.timeline import Timeline
from coherence.readers.records import Mark, Origin
from coherence.scoring.profile import SCALES, Profile
from coherence.signals.both import ACKNOWLEDGED, DELETED, RESTART, SAVED
from coherence.signals.together import KINDS

THRESHOLD = 30.0
AT_THE_EDGE = (0.0, math.nextafter(THRESHOLD, 0), THRESHOLD, 60.0, 100.0)


def row(random: Random, **told: Any) -> Row:
    """A scored sample, long enough to judge, without a place that a monitor noted."""
    plain: dict[str, Any] = dict.fromkeys(Row._fields, 0) | {"place": -1, "rewarded": -1}
    nothing = dict.fromkeys(("loss", "reward", "time", "between"), math.nan)
    size = {"tokens": 30, "characters": 200}
    hashes = {"text": random.randint(1, random.choice([3, 60])), "prompt": random.choice([7, 7, 8])}
    order = random.choice([{"surplus": random.randint(-9000, 90_000), "pairs": random.randint(30, 60)}, {}])
    return Row(**plain | nothing | size | hashes | order | told)


def scores(random: Random, lowest: float, highest: float) -> dict[str, float]:
    """Four scores in a range, now and then on its edge or missing."""
    edges = [each for each in AT_THE_EDGE if lowest <= each <= highest]
    if random.random() < 0.1:
        return dict.fromkeys(SCALES, random.choice(edges))
    drawn = {scale: random.uniform(lowest, highest) for scale in SCALES}
    for scale in SCALES:
        if random.random() < 0.15:
            drawn[scale] = random.choice([*edges, math.nan])
    return drawn


def any_row(random: Random, step: int, wildness: float) -> Row:
    """A sample of any kind; the wilder, the fewer are fine."""
    if random.random() > wildness:
        return row(random, step=step, **scores(random, THRESHOLD, 100.0))
    kind = random.choice(["low", "low", "low", "templated", "any", "short", "word", "empty", "nothing"])
    if kind == "low":
        return row(random, step=step, **scores(random, 0.0, math.nextafter(THRESHOLD, 0)))
    if kind == "templated":
        return row(random, step=step, template=True, **scores(random, 0.0, 29.0))
    if kind == "any":
        return row(random, step=step, **scores(random, 0.0, 100.0))
    if kind == "short":
        return row(random, step=step, tokens=2, characters=9, **scores(random, 0.0, 100.0))
    if kind == "word":
        return one_word(random, step, random.randint(1, 2))
    size = {"tokens": 0, "characters": 0, "text": 0} if kind == "empty" else {}
    return row(random, step=step, **size | dict.fromkeys(SCALES, 0.0 if kind == "empty" else math.nan))


def one_word(random: Random, step: int, word: int) -> Row:
    return row(random, step=step, word=word, tokens=1, characters=5, **dict.fromkeys(SCALES, math.nan))


def any_rows(random: Random, steps: int) -> Rows:
    """Samples of a run: steps of one sample or of many, wild and tame stretches, losses in some rows."""
    rows, step, wildness = [], 0, 0.1
    for _ in range(steps):
        step += random.choice([1, 1, 1, 7, 100])
        wildness = random.choice([wildness, wildness, 0.0, 0.1, 0.9])
        count = random.choice([1, 1, 2, 8, 30])
        if random.random() < 0.15:
            drawn = [one_word(random, step, 1) for _ in range(count)]
        else:
            drawn = [any_row(random, step, wildness) for _ in range(count)]
        if len(drawn) > 1 and random.random() < 0.8:
            between = random.choice([random.uniform(0, 100), 20.0])
            at = random.choice([0, 0, len(drawn) - 1])
            drawn[at] = drawn[at]._replace(compared=len(drawn), between=between)
            drawn[0] = drawn[0]._replace(compared=2, between=random.uniform(0, 90))
        if random.random() < 0.7:
            loss = random.choice([9 / (1 + step / 90), 9 / (1 + step / 90), math.nan, 0.0])
            drawn = [each._replace(has_loss=True, loss=loss) for each in drawn]
        rows += drawn
    found = np.array(rows, ROW)
    found["row"], found["line"] = np.arange(len(found)), np.arange(len(found)) + 1
    return found


def outputs(random: Random, rows: Rows) -> list[Output]:
    """The samples as they come from shards: one after another, or the samples of a step in several."""
    if random.random() < 0.5:
        cuts = sorted(random.sample(range(len(rows) + 1), k=min(2, len(rows))))
        parts = np.split(rows, cuts)
    else:
        of = np.array([random.randint(0, 1) for _ in rows])
        parts = [rows[of == number] for number in range(2)]
    results = [ShardResult(part, [""], [], [], 0, [], []) for part in parts]
    return [Output.of(Shard(0, ()), result) for result in results if len(result.rows)]


def some_losses(random: Random, rows: Rows) -> Losses | None:
    """Losses of their own, at steps with samples and without; None for those in the rows."""
    if random.random() < 0.3:
        return None
    collector = Collector()
    for step in range(0, int(rows["step"][-1]) + 20, random.choice([1, 5, 60])):
        loss = random.choice([8 / (1 + step / 50)] * 9 + [math.inf])
        collector.add(step, loss, random.choice([None, None, "books"]))
    return collector.losses()


def some_marks(random: Random, rows: Rows) -> list[Mark]:
    last = int(rows["step"][-1])
    events = [SAVED, SAVED, SAVED, DELETED, RESTART, ACKNOWLEDGED]
    count = random.choice([0, 0, 3, 10])
    return [Mark(None, random.choice(events), random.randint(0, last + 1)) for _ in range(count)]


def told(played: Replay, seen: Summary, line: Timeline) -> dict[str, Any]:
    """Everything that a replay tells; as text where not-a-number would differ from itself."""
    shown = Text("Budy Budy Budy", None, Origin("samples.jsonl", 1))
    kept = (*seen.worst, *seen.best, *seen.looked_at, seen.first, *([played.halted] if played.halted else []))
    texts = {each.address: shown for each in kept if each is not None}
    return {
        "report": report_of(played, seen, line, ReaderNotes(), texts).to_json(),
        "state": played.signals.state_dict(),
        "kept": list(map(repr, kept)),
        "last": repr((played.last, played.place)),
        "seen": (seen.counts, bool(seen.greedy), seen.first_alike),
    }


def both_ways(random: Random, steps: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same run, together and one by one."""
    rows = any_rows(random, steps)
    line = Timeline(outputs(random, rows), "")
    given, record = some_losses(random, rows), RunRecord(marks=tuple(some_marks(random, rows)))
    options = Options(
        warmup=random.choice([0, 0, 5, 300]),
        patience=random.choice([1, 2, 5, 5]),
        window=random.choice([None, None, None, 8]),
        threshold=random.choice([THRESHOLD, 60.0]),
        profile=random.choice([None, Profile.load("code")]),
    )
    seen: list[GatedSample] = []
    together, alone = (replay_run(line, given, options, see, record) for see in ((), (seen.append,)))
    assert len(seen) == len(rows), "whoever looks at each sample is shown each"
    return told(*together, line), told(*alone, line)


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(
    seed=st.integers(0),
    steps=st.integers(1, 40),
    many=st.sampled_from([1, 30, 8192]),
    chunk=st.sampled_from([3, 20, 1024]),
    few=st.sampled_from([1, 64]),
    kept=st.sampled_from([3, 10_000]),
    columns=st.sampled_from([4, 10_000]),
)
def test_samples_that_come_together_tell_what_they_tell_one_by_one(
    seed: int, steps: int, many: int, chunk: int, few: int, kept: int, columns: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "MANY", many)
        patch.setattr(replay, "FEW", few)
        patch.setattr(timeline, "CHUNK", chunk)
        patch.setattr(summary, "KEPT", kept)
        patch.setattr(summary, "COLUMNS", columns)
        together, alone = both_ways(Random(seed), steps)  # noqa: S311 - it draws samples, not secrets
    for what, found in alone.items():
        assert together[what] == found, what


@given(st.integers(0), st.floats(0, 1), st.sampled_from([THRESHOLD, 60.0]))
def test_the_kind_of_a_sample_is_the_same_in_a_column(seed: int, wildness: float, threshold: float) -> None:
    random = Random(seed)  # noqa: S311 - it draws samples, not secrets
    rows = [any_row(random, 1, wildness) for _ in range(20)]
    kinds = [KINDS[kind] for kind in kinds_of(np.array(rows, ROW), threshold).tolist()]
    assert kinds == [each.scores.kind(threshold) for each in rows]
