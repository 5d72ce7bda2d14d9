"""A sample made ready to be looked at: which of its characters are marked as loops."""

from coherence.scoring.lexicon import Lexicon
from coherence.show.page.marks import LETTERS, LOOPED, mark

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
