"""The scores computed a second time: slow, obvious, and counted with nltk.

`coherence.scoring.scores` counts in faster ways and gives any text the same scores; property tests compare
the two. To learn what a score is, read this file. Source: docs/scores.md.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import exp, fsum, log

from nltk import FreqDist, ngrams

from coherence.scoring.lexicon import Lexicon
from coherence.scoring.profile import Curve, Profile
from coherence.scoring.scores import EMPTY, Scores, finish
from coherence.scoring.text import clean, is_word, tokenize


def score_reference(
    text: str, prompt: str | None = None, lexicon: Lexicon | None = None, profile: Profile | None = None
) -> Scores:
    """Score one sample as `score` does, step by step as the formulas are written.

    The numbers are those of `score` up to rounding, 1e-9, because sums are taken in another order.

    Args:
        text: what the model wrote, any string.
        prompt: cut off if `text` begins with it.
        lexicon: the words that count as English; default the list that comes with the package.
        profile: the reference; default broad English.

    >>> from coherence import score
    >>> text = "The cat sat by the door and waited for the rain to stop."
    >>> for reference, fast in zip(score_reference(text).values, score(text).values, strict=True):
    ...     assert abs(reference - fast) < 1e-9
    """
    lexicon, profile = lexicon or Lexicon.load(), profile or Profile.load()
    cleaned = clean(text, prompt)
    if not cleaned:
        return EMPTY
    tokens = tokenize(cleaned)
    values = (
        _diversity(ngrams(tokens, 2), profile.curves["bigram"]),
        _diversity(ngrams(tokens, 3), profile.curves["trigram"]),
        _english(tokens, lexicon, profile),
        _diversity(ngrams(cleaned, 4), profile.curves["character"]),
    )
    # The share that is said again is computed a second time in tests/scoring/test_again.py.
    return finish(cleaned, tokens, values, len(FreqDist(ngrams(tokens, 3))), lexicon)


def _diversity(things: Iterable[Sequence[str]], curve: Curve) -> float | None:
    counts = FreqDist(things)
    return _against(curve, _effective_number(counts), counts.N())


def _english(tokens: list[str], lexicon: Lexicon, profile: Profile) -> float | None:
    """Return the lower of two: how varied the English words are, and how many of the words are English."""
    if "english" not in profile.curves:
        return None
    english = FreqDist(token for token in tokens if token in lexicon)
    words = [token for token in tokens if is_word(token)]
    varied = _against(profile.curves["english"], _effective_number(english), len(tokens))
    share = english.N() / len(words) if words else 0.0
    return None if varied is None else min(varied, 100 * share / profile.english_share)


def _effective_number(counts: FreqDist) -> float:
    """Return `exp(-sum p ln p)` over the shares p of what was counted; 0 if nothing was."""
    shares = [counts.freq(kind) for kind in counts]
    return exp(-fsum(share * log(share) for share in shares)) if shares else 0.0


def _against(curve: Curve, effective: float, counted: int) -> float | None:
    """Return `100 * (M - 1) / (N - 1)`, clipped to 0..100; None for fewer than two things."""
    if counted < 2:
        return None
    return min(max(100 * (_length_for(curve, effective) - 1) / (counted - 1), 0.0), 100.0)


def _length_for(curve: Curve, effective: float) -> float:
    """Walk along the curve to the segment that holds `effective`; the last one has no end."""
    if effective < 1:
        return 0.0
    stretches = list(pairwise(curve.points))
    (count, low), (next_count, high) = next(
        ((start, end) for start, end in stretches if effective <= end[1]), stretches[-1]
    )
    share = log(effective / low) / log(high / low)
    return float(count * (next_count / count) ** share)
