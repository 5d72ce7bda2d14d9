"""The samples of a step are scored together as each is alone, by the core and in Python."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from coherence import score
from coherence.scoring import fast
from coherence.scoring.between import COMPARED, diversity_between, score_step
from coherence.scoring.text import clean, tokenize

WORDS = st.lists(st.sampled_from(("the", "rain", "fell", "été", "\ud800", "東京", ",", "<s>")), max_size=16)
PROMPTS = st.sampled_from([None, "", "the", "the rain"])
FINE = "the rain fell on the town and it was late"
STEPS = st.lists(st.tuples(WORDS.map(" ".join), PROMPTS), min_size=1, max_size=6)


@pytest.mark.parametrize("scorer", ["core", "python"])
@given(samples=STEPS)
@example(samples=[(f"{FINE} {number}", None) for number in range(COMPARED + 9)])
@example(samples=[(FINE, None)] * (COMPARED - 1) + [("town " * 12, None)] * 2)
@example(samples=[(FINE, "Why?"), (FINE, "Why?"), ("town " * 12, "How?"), ("", "the")])
@example(samples=[(f"the rain {FINE}", "the rain"), (f"so {FINE}", "so")])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_samples_of_a_step_are_scored_together_as_each_alone(
    scorer: str, samples: list[tuple[str, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        if scorer == "python":
            patch.setattr(fast, "CORE", None)
        scores, diversity = score_step(samples)
    alone = [score(*sample) for sample in samples]
    tokens = [tokenize(clean(*sample)) for sample in samples]
    assert scores == alone
    prompts = [prompt for _, prompt in samples]
    assert diversity == diversity_between(zip(alone, tokens, prompts, strict=True))
