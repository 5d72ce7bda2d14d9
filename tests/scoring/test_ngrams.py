"""Counting: n-grams, the effective number of different things, diversity between samples."""

import math
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from coherence.scoring.between import between_samples
from coherence.scoring.ngrams import effective_number, ngrams, runs_of_four

COUNTS = st.lists(st.integers(1, 10**6), min_size=1, max_size=50)


# n-grams


@pytest.mark.parametrize(
    ("items", "order", "expected"),
    [
        ("abab", 2, {("a", "b"): 2, ("b", "a"): 1}),
        ("aaaa", 3, {("a", "a", "a"): 2}),
        # fewer items than one n-gram has
        ("", 2, {}),
        ("a", 2, {}),
        ("ab", 3, {}),
        ("ab", 2, {("a", "b"): 1}),
        # words as well as letters
        (["the", "cat"], 2, {("the", "cat"): 1}),
        ("ab", 1, {("a",): 1, ("b",): 1}),
    ],
)
def test_ngrams_are_the_runs_of_neighbours(
    items: str | list[str], order: int, expected: dict[tuple[str, ...], int]
) -> None:
    assert ngrams(items, order) == expected


@given(st.lists(st.sampled_from("abc")), st.integers(1, 5))
@settings(deadline=None)
def test_there_is_an_ngram_at_every_place_but_the_last(items: list[str], order: int) -> None:
    assert ngrams(items, order).total() == max(len(items) - order + 1, 0)


@given(st.text() | st.text("ab \n\x00", max_size=60) | st.text("aé", max_size=30))
@settings(deadline=None)
def test_runs_of_four_are_counted_as_ngrams_of_four(text: str) -> None:
    assert sorted(runs_of_four(text).values()) == sorted(ngrams(text, 4).values())


# Effective number


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # nothing, one kind
        ([], 0),
        ([1], 1),
        ([1000], 1),
        # equal shares count as they are
        ([1, 1], 2),
        ([7] * 10, 10),
        # one half and two quarters: two to the power of one and a half
        ([2, 1, 1], 2**1.5),
        # three quarters and one quarter
        ([3, 1], 4 / 3**0.75),
        # a loop with three slips
        ([97, 1, 1, 1], math.exp(-0.97 * math.log(0.97) - 0.03 * math.log(0.01))),
    ],
)
def test_the_effective_number_of(counts: list[int], expected: float) -> None:
    assert effective_number(counts) == pytest.approx(expected, rel=1e-12)


@pytest.mark.slow
@given(COUNTS)
@settings(deadline=None)
def test_it_is_the_exponential_of_the_entropy(counts: list[int]) -> None:
    shares = [count / sum(counts) for count in counts]
    entropy = -sum(share * math.log(share) for share in shares)
    assert effective_number(counts) == pytest.approx(math.exp(entropy), rel=1e-9)


@given(COUNTS)
@settings(deadline=None)
def test_it_lies_between_one_and_the_number_of_kinds(counts: list[int]) -> None:
    assert 1 - 1e-9 <= effective_number(counts) <= len(counts) * (1 + 1e-9)


@given(st.integers(1, 10**6), st.integers(1, 500))
@settings(deadline=None)
def test_of_equal_counts_it_is_their_number(count: int, kinds: int) -> None:
    assert effective_number([count] * kinds) == pytest.approx(kinds, rel=1e-9)


@pytest.mark.slow
@given(COUNTS, st.integers(1, 1000))
@settings(deadline=None)
def test_it_depends_on_the_shares_alone(counts: list[int], times: int) -> None:
    scaled = effective_number(count * times for count in counts)
    assert scaled == pytest.approx(effective_number(counts), rel=1e-9)


@pytest.mark.slow
@given(COUNTS, st.randoms())
@settings(deadline=None)
def test_it_does_not_depend_on_the_order(counts: list[int], random: Random) -> None:
    shuffled = random.sample(counts, len(counts))
    assert effective_number(shuffled) == pytest.approx(effective_number(counts), rel=1e-9)


@pytest.mark.slow
@given(COUNTS, st.data())
@settings(deadline=None)
def test_moving_one_from_a_frequent_to_a_rare_kind_raises_it(counts: list[int], data: st.DataObject) -> None:
    rich = data.draw(st.integers(0, len(counts) - 1))
    poor = data.draw(st.integers(0, len(counts) - 1))
    assume(counts[rich] > counts[poor] + 1)
    moved = list(counts)
    moved[rich] -= 1
    moved[poor] += 1
    assert effective_number(moved) >= effective_number(counts) * (1 - 1e-9)


# Between samples


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        # fewer than two that hold a bigram
        ([], None),
        (["abc"], None),
        (["abc", "a"], None),
        (["", "a", "b"], None),
        # identical
        (["abc", "abc"], 0),
        (["abc"] * 8, 0),
        # nothing shared
        (["abc", "def"], 100),
        (["ab", "cd", "ef", "gh"], 100),
        (["ab", "ba"], 100),
        # half of the bigrams shared: three different ones of four
        (["abc", "abd"], 50),
        # two alike and one apart: (2/3 - 1/3) / (1 - 1/3)
        (["ab", "ab", "cd"], 50),
        # what repeats within a sample counts once
        (["abab", "ab"], 100 * (2 / 3 - 1 / 2) * 2),
        # samples without a bigram are left out
        (["abc", "def", "x", ""], 100),
    ],
)
def test_diversity_between_samples(samples: list[str], expected: float | None) -> None:
    found = between_samples(samples)
    assert found == (None if expected is None else pytest.approx(expected))


SAMPLES = st.lists(st.lists(st.sampled_from("abcd"), max_size=12), max_size=8)


@pytest.mark.slow
@given(SAMPLES)
@settings(deadline=None)
def test_diversity_between_samples_lies_between_0_and_100(samples: list[list[str]]) -> None:
    found = between_samples(samples)
    assert (found is None) == (sum(len(sample) > 1 for sample in samples) < 2)
    assert found is None or 0 <= found <= 100


@pytest.mark.slow
@given(SAMPLES, st.randoms())
@settings(deadline=None)
def test_diversity_between_samples_does_not_depend_on_their_order(
    samples: list[list[str]], random: Random
) -> None:
    assert between_samples(random.sample(samples, len(samples))) == between_samples(samples)


@pytest.mark.slow
@given(st.lists(st.sampled_from("abcd"), min_size=2), st.integers(2, 10))
@settings(deadline=None)
def test_samples_that_are_all_the_same_have_no_diversity(sample: list[str], times: int) -> None:
    assert between_samples([sample] * times) == pytest.approx(0, abs=1e-9)


@given(st.text(alphabet="ab é’я\U0001f600\ud800", max_size=30))
@settings(deadline=None)
def test_runs_of_four_are_counted_alike_however_wide_the_characters_are(text: str) -> None:
    assert sorted(runs_of_four(text).values()) == sorted(ngrams(text, 4).values())
