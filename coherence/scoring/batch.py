"""The scores of many samples as columns, and the plain way to fill them: one sample after the other.

`coherence.scoring.compiled` fills the same columns with the same numbers, many times as fast.
"""

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coherence.scoring.between import diversity_between
from coherence.scoring.lexicon import Lexicon
from coherence.scoring.ngrams_sorted import spectra
from coherence.scoring.profile import Profile
from coherence.scoring.scores import score_tokens
from coherence.scoring.text import clean, tokenize


class Columns(NamedTuple):
    """The scores of many samples, an entry each.

    Attributes:
        bigram, trigram, english, character: 0 to 100; not-a-number where a score has no meaning.
        tokens, characters: the length of each sample.
        between: an entry a group, the diversity between its samples, 0 to 100; not-a-number for none.
    """

    bigram: NDArray[np.float64]
    trigram: NDArray[np.float64]
    english: NDArray[np.float64]
    character: NDArray[np.float64]
    tokens: NDArray[np.int64]
    characters: NDArray[np.int64]
    between: NDArray[np.float64]


def score_plain(
    texts: Sequence[str],
    prompts: Sequence[str | None] | None = None,
    lexicon: Lexicon | None = None,
    profile: Profile | None = None,
    groups: Sequence[int] = (),
) -> Columns:
    """Score many samples, each as `score` does.

    Args:
        texts: what the model wrote.
        prompts: one for each text; cut off where the text begins with it.
        lexicon: as for `score`.
        profile: as for `score`.
        groups: how many of the texts, one after the other, belong to each step; the samples of a step that
            are long enough to judge are compared with each other.

    >>> columns = score_plain(["Budy Budy Budy Budy", "on and on and on"], groups=[2])
    >>> columns.tokens.tolist(), columns.between.tolist()
    ([4, 5], [nan])
    """
    cleaned = [clean(*pair) for pair in zip(texts, prompts or [None] * len(texts), strict=True)]
    tokens = [tokenize(each) for each in cleaned]
    scores = [score_tokens(*pair, lexicon, profile, spectra) for pair in zip(cleaned, tokens, strict=True)]
    scored = iter(zip(scores, tokens, strict=True))
    between = [diversity_between(islice(scored, size)) for size in groups]
    values = np.array([each.values for each in scores], np.float64).reshape(-1, 4)
    lengths = np.array([(each.tokens, each.characters) for each in scores], np.int64).reshape(-1, 2)
    bigram, trigram, english, character = values.T
    counted, characters = lengths.T
    return Columns(bigram, trigram, english, character, counted, characters, np.array(between, np.float64))
