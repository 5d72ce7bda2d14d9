"""The scores of many samples as columns.

`score_plain` scores one sample after another in Python, `score_core` scores all at once in C; both fill the
same columns with the same numbers, and `score_many` uses the core if it was built (`fast`).
Source: docs/performance.md.
"""

from collections.abc import Callable, Sequence
from itertools import repeat

import numpy as np

from coherence.scoring import fast
from coherence.scoring.between import between_groups
from coherence.scoring.columns import Columns, check_groups, columns_of
from coherence.scoring.lexicon import Lexicon
from coherence.scoring.profile import Profile
from coherence.scoring.scores import score_tokens
from coherence.scoring.text import answer, clean, tokenize

Scorer = Callable[..., Columns]
"""A function that scores many samples, with the parameters of `score_many` in the same order."""


def score_many(
    texts: Sequence[str],
    prompts: Sequence[str | None] | None = None,
    lexicon: Lexicon | None = None,
    profile: Profile | str | None = None,
    groups: Sequence[int] = (),
) -> Columns:
    """Score many samples, each as `score` does.

    Args:
        texts: what the model wrote, any strings.
        prompts: one for each text, or none at all; cut off if the text begins with it.
        lexicon: the words that count as English; default the list that comes with the package.
        profile: as for `score`.
        groups: how many samples each step drew, step after step; the samples of a step that are long enough
            to judge are compared with each other.

    Raises:
        ValueError: there are more or fewer prompts than texts, or the groups do not add up to the texts.

    >>> columns = score_many(["The cat sat by the door.", "the the the the"], groups=[2])
    >>> columns.tokens.tolist(), columns.english.tolist()[1]
    ([7, 4], 0.0)
    """
    scorer = score_plain if fast.CORE is None else score_core
    return scorer(texts, prompts, lexicon, profile, groups)


def score_plain(
    texts: Sequence[str],
    prompts: Sequence[str | None] | None = None,
    lexicon: Lexicon | None = None,
    profile: Profile | str | None = None,
    groups: Sequence[int] = (),
) -> Columns:
    """Score many samples one after another, in Python; parameters as for `score_many`.

    >>> columns = score_plain(["Budy Budy Budy Budy", "on and on and on"], groups=[2])
    >>> columns.tokens.tolist(), columns.between.tolist()
    ([4, 5], [nan])
    """
    check_groups(texts, groups)
    profile = Profile.load(profile)
    cleaned = [clean(*pair) for pair in zip(texts, prompts or [None] * len(texts), strict=True)]
    tokens = [tokenize(each) for each in cleaned]
    scores = [score_tokens(*pair, lexicon, profile) for pair in zip(cleaned, tokens, strict=True)]
    scored = zip(scores, tokens, prompts or repeat(None), strict=False)
    between = between_groups(scored, groups)
    return columns_of(scores, np.array(between, np.float64))


def score_core(
    texts: Sequence[str],
    prompts: Sequence[str | None] | None = None,
    lexicon: Lexicon | None = None,
    profile: Profile | str | None = None,
    groups: Sequence[int] = (),
) -> Columns:
    """Score many samples in C; parameters as for `score_many`.

    Raises:
        RuntimeError: the core was not built.
    """
    check_groups(texts, groups)
    given = repeat(None, len(texts)) if prompts is None else prompts
    answers = [answer(*pair) for pair in zip(texts, given, strict=True)]
    compared = prompts if groups and prompts else ()
    rows, between = fast.score_rows(answers, lexicon, profile, groups, compared)
    found = np.frombuffer(rows, np.dtype(list(fast.ROW)))
    columns = {name: np.ascontiguousarray(found[name]) for name, _ in fast.ROW}
    columns["template"] = columns["template"] != 0
    return Columns(**columns, between=np.frombuffer(between, np.float64))
