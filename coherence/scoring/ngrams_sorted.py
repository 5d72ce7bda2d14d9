"""The n-grams of a sample counted by sorting numbers: half the time of a score, where numpy may be imported.

Source: docs/scores.md, "Effective number"; docs/architecture.md, "Decisions worth knowing".
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coherence.scoring import ngrams
from coherence.scoring.ngrams import Spectrum

WIDEST = 0xFFFF
"""The last of the characters of which any four fit into one number of 64 bits."""

MOST_TOKENS = 1_000_000
"""Of so many different ones any three fit into one number of 63 bits."""


def spectra(
    cleaned: str, tokens: list[str], widest: int = WIDEST, most_tokens: int = MOST_TOKENS
) -> tuple[Spectrum, Spectrum, Spectrum]:
    """Return what `ngrams.spectra` does.

    >>> spectra("ab ab", ["ab", "ab"])
    ([(1, 1)], [], [(1, 2)])
    """
    characters = np.frombuffer(cleaned.encode("utf-32-le", "surrogatepass"), np.uint32)
    if characters.max(initial=0) > widest or len(kinds := dict.fromkeys(tokens)) > most_tokens:
        return ngrams.spectra(cleaned, tokens)
    number = {token: place for place, token in enumerate(kinds)}
    numbers = np.fromiter(map(number.__getitem__, tokens), np.int64, len(tokens))
    bigrams = numbers[:-1] * len(number) + numbers[1:]
    trigrams = bigrams[:-1] * len(number) + numbers[2:]
    return _spectrum(bigrams), _spectrum(trigrams), _spectrum(_runs(characters))


def _runs(characters: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Return each run of four characters as a number; in place, for a text may be long."""
    pairs = characters[:-1] << 16
    pairs |= characters[1:]
    runs = pairs[:-2].astype(np.uint64)
    runs <<= np.uint64(32)
    runs |= pairs[2:]
    return runs


def _spectrum(things: NDArray[Any]) -> Spectrum:
    """Return the spectrum of things that are numbers; they are sorted in place."""
    if not len(things):
        return []
    things.sort()
    is_last = np.ones(len(things), np.bool_)
    np.not_equal(things[1:], things[:-1], out=is_last[:-1])
    ends = is_last.nonzero()[0] + 1
    counts = ends.copy()
    counts[1:] -= ends[:-1]
    kinds = np.bincount(counts)
    times = kinds.nonzero()[0]
    return list(zip(times.tolist(), kinds[times].tolist(), strict=True))
