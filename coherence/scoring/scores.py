"""The four scores of one sample, each from 0 to 100.

Source: docs/scores.md.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import compress
from operator import itemgetter
from struct import Struct
from typing import Literal, NamedTuple

from coherence.scoring import fast
from coherence.scoring.again import is_template, said_again
from coherence.scoring.lexicon import Lexicon
from coherence.scoring.ngrams import Spectrum, effective_number, effective_of, ngrams, spectra, spectrum
from coherence.scoring.profile import Curve, Profile
from coherence.scoring.text import ONE_WORD, answer, clean, folded, is_word, one_word, short_rulers, tokenize
from coherence.scoring.word_order import Neighbours, WordOrder

ENOUGH_TOKENS = 10
ENOUGH_CHARACTERS = 40

LOW_BELOW = 30.0
"""A sample is low if all its scores lie below this. Text that says one thing three times scores about 10."""


FOREIGN_BELOW, FOREIGN_SHARE, ENOUGH_WORDS = 10.0, 0.1, 20
"""Less than a tenth of 20 or more different words are English: the text is not, and has no English score."""

TOLD_BELOW = 60.0
"""Only samples that score below this on every scale are checked for being templates."""

ENGLISH_FROM, ORDERED_TOKENS = 45.0, 64
"""Word order is measured from this English score on, which 19 of 20 human texts reach; in so many tokens."""

Kind = Literal["low", "fine", "templated", "too short", "empty"]


class Scores(NamedTuple):
    """The four scores of a sample; `None` if a score has no meaning: no trigram in two tokens, not English.

    Attributes:
        bigram: diversity of pairs of neighbouring tokens, 0 to 100.
        trigram: diversity of triples of neighbouring tokens, 0 to 100.
        english: English words, present and varied, 0 to 100.
        character: diversity of character 4-grams, 0 to 100.
        tokens: length of the sample in tokens.
        characters: length of the sample in characters.
        template: whether it repeats its frame and fills in new things, so that low scores do not mean a loop;
            only ever true if all scores are below 60.
        order: how well the order of its first 64 tokens fits English; None if the text is not English, by
            its score.
    """

    bigram: float | None
    trigram: float | None
    english: float | None
    character: float | None
    tokens: int
    characters: int
    template: bool = False
    order: Neighbours | None = None

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
        """The mean of the scores it has; 0 if it has none."""
        return mean_of(self.values)

    def kind(self, threshold: float = LOW_BELOW) -> Kind:
        """Return how a gate classifies the sample.

        A sample is *low* if every score it has is strictly below `threshold`, and it has all four scores or
        is long enough to judge. It is *templated* if it would be low but is a template, and *empty* if it
        holds no text. Any other sample is *fine* if it is long enough to judge, else *too short*.

        >>> score("Budy Budy Budy Budy").kind(), score("D").kind(), score("").kind()
        ('low', 'too short', 'empty')
        """
        if not self.characters:
            return "empty"
        scores = [value for value in self.values if value is not None]
        if (len(scores) == 4 or self.scorable) and all(value < threshold for value in scores):
            return "templated" if self.template else "low"
        return "fine" if self.scorable else "too short"

    def low(self, threshold: float = LOW_BELOW) -> bool:
        """Return whether the sample counts as low; a sample without any text does.

        >>> score("Budy Budy Budy Budy").low(), score("D").low()
        (True, False)
        """
        return self.kind(threshold) in ("low", "empty")


def mean_of(values: tuple[float | None, ...]) -> float:
    """Return the mean of the scores that are not None; 0 if all are.

    >>> mean_of((80.0, None, 40.0, 60.0))
    60.0
    """
    total, count = 0.0, 0
    for value in values:  # not `sum`, which rounds in another way from Python 3.12 on
        if value is not None:
            total += value
            count += 1
    return total / count if count else 0.0


EMPTY = Scores(0.0, 0.0, 0.0, 0.0, 0, 0)
"""The scores of an empty text."""


def score(
    text: str,
    prompt: str | None = None,
    lexicon: Lexicon | None = None,
    profile: Profile | str | None = None,
) -> Scores:
    """Score one sample on the four scales.

    Each score compares the sample's length with the length at which reference text holds as many
    different things: `100 * (M - 1) / (N - 1)`, where `N` things were counted and the reference's
    effective number at `M` equals the sample's; clipped to 0..100. That is multiplied by the share of tokens
    that do not repeat what came just before (`scoring.again.said_again`). Text that says the same thing twice
    scores about 50 on every scale, and text that says it r times, back to back, less than 100 / r.

    Args:
        text: what the model wrote, any string.
        prompt: cut off if `text` begins with it.
        lexicon: the words that count as English; default the list that comes with the package.
        profile: the reference, or the name of one: "code", "data", "logs", or a file; default broad English.

    >>> s = score("The cat sat by the door and waited for the rain to stop.")
    >>> s.tokens, s.scorable, s.low(30.0)
    (14, True, False)
    >>> score("the the the the the the the the the the the").english
    0.0
    """
    said = answer(text, prompt)
    if fast.CORE is None:
        return score_answer(short_rulers(said), lexicon, profile)
    rows, _ = fast.score_rows((said,), lexicon, profile)
    return scores_of_row(*PACKED_ROW.unpack(rows))


PACKED_ROW = Struct("=" + "".join(code for _, code in fast.ROW))
"""A row of the core."""


def score_answer(kept: str, lexicon: Lexicon | None = None, profile: Profile | str | None = None) -> Scores:
    """Score what is left of a sample after prompt and special tokens are cut off; otherwise as `score`.

    Args:
        kept: as `text.answer` and `text.short_rulers` leave it, or `text.clean`.
        lexicon: as for `score`.
        profile: as for `score`.

    >>> score_answer("on and on") == score("On and on")
    True
    """
    if fast.CORE is None:
        cleaned = folded(kept)
        return score_tokens(cleaned, tokenize(cleaned), lexicon, profile)
    rows, _ = fast.score_rows((kept,), lexicon, profile, cut_rulers=False)
    return scores_of_row(*PACKED_ROW.unpack(rows))


def scores_of_row(*row: float) -> Scores:
    """Return the scores in a row, whose fields are those of `fast.ROW`.

    >>> scores_of_row(100.0, float("nan"), 80.0, 90.0, 2, 9, 0, 0, 0).trigram is None
    True
    """
    *values, tokens, characters, template, surplus, pairs = row
    bigram, trigram, english, character = (None if value != value else value for value in values)
    order = Neighbours(int(surplus), int(pairs)) if pairs else None
    return Scores(bigram, trigram, english, character, int(tokens), int(characters), bool(template), order)


def score_tokens(
    cleaned: str,
    tokens: list[str],
    lexicon: Lexicon | None = None,
    profile: Profile | str | None = None,
) -> Scores:
    """Score a sample in Python: this defines what the core does; otherwise as `score`.

    Args:
        cleaned: the text as `text.clean` leaves it.
        tokens: of the cleaned text.
        lexicon: as for `score`.
        profile: as for `score`.

    >>> score_tokens("on and on", ["on", "and", "on"]) == score("On and on")
    True
    """
    lexicon = lexicon or Lexicon.load()
    profile = Profile.load(profile)
    if not cleaned:
        return EMPTY
    bigrams, trigrams, runs = spectra(cleaned, tokens)
    values = (
        _diversity(bigrams, profile.curves["bigram"]),
        _diversity(trigrams, profile.curves["trigram"]),
        _english(tokens, lexicon, profile),
        _diversity(runs, profile.curves["character"]),
    )
    return finish(cleaned, tokens, values, sum(times for _, times in trigrams), lexicon)


def finish(
    cleaned: str,
    tokens: list[str],
    values: tuple[float | None, float | None, float | None, float | None],
    distinct_trigrams: int,
    lexicon: Lexicon,
) -> Scores:
    """Return the scores of a sample from how varied it is.

    Args:
        cleaned: the text as `text.clean` leaves it.
        tokens: of the cleaned text.
        values: how varied it is on the four scales.
        distinct_trigrams: how many different triples of tokens there are.
        lexicon: the words that count as English.
    """
    bigram, trigram, english, character = values
    if english is not None and english < FOREIGN_BELOW and _is_foreign(tokens, lexicon):
        english = None
    again = said_again(cleaned, tokens, distinct_trigrams)
    if again:
        bigram, trigram = _times(bigram, 1 - again), _times(trigram, 1 - again)
        english, character = _times(english, 1 - again), _times(character, 1 - again)
    values = bigram, trigram, english, character
    template = _may_be_template(values) and is_template(tokens, again)
    return Scores(*values, len(tokens), len(cleaned), template, _order(english, tokens))


def _may_be_template(values: tuple[float | None, ...]) -> bool:
    return all(value is None or value < TOLD_BELOW for value in values)


def _order(english: float | None, tokens: list[str]) -> Neighbours | None:
    if english is None or english < ENGLISH_FROM:
        return None
    found = WordOrder.load().neighbours(tokens[:ORDERED_TOKENS])
    return found if found.pairs else None


def completed(scores: Scores, cleaned: str, tokens: list[str]) -> Scores:
    """Return recorded scores, with the template and the word order found in the text.

    Args:
        scores: the four recorded scores of the sample.
        cleaned: the text as `text.clean` leaves it.
        tokens: of the cleaned text.

    >>> completed(Scores(0.0, 0.0, 0.0, 20.0, 4, 19), "budy budy budy budy", ["budy"] * 4).template
    False
    """
    template = False
    if tokens and _may_be_template(scores.values):
        trigrams = len(set(zip(tokens, tokens[1:], tokens[2:], strict=False)))
        template = is_template(tokens, said_again(cleaned, tokens, trigrams))
    return scores._replace(template=template, order=_order(scores.english, tokens))


def word_of(scores: Scores, text: str, prompt: str | None = None) -> int:
    """Return a number for a one-word answer, 0 for any other answer: see `text.one_word`.

    Args:
        scores: of the sample.
        text: as for `score`.
        prompt: as for `score`.

    >>> word_of(score("Yes."), "Yes.") == word_of(score("yes!"), "yes!"), word_of(score("a b c"), "a b c")
    (True, 0)
    """
    return one_word(tokenize(clean(text, prompt))) if 0 < scores.tokens <= ONE_WORD else 0


def _times(value: float | None, share: float) -> float | None:
    return None if value is None else value * share


def _is_foreign(tokens: list[str], lexicon: Lexicon) -> bool:
    """Return whether nearly none of the words are English, and there are enough different ones to judge."""
    words = set(filter(is_word, tokens))
    return len(words) >= ENOUGH_WORDS and len(lexicon.known(words)) < FOREIGN_SHARE * len(words)


def share_again(bigram: float, tokens: Sequence[str], profile: Profile) -> float | None:
    """Return the share of tokens that repeat what came just before, as the bigram score shows.

    It is what `again.said_again` returns, up to a rounding error, in a fifth of the time: the score is the
    diversity of the pairs times the share that is not repeated. None if the pairs are not diverse at all.

    Args:
        bigram: the score of the text.
        tokens: of the cleaned text.
        profile: the reference that it was scored against.

    >>> tokens = "it rains and rains and rains here , so so we go home".split()
    >>> round(share_again(score(" ".join(tokens)).bigram, tokens, Profile.load()), 9)
    0.307692308
    """
    varied = _diversity(spectrum(ngrams(tokens, 2).values()), profile.curves["bigram"])
    return 1 - bigram / varied if varied else None


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
    words = sum(compress(counts.values(), map(str.isalpha, map(itemgetter(0), counts))))  # as `is_word` does
    share = sum(english) / words if words else 0.0
    return min(varied, 100 * share / profile.english_share)


def _against(curve: Curve, effective: float, counted: int) -> float:
    """Return how much of the sample's length reference text needs for the same diversity, in percent."""
    share = (curve.length_for(effective) - 1) / (counted - 1)
    return 100 * min(max(share, 0.0), 1.0)
