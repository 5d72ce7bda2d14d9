"""What a training loop hands in, as plain values: a tensor, a numpy scalar, a chat message, or nonsense.

Nothing here raises on whatever it is given, imports a framework, or changes what it is given.
Source: docs/training.md.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import wraps
from numbers import Real
from typing import Any, TypeGuard, TypeVar

from coherence.escape import printable
from coherence.readers.objects.messages import CALLS, REASONING, written
from coherence.signals.loss import kind_beside
from coherence.signals.steps import LARGEST_STEP

LONGEST_DETAIL, LONGEST_WORDS = 200, 40
"""Characters that are kept of what has no other form than its `str()`, and of a value in a log line."""

T = TypeVar("T")


def _or_none(convert: Callable[[object], T | None]) -> Callable[[object], T | None]:
    """Let a conversion answer None where the value, whose methods are anybody's, raises."""

    @wraps(convert)
    def guarded(value: object) -> T | None:
        try:
            return convert(value)
        except Exception:
            return None

    return guarded


def _bare(value: Any) -> Any:
    """Return the one element of an array or a tensor; anything else as it is."""
    try:
        if isinstance(value, int | float | str) or not hasattr(value, "item"):
            return value  # a file has a `detach` too, and would be of no use after it
        # Detached first: a tensor that requires a gradient may warn when a number is taken from it.
        return (value.detach() if hasattr(value, "detach") else value).item()
    except Exception:  # it has several elements, or its methods raise what they like
        return value


def _is_number(value: Any) -> bool:
    return isinstance(value, float | int | Decimal | Real) and not isinstance(value, bool)


@_or_none
def number(value: object) -> float | None:
    """Return a loss or a gradient norm as a float; None where the value is not a number.

    From -inf to inf, and not-a-number is a number. Takes what Python, numpy and the frameworks call a number,
    arrays and tensors of one element, and strings that `float` reads. What is too large for a float is
    infinite. True and False are not numbers.

    >>> from fractions import Fraction
    >>> number(3), number(Fraction(1, 2)), number(" 2.5 "), number("nan"), number(-10**400)
    (3.0, 0.5, 2.5, nan, -inf)
    >>> number(True), number(None), number("low"), number(1j), number([3.4])
    (None, None, None, None, None)
    """
    found = _bare(value)
    if not _is_number(found) and not isinstance(found, str):
        return None
    try:
        return float(found)
    except OverflowError:
        return math.inf if found > 0 else -math.inf


@_or_none
def beside(value: Any) -> str | None:
    """Return what the names of metrics tell of the loss that is logged with them, as `kind_beside` does.

    >>> beside({"loss": 0.0, "reward": 0.5}), beside(["loss"]), beside(5)
    ('reward', None, None)
    """
    return kind_beside(map(str, value))


@_or_none
def whole(value: object) -> int | None:
    """Return a training step as an int; None where the value is not a whole number.

    From -2**53 to 2**53. Takes what `number` takes, and compares it exactly: a string of digits is not read
    as a float first.

    >>> whole(100), whole(100.0), whole("100"), whole("1e2"), whole(-1)
    (100, 100, 100, 100, -1)
    >>> whole(2.5), whole(float("inf")), whole("nan"), whole(True), whole(2**53 + 1), whole("1e999999999")
    (None, None, None, None, None, None)
    """
    found = _bare(value)
    if isinstance(found, str):
        found = Decimal(found)
    # The range comes before int(), which would write out all digits of 1e999999999.
    if not _is_number(found) or not -LARGEST_STEP <= found <= LARGEST_STEP or found != int(found):
        return None
    return int(found)


@_or_none
def text(value: object) -> str | None:
    r"""Return what a model wrote as text; None where the value does not hold a text.

    Takes a string, bytes as UTF-8, a chat message, and a chat, a list of messages: what the assistant wrote
    last, or else what was written last, reasoning and tool calls included; where there is nothing of that, an
    empty text. What is not UTF-8, and half of a surrogate pair, is replaced by U+FFFD, so that what is judged
    can be written down.

    >>> text(b"The cat"), text({"role": "assistant", "content": [{"type": "text", "text": "The cat"}]})
    ('The cat', 'The cat')
    >>> text([{"role": "assistant", "content": "The cat"}, {"role": "user", "content": "Go on."}])
    'The cat'
    >>> text({"content": None, "tool_calls": [{"function": {"name": "weather", "arguments": "{}"}}]})
    'weather {}'
    >>> text("a\udc80b"), text(None), text(3), text({"text": "The cat"})
    ('a\ufffdb', None, None, None)
    """
    return _said_last(value, by_assistant=True)


@_or_none
def prompt(value: object) -> str | None:
    """Return a prompt as text; None where the value does not hold one.

    Takes what `text` takes. Of a chat it is what was last said by anyone but the assistant, or else what was
    said last.

    >>> prompt("Once upon a time")
    'Once upon a time'
    >>> prompt([{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because"}])
    'Why?'
    """
    return _said_last(value, by_assistant=False)


def _said_last(value: object, by_assistant: bool) -> str | None:
    of_message = _wrote if by_assistant else _content
    if _is_message(value):
        return of_message(value)
    if _is_chat(value):
        wanted = [each for each in value if (each.get("role") == "assistant") is by_assistant]
        return of_message((wanted or value)[-1])
    return _string(value)


