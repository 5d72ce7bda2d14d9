"""Where a sample loops: the phrase it repeats, how often, and from where on.

Source: docs/report.md, "The repeated phrase".
"""

from collections import defaultdict
from itertools import pairwise
from statistics import median

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
    repeated = [list(range(len(tokens)))]
    for length in range(1, LONGEST_PHRASE + 1):
        repeated = _one_longer(repeated, tokens, length)
        if not repeated:
            break
        places = _apart(max(repeated, key=lambda starts: _rank(starts, tokens)), length)
        share = len(places) * length / len(tokens)
        if len(places) >= FEWEST_TIMES and (best is None or share > best.share + 0.01):
            best = _loop(tokens[places[0] : places[0] + length], places, share, located)
    return best


def _one_longer(repeated: list[list[int]], tokens: list[str], length: int) -> list[list[int]]:
    """Return where each repeated phrase of that length begins, from where those one token shorter do.

    A phrase can only be as frequent as its beginning is: what is rarer is never looked at again.
    """
    longer = []
    for starts in repeated:
        by_last = defaultdict(list)
        for start in starts:
            if start + length <= len(tokens):
                by_last[tokens[start + length - 1]].append(start)
        longer += [starts for starts in by_last.values() if len(starts) >= FEWEST_TIMES]
    return longer


def _rank(starts: list[int], tokens: list[str]) -> tuple[int, bool, int]:
    """Return what a phrase is preferred for: frequent, beginning with a word, early."""
    return len(starts), is_word(tokens[starts[0]]), -starts[0]


def _apart(starts: list[int], length: int) -> list[int]:
    """Return those of the rising starts, from left to right, whose phrases do not overlap."""
    places: list[int] = []
    for start in starts:
        if not places or start >= places[-1] + length:
            places.append(start)
    return places


def _loop(phrase: list[str], places: list[int], share: float, located: list[tuple[int, str]]) -> Loop:
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
