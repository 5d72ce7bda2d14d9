"""A format: one value that says what can be read from a file of that format.

Each module of `readers.formats` ends with its format. Source: docs/formats.md.
"""

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple, Protocol

from coherence.readers.lines import Head, Part, Problems
from coherence.readers.records import LossRow, Mark, MetricRow, Sample


class Fields(NamedTuple):
    """The keys that the user named, for rows that do not use the keys that trainers use.

    A key, or a path: `choices[*].message.content`.

    Attributes:
        prompt: of the prompt.
        group: the key of the group, if samples are to be compared group by group.
        text, step, loss: of these.
    """

    prompt: str | None = None
    group: str | None = None
    text: str | None = None
    step: str | None = None
    loss: str | None = None


USUAL = Fields()
"""The keys that trainers use."""


def no_step(field: str, path: str) -> str:
    """Return why samples are refused of which none has its step where the user said."""
    return f"step field {field!r}; no sample of {path} has a step there"


class SampleReader(Protocol):
    """Yields the samples of a part of a file, and notes what cannot be used."""

    def __call__(self, part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[Sample]:
        """Read further as samples are asked for."""


class LossReader(Protocol):
    """Yields the training losses of a part of a file, and notes what cannot be used."""

    def __call__(self, part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
        """Read further as losses are asked for."""


class MetricReader(Protocol):
    """Yields reward, KL divergence and length from a part of a file, and skips what cannot be used."""

    def __call__(self, part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[MetricRow]:
        """Read further as metrics are asked for."""


class Cut(NamedTuple):
    """How a file can be divided.

    Attributes:
        parts: returns the parts of the file at a path, each of about the given number of bytes.
        length: returns how many lines begin in a part.
    """

    parts: Callable[[str, int], list[Part]]
    length: Callable[[Part], int]


class Format(NamedTuple):
    """One format that trainers write, and how to read it.

    Attributes:
        key: its name for `--format`.
        name: its name in a report.
        recognise: whether a file with this beginning has the format.
        samples, losses, events, metrics: their readers; None if the format does not hold them.
        cut: how to divide a file; None if it is read whole.
        why: how a file of the format is recognised, as `--explain` says.
        plain: reads the samples in some lines of a part, except those that may depend on other lines; None
            if that takes as long as to read all.
    """

    key: str
    name: str
    recognise: Callable[[Head], bool]
    samples: SampleReader | None = None
    losses: LossReader | None = None
    events: Callable[[Part], Iterator[Mark]] | None = None
    cut: Cut | None = None
    why: str = ""
    metrics: MetricReader | None = None
    plain: Callable[[Part, Collection[int]], Iterator[Sample]] | None = None
