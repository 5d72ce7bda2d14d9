"""Learn word_order.json, the model of English word order, from plain text.

    python wordlists/order.py --kind BOOK.txt ... --kind SPEECHES.txt ...

Texts of one kind are counted together, and the kinds weigh the same. The default was learned from text in
the public domain, without what its publishers put around it. Books: Adventures of Huckleberry Finn,
Alice's Adventures in Wonderland, Frankenstein, Little Women, Pride and Prejudice, The Adventures of Sherlock
Holmes and The Time Machine (Project Gutenberg 76, 11, 84, 514, 1342, 1661, 35) and Genesis in the World
English Bible (`genesis` of NLTK, english-web.txt). Speeches: the addresses of US presidents at their
inauguration and on the State of the Union (`inaugural` and `state_union` of NLTK, each in one file). Only
figures are kept.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from itertools import repeat
from math import fsum, log
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from coherence.scoring.text import clean, is_word, tokenize
from coherence.scoring.word_order import FORMAT, LEVELS, NUMBER, SIGN, STEP, WORD, Classes, without_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_OUTPUT = Path(__file__).resolve().parent.parent / "coherence" / "scoring" / "word_order.json"

CLASSES = 130
"""In all; as many of the commonest words as there is room for are classes of their own."""

_VERBAL = ("-ing", "-ed", "-n't", "-'s", "-'d", "-'ll", "-'ve", "-'re")
_NOMINAL = ("-s", "-er", "-ion", "-ment", "-ness", "-ity")
_OTHER = ("-ly", "-est", "-al", "-ous", "-ive", "-able", "-ic", "-ful", "-less")
_SIGNS = tuple(",.;:!?\"'()-")
FIXED = (WORD, NUMBER, SIGN, *_VERBAL, *_NOMINAL, *_OTHER, *_SIGNS)
"""The classes that are no words: what is left over, endings and signs."""

SMOOTHING = 5.0
"""Pairs that are added to those found and to those expected: what was hardly seen says hardly anything."""

Text = list[str]
Kind = list[Text]
Counts = Counter[tuple[int, ...]]
"""Of classes by themselves, (a,), and of pairs with their distance, (1, a, b) and (2, a, b)."""


def read(path: Path) -> Text:
    """Return the tokens of a text, with a straight apostrophe."""
    return tokenize(clean(path.read_text(encoding="utf-8")).replace("’", "'"))


def common_words(kinds: Sequence[Kind], number: int) -> list[str]:
    """Return the words that are most common in every kind of text.

    A word counts as in the kind where it is rarest, and there as in the middle one of the texts: a name that
    fills one book counts nothing.

    >>> common_words([[["the", "alice", "alice"], ["the", "a"], ["the", "so"]], [["the", "so", "so"]]], 1)
    ['the']
    """
    shares = [[_shares(text) for text in kind] for kind in kinds]
    words = {word for kind in shares for text in kind for word in text}
    common = {word: min(median(text.get(word, 0.0) for text in kind) for kind in shares) for word in words}
    return sorted(words, key=lambda word: (-common[word], word))[:number]


def _shares(text: Text) -> dict[str, float]:
    counts = Counter(filter(is_word, text))
    return {word: count / counts.total() for word, count in counts.items()}


def count(kind: Kind, classes: Classes) -> Counts:
    """Count the classes of a kind and their pairs.

    >>> count([["the", "cat", "!", "!"]], Classes(["the", "*", "0", "#"]))
    Counter({(3,): 1, (1,): 1, (0,): 1, (1, 3, 1): 1, (1, 1, 0): 1, (2, 3, 0): 1})
    """
    counts: Counts = Counter()
    for text in kind:
        places = [classes[token] for token in without_runs(text)]
        counts.update(zip(places, strict=True))
        for distance in (1, 2):
            counts.update(zip(repeat(distance), places, places[distance:], strict=False))
    return counts


def letter(found: float, expected: float) -> str:
    """Return the pointwise mutual information of a pair as a letter.

    >>> letter(100, 100), letter(100, 10), letter(0, 1000), letter(0, 0)
    ('m', 'u', 'a', 'm')
    """
    middle = len(LEVELS) // 2
    level = round(log((found + SMOOTHING) / (expected + SMOOTHING)) / STEP)
    return LEVELS[middle + max(-middle, min(middle, level))]


def learn(kinds: Sequence[Kind]) -> dict[str, list[str]]:
    """Return for each class its rows: how well each class goes behind it, and one token later."""
    classes = Classes((*FIXED, *common_words(kinds, CLASSES - len(FIXED))))
    places = range(len(classes.names))
    counts = [count(kind, classes) for kind in kinds]
    sizes = [sum(each[place,] for place in places) for each in counts]
    weights = [sum(sizes) / len(kinds) / size for size in sizes]

    def found(*key: int) -> float:
        return fsum(weight * each[key] for weight, each in zip(weights, counts, strict=True))

    def row(distance: int, one: int) -> str:
        share = found(one) / sum(sizes)
        return "".join(letter(found(distance, one, other), share * found(other)) for other in places)

    return {name: [row(1, place), row(2, place)] for place, name in enumerate(classes.names)}


def build(kinds: Sequence[Sequence[Path]]) -> bytes:
    """Return the content of word_order.json, a class a line."""
    texts = [[read(path) for path in kind] for kind in kinds]
    head = {
        "format": FORMAT,
        "source": "; ".join(", ".join(sorted(path.stem for path in kind)) for kind in kinds),
        "tokens": sum(len(text) for kind in texts for text in kind),
    }
    first = "".join(f"{_json(name)}: {_json(value)},\n" for name, value in head.items())
    rows = ",\n".join(f"{_json(name)}: {_json(row)}" for name, row in learn(texts).items())
    return f'{{\n{first}"classes": {{\n{rows}\n}}\n}}\n'.encode()


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Learn the model or check it; 0 done or equal, 1 different, 2 a text cannot be read."""
    parser = argparse.ArgumentParser(description="Learn the model of English word order from plain text.")
    parser.add_argument(
        "--kind",
        type=Path,
        nargs="+",
        action="append",
        required=True,
        metavar="FILE",
        help="texts of one kind",
    )
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, metavar="FILE")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the file would change")
    options = parser.parse_args(arguments)
    try:
        content = build(options.kind)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    if not options.check:
        options.output.write_bytes(content)
    elif not options.output.is_file() or options.output.read_bytes() != content:
        print(f"{options.output} is not what these texts give: learn it again", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
