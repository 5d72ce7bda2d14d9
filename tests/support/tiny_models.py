"""A language model that is trained in a second, for tests of trainers and what they write."""

from typing import Any

import pytest


def tiny_model(chat: bool) -> tuple[Any, Any]:
    """Return a model of one layer that has ten words, and its tokenizer."""
    tokenizers = pytest.importorskip("tokenizers", reason="the tiny tokenizer needs tokenizers")
    transformers = pytest.importorskip("transformers", reason="the tiny model needs transformers")
    pad, eos, unk = special = ["<pad>", "<eos>", "<unk>"]
    words = [*special, "the", "cat", "sat", "on", "a", "mat", "and"]
    ids = {word: number for number, word in enumerate(words)}
    words_only = tokenizers.Tokenizer(tokenizers.models.WordLevel(ids, unk_token=unk))
    words_only.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words_only,
        pad_token=pad,
        eos_token=eos,
        unk_token=unk,
        padding_side="left",
    )
    if chat:
        tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
    config = transformers.GPT2Config(
        vocab_size=len(words), n_positions=64, n_embd=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=1
    )
    return transformers.GPT2LMHeadModel(config), tokenizer
