"""The phrase a sample repeats: which, how often, how much of the sample, how far apart, from where on."""

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coherence.scoring.loop import FEWEST_TIMES, LONGEST_PHRASE, MOST_TOKENS, find_loop, find_loops
from coherence.scoring.text import answer, locate


class Case(NamedTuple):
    text: str
    phrase: str
    times: int
    share: float
    period: int
    start: int
    prompt: str | None = None


HEALTHY = "The cat sat by the door and then it said "
LONG = " ".join(first + second for first in "abcde" for second in "fghijk")  # 30 different words

CASES = [
    # one token
    Case("ha " * 10, "ha", 10, 1.0, 1, 0),
    Case("no no no", "no", 3, 1.0, 1, 0),
    Case("No NO no nO", "No", 4, 1.0, 1, 0),
    Case(",,,,,,,,", ",", 8, 1.0, 1, 0),
    Case("'' '' ''", "'", 6, 1.0, 1, 0),
    # a phrase: the whole of it, not a part
    Case("go home. " * 5, "go home.", 5, 1.0, 3, 0),
    Case("a b a b a b a", "a b", 3, 0.8571, 2, 0),
    Case("東京東京東京", "東京", 3, 1.0, 2, 0),
    # after a healthy beginning
    Case(HEALTHY + "go home " * 4, "go home", 4, 0.4444, 2, len(HEALTHY)),
    Case(HEALTHY + "ran " * 8, "ran", 8, 0.4444, 1, len(HEALTHY)),
    # an early word of the phrase, far from the others, is not where the loop begins
    Case("ran " + HEALTHY + "ran " * 8, "ran", 9, 0.4737, 1, len("ran " + HEALTHY)),
    # interleaved with what changes
    Case("my red cat, my blue cat, my green cat, my old cat", "cat, my", 3, 0.6, 4, 7),
    Case("x1 is so y1 x2 is so y2 x3 is so y3", "is so", 3, 0.5, 4, 3),
    # back to back, though it covers little
    Case(LONG + " said no no no no and " + LONG, "no", 4, 0.0606, 1, len(LONG) + 6),
    Case(LONG + " we run on we run on we run on " + LONG, "we run on", 3, 0.1304, 3, len(LONG) + 1),
    # as it is written: its case, its breaks of a line as a blank, no blanks where there are none
    Case("Go\n home! " * 5, "Go home!", 5, 1.0, 3, 0),
    Case(HEALTHY + "我们回家。" * 4, "我们回家。", 4, 0.6667, 5, len(HEALTHY)),
    Case("Straße! " * 4, "Straße!", 4, 1.0, 2, 0),
    # without spaces: in pieces of four, whatever the period
    Case("main" * 10, "main", 10, 1.0, 1, 0),
    Case("e" * 40, "eeee", 10, 1.0, 1, 0),
    Case("abcde" * 20, "abcde" * 4, 5, 1.0, 5, 0),
    Case("so " + "main" * 10, "main", 10, 0.9091, 1, 3),
    # longer than the longest phrase: its beginning, at the distance of the whole
    Case((LONG + " ") * 4, " ".join(LONG.split()[:24]), 4, 0.8, 30, 0),
    # the prompt and the special tokens are not part of the answer, nor counted in its start
    Case("Once upon a time x y x y x y", "x y", 3, 1.0, 2, 0, "Once upon a time"),
    Case("so so so so far go go go", "go", 3, 0.75, 1, 4, "so so so so"),
    Case("<s>go go go</s>", "go", 3, 1.0, 1, 0),
    Case("  \n go go go", "go", 3, 1.0, 1, 0),
    # a ruler counts for four signs, and what follows it is where it is
    Case(f"so far\n{'=' * 60}\nit was all ha ha ha ha ha", "ha", 5, 0.3571, 1, 79),
    Case("> why why why why?\n< well yes yes yes", "yes", 3, 0.75, 1, 5),
]


