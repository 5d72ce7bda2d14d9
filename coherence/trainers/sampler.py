"""A ready sampler: completions of prompts from a transformers model, for any of the loops.

Source: docs/trainers/sampler.md.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

Prompt = str | Sequence[Mapping[str, Any]]
"""A text, or a chat: a list of messages."""


class Sampler:
    """Draws completions of prompts from a transformers model, at a temperature.

    It never decodes greedily or with beams, which loop in healthy models too. The model's own generation
    settings against repetition are switched off, because they would hide the loops.

    Args:
        tokenizer: of the model.
        prompts: one sample is drawn for each: texts, or chats, which are lists of messages and are rendered
            with the tokenizer's chat template.
        max_new_tokens: the most tokens of a completion; it ends earlier where the model's context ends.
        temperature: above 0; 1 is the model's own distribution.
        top_p: draw among the likeliest tokens that together have this share of the probability.

    Raises:
        ValueError: an argument is out of range, or a prompt cannot be used.

    >>> sampler = Sampler(tokenizer=None, prompts=["The", "Once upon a time"])
    >>> Sampler(tokenizer=None, prompts=["The"], temperature=0)
    Traceback (most recent call last):
    ValueError: temperature 0; expected a number above 0: greedy decoding loops in healthy models too
    """

    def __init__(
        self,
        tokenizer: Any,
        prompts: Sequence[Prompt],
        max_new_tokens: int = 200,
        temperature: float = 1.0,
        top_p: float = 0.95,
    ) -> None:
        if not 0 < temperature < math.inf:
            raise ValueError(
                f"temperature {temperature!r}; expected a number above 0: greedy decoding loops in healthy "
                "models too"
            )
        if not 0 < top_p <= 1:
            raise ValueError(f"top_p {top_p!r}; expected a number above 0 and at most 1")
        if not isinstance(prompts, Sequence) or not prompts or isinstance(prompts, str | bytes):
            raise ValueError(f"prompts {prompts!r}; expected a list of one or more")
        for prompt in prompts:
            _check_prompt(prompt, tokenizer)
        self.tokenizer = tokenizer
        self.prompts = list(prompts)
        self.settings = {
            "do_sample": True,
            "num_beams": 1,
            "temperature": temperature,
            "top_p": top_p,
            "top_k": 0,
            "repetition_penalty": 1.0,
            "no_repeat_ngram_size": 0,
        }
        self.max_new_tokens = max_new_tokens

    def __call__(self, model: Any, step: int) -> list[tuple[Any, str]]:  # noqa: ARG002 - as for every sampler
        """Return each prompt with one completion, which does not contain the prompt."""
        import torch  # such a model needs torch anyway; checking the arguments does not

        rows = [self._encode(prompt) for prompt in self.prompts]
        width = max(map(len, rows))
        pad = self._first("pad_token_id", "eos_token_id", "bos_token_id")
        device = next(model.parameters()).device
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
        length = min(self.max_new_tokens, max(1, _context(model) - width))
        out = model.generate(
            input_ids=ids, attention_mask=mask, pad_token_id=pad, max_new_tokens=length, **self.settings
        )
        start = 0 if getattr(model.config, "is_encoder_decoder", False) else width
        texts: list[str] = self.tokenizer.batch_decode(out[:, start:], skip_special_tokens=True)
        return list(zip(self.prompts, texts, strict=True))

    def _encode(self, prompt: Any) -> list[int]:
        """The prompt's tokens, at least one: an empty prompt is the beginning of a text."""
        if isinstance(prompt, str):
            ids: list[int] = list(self.tokenizer(prompt)["input_ids"])
        else:
            # The template adds the special tokens itself.
            ids = list(
                self.tokenizer(_written(prompt, self.tokenizer), add_special_tokens=False)["input_ids"]
            )
        return ids or [self._first("bos_token_id", "eos_token_id", "pad_token_id")]

    def _first(self, *names: str) -> int:
        found = (getattr(self.tokenizer, name, None) for name in names)
        return next((token for token in found if token is not None), 0)


def _check_prompt(prompt: Any, tokenizer: Any) -> None:
    """Refuse a prompt that cannot be used, before training begins.

    Raises:
        ValueError: it is neither a text nor a chat, or the tokenizer's template cannot render the chat.
    """
    if isinstance(prompt, str):
        return
    is_chat = isinstance(prompt, Sequence) and bool(prompt)
    if not (
        is_chat and all(isinstance(each, Mapping) and {"role", "content"} <= each.keys() for each in prompt)
    ):
        raise ValueError(
            f"prompt {prompt!r}; expected a text, or a list of messages, each with a role and a content"
        )
    if not getattr(tokenizer, "chat_template", None):
        raise ValueError(f"prompt {prompt!r}; the tokenizer has no chat template, so expected a text")
    try:
        _written(prompt, tokenizer)
    except Exception as error:  # a template may raise anything
        raise ValueError(f"prompt {prompt!r}; the tokenizer's chat template refuses it: {error}") from error


def _written(chat: Sequence[Mapping[str, Any]], tokenizer: Any) -> str:
    """Return a chat as the model reads it, up to the beginning of its answer."""
    return str(tokenizer.apply_chat_template(list(chat), tokenize=False, add_generation_prompt=True))


def _context(model: Any) -> int:
    """How many tokens the model can hold."""
    return getattr(model.config, "max_position_embeddings", None) or sys.maxsize
