"""Reads chats as trainers and servers write them, and what the model wrote in their messages.

A message may hold more than its content: what the model thought before it, and the tools it called.
Source: docs/formats.md, "Names".
"""

import ast
import json
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeGuard

from coherence.readers.lines import first_of, to_text

REASONING = ("reasoning_content", "reasoning", "thinking")
BLOCKS = ("thinking_blocks", "reasoning_details")
"""Keys under which LiteLLM and OpenRouter repeat the reasoning in parts, or give it alone."""

CALLS = ("tool_calls", "function_call")
ASSISTANT = frozenset(("assistant", "model", "bot", "gpt", "ai", "chatbot", "chatgpt"))
"""The names of the model's role in servers and data sets."""
_OTHERS = frozenset(("user", "human", "system", "developer", "tool", "function"))

_FIRST = (
    r"(?:<(?:s|bos|pad|unk|sop|BOS_TOKEN|｜begin▁of▁sentence｜)>|\[(?:gMASK|PAD)\]"
    r"|<\|(?:begin_of_text|startoftext|endoftext|end_of_text|pad|START_OF_TURN_TOKEN)\|>)"
)
"""A special token that may come before the first message of a chat."""

# How a chat template begins a chat, and how it begins an answer; what it writes without special tokens comes
# last. A model may write the names of roles itself, so they count only where a text begins, or a preamble.
_TEMPLATES = {
    "chatml": (r"<\|im_start\|>(?!assistant)", r"<\|im_start\|>assistant"),
    "llama": (
        r"<\|(?:start_header_id|header_start)\|>(?!assistant)",
        r"<\|(?:start_header_id|header_start)\|>assistant<\|(?:end_header_id|header_end)\|>",
    ),
    "gemma": (r"<start_of_turn>(?!model)", r"<start_of_turn>model"),
    "inst": (r"\[INST\]|\[SYSTEM_PROMPT\]", r"\[/INST\]"),
    "zephyr": (r"[<\[]\|(?:[Uu]ser|[Ss]ystem)\|[>\]]", r"[<\[]\|[Aa]ssistant\|[>\]]"),
    "granite": (
        r"<\|start_of_role\|>(?!assistant)",
        r"<\|start_of_role\|>assistant[^<]{0,99}<\|end_of_role\|>",
    ),
    "kimi": (r"<\|im_(?:user|system)\|>", r"<\|im_assistant\|>assistant<\|im_middle\|>"),
    "cohere": (r"<\|(?:USER|SYSTEM)_TOKEN\|>", r"<\|CHATBOT_TOKEN\|>"),
    "harmony": (
        r"<\|start\|>(?:user|system|developer)\b",
        r"<\|start\|>assistant(?:(?:<\|channel\|>[^<]{0,99})?<\|message\|>)?",
    ),
    "nemotron": (r"<extra_id_[01]>(?:User|System)\n", r"<extra_id_1>Assistant\n"),
    "deepseek": (r"(?:(?<=<｜begin▁of▁sentence｜>)[^｜]{1,4000}?)?<｜User｜>", r"<｜Assistant｜>"),
    "alpaca": (
        r"### (?:(?:Instruction|Human|User)\b|Question:)",
        r"### (?:(?:Response|Assistant)\b:?|Answer:)",
    ),
    "vicuna": (r"\bUSER:", r"\sASSISTANT:"),
    "named": (r"\b(?:Human|User):", r"\sAssistant:"),
    "bare": (r"(?:system|user)\n", r"(?:assistant|\nmodel)\n"),
}
_PREAMBLE = (
    r"(?:Below is an instruction that|You are an?\b[^\n]{0,200}?\bassistant"
    r"|A (?:chat|conversation) between (?:a )?(?:curious )?(?:user|User|human) and)\b"
    r"|(?:### )?(?:SYSTEM|System):"
)
"""What comes before the first message without special tokens: of Alpaca, of Vicuna; a system prompt."""

LONGEST_PREAMBLE = 4_000
"""Characters, at most, between the beginning of a preamble and the first message."""

_BEGINS = {name: f"(?P<{name}>{begins})" for name, (begins, _) in _TEMPLATES.items()}
_CHAT_BEGINS = re.compile(
    rf"\s{{0,9}}+(?:{_FIRST}\s{{0,9}}+)*+(?:{'|'.join(_BEGINS.values())}|(?P<preamble>{_PREAMBLE}))"
)
_FIRST_MESSAGE = re.compile("|".join(begins for name, begins in _BEGINS.items() if name != "bare"))
_ANSWER_BEGINS = {name: re.compile(rf"{answer}\s{{0,9}}") for name, (_, answer) in _TEMPLATES.items()}