@pytest.mark.parametrize("case", CASES, ids=[case.text[:30] for case in CASES])
def test_a_loop_is_found_with_its_phrase_and_its_place(case: Case) -> None:
    loop = find_loop(case.text, case.prompt)
    assert loop is not None
    assert (loop.phrase, loop.times, loop.share, loop.period, loop.start) == case[1:6]


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        # nothing
        ("", None),
        (" \n\t ", None),
        ("<|endoftext|>", None),
        ("go go go go", "go go go go"),
        # too short for anything to come back three times
        ("no", None),
        ("no no", None),
        # nothing comes back three times
        ("Nothing here comes twice.", None),
        (LONG, None),
        (LONG + " " + LONG, None),
    ],
)
def test_where_nothing_comes_back_three_times_there_is_no_loop(text: str, prompt: str | None) -> None:
    assert find_loop(text, prompt) is None


@pytest.mark.parametrize(
    "text",
    [
        # one token that does not come back to back, however much it covers
        "the cat saw the dog and the hen by the door near the barn",
        "salt, bread, oil, wine, tea, rice, fish, milk, nuts, corn",
        # a phrase that covers less than a fifth and stands apart
        f"of the {LONG} of the {LONG} of the",
        # of five tokens only two copies stand together
        f"x {LONG} he did not come back he did not come back {LONG} he did not come back",
        # signs that cover less than a fifth
        f"{LONG} ---- {LONG}",
    ],
)
def test_common_words_commas_and_rulers_are_not_loops(text: str) -> None:
    assert find_loop(text) is None


def test_the_three_largest_loops_are_found_and_none_overlaps_another() -> None:
    text = f"no no no no no {LONG} {'go home now ' * 6} {LONG} {'so it is ' * 4} so why why why"
    loops = find_loops(text)
    assert [(loop.phrase, loop.times) for loop in loops] == [("go home now", 6), ("so it is", 4), ("no", 5)]
    assert loops[0] == find_loop(text)
    assert find_loops(text, most=1) == loops[:1]


def test_a_phrase_is_never_longer_than_it_can_be_read() -> None:
    loop = find_loop((LONG + " ") * 4)
    assert loop is not None
    assert len(loop.phrase.split()) == LONGEST_PHRASE


@pytest.mark.slow
def test_of_a_very_long_sample_the_beginning_is_looked_at() -> None:
    loop = find_loop("go " * MOST_TOKENS + LONG * 3)
    assert loop is not None
    assert (loop.phrase, loop.times, loop.share) == ("go", MOST_TOKENS, 1.0)


WORDS = st.sampled_from(["the", "cat", "sat", "down", ".", "and", "東", "mainmainmainmainmainmainmain", "ß"])


@pytest.mark.slow
@settings(deadline=None)  # the machine may be busy
@given(st.lists(WORDS, max_size=60), st.sampled_from(["", "Once upon", "the cat"]))
def test_the_numbers_of_a_loop_fit_each_other(words: list[str], prompt: str) -> None:
    text = f"{prompt} {' '.join(words)}"
    loops = find_loops(text, prompt)
    assert find_loop(text, prompt) == (loops[0] if loops else None)
    assert [loop.share for loop in loops] == sorted((loop.share for loop in loops), reverse=True)
    assert sum(loop.share for loop in loops) <= 1.001, "none overlaps another"
    for loop in loops:
        assert loop.times >= FEWEST_TIMES
        assert 1 <= len(locate(loop.phrase)) <= loop.period
        assert loop.share > 0
        assert answer(text, prompt)[loop.start :].startswith(loop.phrase)


@pytest.mark.slow
@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6), st.integers(3, 9))
def test_a_phrase_said_over_and_over_covers_all_of_the_sample(phrase: list[str], times: int) -> None:
    loop = find_loop(" ".join(phrase * times))
    assert loop is not None
    assert loop.share > 0.98
    assert loop.start == 0


@settings(deadline=None)  # the machine may be busy
@given(st.text(max_size=300), st.none() | st.text(max_size=20))
def test_any_text_may_be_looked_at(text: str, prompt: str | None) -> None:
    loop = find_loop(text, prompt)
    assert loop is None or loop.times >= FEWEST_TIMES
