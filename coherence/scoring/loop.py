"""Where a sample loops: the phrase it repeats, how often, and from where on.

Source: docs/report.md, "The repeated phrase".
"""

from collections import Counter
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from coherence.scoring.text import answer, is_word, locate, short_rulers

LONGEST_PHRASE = 24
"""Tokens; a longer repeated passage is shown by its first part."""

FEWEST_TIMES = 3

Phrase = tuple[str, ...]

MOST_TOKENS = 20_000
"""Where a longer sample loops shows in its beginning."""


class Loop(NamedTuple):
    """The phrase a sample repeats most.

    Attributes:
        phrase: its tokens, joined by spaces.
        times: how often it stands in the sample.
        share: of the sample's tokens that belong to it, 0 to 1.
        period: tokens from one to the next, the median.
        start: where the repetition begins, in characters of the answer.
    """

    phrase: str
    times: int
    share: float
    period: int
    start: int


def find_loop(text: str, prompt: str | None = None) -> Loop | None:
    """Return the phrase that covers most of a sample, the shortest one of equals; None if none repeats.

    For each length up to 24 tokens the most frequent phrase that stands three times or more without
    overlapping itself is a candidate.

    >>> loop = find_loop("It was late. We went home. We went home. We went home. We went home.")
    >>> loop.phrase, loop.times, loop.period, loop.start
    ('we went home .', 4, 4, 13)
    >>> find_loop("Nothing here comes twice.") is None
    True
    """
    located = locate(short_rulers(answer(text, prompt), fill=" "), MOST_TOKENS)
    tokens = [token for _, token in located]
    best: Loop | None = None
    starts = list(range(len(tokens)))
    for length in range(1, LONGEST_PHRASE + 1):
        phrases = list(zip(*(tokens[at:] for at in range(length)), strict=False))
        starts, phrase = _repeated(phrases, starts)
        if phrase is None:
            break
        places = _apart([start for start in starts if phrases[start] == phrase], length)
        share = len(places) * length / len(tokens)
        if len(places) >= FEWEST_TIMES and (best is None or share > best.share + 0.01):
            best = _loop(phrase, places, share, located)
    return best


def _repeated(phrases: list[Phrase], starts: list[int]) -> tuple[list[int], Phrase | None]:
    """Return which of the starts are those of a repeated phrase, and the most frequent one.

    Of equals it is one that begins with a word. A phrase is no more frequent than its beginning: only the
    starts of repeated phrases that are one token shorter need be given.
    """
    counts = Counter(phrases[start] for start in starts if start < len(phrases))
    starts = [start for start in starts if start < len(phrases) and counts[phrases[start]] >= FEWEST_TIMES]
    return starts, max(counts, key=lambda phrase: (counts[phrase], is_word(phrase[0]))) if starts else None


def _apart(starts: list[int], length: int) -> list[int]:
    """Return those of the rising starts, from left to right, whose phrases do not overlap."""
    places: list[int] = []
    for start in starts:
        if not places or start >= places[-1] + length:
            places.append(start)
    return places


def _loop(phrase: Phrase, places: list[int], share: float, located: list[tuple[int, str]]) -> Loop:
    period = int(median(after - before for before, after in pairwise(places)))
    # An early word that happens to be in the phrase is no loop yet: it begins where the next one is near.
    begins = next((before for before, after in pairwise(places) if after - before <= 2 * period), places[0])
    return Loop(
        phrase=" ".join(phrase),
        times=len(places),
        share=round(share, 4),
        period=period,
        start=located[begins][0],
    )
