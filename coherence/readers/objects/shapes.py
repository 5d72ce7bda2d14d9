"""The objects of harnesses and servers, which hold their texts deeper than trainers do.

Source: docs/formats.md, "Objects of harnesses and servers".
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from coherence.readers.objects.names import RawRow


class Shape(NamedTuple):
    """What objects of one writer look like, and how to make rows of them.

    Attributes:
        name: of the writer.
        fits: tells whether an object is one; asked of every row, so that it has to be quick.
        rows: yields the rows it holds, under the usual names.
    """

    name: str
    fits: Callable[[RawRow], bool]
    rows: Callable[[RawRow], Iterator[RawRow]]


def _has_choices(row: RawRow) -> bool:
    return isinstance(row.get("choices"), list)


def _choices(row: RawRow) -> Iterator[RawRow]:
    rest = {key: value for key, value in row.items() if key != "choices"}
    for choice in row["choices"]:
        if isinstance(choice, Mapping):
            message = choice.get("message")
            text = [{"role": "assistant", **message}] if isinstance(message, Mapping) else choice.get("text")
            yield {**rest, "text": text, "finish_reason": choice.get("finish_reason")}


SHAPES: tuple[Shape, ...] = (Shape("OpenAI-compatible server", _has_choices, _choices),)
"""In the order in which they are tried."""
