"""How different the samples of one step are from each other.

Source: docs/scores.md, "Between samples".
"""

from collections.abc import Iterable, Sequence
from itertools import islice, pairwise, starmap
from struct import unpack
from typing import TypeVar

from coherence.scoring import fast
from coherence.scoring.lexicon import Lexicon
from coherence.scoring.profile import Profile
from coherence.scoring.scores import PACKED_ROW, Scores, score, scores_of_row
from coherence.scoring.text import answer, clean, tokenize

T = TypeVar("T")

COMPARED = 64
"""How many samples of a step are compared with each other, the first ones."""


def score_step(
    samples: Sequence[tuple[str, str | None]], lexicon: Lexicon | None = None, profile: Profile | None = None
) -> tuple[list[Scores], float | None]:
    """Score the samples of one step, and compare them with each other.

    Args:
        samples: the texts, each with its prompt.
        lexicon: as for `score`.
        profile: as for `score`.

    Returns:
        for each sample what `score` returns, and for all of them what `diversity_between` returns.

    >>> scores, diversity = score_step([("a b c d e f g h i j", None), ("k l m n o p q r s t", None)])
    >>> scores[1] == score("k l m n o p q r s t"), diversity
    (True, 100.0)
    """
    if len(samples) == 1:
        return [score(*samples[0], lexicon, profile)], None
    prompts = [prompt for _, prompt in samples]
    if fast.CORE is None:
        scores = [score(*sample, lexicon, profile) for sample in samples]
        tokens = [tokenize(clean(*sample)) for sample in samples]
        return scores, diversity_between(zip(scores, tokens, prompts, strict=True))
    answers = [answer(*sample) for sample in samples]
    rows, between = fast.score_rows(answers, lexicon, profile, [len(answers)], prompts)
    scores = list(starmap(scores_of_row, PACKED_ROW.iter_unpack(rows)))
    (diversity,) = unpack("=d", between)
    return scores, diversity if diversity == diversity else None


def diversity_between(samples: Iterable[tuple[Scores, list[str], object]]) -> float | None:
    """Return the diversity between those samples of one step that are long enough to judge.

    If there are several prompts, only the first sample of each is compared: right answers to one question are
    alike, and that is not a collapse.

    Args:
        samples: the samples of the step, each with its scores, its tokens and a key of its prompt, which is
            false without a prompt; samples beyond `COMPARED` are left out.

    >>> from coherence import score
    >>> texts = ("a b c d e f g h i j", "a b c d e f g h i j", "k l m n o p q r s t")
    >>> diversity_between([(score(text), text.split(), text[0]) for text in texts])
    100.0
    """
    judged = [(tokens, prompt) for scores, tokens, prompt in islice(samples, COMPARED) if scores.scorable]
    return between_samples(of_each_prompt(judged))


def compared(judged: Iterable[tuple[int, object]]) -> int:
    """Return how many samples of one step are compared.

    Args:
        judged: the samples that are long enough to judge, each as the number of its tokens and a key of its
            prompt.

    >>> compared([(20, None), (35, None), (1, None)])
    2
    """
    return sum(tokens > 1 for tokens in of_each_prompt(judged))


def between_groups(
    samples: Iterable[tuple[Scores, list[str], object]], sizes: Iterable[int]
) -> list[float | None]:
    """Return the diversity between the samples of each group; a group is consecutive samples.

    Args:
        samples: as for `diversity_between`.
        sizes: of the groups.

    >>> from coherence import score
    >>> texts = ("a b c d e f g h i j", "k l m n o p q r s t", "u v w x y z a b c d")
    >>> between_groups([(score(text), text.split(), None) for text in texts], [2, 1])
    [100.0, None]
    """
    samples = iter(samples)
    return [diversity_between(list(islice(samples, size))) for size in sizes]


def of_each_prompt(samples: Iterable[tuple[T, object]]) -> list[T]:
    """Return the first sample of each prompt; all samples if fewer than two prompts are known.

    Args:
        samples: each sample, in any form, with a key of its prompt.

    >>> of_each_prompt([(["4"], "2+2"), (["four"], "2+2"), (["9"], "3*3")])
    [['4'], ['9']]
    """
    samples = list(samples)
    if len({prompt for _, prompt in samples if prompt}) < 2:
        return [sample for sample, _ in samples]
    first: dict[object, T] = {}
    for sample, prompt in samples:
        first.setdefault(prompt or None, sample)
    return list(first.values())


def between_samples(samples: Sequence[Sequence[str]]) -> float | None:
    """Return how different the samples of one step are from each other, 0 (identical) to 100.

    With `m` tokenized samples and `U` = distinct bigrams of all together / sum of the distinct bigrams of
    each: `100 * (U - 1/m) / (1 - 1/m)`. Samples without a bigram are left out; `None` if fewer than two
    are left.

    >>> between_samples([["a", "b", "c"], ["a", "b", "c"]])
    0.0
    >>> between_samples([["a", "b", "c"], ["d", "e", "f"]])
    100.0
    >>> between_samples([["a", "b", "c"]]) is None
    True
    """
    samples = [tokens for tokens in samples if len(tokens) > 1]
    if len(samples) < 2:
        return None
    bigrams = [set(pairwise(tokens)) for tokens in samples]
    shared = 1 / len(bigrams)
    distinct = len(set().union(*bigrams)) / sum(map(len, bigrams))
    return 100 * max(0.0, distinct - shared) / (1 - shared)
