"""The loops of a sample: the phrases it repeats, how often, and from which character on.

Source: docs/report.md, "The repeated phrase".
"""

from bisect import bisect_left
from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple

from coherence.scoring.again import SHORT
from coherence.scoring.text import answer, is_word, locate, short_rulers

LONGEST_PHRASE = 24
"""Tokens; a longer repeated passage is shown by its first part."""

FEWEST_TIMES = 3

FIFTH = 0.2
"""A phrase that covers less than this share of the sample, and never comes back to back, is not a loop."""

MOST_LOOPS = 3
"""How many phrases of one sample are reported."""

Phrase = tuple[str, ...]

MOST_TOKENS = 20_000
"""Of a longer sample only the beginning is searched, which shows the loop."""


class Loop(NamedTuple):
    """A phrase that a sample repeats.

    Attributes:
        phrase: as it is written where the repetition begins; white space is one blank.
        times: how often it occurs in the sample.
        share: share of the sample's tokens that belong to it, 0 to 1.
        period: tokens from one copy to the next, the median.
        start: character of the answer at which the repetition begins.
    """

    phrase: str
    times: int
    share: float
    period: int
    start: int


class _Found(NamedTuple):
    phrase: Phrase
    places: list[int]
    share: float


def find_loop(text: str, prompt: str | None = None) -> Loop | None:
    """Return the loop that covers most of a sample, of equal ones the shortest; None if there is none.

    >>> loop = find_loop("It was late. We went home. We went home. We went home. We went home.")
    >>> loop.phrase, loop.times, loop.period, loop.start
    ('We went home.', 4, 4, 13)
    >>> find_loop("Nothing here comes twice.") is None
    True
    """
    return next(iter(find_loops(text, prompt, 1)), None)


def find_loops(text: str, prompt: str | None = None, most: int = MOST_LOOPS) -> list[Loop]:
    """Return the loops of a sample that cover most of it, the largest first; no two overlap.

    A loop is a phrase of up to 24 tokens that occurs three times or more without overlapping itself, and
    covers a fifth of the sample or comes back to back: two copies of 1 to 4 tokens, three of more. A single
    token has to come back to back, and signs alone have to cover a fifth: commas and "the" are not loops.

    Args:
        text: what the model wrote.
        prompt: cut off if `text` begins with it.
        most: how many to return at most.

    >>> [loop.phrase for loop in find_loops("go on go on go on. He sat down and wept: no, no, no, no.")]
    ['go on', 'no,']
    """
    return [loop for loop, _ in find_phrases(text, prompt, most)]


def find_phrases(text: str, prompt: str | None = None, most: int = MOST_LOOPS) -> list[tuple[Loop, Phrase]]:
    """Return what `find_loops` does, each loop with the tokens of its phrase.

    >>> [phrase for _, phrase in find_phrases("Go on. Go on. Go on.")]
    [('go', 'on', '.')]
    """
    written = short_rulers(answer(text, prompt), fill=" ")
    located = locate(written, MOST_TOKENS)
    tokens = [token for _, token in located]
    loops: list[tuple[Loop, Phrase]] = []
    while len(loops) < most and (found := _largest(tokens)) is not None:
        loops.append((_loop(found, located, written), found.phrase))
        for place in found.places:
            for at in range(place, place + len(found.phrase)):
                tokens[at] = f"\n{at}"  # equals nothing: no token holds a newline
    return sorted(loops, key=lambda each: -each[0].share)


def _largest(tokens: list[str]) -> _Found | None:
    best: _Found | None = None
    phrases = [list(range(len(tokens)))]
    for length in range(1, LONGEST_PHRASE + 1):
        phrases = _longer(phrases, tokens, length)
        # Of equal ones, first those that begin with a word.
        for starts in sorted(phrases, key=lambda each: (-len(each), not is_word(tokens[each[0]]))):
            least = 0.0 if best is None else best.share + 0.01
            if len(starts) * length / len(tokens) <= least:
                break
            phrase, places = tuple(tokens[starts[0] : starts[0] + length]), _apart(starts, length)
            share = len(places) * length / len(tokens)
            if share > least and len(places) >= FEWEST_TIMES and _is_loop(phrase, places, share):
                best = _Found(phrase, places, share)
    return best


def _longer(phrases: list[list[int]], tokens: list[str], length: int) -> list[list[int]]:
    """Return the starts of each phrase of a length that occurs three times or more, in the order of the text.

    Args:
        phrases: the starts of each phrase that is one token shorter: a phrase is at most as frequent as it.
        tokens: of the text.
        length: of the phrases, in tokens.
    """
    found: list[list[int]] = []
    ends = tokens[length - 1 :]
    for starts in phrases:
        by_last: defaultdict[str, list[int]] = defaultdict(list)
        for start in starts[: bisect_left(starts, len(ends))]:
            by_last[ends[start]].append(start)
        found += [each for each in by_last.values() if len(each) >= FEWEST_TIMES]
    return sorted(found)


def _is_loop(phrase: Phrase, places: list[int], share: float) -> bool:
    words = any(token[0].isalnum() for token in phrase)
    if share < FIFTH and not words:
        return False
    return (share >= FIFTH and len(phrase) > 1) or _is_back_to_back(places, len(phrase))


def _is_back_to_back(places: list[int], length: int) -> bool:
    """Return whether two copies of a short phrase, or three of a longer one, follow each other at once."""
    follows = [after - before == length for before, after in pairwise(places)]
    return any(follows) if length <= SHORT else any(one and other for one, other in pairwise(follows))


def _apart(starts: list[int], length: int) -> list[int]:
    """Return those of the rising starts, from left to right, whose phrases do not overlap."""
    places: list[int] = []
    for start in starts:
        if not places or start >= places[-1] + length:
            places.append(start)
    return places


def _loop(found: _Found, located: list[tuple[int, str]], written: str) -> Loop:
    places = found.places
    gaps = sorted(after - before for before, after in pairwise(places))
    period = (gaps[(len(gaps) - 1) // 2] + gaps[len(gaps) // 2]) // 2  # the median
    # An early word that happens to be in the phrase is not a loop yet: it begins once the next one is near.
    begins = next((before for before, after in pairwise(places) if after - before <= 2 * period), places[0])
    return Loop(
        phrase=_as_written(located, begins, len(found.phrase), written),
        times=len(places),
        share=round(found.share, 4),
        period=period,
        start=located[begins][0],
    )


def _as_written(located: list[tuple[int, str]], first: int, count: int, written: str) -> str:
    """Return so many tokens as the text has them, on one line."""
    start, token = located[first + count - 1]
    after = located[first + count][0] if first + count < len(located) else len(written)
    # A token is as long as it is written, or longer: folding makes some letters two or three.
    return " ".join(written[located[first][0] : min(start + len(token), after)].split())