def _is_message(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping) and not value.keys().isdisjoint(("content", *REASONING, *CALLS))


def _is_chat(value: object) -> TypeGuard[list[Mapping[str, Any]]]:
    """Tell one chat from several texts: a list, and of messages alone."""
    return isinstance(value, list) and bool(value) and all(map(_is_message, value))


def _wrote(message: Mapping[str, Any]) -> str | None:
    """Return what the model wrote in a message; None where its content is not a text."""
    return None if _content(message) is None else written(_in_strings(message))


def _in_strings(value: Any) -> Any:
    """Return a value of JSON with strings that have a UTF-8, wherever they stand in it."""
    if isinstance(value, Mapping):
        return {key: _in_strings(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return list(map(_in_strings, value))
    string = _string(value)
    return value if string is None else string


def _content(message: Mapping[str, Any]) -> str | None:
    """Return what a message says; parts that are not text, such as images, are left out."""
    content = message.get("content")
    if content is None:
        return ""
    if not isinstance(content, list):
        return _string(content)
    parts = [_string(part.get("text") if isinstance(part, Mapping) else part) for part in content]
    return "".join(part for part in parts if part)


def _string(value: object) -> str | None:
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "replace")
    return _mended(value) if isinstance(value, str) else None


def _mended(value: str) -> str:
    """Return a string that has a UTF-8: two halves of a pair are joined, half of one is replaced."""
    plainly = str.__str__(value)  # of a subclass, the string itself
    if plainly.isascii():
        return plainly
    return plainly.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def texts(value: Any) -> list[object] | None:
    """Return the texts that were handed in, as they are; None where the value holds none.

    One text is a string, bytes, a mapping, or a list of chat messages alone: one chat. Several are any other
    iterable; several chats are lists in a list. A set has no order, so that nobody can tell which prompt
    belongs to which text.

    Raises:
        Exception: what a generator raises while it draws the texts is the caller's, and passes through.

    >>> texts("The cat"), texts(each for each in ("The cat", "The dog"))
    (['The cat'], ['The cat', 'The dog'])
    >>> texts([{"role": "assistant", "content": "The cat"}])
    [[{'role': 'assistant', 'content': 'The cat'}]]
    >>> texts([[{"role": "assistant", "content": "The cat"}]])
    [[{'role': 'assistant', 'content': 'The cat'}]]
    >>> texts(3), texts({"The cat", "The dog"})
    (None, None)
    """
    try:
        if isinstance(value, str | bytes | bytearray | Mapping) or _is_chat(value):
            return [value]
        if isinstance(value, set | frozenset):
            return None
        items = iter(value)
    except Exception:
        return None
    return list(items)


def pairs(drawn: Sequence[object]) -> tuple[list[object], list[object]] | None:
    """Return the prompts and the texts of samples that are all pairs of both; None where they are not.

    >>> pairs([("Once", " upon a time"), ("The", " cat")])
    (['Once', 'The'], [' upon a time', ' cat'])
    >>> pairs(["Once", "The"])
    """
    found = [(each[0], each[1]) for each in drawn if isinstance(each, tuple) and len(each) == 2]
    if not drawn or len(found) != len(drawn):
        return None
    return [prompt for prompt, _ in found], [text for _, text in found]


def plain(value: object) -> str | int | float | bool | None:
    """Return a detail of a note as JSON holds it.

    Numbers, strings, True, False and None stay what they are, those of numpy and of tensors too. What is not
    finite is None, an int beyond 64 bits its digits, and anything else its `str()`, cut to 200 characters, or
    the name of its type where that fails.

    >>> plain("code"), plain(3), plain(0.5), plain(True), plain(None), plain(float("nan"))
    ('code', 3, 0.5, True, None, None)
    >>> plain(Decimal("0.1")), plain(2**64), plain([1, 2])
    (0.1, '18446744073709551616', '[1, 2]')
    """
    try:
        found = _bare(value)
        if found is None or isinstance(found, bool):
            return found
        if isinstance(found, str):
            return _mended(found)
        if isinstance(found, int) and -(2**63) <= found < 2**64:
            return int(found)
        if _is_number(found) and not isinstance(found, int):
            finite = number(found)
            return finite if finite is not None and math.isfinite(finite) else None
        return _mended(str(found))[:LONGEST_DETAIL]
    except Exception:
        return _type_name(value)


def kind(value: object) -> str:
    """Return a few words that say what an unusable value was, for a log line; they command no terminal.

    The name of its type, and of a number or a string what it is, each cut to 40 characters.

    >>> kind("low"), kind(None), kind([3.4, 3.5])
    ("str 'low'", 'None', 'list')
    """
    try:
        if value is None:
            return "None"
        if isinstance(value, str | bytes | bytearray | int | float | complex | Decimal):
            return f"{_type_name(value)} {printable(repr(value))[:LONGEST_WORDS]}"
    except Exception:
        return _type_name(value)
    return _type_name(value)


def _type_name(value: object) -> str:
    try:
        return printable(type(value).__name__)[:LONGEST_WORDS]
    except Exception:  # of a type whose own type raises
        return "object"
