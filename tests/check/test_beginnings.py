"""Samples that begin alike: how many do must not depend on how many samples there are, or on their order."""

from itertools import combinations
from random import Random

import numpy as np
import pytest
from samples_of_checks import fine

from coherence.check.compared import OTHERS, chances, most_others, repeated
from coherence.check.samples import score_samples
from coherence.check.snapshot import SampleSet
from coherence.check.verdict import check_scores
from coherence.readers.records import Sample


def begun(beginnings: list[int], prompts: list[str] | None = None, states: str = "") -> SampleSet:
    size = len(beginnings)
    nothing, numbers = np.zeros(size, bool), np.array(beginnings, np.int64)
    scores, tokens = np.zeros((size, 4)), np.ones(size, np.int64)
    texts = prompts or [""] * size
    columns = scores, np.zeros(size), tokens, states or "f" * size, nothing, nothing, numbers
    return SampleSet(*columns, texts, [""] * size)


def asked(count: int, seed: str) -> list[Sample]:
    """Samples that begin in one of sixty ways."""
    random, ways = Random(seed), fine(60)  # noqa: S311 - it draws words, not secrets
    texts = [f"{random.choice(ways)} {fine(1, random.randrange(10**6))[0]}." for _ in range(count)]
    return [Sample(step=None, text=text, file="s.jsonl", line=n) for n, text in enumerate(texts, 1)]


def test_the_mean_over_all_smaller_sides_is_that_of_the_whole() -> None:
    everything = [1, 1, 1, 2, 2, 0, 0, 0, 0]
    sides = [begun(list(side)) for side in combinations(everything, 6)]
    means = [chances(side, 4).mean() for side in sides]
    assert np.mean(means) == pytest.approx(chances(begun(everything), 4).mean())


def test_as_many_begin_alike_as_the_chances_add_up_to() -> None:
    samples = begun([1] * 10 + [2] * 4 + [0] * 6)
    flags = repeated(samples, 4)
    assert set(flags.tolist()) == {0, 1}
    assert abs(flags.sum() - chances(samples, 4).sum()) < 1
    assert not flags[14:].any()


def test_of_samples_that_begin_alike_those_of_one_length_are_not_preferred() -> None:
    samples = begun([1 + n // 2 for n in range(200)])
    flags = repeated(samples._replace(tokens=np.array([10, 20] * 100)), 99)
    assert 30 < flags[::2].sum() < 70


def test_a_sample_counts_that_another_prompt_begins_with_too() -> None:
    one_prompt, two = begun([1, 1, 1, 1], ["a"] * 4), begun([1, 1, 1, 1], ["a", "a", "b", "b"])
    assert (most_others(one_prompt), most_others(two)) == (0, 2)
    assert chances(one_prompt, 0).tolist() == [0] * 4
    assert chances(two, 2).tolist() == [1] * 4
    assert chances(begun([1, 1, 0], ["a", "a", "b"]), 1).tolist() == [0] * 3


def test_what_is_too_short_to_judge_begins_like_nothing() -> None:
    samples = begun([1, 1, 0, 0], states="ffse")
    assert most_others(samples) == 1
    assert chances(samples, 1).tolist() == [1, 1, 0, 0]
    assert np.isnan(chances(samples, 2)).tolist() == [True, True, False, False]
    assert most_others(begun([], [])) == OTHERS


def test_the_order_of_the_file_changes_nothing() -> None:
    there, back = (score_samples(rows).sample_set for rows in (asked(50, "a"), asked(50, "a")[::-1]))
    assert there.beginnings.tolist() == back.beginnings.tolist()[::-1]
    assert len(set(there.beginnings.tolist())) > 5


@pytest.mark.parametrize(("before", "now"), [(40, 140), (140, 40)])
def test_another_number_of_samples_is_no_rise_of_those_that_begin_alike(before: int, now: int) -> None:
    found = check_scores(score_samples(asked(before, "a")).snapshot, score_samples(asked(now, "b")))
    (alike,) = [each for each in found.comparisons if each.name == "repeated"]
    assert alike.verdict != "fail"
    assert abs(alike.change) < 20
