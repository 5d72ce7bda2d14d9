"""Turns any object into plain rows: keys that the user named, shapes of harnesses, spellings, lists of texts.

Source: docs/formats.md, "Names".
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from coherence.readers.format import USUAL, Fields
from coherence.readers.objects.messages import is_chat, is_own, may_be_texts, texts_in
from coherence.readers.objects.names import (
    LOSS,
    OF_MODEL,
    PLAIN_TEXT,
    PROMPTS,
    READ,
    SEVERAL,
    SEVERAL_OF_MODEL,
    SPELLED,
    STEP,
    TEXT,
    RawRow,
    usual_name,
)
from coherence.readers.objects.shapes import KEYS, as_answer, shape_of

DEEPEST = 5
"""Nested shapes: an answer in the body of a response in a row of a log is three."""

_PIECE = re.compile(r"([^.\[\]]+)|\[(\*|\d+)\]")

_SPELLED, _SEVERAL, _OF_MODEL = frozenset(SPELLED), frozenset(SEVERAL), frozenset(OF_MODEL)
UNUSUAL = _SPELLED | _SEVERAL | _OF_MODEL | KEYS
"""A row without any of these keys holds one sample or one loss under the usual names: most rows do."""

_TEXT_OR_OBJECT = (KEYS & frozenset(TEXT)) | _OF_MODEL


def unfold(row: RawRow, fields: Fields = USUAL) -> Iterable[RawRow]:
    """Return the rows in an object, with the usual names.

    >>> list(unfold({"Step": 5, "completions": ["So.", "No."]}))
    [{'step': 5, 'text': 'So.'}, {'step': 5, 'text': 'No.'}]
    """
    if fields != USUAL:  # in a worker they are a copy
        return _as_named(row, fields)
    if UNUSUAL.isdisjoint(row) or _holds_its_text(row):
        return (row,)
    return _unfolded(row, DEEPEST)


def _holds_its_text(row: RawRow) -> bool:
    """Tell whether the only unusual key is one that may hold the text itself, and does."""
    keys = UNUSUAL.intersection(row)
    return len(keys) == 1 and keys <= _TEXT_OR_OBJECT and isinstance(row[next(iter(keys))], str)


def _unfolded(row: RawRow, deeper: int) -> Iterator[RawRow]:
    if not _SPELLED.isdisjoint(row):
        row = _usually_spelled(row)
    inside = _inside(row) if deeper else None
    if inside is None:
        yield row if _OF_MODEL.isdisjoint(row) else _without_figures(row)
        return
    for each in inside:
        yield from _unfolded(each, deeper - 1)


def _inside(row: RawRow) -> Iterator[RawRow] | None:
    """Return the rows in an object of a known shape, or with a list of texts; None if it is itself a row."""
    if (shape := shape_of(row)) is not None:
        return shape.rows(row)
    if _SEVERAL.isdisjoint(row):
        return None
    names: tuple[str, ...] = SEVERAL
    if any(row.get(key) is not None for key in PLAIN_TEXT):
        names = () if any(may_be_texts(row.get(key)) for key in OF_MODEL) else SEVERAL_OF_MODEL
    key = next((key for key in names if row.get(key) is not None), None)
    return None if key is None else _each_text(row, key)


def _without_figures(row: RawRow) -> RawRow:
    return {key: value for key, value in row.items() if key not in _OF_MODEL or may_be_texts(value)}


def _usually_spelled(row: RawRow) -> RawRow:
    named: dict[str, Any] = {}
    for key, value in row.items():
        named.setdefault(usual_name(key), value)
    return named | {key: row[key] for key in row if key in named and key not in SPELLED}


def _each_text(row: RawRow, key: str) -> Iterator[RawRow]:
    """Yield a row for each text of a list under a name for several texts.

    Other lists of the same length, of prompts or steps, hold one value for each text.
    """
    texts = texts_in(row[key])
    rest = {
        PROMPTS.get(name, name): texts_in(row[name]) if name in PROMPTS else row[name]
        for name in row
        if name != key and name not in PLAIN_TEXT
    }
    if not isinstance(texts, list) or (is_chat(texts) and not all(map(is_own, texts))):
        yield {**rest, "text": texts}
        return
    columns = [
        name
        for name, values in rest.items()
        if name in READ and isinstance(values, list) and len(values) == len(texts) and not is_chat(values)
    ]
    for place, each in enumerate(texts):
        beside = {name: rest[name][place] for name in columns}
        for text in each if isinstance(each, list) and not is_chat(each) else [each]:
            yield {**rest, **beside, **_with_text(text)}


def _with_text(text: Any) -> RawRow:
    """Return a text of a list as a row: it may be a message, or an object with more than a text."""
    if not isinstance(text, Mapping):
        return {"text": text}
    if "content" in text:
        return {"text": as_answer(text)}
    return text


def _as_named(row: RawRow, fields: Fields) -> Iterator[RawRow]:
    """Yield the rows of an object under the keys that the user named for text, step, loss and prompt.

    If there is nothing under such a key, the usual names are not used instead.
    """
    told = {
        name: at(row, path)
        for name, path in (("step", fields.step), ("loss", fields.loss), ("prompt", fields.prompt))
        if path is not None
    }
    usual = [*(STEP if fields.step else ()), *(LOSS if fields.loss else ()), *(TEXT if fields.text else ())]
    found = {name: values[0] for name, values in told.items() if len(values) == 1}
    if fields.text is None:
        for each in unfold(row):
            yield {**_without(each, usual), **found}
        return
    texts, rest = at(row, fields.text), _without(row, usual)
    for place, text in enumerate(texts):
        beside = {name: values[place] for name, values in told.items() if len(values) == len(texts) > 1}
        yield {**rest, **found, **beside, "text": as_answer(text) if isinstance(text, Mapping) else text}
    if not texts:
        yield {**rest, **found}


def _without(row: RawRow, keys: list[str]) -> RawRow:
    return {key: value for key, value in row.items() if key not in keys} if keys else row


def at(value: Any, path: str) -> list[Any]:
    """Return the values at a path in a value: one, several if it has `[*]`, none if there is nothing.

    A key that is spelled like the path takes precedence over the path.

    >>> at({"a": [{"b": 1}, {"b": 2}]}, "a[*].b"), at({"a.b": 3}, "a.b"), at({"a": [4, 5]}, "a[1]")
    ([1, 2], [3], [5])
    """
    if isinstance(value, Mapping) and path in value:
        return [] if value[path] is None else [value[path]]
    found = [value]
    for key, index in _PIECE.findall(path):
        if key:
            found = [each[key] for each in found if isinstance(each, Mapping) and key in each]
        elif index == "*":
            found = [inner for each in found if isinstance(each, list) for inner in each]
        else:
            found = [each[int(index)] for each in found if isinstance(each, list) and int(index) < len(each)]
    return [each for each in found if each is not None]
