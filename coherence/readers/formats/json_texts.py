"""A JSON list of texts, or of lists of texts: generations of the BigCode harness, one list per problem."""

import re
from collections.abc import Iterator
from typing import Any

from coherence.readers import storage
from coherence.readers.documents import read_document
from coherence.readers.file_names import step_named
from coherence.readers.format import USUAL, Fields, Format
from coherence.readers.lines import Head, Part, Problems, file_name, to_text
from coherence.readers.records import Sample

KIND = "a list of texts"

WORDS = 3
"""Words that more than half of the first texts have at least: labels, stop words and tokens have fewer."""

_LIST = re.compile(r'\[\s*(?:\[\s*)?"')
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_NO_SAMPLES = re.compile(
    r"(?<![a-z])(?:prompt|reference|target|question|instruction|label|problem|solution|test|token|vocab|stop)"
)
"""Names of other lists of texts that are found next to samples."""


def recognise(head: Head) -> bool:
    """Tell whether a file is a list of texts, and not one of those found next to samples."""
    if not _LIST.match(head.text.lstrip()) or _NO_SAMPLES.search(storage.bare_name(head.path)):
        return False
    texts = _TEXT.findall(head.text) or [head.text]  # one text longer than the head
    return 2 * sum(len(re.split(r"\s|\\n", text.strip())) >= WORDS for text in texts) > len(texts)


def samples(
    part: Part,
    problems: Problems,
    fields: Fields = USUAL,  # noqa: ARG001 - texts have no fields
) -> Iterator[Sample]:
    """Yield the texts, with the index in the outer list as the line and as the prompt.

    Raises:
        ValueError: the file is not a list of texts.
    """
    found = read_document(part.path, KIND)
    if not isinstance(found, list):
        raise ValueError(f"{part.path}: not {KIND} but {type(found).__name__}")
    step, name = step_named(part.path), file_name(part.path)
    for number, each in enumerate(found, start=1):
        group = str(number) if isinstance(each, list) else None
        for value in each if isinstance(each, list) else [each]:
            if (text := _text(value, part.path, number, problems)) is not None:
                yield Sample(step=step, text=text, file=name, line=number, group=group)


def _text(value: Any, path: str, number: int, problems: Problems) -> str | None:
    try:
        text = to_text(value)
    except ValueError as error:
        problems.add(path, number, str(error))
        return None
    if text is None:
        problems.add(path, number, f"the text is not a string but {type(value).__name__}")
    return text


FORMAT = Format(
    "json_texts", "JSON list of texts", recognise, samples, why="one JSON document of texts, in lists"
)
