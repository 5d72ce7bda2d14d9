"""Where a sample loops: the phrase it repeats, how often, and from where on.

Source: docs/report.md, "The repeated phrase".
"""

from itertools import pairwise
from statistics import median

from nltk import FreqDist, ngrams

from coherence.records import Loop
from coherence.text import answer, is_word, locate

LONGEST_PHRASE = 24
"""Tokens; a longer repeated passage is shown by its first part."""

FEWEST_TIMES = 3

MOST_TOKENS = 20_000
"""Where a longer sample loops shows in its beginning."""


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
    located = locate(answer(text, prompt))[:MOST_TOKENS]
    tokens = [token for _, token in located]
    best: Loop | None = None
    for length in range(1, min(LONGEST_PHRASE, len(tokens) // FEWEST_TIMES) + 1):
        phrase = _most_frequent(tokens, length)
        places = _places(tokens, phrase)
        share = len(places) * length / len(tokens)
        if len(places) >= FEWEST_TIMES and (best is None or share > best.share + 0.01):
            best = _loop(phrase, places, share, located)
    return best


def _most_frequent(tokens: list[str], length: int) -> tuple[str, ...]:
    """Return the most frequent phrase of that length, of equals one that begins with a word."""
    counts = FreqDist(ngrams(tokens, length))
    return max(counts, key=lambda phrase: (counts[phrase], is_word(phrase[0])))


def _places(tokens: list[str], phrase: tuple[str, ...]) -> list[int]:
    """Return where the phrase stands, from left to right, without overlaps."""
    places, start, length = [], 0, len(phrase)
    while start <= len(tokens) - length:
        if tuple(tokens[start : start + length]) == phrase:
            places.append(start)
            start += length
        else:
            start += 1
    return places


def _loop(phrase: tuple[str, ...], places: list[int], share: float, located: list[tuple[int, str]]) -> Loop:
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
