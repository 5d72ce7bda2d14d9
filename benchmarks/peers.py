"""Simpler published detectors of repetitive text, for comparison.

Each takes the answer of a sample and returns whether it is low. A text without words is not low.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import compress
from typing import Any

from coherence import Lexicon
from coherence.scoring.text import is_word, tokenize

Detector = Callable[[str], bool]

PLAIN_RATIO = 0.3
ZLIB_RATIO = 2.4
REPEATED_FOURS = 0.5
DISTINCT_PAIRS = 0.3

# Rae et al. 2021, "Scaling Language Models: Methods, Analysis & Insights from Training Gopher", table A1.
PARTS, CHARACTERS_OF_PARTS = 0.30, 0.20
TOP = {2: 0.20, 3: 0.18, 4: 0.16}
DUPLICATES = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}


def grams(things: Sequence[str], order: int) -> list[tuple[str, ...]]:
    """Return the n-grams, as tuples."""
    return list(zip(*(things[start:] for start in range(order)), strict=False))


def distinct(things: Sequence[Any]) -> float:
    """Return the share of distinct things; 1 if there are none."""
    return len(set(things)) / len(things) if things else 1.0


def again(things: Sequence[Any]) -> float:
    """Return the share of things that occurred before; 0 if there are none."""
    return (len(things) - len(set(things))) / max(len(things), 1)


def plain_ratios(text: str) -> bool:
    """Distinct bigrams, trigrams, English words and characters, each as a share, are all below 0.3."""
    tokens = tokenize(text.casefold())
    words = [token for token in tokens if is_word(token)]
    ratios = [
        distinct(grams(tokens, 2)),
        distinct(grams(tokens, 3)),
        sum(word in Lexicon.load() for word in words) / max(len(words), 1),
        distinct(text),
    ]
    return all(ratio < PLAIN_RATIO for ratio in ratios)


def zlib_ratio(text: str) -> bool:
    """The text is more than 2.4 times as long as its zlib compression."""
    data = text.encode("utf-8", "surrogatepass")
    return len(data) > ZLIB_RATIO * len(zlib.compress(data, 6))


def repeated_fours(text: str) -> bool:
    """More than half of the 4-grams of words occurred before."""
    return again(grams(text.split(), 4)) > REPEATED_FOURS


def distinct_pairs(text: str) -> bool:
    """Distinct-2: less than 0.3 of the pairs of words are distinct."""
    return distinct(grams(text.split(), 2)) < DISTINCT_PAIRS


def gopher(text: str) -> bool:
    """One of the repetition rules of Gopher discards the text as a document."""
    words = text.split()
    size = sum(map(len, words))
    if not size:
        return False
    if any(_parts_come_again(text.split(mark)) for mark in ("\n", "\n\n")):
        return True
    if any(_share_of_top(words, order) > share for order, share in TOP.items()):
        return True
    return any(_share_of_duplicates(words, order) > share for order, share in DUPLICATES.items())


def _parts_come_again(parts: Sequence[str]) -> bool:
    """Tell whether too many lines, or paragraphs, occurred before."""
    there = [part.strip() for part in parts if part.strip()]
    kept, size = sum(map(len, set(there))), sum(map(len, there))
    return again(there) > PARTS or (size - kept) / size > CHARACTERS_OF_PARTS


def _share_of_top(words: Sequence[str], order: int) -> float:
    """Return the share of characters in the most frequent n-gram, if it is repeated."""
    ((gram, times),) = Counter(grams(words, order)).most_common(1) or [((), 0)]
    return sum(map(len, gram)) * times / sum(map(len, words)) if times > 1 else 0.0


def _share_of_duplicates(words: Sequence[str], order: int) -> float:
    """Return the share of characters in n-grams that occurred before, each character counted once."""
    seen: set[tuple[str, ...]] = set()
    marks = bytearray(len(words))
    for start, gram in enumerate(grams(words, order)):
        if gram in seen:
            marks[start : start + order] = b"\1" * order
        seen.add(gram)
    return sum(map(len, compress(words, marks))) / sum(map(len, words))


def degen_guard(text: str) -> bool:
    """The package llm-degen-guard, with its default settings."""
    return bool(import_module("degen_guard").DegenGuard.check(text).is_degenerate)


PEERS: dict[str, Detector] = {
    "plain": plain_ratios,
    "zlib": zlib_ratio,
    "4-grams": repeated_fours,
    "dist-2": distinct_pairs,
    "Gopher": gopher,
}
if find_spec("degen_guard") is not None:
    PEERS["guard"] = degen_guard
