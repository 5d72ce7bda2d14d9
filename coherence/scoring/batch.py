"""The scores of many samples as columns, and the choice of what fills them: the one place where it is made.

`score_plain` scores one sample after the other. `coherence.scoring.compiled.score` fills the same columns
with the same numbers, where numba is installed. Source: docs/performance.md.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import repeat

import numpy as np

from coherence.scoring.between import between_groups
from coherence.scoring.columns import Columns, check_groups, columns_of
from coherence.scoring.lexicon import Lexicon
from coherence.scoring.ngrams_sorted import spectra
from coherence.scoring.profile import Profile
from coherence.scoring.scores import score_tokens
from coherence.scoring.text import clean, tokenize

WORTH_COMPILING = 16 * 2**20
"""Characters or bytes of text from which on the compiled scorer pays: to compile it takes half a minute, the
first time on a machine, and to load it a moment."""


Scorer = Callable[..., Columns]
"""What scores many samples: takes what `score_many` takes, in this order."""


def score_many(
    texts: Sequence[str],
    prompts: Sequence[str | None] | None = None,
    lexicon: Lexicon | None = None,
    profile: Profile | str | None = None,
    groups: Sequence[int] = (),
) -> Columns:
    """Score many samples, each as `score` does, by the scorer that is the faster one for so much text.

    Args:
        texts: what the model wrote, any strings.
        prompts: one for each text, or none for all; cut off where the text begins with it.
        lexicon: the words that count as English; default the list that comes with the package.
        profile: as for `score`.
        groups: how many samples each step drew, one after the other; those of a step that are long enough
            to judge are compared with each other.

    Raises:
        ValueError: there are more or fewer prompts than texts, or the groups do not add up to the texts.

    >>> columns = score_many(["The cat sat by the door.", "the the the the"], groups=[2])
    >>> columns.tokens.tolist(), columns.english.tolist()[1]
    ([7, 4], 0.0)
    """
    return scorer(sum(map(len, texts)))(texts, prompts, lexicon, profile, groups)


def scorer(size: int) -> Scorer:
    """Return the scorer that is the faster one for `size` characters or bytes of text.

    >>> scorer(2000) is score_plain
    True
    """
    return scorer_of(is_worth_compiling(size))


def is_worth_compiling(size: int) -> bool:
    """Tell whether the compiled scorer pays for so many characters or bytes, and numba is there.

    >>> is_worth_compiling(2000)
    False
    """
    return size >= WORTH_COMPILING and find_spec("numba") is not None


def scorer_of(fast: bool) -> Scorer:
    """Return the compiled scorer or the plain one, for those who were told which: workers do not choose.

    >>> scorer_of(fast=False) is score_plain
    True
    """
    if not fast:
        return score_plain
    return import_module("coherence.scoring.compiled.score").score_compiled  # type: ignore[no-any-return]


def score_plain(
    texts: Sequence[str],
    prompts: Sequence[str | None] | None = None,
    lexicon: Lexicon | None = None,
    profile: Profile | str | None = None,
    groups: Sequence[int] = (),
) -> Columns:
    """Score many samples one after the other: `score_many` says of what.

    >>> columns = score_plain(["Budy Budy Budy Budy", "on and on and on"], groups=[2])
    >>> columns.tokens.tolist(), columns.between.tolist()
    ([4, 5], [nan])
    """
    check_groups(texts, groups)
    profile = Profile.load(profile)
    cleaned = [clean(*pair) for pair in zip(texts, prompts or [None] * len(texts), strict=True)]
    tokens = [tokenize(each) for each in cleaned]
    scores = [score_tokens(*pair, lexicon, profile, spectra) for pair in zip(cleaned, tokens, strict=True)]
    scored = zip(scores, tokens, prompts or repeat(None), strict=False)
    between = between_groups(scored, groups)
    return columns_of(scores, np.array(between, np.float64))
