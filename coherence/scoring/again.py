"""What a text says again: copies that are back to back, and long stretches that occurred before.

A loop says again; a template repeats its frame and fills new slots. Source: docs/scores.md, "Said again" and
"Templates".
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress, islice
from operator import ne

from coherence.scoring.text import RULER, rulers

SHORT = 4
"""Tokens of a short phrase: two copies back to back count. A longer phrase needs three copies."""

SEEN = 8
"""Equal pairs of neighbours, all equally far apart, that point to a long phrase; three copies have more."""

MANY = 0.2
"""Long phrases are looked for if at least this share of the token triples are repeated."""

NEIGHBOURS = (2, 12)
"""Pairs find a loop with some noise in it; runs of twelve find a loop in a text whose pairs recur anyway."""

LEAST_AGAIN = 2 * SHORT + 2
"""Length of a run in tokens: three copies of a longer phrase contain at least one such run twice."""

PHRASES = 3
"""How many distances, the commonest ones, are tried for long phrases; also their sums, because a phrase may
contain a pair twice."""

STRETCH = 24
"""Tokens of a stretch that is long enough to count as repeated wherever it occurred before."""

LITTLE = 0.2
"""At most this share of a template is said again."""

_DIFFERS = bytes([0] + [1] * 255)

NEW_SHARE, NEW_KINDS = 0.1, 4
"""New kinds of tokens in the second half of a template: share of all kinds, and at least."""


def said_again(cleaned: str, tokens: Sequence[str], distinct_trigrams: int) -> float:
    """Return the share of tokens that only repeat what came just before, 0 to 1.

    All copies of a phrase but the first count, if there are at least two copies back to back of a phrase of 1
    to 4 tokens, or three of a longer one. Rulers, which are lines of signs alone, do not count unless most of
    the lines are rulers.

    Args:
        cleaned: the text as `text.clean` leaves it.
        tokens: of the cleaned text.
        distinct_trigrams: how many different triples of tokens there are.

    >>> said_again("no no no no", ["no"] * 4, 1)
    0.75
    >>> said_again("she said that that is that", "she said that that is that".split(), 4)
    0.16666666666666666
    """
    again = len(tokens) - 2 - distinct_trigrams  # repeated triples: copies always have some
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
    """Mark each token that equals the token one period before, if enough in a row do."""
    # One byte a token: all are compared at once, as one number with itself shifted. Those that seem equal are
    # then compared as tokens.
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
    """Yield the begin and end of each run of at least `least` zeros among ones."""
    wanted = bytes(least)
    start = data.find(wanted)
    while start >= 0:
        end = data.find(1, start)
        end = len(data) if end < 0 else end
        yield start, end
        start = data.find(wanted, end)


def _runs(tokens: Sequence[str], length: int) -> Iterator[tuple[str, ...]]:
    """Yield every run of `length` tokens; all of them together take many times the memory of the text."""
    return zip(*(islice(tokens, start, None) for start in range(length)), strict=False)


def _come_again(tokens: Sequence[str], length: int) -> int:
    """Return how many runs of `length` tokens occurred before."""
    return max(len(tokens) - length + 1, 0) - len(set(_runs(tokens, length)))


def _long_periods(tokens: Sequence[str]) -> list[int]:
    """Return the distances at which neighbours recur most often, and the sums of two of them."""
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
    """Return whether a text repeats its frame and fills in new things.

    In a loop nothing is new. In a template, such as JSON records, less than a fifth is said again, back to
    back or in stretches of 24 tokens that occurred earlier in the text, and its second half brings in at
    least 4 kinds of tokens, and a tenth of all kinds. A text of fewer than 24 tokens is too short to judge.

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
