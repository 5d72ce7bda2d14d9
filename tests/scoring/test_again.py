"""What is said again, and what is a template: tables, laws, and a naive twin."""

from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coherence import score
from coherence.scoring.again import is_template, said_again
from coherence.scoring.text import clean, tokenize

WORDS = [
    "river",
    "stone",
    "quiet",
    "lamp",
    "carried",
    "north",
    "letter",
    "window",
    "summer",
    "bread",
    "garden",
    "silver",
    "engine",
    "moment",
    "paper",
    "winter",
    "corner",
    "answer",
    "orange",
    "bridge",
    "forest",
    "basket",
    "morning",
    "farmer",
    "signal",
    "copper",
    "velvet",
    "ladder",
]


def again(text: str) -> float:
    cleaned = clean(text)
    tokens = tokenize(cleaned)
    return said_again(cleaned, tokens, len(set(zip(tokens, tokens[1:], tokens[2:], strict=False))))


def words(count: int, seed: int = 0) -> str:
    random = Random(seed)  # noqa: S311 - it draws words
    return " ".join(random.choice(WORDS) for _ in range(count))


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("the cat sat by the door", 0),
        ("no no no no", 3 / 4),
        ("on and on and on and", 4 / 6),
        ("one two three four one two three four", 4 / 8),
        ("so it goes. so it goes. so it goes.", 8 / 12),
        # of a longer phrase there have to be three copies
        ("one two three four five one two three four five", 0),
        ("one two three four five " * 3, 10 / 15),
        ("one two three four five " * 8, 35 / 40),
        (f"{words(30)} no no no no no no no no no no no no no no no", 14 / 45),
    ],
)
def test_copies_that_stand_back_to_back_count_but_for_the_first(text: str, share: float) -> None:
    assert again(text) == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("Contents\n--------------------\nbread and garden\nsilver lamp", False),
        ("bread and garden ____________________", True),
        ("--------------------\n--------------------\nbread", True),
        ("bread ,,,,,,,,,,,,,,,,,,,,", True),
        ("bread\n...\ngarden", True),  # three signs are no ruler
    ],
)
def test_rulers_count_only_where_most_lines_are_rulers(text: str, counts: bool) -> None:
    assert (again(text) > 0) is counts


def naive(tokens: list[str]) -> float:
    """The short phrases alone, position by position."""
    marked = set()
    for period in (1, 2, 3, 4):
        for start in range(len(tokens)):
            run = 0
            while start + period + run < len(tokens) and tokens[start + run] == tokens[start + period + run]:
                run += 1
            if run >= period:
                marked |= set(range(start + period, start + period + run))
    return len(marked) / len(tokens) if tokens else 0.0


@given(st.lists(st.sampled_from("abc"), max_size=25))
def test_short_phrases_are_found_as_by_looking_at_every_place(tokens: list[str]) -> None:
    cleaned = " ".join(tokens)
    trigrams = len(set(zip(tokens, tokens[1:], tokens[2:], strict=False)))
    found = said_again(cleaned, tokens, trigrams)
    assert found >= naive(tokens) - 1e-12
    if len(tokens) - 2 - trigrams < 8:
        assert found == pytest.approx(naive(tokens))


@given(st.text(max_size=200))
def test_a_share_is_a_share_of_any_text(text: str) -> None:
    assert 0 <= again(text) < 1


@pytest.mark.parametrize(("length", "copies"), [*product((5, 12, 40), (4, 10, 40))])
def test_a_passage_said_many_times_is_said_again_but_for_its_first_copy(length: int, copies: int) -> None:
    passage = " ".join(Random(length).sample(WORDS * 2, length))  # noqa: S311
    assert again(f"{passage} . " * copies) == pytest.approx(1 - 1 / copies, abs=0.06)


# Templates


def records(count: int, seed: int = 1) -> str:
    random = Random(seed)  # noqa: S311
    rows = (
        f'{{"name": "{random.choice(WORDS)} {random.choice(WORDS)}", "age": {random.randrange(10, 99)}, '
        f'"city": "{random.choice(WORDS)}", "paid": {random.randrange(1000, 99999)}}}'
        for _ in range(count)
    )
    return f"[{', '.join(rows)}]"


def test_records_are_templated_and_neither_low_nor_fine() -> None:
    found = score(records(40))
    assert (found.kind(), found.low()) == ("templated", False)


def test_a_record_that_is_said_again_and_again_is_low() -> None:
    assert score(records(1) * 40).kind() == "low"
    assert score(records(4) * 15).kind() == "low"


def test_a_dozen_words_in_short_phrases_are_no_template() -> None:
    random = Random(5)  # noqa: S311
    phrases = [" ".join(random.sample(WORDS[:14], 3)) for _ in range(10)]
    text = " ".join(random.choice(phrases) for _ in range(45))
    tokens = text.split()
    assert not is_template(tokens, 0.1)


def test_a_few_tokens_are_too_few_to_tell() -> None:
    assert not is_template([f"n{number}" for number in range(23)], 0.0)


@given(st.lists(st.sampled_from(WORDS), min_size=24, max_size=80))
def test_what_is_half_said_again_is_no_template(tokens: list[str]) -> None:
    assert not is_template(tokens, 0.2)