LONGEST_SHOWN = 10**6
"""Characters of a chat as Python shows it; parsing it takes far more memory than the text."""

_SHOWN_TEXT = re.compile(r"'(?:[^'\\\n]|\\.)*+'|\"(?:[^\"\\\n]|\\.)*+\"")
_SHOWN_TEXTS = re.compile(rf"\[\s*+(?:(?:{_SHOWN_TEXT.pattern})\s*+,?\s*+)++\]\s*+")
"""A text and a list of texts as Python and NumPy show them."""

_CALL_PARTS = ("tool_use", "tool_call", "function_call")

Message = Mapping[str, Any]


def is_chat(value: Any) -> TypeGuard[list[Message]]:
    """Tell a list of messages, each with its role, from any other value.

    >>> is_chat([{"role": "user", "content": "Why?"}]), is_chat(["Why?"]), is_chat([])
    (True, False, False)
    """
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(message, dict) and "role" in message for message in value)
    )


def may_be_texts(value: Any) -> bool:
    """Tell whether a value may be a text or a list of texts: models also put out figures.

    >>> may_be_texts("So."), may_be_texts(["So.", "No."]), may_be_texts([0.5, 1]), may_be_texts(3)
    (True, True, False, False)
    """
    if isinstance(value, list):
        return not any(isinstance(each, int | float) for each in value)
    return isinstance(value, str)


def chat_in(value: Any) -> Any:
    """Return the chat that a string holds, as JSON or as Python shows it; any other value as it is.

    Tables store chats like that: CSV, and columns of strings.

    >>> chat_in("[{'role': 'user', 'content': 'Why?'}]"), chat_in("[1]")
    ([{'role': 'user', 'content': 'Why?'}], '[1]')
    """
    if not isinstance(value, str) or not value.startswith("[{") or "role" not in value:
        return value
    with suppress(ValueError, RecursionError):
        return chat if is_chat(chat := json.loads(value)) else value
    if len(value) > LONGEST_SHOWN or not value.rstrip().endswith("}]"):
        return value
    with suppress(ValueError, SyntaxError, RecursionError, MemoryError), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes that Python does not know
        shown = re.sub(r"\}\s*\n\s*\{", "}, {", value)  # an array of NumPy has no commas
        return chat if is_chat(chat := ast.literal_eval(shown)) else value
    return value


def texts_in(value: Any) -> Any:
    """Return the list of texts that a string is, as JSON or as Python shows it; any other value as it is.

    Tables store lists like that. NumPy shows them without commas.

    >>> texts_in('["So.", "No."]'), texts_in("['So.' 'No.']"), texts_in("[1]"), texts_in("[So] it was.")
    (['So.', 'No.'], ['So.', 'No.'], '[1]', '[So] it was.')
    """
    if not isinstance(value, str) or not value.startswith("[") or len(value) > LONGEST_SHOWN:
        return value
    with suppress(ValueError, RecursionError):
        texts = json.loads(value)
        return texts if texts and all(isinstance(text, str) for text in texts) else value
    if not _SHOWN_TEXTS.fullmatch(value):
        return value
    with suppress(ValueError, SyntaxError, MemoryError), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes that Python does not know
        return [ast.literal_eval(text) for text in _SHOWN_TEXT.findall(value)]
    return value


def rendered_prompt(text: str) -> str | None:
    r"""Return the beginning of a text up to the answer, if a chat template wrote it; None of any other text.

    >>> rendered_prompt("<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\nSo.")
    '<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n'
    >>> rendered_prompt("user\nWhy?\nassistant\nSo."), rendered_prompt("The user came.")
    ('user\nWhy?\nassistant\n', None)
    """
    begun = _CHAT_BEGINS.match(text)
    if begun and begun.lastgroup == "preamble":
        begun = _FIRST_MESSAGE.search(text, begun.end(), begun.start() + LONGEST_PREAMBLE)
    if begun is None or begun.lastgroup is None:
        return None
    answer = _ANSWER_BEGINS[begun.lastgroup].search(text, begun.end())
    return text[: answer.end()] if answer else None


def may_be_chat(text: str) -> bool:
    """Tell whether a text may be a chat that `chat_in` or `rendered_prompt` find.

    >>> may_be_chat("[{'role': 'user', 'content': 'Why?'}]"), may_be_chat("Once upon a time")
    (True, False)
    """
    return text.startswith("[{") or _CHAT_BEGINS.match(text) is not None


