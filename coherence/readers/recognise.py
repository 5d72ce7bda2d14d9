"""The formats that are read, and which of them a file is: its content decides.

A format is a module: `NAME`; `recognise(head)`; `samples(part, problems, prompt_field, group_field)` and
`losses(part, problems)`, which yield what a file holds; where a file can be divided, `parts(path, size)`.
"""

from collections.abc import Iterator
from types import ModuleType
from typing import Protocol, cast

from coherence.readers import storage
from coherence.readers.formats import (
    csv_rows,
    json_array,
    jsonl,
    logs,
    numbered,
    parquet,
    tensorboard,
    trackio,
    trainer_state,
)
from coherence.readers.lines import Head, Part, Problems, read_head
from coherence.readers.records import LossRow, Sample

__all__ = ["FORMATS", "Format", "Head", "key", "named", "read_head", "recognise"]


class Format(Protocol):
    """What each module of a format offers."""

    NAME: str
    __name__: str

    def recognise(self, head: Head) -> bool:
        """Tell whether a file that begins so is of the format."""

    def samples(
        self,
        part: Part,
        problems: Problems,
        prompt_field: str | None = None,
        group_field: str | None = None,
    ) -> Iterator[Sample]:
        """Yield the samples of a part of a file."""

    def losses(self, part: Part, problems: Problems) -> Iterator[LossRow]:
        """Yield the training losses of a part of a file."""


FORMATS: tuple[ModuleType, ...] = (
    parquet,
    trackio,
    tensorboard,
    trainer_state,
    json_array,
    jsonl,
    csv_rows,
    logs,
    numbered,
)
"""In the order in which they are tried: what is known by its first bytes, then text, from strict to loose."""


def key(module: Format | ModuleType) -> str:
    """Return a format as `--format` names it."""
    return module.__name__.rpartition(".")[2]


def named(name: str) -> Format:
    """Return the format of a name.

    Raises:
        ValueError: there is none.
    """
    by_key = {key(module): module for module in FORMATS}
    if name not in by_key:
        raise ValueError(f"format {name!r}; expected one of {', '.join(by_key)}")
    return cast(Format, by_key[name])


def recognise(path: str, asked: str | None = None) -> Format:
    """Return the format of a file.

    Args:
        path: of the file.
        asked: the name of the format, which is then taken for granted.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is empty, a folder, of no format that is known, or there is none named `asked`.
    """
    if asked is not None:
        return named(asked)
    if storage.is_folder(path):
        raise ValueError(f"{path}: a folder, not a file")
    head = read_head(path)
    if not head.text.strip():
        raise ValueError(f"{path}: empty")
    for module in FORMATS:
        if module.recognise(head):
            return cast(Format, module)
    names = ", ".join(module.NAME for module in FORMATS)
    kind = "binary, and " if b"\0" in head.raw else ""
    raise ValueError(f"{path}: {kind}none of the formats that are read ({names}); --format names one")
