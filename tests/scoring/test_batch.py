"""Many samples at once: the numbers of `score`, and one place that chooses the scorer."""

import sys
from importlib.util import find_spec

import pytest

from coherence import Lexicon, score
from coherence.audit.shard import ScoringSettings
from coherence.check.samples import score_samples
from coherence.readers.records import Sample
from coherence.scoring import batch
from coherence.scoring.batch import WORTH_COMPILING as ENOUGH
from coherence.scoring.batch import Scorer, score_many, score_plain, scorer, scorer_of
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


def test_little_text_is_scored_plainly() -> None:
    assert scorer(0) is scorer(ENOUGH - 1) is score_plain


@pytest.mark.skipif(find_spec("numba") is None, reason="the compiled scorer is optional")
def test_much_text_is_scored_by_the_compiled_scorer() -> None:
    from coherence.scoring.compiled.score import score_compiled

    assert scorer(ENOUGH) is scorer_of(fast=True) is score_compiled


def test_without_numba_all_text_is_scored_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    assert scorer(ENOUGH) is score_plain


def test_the_size_of_all_texts_together_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def choose(size: int) -> Scorer:
        asked.append(size)
        return score_plain

    monkeypatch.setattr(batch, "scorer", choose)
    score_many(["four", "eleven here"])
    score_samples([Sample(1, "twelve chars", "a.jsonl", 1)])
    assert asked == [15, 12]


def test_a_worker_that_is_told_nothing_scores_plainly() -> None:
    assert scorer_of(ScoringSettings().fast) is score_plain


@pytest.mark.parametrize("groups", [[1], [1, 2], [3, -1]])
def test_groups_have_to_add_up(groups: list[int]) -> None:
    with pytest.raises(ValueError, match=f"groups of {sum(groups)} samples for 2 texts"):
        score_many(["a", "b"], groups=groups)


def test_there_are_as_many_prompts_as_texts_or_none() -> None:
    with pytest.raises(ValueError, match="argument"):
        score_many(["a", "b"], prompts=["a"])
