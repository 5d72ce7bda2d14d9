"""Many samples at once: the numbers of `score`, and one place that chooses the scorer."""

import pytest

from coherence import Lexicon, score
from coherence.scoring import fast
from coherence.scoring.batch import score_core, score_many, score_plain
from coherence.scoring.columns import scores_of
from coherence.scoring.scores import Scores

TEXTS = [
    "The cat sat by the door and waited for the rain to stop.",
    "Budy " * 20,
    "",
    "D",
    "on and on and on",
]


def scored(text: str, prompt: str | None = None, lexicon: Lexicon | None = None) -> Scores:
    (found,) = scores_of(score_many([text], [prompt], lexicon))
    return found


@pytest.mark.parametrize("text", TEXTS)
def test_many_are_scored_as_one(text: str) -> None:
    assert scored(text) == score(text)
    assert scored(f"so {text}", "so", Lexicon(["cat"])) == score(text, lexicon=Lexicon(["cat"]))


def test_without_the_core_the_plain_scorer_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    one, many = [score(text) for text in TEXTS], list(scores_of(score_many(TEXTS)))
    monkeypatch.setattr(fast, "CORE", None)
    assert [score(text) for text in TEXTS] == one
    assert list(scores_of(score_many(TEXTS))) == many == list(scores_of(score_plain(TEXTS)))
    with pytest.raises(RuntimeError, match="without its core"):
        score_core(TEXTS)


@pytest.mark.parametrize("groups", [[1], [1, 2], [3, -1]])
def test_groups_have_to_add_up(groups: list[int]) -> None:
    with pytest.raises(ValueError, match=f"groups of {sum(groups)} samples for 2 texts"):
        score_many(["a", "b"], groups=groups)


def test_there_are_as_many_prompts_as_texts_or_none() -> None:
    with pytest.raises(ValueError, match="argument"):
        score_many(["a", "b"], prompts=["a"])
