"""The ready sampler on a random GPT-2 of two layers: it draws, and never takes the likeliest."""

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch", reason="the ready sampler needs torch")

import torch

from coherence.trainers.sampler import Sampler


def test_returns_completions_without_their_prompts(tiny: Callable[[], Any], tokenizer: Any) -> None:
    model = tiny()
    torch.manual_seed(1)
    texts = Sampler(tokenizer, ["The cat", "A", ""], max_new_tokens=8)(model, 0)
    assert [len(text) for text in texts] == [8, 8, 8]


def test_ends_where_the_context_ends(tiny: Callable[[], Any], tokenizer: Any) -> None:
    model = tiny()  # of 64 tokens
    torch.manual_seed(1)
    texts = [Sampler(tokenizer, ["The cat"])(model, 0)[0] for _ in range(5)]
    assert max(map(len, texts)) == 64 - len("The cat")


def test_draws_and_does_not_take_the_likeliest(tiny: Callable[[], Any], tokenizer: Any) -> None:
    model, sampler = tiny().eval(), Sampler(tokenizer, ["The cat"], max_new_tokens=8)
    assert sampler(model, 0) != sampler(model, 0)


def test_a_short_prompt_beside_a_long_one_is_continued_as_if_alone(
    tiny: Callable[[], Any], tokenizer: Any
) -> None:
    model = tiny().eval()
    together = Sampler(tokenizer, ["A longer prompt", "Short"], max_new_tokens=8, temperature=1e-6)
    alone = Sampler(tokenizer, ["Short"], max_new_tokens=8, temperature=1e-6)
    assert together(model, 0)[1] == alone(model, 0)[0]
    assert tokenizer.padding_side == "right"


def test_overrules_what_would_hide_a_loop(tiny: Callable[[], Any], tokenizer: Any) -> None:
    plain, guarded = tiny().eval(), tiny().eval()
    guarded.generation_config.update(
        do_sample=False, num_beams=2, top_k=1, repetition_penalty=5.0, no_repeat_ngram_size=1
    )
    sampler = Sampler(tokenizer, ["aaaa"], max_new_tokens=50)
    texts = []
    for model in (plain, guarded):
        torch.manual_seed(3)
        texts.append(sampler(model, 0))
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"temperature": 0},
            "temperature 0; expected a number above 0: greedy decoding loops in healthy",
        ),
        ({"temperature": -1.0}, "temperature -1.0"),
        ({"temperature": float("nan")}, "temperature nan"),
        ({"top_p": 0}, "top_p 0; expected a number above 0 and at most 1"),
        ({"top_p": 1.5}, "top_p 1.5"),
        ({"prompts": []}, r"prompts \[\]; expected a list of one or more"),
        ({"prompts": "The"}, "prompts 'The'"),
    ],
)
def test_refuses_greedy_decoding_and_no_prompts(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sampler(**{"tokenizer": None, "prompts": ["The"]} | settings)
