"""What a text says again: copies that stand back to back, and long stretches that were there before.

A loop says again; a template repeats its frame and fills new slots. Source: docs/scores.md, "Said again" and
"Templates".
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress, islice
from operator import ne

from coherence.scoring.text import RULER, rulers

SHORT = 4
"""Tokens of a phrase of which two copies back to back say something; of a longer one it takes three."""

SEEN = 8
"""Equal pairs of neighbours that lie equally far apart and point to a long phrase; three copies have more."""

MANY = 0.2
"""Of the triples of tokens, this share comes again where long phrases are looked for."""

NEIGHBOURS = (2, 12)
"""Pairs find a loop with some noise in it, runs of twelve one of a text whose pairs come again anyway."""

LEAST_AGAIN = 2 * SHORT + 2
"""Tokens of the runs of which three copies of a longer phrase hold at least one twice."""

PHRASES = 3
"""Distances tried for long phrases, the commonest, and their sums: a phrase may hold a pair twice."""

STRETCH = 24
"""Tokens of a stretch that says by itself that it was there before."""

LITTLE = 0.2
"""Of a template at most this share is said again."""

_DIFFERS = bytes([0] + [1] * 255)

NEW_SHARE, NEW_KINDS = 0.1, 4
"""Tokens that a template's second half brings in: of the kinds there are, and at least."""


def said_again(cleaned: str, tokens: Sequence[str], distinct_trigrams: int) -> float:
    """Return the share of tokens that only say again what stood just before, 0 to 1.

    All copies of a phrase but the first count, where at least two of 1 to 4 tokens, or three of more, stand
    back to back. Rulers, lines of signs alone, do not count unless most of the lines are rulers.

    Args:
        cleaned: the text as `text.clean` leaves it.
        tokens: of the cleaned text.
        distinct_trigrams: how many different triples of tokens there are.

    >>> said_again("no no no no", ["no"] * 4, 1)
    0.75
    >>> said_again("she said that that is that", "she said that that is that".split(), 4)
    0.16666666666666666
    """
    again = len(tokens) - 2 - distinct_trigrams  # triples that come again: what copies cannot do without
    periods = {period: period for period in range(1, SHORT + 1)}
    if again >= max(SEEN, MANY * len(tokens)):
        periods |= {period: 2 * period for period in _long_periods(tokens)}
    marks = _marked(tokens, periods)
    found = marks.count(1)
    if not found:
        return 0.0
    signs = sum(not token[0].isalnum() for token in compress(tokens, marks))
    ruled = sum(rulers(cleaned.split("\n")).values()) if signs >= RULER - 1 else 0
    return (found - min(signs, ruled)) / len(tokens)


def _marked(tokens: Sequence[str], periods: Mapping[int, int]) -> bytearray:
    """Return a mark for each token that equals the one a period before, where so many in a row do."""
    # One byte for a token: all are compared at once, as one number with itself shifted. Those that seem to
    # be equal are then looked at.
    seen = int.from_bytes(bytes([hash(token) & 0xFF for token in tokens]), "little")
    marks = bytearray(len(tokens))
    for period, least in periods.items():
        seem = (seen ^ (seen >> 8 * period)).to_bytes(len(tokens), "little")[:-period].translate(_DIFFERS)
        for first, last in _zeros(seem, least):
            unequal = bytes(list(map(ne, tokens[first:last], tokens[first + period : last + period])))
            for start, end in _zeros(unequal, least):
                marks[first + start + period : first + end + period] = b"\1" * (end - start)
    return marks


def _zeros(data: bytes, least: int) -> Iterator[tuple[int, int]]:
    """Yield where so many zeros in a row begin and end, among ones."""
    wanted = bytes(least)
    start = data.find(wanted)
    while start >= 0:
        end = data.find(1, start)
        end = len(data) if end < 0 else end
        yield start, end
        start = data.find(wanted, end)


def _runs(tokens: Sequence[str], length: int) -> Iterator[tuple[str, ...]]:
    """Yield every run of so many tokens; together they take many times the memory of the text."""
    return zip(*(islice(tokens, start, None) for start in range(length)), strict=False)


def _come_again(tokens: Sequence[str], length: int) -> int:
    """Return how many runs of so many tokens were there before."""
    return max(len(tokens) - length + 1, 0) - len(set(_runs(tokens, length)))


def _long_periods(tokens: Sequence[str]) -> list[int]:
    """Return the distances at which neighbours come again most often, and the sums of two of them."""
    again = _come_again(tokens, LEAST_AGAIN)
    if not again:
        return []
    common: set[int] = set()
    for length in NEIGHBOURS if again >= SEEN else NEIGHBOURS[:1]:
        distances = _distances(_runs(tokens, length)).most_common(PHRASES + 2)
        common.update([each for each, times in distances if each > SHORT and times >= SEEN][:PHRASES])
    return sorted(common | {one + other for one in common for other in common})


def _distances(runs: Iterable[tuple[str, ...]]) -> Counter[int]:
    """Count how far apart equal runs follow each other."""
    last: dict[tuple[str, ...], int] = {}
    distances: Counter[int] = Counter()
    for at, run in enumerate(runs):
        if run in last:
            distances[at - last[run]] += 1
        last[run] = at
    return distances


def is_template(tokens: Sequence[str], again: float) -> bool:
    """Tell whether a text repeats its frame and fills in new things.

    In a loop nothing is new. In a template, such as JSON records, less than a fifth is said again, back to
    back or in stretches of 24 tokens that stood in the text before, and its second half brings in at least
    4 kinds of tokens, and a tenth of all kinds. A text of fewer than 24 tokens is too short to judge.

    Args:
        tokens: of the cleaned text.
        again: the share that is said again, signs included.

    >>> records = " ".join(f"name : n{each} , age : {each} ;" for each in range(20, 40)).split()
    >>> is_template(records, 0.0), is_template(["name", ":"] * 40, 0.95)
    (True, False)
    """
    if len(tokens) < STRETCH or again >= LITTLE or not _keeps_bringing_in(tokens):
        return False
    return _come_again(tokens, STRETCH) / len(tokens) < LITTLE


def _keeps_bringing_in(tokens: Sequence[str]) -> bool:
    kinds, half = set(tokens), len(tokens) // 2
    new = len(kinds) - len(set(_first(tokens, half)))
    return new >= max(NEW_KINDS, NEW_SHARE * len(kinds))


def _first(tokens: Iterable[str], count: int) -> Iterable[str]:
    return islice(tokens, count)
