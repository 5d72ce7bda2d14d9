"""The rows of a run in order: sorted, joined at the edges of shards, without what a restart made void."""

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coherence.audit.shard import ScoringSettings, Shard, score_samples
from coherence.audit.store import Output
from coherence.audit.timeline import CHUNK, MOST, Timeline
from coherence.readers.lines import Part
from coherence.readers.read import Piece, PromptedSample
from coherence.readers.records import Sample
from coherence.scoring.between import between_samples
from coherence.scoring.text import tokenize

TEXT = "old man walked along river until evening thought about letter his daughter sent from city"
WORDS = TEXT.split()

Row = tuple[int | None, str]


def output(rows: Sequence[Row], number: int = 0, path: str = "a.jsonl", run: str = "") -> Output:
    """The output of a shard that holds such samples: each a step and a prompt."""
    reads = [
        PromptedSample(
            0,
            run,
            Sample(step, f"text {place} {number}", "samples.jsonl", 1),
            prompt or None,
        )
        for place, (step, prompt) in enumerate(rows)
    ]
    return Output.of(
        Shard(number, (Piece(Part(path), "jsonl", None),)), score_samples(reads, ScoringSettings())
    )


def steps(*shards: Sequence[int | None]) -> list[int]:
    return in_order(Timeline([output([(s, "") for s in shard], n) for n, shard in enumerate(shards)], ""))


def in_order(timeline: Timeline) -> list[int]:
    return [step for chunk in timeline for step in chunk.rows["step"].tolist()]


# Order


@pytest.mark.slow
@given(st.lists(st.lists(st.integers(0, 30), max_size=12), min_size=1, max_size=6))
def test_rows_come_in_the_order_of_their_steps_and_then_of_the_dump(shards: list[list[int]]) -> None:
    outputs = [output([(step, "") for step in shard], n, f"{n}.jsonl") for n, shard in enumerate(shards)]
    for each in outputs:
        each.segments.clear()  # nothing is a restart
    found = [
        (int(row["step"]), number, int(row["row"]))
        for chunk in Timeline(outputs, "")
        for row, number in zip(chunk.rows, chunk.outputs.tolist(), strict=True)
    ]
    told = [(step, n, place) for n, shard in enumerate(shards) for place, step in enumerate(shard)]
    assert found == sorted(told)


@pytest.mark.slow
@pytest.mark.parametrize("count", [CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5])
def test_a_step_that_fills_many_buffers_keeps_the_order_of_the_dump(count: int) -> None:
    outputs = [output([(7, "")] * count, n, f"{n}.jsonl") for n in range(2)]
    found = [
        (number, int(row))
        for chunk in Timeline(outputs, "")
        for number, row in zip(chunk.outputs.tolist(), chunk.rows["row"], strict=True)
    ]
    assert found == [(n, row) for n in range(2) for row in range(count)]


def test_a_run_that_tells_no_steps_is_numbered_over_all_shards() -> None:
    assert steps([None, None], [None], [None, None]) == [0, 1, 2, 3, 4]


def test_a_sample_without_a_step_is_left_out_where_others_tell_theirs() -> None:
    assert steps([5, None], [None, 6]) == [5, 6]


def test_each_run_is_gone_through_by_itself() -> None:
    outputs = [output([(1, ""), (2, "")], 0, run="a"), output([(1, "")], 1, "b.jsonl", run="b")]
    assert in_order(Timeline(outputs, "a")) == [1, 2]
    assert in_order(Timeline(outputs, "b")) == [1]


def test_an_output_is_the_same_from_the_disk(tmp_path: Path) -> None:
    kept = output([(step % 7, "p") for step in range(20)])
    kept.save(tmp_path / "0")
    loaded = Output.load(kept.shard, tmp_path / "0")
    assert loaded.rows(3, 9).tobytes() == kept.rows(3, 9).tobytes()
    for name in ("stretches", "count", "size", "runs", "segments", "edges", "lines", "problems"):
        assert getattr(loaded, name) == getattr(kept, name)


# Restarts


def timeline(rows: Sequence[Row], cuts: Sequence[int] = (), path: str = "a.jsonl") -> Timeline:
    """The timeline of one file whose samples are cut into shards at these places."""
    edges = [0, *cuts, len(rows)]
    parts = [rows[start:end] for start, end in pairwise(edges)]
    return Timeline([output(part, n, path) for n, part in enumerate(parts)], "")


