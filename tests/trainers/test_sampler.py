"""The ready sampler on a random GPT-2 of two layers: it draws, and never takes the likeliest."""

import json
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch", reason="the ready sampler needs torch")

import torch

from coherence import Monitor
from coherence.trainers.sampler import Sampler
from coherence.trainers.torch_loop import check


def test_returns_completions_without_their_prompts(tiny: Callable[[], Any], tokenizer: Any) -> None:
    model = tiny()
    torch.manual_seed(1)
    pairs = Sampler(tokenizer, ["The cat", "A", ""], max_new_tokens=8)(model, 0)
    assert [(prompt, len(text)) for prompt, text in pairs] == [("The cat", 8), ("A", 8), ("", 8)]


def test_ends_where_the_context_ends(tiny: Callable[[], Any], tokenizer: Any) -> None:
    model = tiny()  # of 64 tokens
    torch.manual_seed(1)
    texts = [Sampler(tokenizer, ["The cat"])(model, 0)[0][1] for _ in range(5)]
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


CHAT = [{"role": "user", "content": "Why?"}]


class ChatTokenizer:
    """A real tokenizer of bytes with a template that has no place for a system's message."""

    def __new__(cls) -> Any:
        transformers = pytest.importorskip("transformers", reason="the template is that of a real tokenizer")
        tokenizers = pytest.importorskip("tokenizers", reason="the template is that of a real tokenizer")
        letters = tokenizers.pre_tokenizers.ByteLevel.alphabet()
        vocabulary = {letter: number for number, letter in enumerate(sorted(letters))}
        bytes_only = tokenizers.Tokenizer(tokenizers.models.BPE({**vocabulary, "<end>": 256}, []))
        bytes_only.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        bytes_only.decoder = tokenizers.decoders.ByteLevel()
        return transformers.PreTrainedTokenizerFast(
            tokenizer_object=bytes_only,
            eos_token="<end>",  # noqa: S106 - no secret
            chat_template="{% for message in messages %}{% if message.role == 'system' %}"
            "{{ raise_exception('no system here') }}{% endif %}"
            "{{ message.role }}: {{ message.content }}\n{% endfor %}"
            "{% if add_generation_prompt %}assistant: {% endif %}",
        )


def test_a_chat_goes_through_the_template_and_its_question_is_the_prompt(
    tiny: Callable[[], Any], monitor: Monitor
) -> None:
    tokenizer, seen = ChatTokenizer(), []
    model = tiny()
    generate = model.generate

    def watched(input_ids: torch.Tensor, **options: Any) -> torch.Tensor:
        seen.extend(tokenizer.batch_decode(input_ids))
        return generate(input_ids, **options)

    model.generate = watched
    check(monitor, 1, model, Sampler(tokenizer, [CHAT, "The cat"], max_new_tokens=8))
    assert seen[0] == "user: Why?\nassistant: "
    assert seen[1].endswith("The cat")
    rows = map(json.loads, (monitor.folder / "samples.jsonl").read_bytes().splitlines())
    assert [row["prompt"] for row in rows] == ["Why?", "The cat"]


def test_a_chat_that_the_template_refuses_is_refused_before_the_training() -> None:
    chat = [{"role": "system", "content": "Be brief."}, *CHAT]
    with pytest.raises(ValueError, match="the tokenizer's chat template refuses it: no system here"):
        Sampler(ChatTokenizer(), [CHAT, chat])


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
        (
            {"prompts": [3]},
            "prompt 3; expected a text, or a list of messages, each with a role and a content",
        ),
        ({"prompts": CHAT}, "prompt {'role': 'user'.*; expected a text, or a list of messages"),
        ({"prompts": [[{"role": "user"}]]}, "each with a role and a content"),
        ({"prompts": [[]]}, r"prompt \[\]; expected"),
        ({"prompts": [CHAT]}, "the tokenizer has no chat template, so expected a text"),
    ],
)
def test_refuses_greedy_decoding_and_prompts_that_it_cannot_use(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Sampler(**{"tokenizer": None, "prompts": ["The"]} | settings)