def is_own(message: Message) -> bool:
    """Tell whether the model wrote a message.

    >>> is_own({"role": "model", "content": "So."}), is_own({"role": "user", "content": "Why?"})
    (True, False)
    """
    role = message.get("role")
    return isinstance(role, str) and (role in ASSISTANT or role.lower() in ASSISTANT)


def is_of_others(message: Message) -> bool:
    """Tell whether a message has the role of a user, a system or a tool; a role may also be a character's.

    >>> is_of_others({"role": "User"}), is_of_others({"role": "pirate"})
    (True, False)
    """
    role = message.get("role")
    return isinstance(role, str) and role.lower() in _OTHERS


def split_chat(chat: Sequence[Message]) -> tuple[str, str | None]:
    """Return what the assistant says in a chat, and what the others say.

    Raises:
        ValueError: the assistant says nothing, or the text cannot be written as UTF-8.
    """
    own = [message for message in chat if is_own(message)]
    if not own:
        raise ValueError("a chat without a message of the assistant")
    return "\n".join(map(written, own)), _said(each for each in chat if not is_own(each)) or None


def prompt_of(chat: Sequence[Message]) -> str:
    """Return the prompt of a chat: all messages before those of the assistant at its end.

    >>> prompt_of([{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}])
    'Why?'
    """
    end = len(chat)
    while end and is_own(chat[end - 1]):
        end -= 1
    return _said(chat[:end])


def _said(messages: Iterable[Message]) -> str:
    return "\n".join(_content(_held(message)) for message in messages)


def _held(message: Message) -> Any:
    """Return the content of a message, which Gemini stores as parts."""
    content = message.get("content")
    return message.get("parts") if content is None else content


def written(message: Message) -> str:
    r"""Return what the model wrote in a message: its reasoning, its content, the tools it calls.

    Reasoning that is repeated in the content is left out.

    Raises:
        ValueError: the text cannot be written as UTF-8, or is nested too deeply.

    >>> written({"reasoning_content": "It rains.", "content": "Stay at home."})
    'It rains.\nStay at home.'
    >>> written({"content": None, "function_call": {"name": "weather", "arguments": '{"day": 1}'}})
    'weather {"day": 1}'
    """
    content = _held(message)
    said = _content(content) or to_text(message.get("refusal")) or ""
    thought = [_reasoning(message.get(key)) for key in REASONING]
    if not any(thought):
        thought = [_reasoning(first_of(message, BLOCKS))]
    thought += [_reasoning(first_of(part, (*REASONING, "summary"))) for part in _parts(content)]
    thought = [each for each in dict.fromkeys(thought) if each.strip() and each.strip() not in said]
    called = map(_call, _calls(message))
    return "\n".join(filter(None, [*thought, said, *called]))


def has_calls(message: Message) -> bool:
    """Tell whether a message calls a tool.

    >>> has_calls({"content": None, "function_call": {"name": "weather"}}), has_calls({"tool_calls": []})
    (True, False)
    """
    return bool(_calls(message))


def _calls(message: Message) -> list[Message]:
    tools = message.get("tool_calls")
    found = [*tools] if isinstance(tools, list) else [tools]
    found += [message.get("function_call")]
    found += [part for part in _parts(message.get("content")) if part.get("type") in _CALL_PARTS]
    return [tool for tool in found if isinstance(tool, Mapping)]


def _call(tool: Message) -> str:
    function = tool.get("function")
    told = function if isinstance(function, Mapping) else tool
    arguments = first_of(told, ("arguments", "input"))
    words = (told.get("name"), _as_json(arguments) if isinstance(arguments, dict | list) else arguments)
    return " ".join(word for word in map(to_text, words) if word)


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError as error:
        raise ValueError("the arguments of a tool are nested too deeply") from error


def _parts(content: Any) -> list[Message]:
    return [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []


def _content(content: Any) -> str:
    """Return the text of a content, or the texts of its parts; anything that is not text is left out."""
    parts = content if isinstance(content, list) else [content]
    keys = ("text", "answer", "refusal")
    texts = (to_text(first_of(part, keys) if isinstance(part, Mapping) else part) for part in parts)
    return "".join(text for text in texts if text)


def _reasoning(value: Any) -> str:
    """Return reasoning that is a string, or a list of parts with their text under any key."""
    parts = value if isinstance(value, list) else [value]
    keys = ("text", *REASONING, "content", "summary")
    texts = (first_of(part, keys) if isinstance(part, Mapping) else part for part in parts)
    return "".join(text for each in texts if (text := to_text(each)))
