"""The four scores of one sample, each from 0 to 100.

Source: docs/scores.md.
"""

from collections import Counter
from collections.abc import Callable
from itertools import compress
from typing import NamedTuple

from coherence.scoring.lexicon import Lexicon
from coherence.scoring.ngrams import Spectrum, effective_number, effective_of, spectra
from coherence.scoring.profile import Curve, Profile
from coherence.scoring.text import clean, is_word, tokenize

ENOUGH_TOKENS = 10
ENOUGH_CHARACTERS = 40

LOW_BELOW = 30.0
"""A sample is low if all its scores lie below this. Text that says one thing four times scores about 25."""


class Scores(NamedTuple):
    """The four scores of a sample; `None` where a score has no meaning (no trigram in two tokens).

    Attributes:
        bigram: diversity of pairs of neighbouring tokens, 0 to 100.
        trigram: diversity of triples of neighbouring tokens, 0 to 100.
        english: English words, present and varied, 0 to 100.
        character: diversity of runs of four characters, 0 to 100.
        tokens: length of the sample in tokens.
        characters: length of the sample in characters.
    """

    bigram: float | None
    trigram: float | None
    english: float | None
    character: float | None
    tokens: int
    characters: int

    @property
    def values(self) -> tuple[float | None, float | None, float | None, float | None]:
        """The four scores in the order bigram, trigram, english, character."""
        return self.bigram, self.trigram, self.english, self.character

    @property
    def scorable(self) -> bool:
        """Whether the sample is long enough to judge: 10 tokens or 40 characters."""
        return self.tokens >= ENOUGH_TOKENS or self.characters >= ENOUGH_CHARACTERS

    @property
    def mean(self) -> float:
        """The mean of the scores it has; 0 where it has none."""
        values = [value for value in self.values if value is not None]
        return sum(values) / len(values) if values else 0.0

    def low(self, threshold: float = LOW_BELOW) -> bool:
        """Tell whether every score there is lies strictly below `threshold`.

        A sample that lacks a score is low only if it is long enough to judge. A sample without any text
        scores 0 four times and is low.

        >>> score("Budy Budy Budy Budy").low()
        True
        >>> score("D").low()
        False
        """
        scores = [value for value in self.values if value is not None]
        return (len(scores) == 4 or self.scorable) and all(value < threshold for value in scores)


def score(
    text: str, prompt: str | None = None, lexicon: Lexicon | None = None, profile: Profile | None = None
) -> Scores:
    """Score one sample on the four scales.

    Each score compares the sample's length with the length at which reference text holds as many
    different things: `100 * (M - 1) / (N - 1)`, where `N` things were counted and the reference's
    effective number at `M` equals the sample's; clipped to 0..100. Text that says the same thing r times
    scores about 100 / r on every scale.

    Args:
        text: what the model wrote, any string.
        prompt: cut off if `text` begins with it.
        lexicon: the words that count as English; default the list that comes with the package.
        profile: the reference; default broad English.

    >>> s = score("The cat sat by the door and waited for the rain to stop.")
    >>> s.tokens, s.scorable, s.low(30.0)
    (14, True, False)
    >>> score("the the the the the the the the the the the").english
    0.0
    """
    cleaned = clean(text, prompt)
    return score_tokens(cleaned, tokenize(cleaned), lexicon, profile)


def score_tokens(
    cleaned: str,
    tokens: list[str],
    lexicon: Lexicon | None = None,
    profile: Profile | None = None,
    count: Callable[[str, list[str]], tuple[Spectrum, Spectrum, Spectrum]] = spectra,
) -> Scores:
    """Score a sample of which the tokens are needed elsewhere as well; else see `score`.

    Args:
        cleaned: the text as `text.clean` leaves it.
        tokens: of the cleaned text.
        lexicon: as for `score`.
        profile: as for `score`.
        count: what counts its n-grams.

    >>> score_tokens("on and on", ["on", "and", "on"]) == score("On and on")
    True
    """
    lexicon = lexicon or Lexicon.load()
    profile = profile or Profile.load()
    if not cleaned:
        return Scores(0.0, 0.0, 0.0, 0.0, 0, 0)
    bigrams, trigrams, runs = count(cleaned, tokens)
    return Scores(
        _diversity(bigrams, profile.curves["bigram"]),
        _diversity(trigrams, profile.curves["trigram"]),
        _english(tokens, lexicon, profile),
        _diversity(runs, profile.curves["character"]),
        len(tokens),
        len(cleaned),
    )


def _diversity(spectrum: Spectrum, curve: Curve) -> float | None:
    counted = sum(count * times for count, times in spectrum)
    return None if counted < 2 else _against(curve, effective_of(spectrum), counted)


def _english(tokens: list[str], lexicon: Lexicon, profile: Profile) -> float | None:
    """Return the lower of two: how varied the English words are, and how many of the words are English."""
    curve = profile.curves.get("english")
    if curve is None or len(tokens) < 2:
        return None
    counts = Counter(tokens)
    english = [counts[token] for token in lexicon.known(counts)]
    varied = _against(curve, effective_number(english), len(tokens))
    words = sum(compress(counts.values(), map(is_word, counts)))
    share = sum(english) / words if words else 0.0
    return min(varied, 100 * share / profile.english_share)


def _against(curve: Curve, effective: float, counted: int) -> float:
    """Return the share of its own length that reference text needs for the same diversity, in percent."""
    share = (curve.length_for(effective) - 1) / (counted - 1)
    return 100 * min(max(share, 0.0), 1.0)
