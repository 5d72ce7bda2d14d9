"""A sample made ready to be looked at: which of its characters are marked as loops."""

from coherence.scoring.lexicon import Lexicon
from coherence.show.page.marks import LETTERS, LOOPED, ODD, mark

LEXICON = Lexicon(["go", "home", "now", "so", "it", "is", "no", "the", "cat", "why"])
LONG = " ".join(first + second for first in "abcde" for second in "fghijk")


def marked(text: str) -> str:
    """Return the characters that are marked as a loop, and a stroke for each stretch that is not."""
    made, at = "", 0
    number = ""
    for char in mark(text, None, LEXICON, longest=10_000).runs:
        if char.isdigit():
            number += char
            continue
        part = text[at : at + int(number)]
        made += part if LETTERS.index(char) & LOOPED else "|"
        at, number = at + len(part), ""
    return made


def test_the_three_largest_loops_are_marked_from_where_each_begins() -> None:
    text = f"{'no ' * 5}{LONG} {'go home now ' * 6}{LONG} {'so it is ' * 4}cat why why why"
    assert [loop.phrase for loop in mark(text, None, LEXICON, longest=10_000).loops] == [
        "go home now",
        "so it is",
        "no",
    ]
    found = set(marked(text).split("|")) - {""}
    assert found == {"no", "go home now", "so it is"}


def test_commas_and_common_words_are_not_marked() -> None:
    text = "the cat, so it is, go home, why not, the bird, in a tree, at the sea, on the road, for all"
    assert not marked(text).strip("|")


def odd_words(text: str) -> int:
    """Return how many stretches of a text are marked as words that are not English."""
    runs = mark(text, None, LEXICON, longest=10_000).runs
    return sum(runs.count(letter) for place, letter in enumerate(LETTERS) if place & ODD)


def test_no_word_is_marked_in_a_text_that_is_not_english() -> None:
    for text in (
        "Der Hund schlief vor dem Haus und wartete",
        "Собака спала",
        "我们回家。我们回家。我们回家。",
        "犬は眠る so",
    ):
        assert mark(text, None, LEXICON, longest=10_000).foreign, text
        assert odd_words(text) == 0


def test_words_are_marked_in_english_with_a_few_odd_ones_and_in_what_is_too_short_to_tell() -> None:
    for text, odd in (("so it is, the cat: Qwx", 1), ("so it is 东京 the cat", 1), ("Budy Budy", 2)):
        assert not mark(text, None, LEXICON, longest=10_000).foreign, text
        assert odd_words(text) == odd


def test_a_loop_of_a_text_that_is_not_english_is_marked() -> None:
    text = "我们回家。" * 4
    (loop,) = mark(text, None, LEXICON, longest=10_000).loops
    assert loop.phrase == "我们回家。"
    assert "".join(marked(text).split("|")) == text