@pytest.mark.parametrize("cuts", [(), (1,), (2,), (3,), (4,), (1, 3, 5), (1, 2, 3, 4, 5)])
def test_of_steps_that_were_written_twice_the_later_count(cuts: Sequence[int]) -> None:
    found = timeline([(step, "") for step in (20, 20, 40, 20, 40, 60)], cuts)
    assert in_order(found) == [20, 40, 60]
    assert (found.restarts, found.superseded) == ([20], 3)
    last = [int(row) for chunk in found for row in chunk.rows["row"]]
    assert len(last) == 3


def test_what_the_abandoned_run_wrote_after_the_restart_is_void_too() -> None:
    found = timeline([(step, "") for step in (10, 20, 30, 40, 20, 30)])
    assert in_order(found) == [10, 20, 30]
    assert (found.restarts, found.superseded) == ([20], 3)


def test_two_restarts_each_void_what_was_before() -> None:
    found = timeline([(step, "") for step in (10, 20, 30, 20, 30, 40, 10, 20)])
    assert in_order(found) == [10, 20]
    assert (found.restarts, found.superseded) == ([20, 10], 6)


def test_steps_in_another_order_are_no_restart() -> None:
    for order in ([100, 101, 99, 102], [60, 40, 20], [3, 1, 2]):
        found = timeline([(step, "") for step in order])
        assert in_order(found) == sorted(order)
        assert (found.restarts, found.superseded) == ([], 0)


def test_one_prompt_after_the_other_is_no_restart() -> None:
    found = timeline([(step, prompt) for prompt in "abc" for step in (10, 20, 30)])
    assert in_order(found) == [10] * 3 + [20] * 3 + [30] * 3
    assert found.restarts == []


def test_another_file_is_no_restart() -> None:
    ranks = [output([(10, ""), (20, "")], n, f"rank{n}.jsonl") for n in range(3)]
    assert in_order(Timeline(ranks, "")) == [10] * 3 + [20] * 3


def test_a_file_in_no_order_at_all_is_left_as_it_is() -> None:
    found = timeline([(step, "") for _ in range(MOST + 2) for step in (10, 20)])
    assert found.restarts == []
    assert len(in_order(found)) == 2 * (MOST + 2)


# Samples of one step, on both sides of an edge


def diversity(found: Timeline) -> list[tuple[int, int, float]]:
    return [
        (int(row["step"]), int(row["compared"]), float(row["between"]))
        for chunk in found
        for row in chunk.rows
        if row["compared"]
    ]


def texts(count: int) -> list[str]:
    return [" ".join(WORDS[place % 3 : place % 3 + 12]) for place in range(count)]


def group(step: int, members: Sequence[str], number: int, first: int = 0) -> Output:
    reads = [PromptedSample(0, "", Sample(step, text, "samples.jsonl", 1), None) for text in members]
    if first:
        reads.insert(0, PromptedSample(0, "", Sample(first, "alone", "samples.jsonl", 1), None))
    return Output.of(
        Shard(number, (Piece(Part("a.jsonl"), "jsonl", None),)), score_samples(reads, ScoringSettings())
    )


@pytest.mark.parametrize("cuts", [(), (1,), (2,), (1, 2, 3), (1, 2, 3, 4, 5)])
def test_samples_of_a_step_are_compared_across_the_edges_of_shards(cuts: Sequence[int]) -> None:
    members = texts(6)
    edges = [0, *cuts, 6]
    parts = [members[start:end] for start, end in pairwise(edges)]
    found = diversity(Timeline([group(9, part, n, first=8 * (n == 0)) for n, part in enumerate(parts)], ""))
    whole = between_samples([tokenize(text) for text in members])
    assert whole is not None
    assert found == [(9, 6, whole)]


def test_the_first_64_samples_of_a_step_are_compared_wherever_it_is_cut() -> None:
    members = [f"{TEXT} {place}" for place in range(90)]
    expected = between_samples([tokenize(text) for text in members[:64]])
    for cut in (0, 1, 63, 64, 65, 89):
        parts = [part for part in (members[:cut], members[cut:]) if part]
        found = diversity(Timeline([group(9, part, n) for n, part in enumerate(parts)], ""))
        assert found == [(9, 64, expected)]


def test_samples_too_short_to_judge_are_not_compared() -> None:
    parts = [["D", "Yes", *texts(1)], ["No", *texts(1)]]
    found = diversity(Timeline([group(9, part, n) for n, part in enumerate(parts)], ""))
    assert [(step, compared) for step, compared, _ in found] == [(9, 2)]
    assert math.isclose(found[0][2], 0.0, abs_tol=1e-9)
