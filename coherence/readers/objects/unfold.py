"""Any object as plain rows: the keys that a person named, the shapes of harnesses, spellings, lists of texts.

Source: docs/formats.md, "Names".
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from coherence.readers.format import USUAL, Fields
from coherence.readers.objects.messages import is_chat
from coherence.readers.objects.names import SEVERAL, SPELLED, TEXT, RawRow
from coherence.readers.objects.shapes import SHAPES

_PIECE = re.compile(r"([^.\[\]]+)|\[(\*|\d+)\]")

_SPELLED, _SEVERAL, _TEXT = frozenset(SPELLED), frozenset(SEVERAL), frozenset(TEXT)


def unfold(row: RawRow, fields: Fields = USUAL) -> Iterator[RawRow]:
    """Yield the rows that an object holds, under the usual names.

    >>> list(unfold({"Step": 5, "completions": ["So.", "No."]}))
    [{'step': 5, 'text': 'So.'}, {'step': 5, 'text': 'No.'}]
    """
    if fields is not USUAL:
        yield from _as_named(row, fields)
        return
    for shape in SHAPES:
        if shape.fits(row):
            yield from shape.rows(row)
            return
    if not _SPELLED.isdisjoint(row):
        row = _usually_spelled(row)
    if not _SEVERAL.isdisjoint(row) and _TEXT.isdisjoint(row):
        yield from _each_text(row)
        return
    yield row


def _usually_spelled(row: RawRow) -> RawRow:
    named: dict[str, Any] = {}
    for key, value in row.items():
        named.setdefault(SPELLED.get(key, key), value)
    return named | {key: row[key] for key in row if key in named and key not in SPELLED}


def _each_text(row: RawRow) -> Iterator[RawRow]:
    """Yield a row for each text of a list that stands under a name for several."""
    key = next(key for key in SEVERAL if key in row)
    texts, rest = row[key], {name: value for name, value in row.items() if name != key}
    if isinstance(texts, list) and not is_chat(texts):
        for text in texts:
            yield {**rest, **text} if isinstance(text, Mapping) else {**rest, "text": text}
    else:
        yield {**rest, "text": texts}


def _as_named(row: RawRow, fields: Fields) -> Iterator[RawRow]:
    """Yield the rows of an object in which a person said where text, step, loss and prompt stand."""
    told = {
        name: at(row, path)
        for name, path in (("step", fields.step), ("loss", fields.loss), ("prompt", fields.prompt))
        if path is not None
    }
    found = {name: values[0] for name, values in told.items() if len(values) == 1}
    if fields.text is None:
        for each in unfold(row):
            yield {**each, **found}
        return
    texts = at(row, fields.text)
    for place, text in enumerate(texts):
        beside = {name: values[place] for name, values in told.items() if len(values) == len(texts) > 1}
        yield {**row, **found, **beside, "text": text}
    if not texts:
        yield {key: value for key, value in {**row, **found}.items() if key not in TEXT}


def at(value: Any, path: str) -> list[Any]:
    """Return what stands at a path in a value: one, several where it says `[*]`, none where there is nothing.

    A key that is written so counts before the path that it would be.

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
