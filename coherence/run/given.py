"""Plain values from what a training loop passes in: a tensor, a numpy scalar, a chat message, or nonsense.

Nothing here raises for any argument, imports a framework, or changes its argument.
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
"""Characters that are kept of a value that has only its `str()`, and of a value in a log line."""

T = TypeVar("T")

# Every value that comes in is asked for these; to make a union takes longer than to ask for it.
_PLAIN, _NUMBERS = int | float | str, float | int | Decimal | Real


def _or_none(convert: Callable[[object], T | None]) -> Callable[[object], T | None]:
    """Let a conversion return None if the value, which may have any methods, raises."""

    @wraps(convert)
    def guarded(value: object) -> T | None:
        try:
            return convert(value)
        except Exception:
            return None

    return guarded


def _bare(value: Any) -> Any:
    """Return the only element of an array or a tensor; anything else unchanged."""
    try:
        if isinstance(value, _PLAIN) or not hasattr(value, "item"):
            return value  # a file has a `detach` too, and cannot be used after it
        # Detached first: a tensor that requires a gradient may warn when a number is taken from it.
        return (value.detach() if hasattr(value, "detach") else value).item()
    except Exception:  # it has several elements, or its methods raise anything
        return value


def _is_number(value: Any) -> bool:
    return isinstance(value, _NUMBERS) and not isinstance(value, bool)


@_or_none
def number(value: object) -> float | None:
    """Return a loss or a gradient norm as a float; None if the value is not a number.

    The range is -inf to inf, and not-a-number is a number here. Numbers of Python, numpy and the frameworks,
    arrays and tensors of one element, and strings that `float` reads are accepted. A number that is too large
    for a float becomes infinite. True and False are not numbers.

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
    """Return `kind_beside` for the names of metrics logged with a loss; None if the value holds no names.

    >>> beside({"loss": 0.0, "reward": 0.5}), beside(["loss"]), beside(5)
    ('reward', None, None)
    """
    return kind_beside(map(str, value))


@_or_none
def whole(value: object) -> int | None:
    """Return a training step as an int; None if the value is not an integer.

    The range is -2**53 to 2**53. It accepts what `number` accepts, but exactly: a string of digits is not
    read as a float first.

    >>> whole(100), whole(100.0), whole("100"), whole("1e2"), whole(-1)
    (100, 100, 100, 100, -1)
    >>> whole(2.5), whole(float("inf")), whole("nan"), whole(True), whole(2**53 + 1), whole("1e999999999")
    (None, None, None, None, None, None)
    """
    found = _bare(value)
    if isinstance(found, str):
        found = Decimal(found)
    # The range is checked before int(), which would compute all digits of 1e999999999.
    if not _is_number(found) or not -LARGEST_STEP <= found <= LARGEST_STEP or found != int(found):
        return None
    return int(found)


@_or_none
def text(value: object) -> str | None:
    r"""Return what a model wrote as text; None if the value does not hold a text.

    It accepts a string, bytes as UTF-8, a chat message, and a chat, which is a list of messages: of a chat it
    returns the assistant's last message, or else the last message, including reasoning and tool calls; an
    empty text if there is nothing in it. Invalid UTF-8 and lone surrogates are replaced by U+FFFD, so that
    the judged text can be written to a file.

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
    """Return a prompt as text; None if the value does not hold one.

    It accepts what `text` accepts. Of a chat it returns the last message that is not the assistant's, or else
    the last message.

    >>> prompt("Once upon a time")
    'Once upon a time'
    >>> prompt([{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because"}])
    'Why?'
    """
    return _said_last(value, by_assistant=False)


def _said_last(value: object, by_assistant: bool) -> str | None:
    if isinstance(value, str):
        return _mended(value)
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
    """Return whether a value is one chat and not several texts: a list that holds only messages."""
    return isinstance(value, list) and bool(value) and all(map(_is_message, value))


def _wrote(message: Mapping[str, Any]) -> str | None:
    """Return what the model wrote in a message; None if its content is not a text."""
    return None if _content(message) is None else written(_in_strings(message))


def _in_strings(value: Any) -> Any:
    """Return a JSON value in which all strings, at any depth, can be encoded as UTF-8."""
    if isinstance(value, Mapping):
        return {key: _in_strings(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return list(map(_in_strings, value))
    string = _string(value)
    return value if string is None else string


def _content(message: Mapping[str, Any]) -> str | None:
    """Return the text of a message; parts that are not text, such as images, are left out."""
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
    """Return a string that can be encoded as UTF-8: surrogate pairs are joined, lone surrogates replaced."""
    plainly = str.__str__(value)  # of a subclass, the string itself
    try:
        plainly.encode()
    except UnicodeEncodeError:
        return plainly.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return plainly


def texts(value: Any) -> list[object] | None:
    """Return the texts that were passed in, unchanged; None if the value holds no texts.

    A single text is a string, bytes, a mapping, or a list that holds only chat messages, which is one chat.
    Any other iterable holds several texts; several chats are lists in a list. A set is not accepted, because
    without an order prompts cannot be matched with texts.

    Raises:
        Exception: an exception of a generator that draws the texts passes through to the caller.

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
    """Return the prompts and the texts of samples that are all (prompt, text) pairs; else None.

    >>> pairs([("Once", " upon a time"), ("The", " cat")])
    (['Once', 'The'], [' upon a time', ' cat'])
    >>> pairs(["Once", "The"])
    """
    found = [(each[0], each[1]) for each in drawn if isinstance(each, tuple) and len(each) == 2]
    if not drawn or len(found) != len(drawn):
        return None
    return [prompt for prompt, _ in found], [text for _, text in found]


def plain(value: object) -> str | int | float | bool | None:
    """Return a detail of a note as a JSON value.

    Numbers, strings, True, False and None stay what they are, also those of numpy and of tensors. A number
    that is not finite becomes None, an int beyond 64 bits its digits, and anything else its `str()`, cut to
    200 characters, or the name of its type if that fails.

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
    """Return a few words that describe an unusable value, for a log line, without control characters.

    They are the name of its type, and for a number or a string its value, each cut to 40 characters.

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
    except Exception:  # a type whose own type raises
        return "object"
