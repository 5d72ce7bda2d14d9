"""How many different things a text holds: n-gram counts and effective numbers.

Source: docs/scores.md, "Effective number"; Hill (1973), "Diversity and evenness".
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from math import exp, log
from typing import Any


def ngrams(items: Sequence[Any], order: int) -> Counter[Any]:
    """Count the runs of `order` neighbouring items.

    >>> ngrams("abab", 2)
    Counter({('a', 'b'): 2, ('b', 'a'): 1})
    """
    return Counter(zip(*(items[i:] for i in range(order)), strict=False))


Spectrum = list[tuple[int, int]]
"""How many things occurred how many times, as (times, things) in rising order."""


def spectrum(counts: Iterable[int]) -> Spectrum:
    """Return how many of the counted things occurred once, how many twice and so on: the frequency spectrum.

    >>> spectrum(ngrams("ababab", 2).values()), spectrum([1, 1, 5])
    ([(2, 1), (3, 1)], [(1, 2), (5, 1)])
    """
    return sorted(Counter(counts).items())


def spectra(cleaned: str, tokens: Sequence[str]) -> tuple[Spectrum, Spectrum, Spectrum]:
    """Return the spectra of a text's bigrams, trigrams and character 4-grams.

    >>> spectra("ab ab", ["ab", "ab"])
    ([(1, 1)], [], [(1, 2)])
    """
    # One after another: the counts of a long random text are large.
    return (
        spectrum(ngrams(tokens, 2).values()),
        spectrum(ngrams(tokens, 3).values()),
        spectrum(runs_of_four(cleaned).values()),
    )


def runs_of_four(text: str) -> Counter[Any]:
    """Count the character 4-grams; the keys of the counter have no meaning.

    >>> sorted(runs_of_four("abababa").values())
    [2, 2]
    """
    if text.isascii():
        data, width, runs = text.encode(), 1, array("I")
    else:
        data, width, runs = text.encode("utf-16-le", "surrogatepass"), 2, array("Q")
    if len(data) > width * len(text):
        return ngrams(text, 4)  # a non-BMP character takes two units
    # Four characters are one machine word: a third cheaper than a tuple, in the costliest part of a score.
    for start in range(0, 4 * width, width):
        whole = max(len(data) - start, 0) // runs.itemsize * runs.itemsize
        runs.frombytes(data[start : start + whole])
    return Counter(runs)


def effective_number(counts: Iterable[int]) -> float:
    """Return the effective number of different things: `exp(-sum p ln p)` over the shares `p`.

    It is the Hill number of order 1, that is the perplexity of the distribution: "as varied as that many
    equally frequent things". Range: 0 without counts, else 1 to the number of counts.

    >>> effective_number([5, 5, 5, 5])
    4.0
    >>> round(effective_number([97, 1, 1, 1]), 2)
    1.18
    """
    return effective_of(spectrum(counts))


def effective_of(spectrum: Spectrum) -> float:
    """Return the effective number of what was counted into a spectrum.

    >>> effective_of([(5, 4)]) == effective_number([5, 5, 5, 5])
    True
    """
    # Few counts differ, so each is weighed once: H = ln N - sum of c ln c / N. In rising order, so that the
    # sum is the same to the last bit however the things were counted.
    total = sum(count * times for count, times in spectrum)
    if not total:
        return 0.0
    weighted = 0.0
    for count, times in spectrum:
        weighted += count * times * log(count)
    return exp(log(total) - weighted / total)
