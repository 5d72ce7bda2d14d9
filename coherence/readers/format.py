"""A format: one value that says what can be read of a file of it.

Each module of `readers.formats` ends with its own. Source: docs/formats.md.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from coherence.readers.lines import Head, Part, Problems
from coherence.readers.records import LossRow, Mark, MetricRow, Sample


class Fields(NamedTuple):
    """Where a person said that a row holds what, where the keys that trainers use do not tell.

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


class SampleReader(Protocol):
    """Yields the samples of a part of a file; what cannot be used is noted."""

    def __call__(self, part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[Sample]:
        """Read on as samples are asked for."""


class LossReader(Protocol):
    """Yields the training losses of a part of a file; what cannot be used is noted."""

    def __call__(self, part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
        """Read on as losses are asked for."""


class MetricReader(Protocol):
    """Yields reward, KL divergence and length of a part of a file; what cannot be used is skipped."""

    def __call__(self, part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[MetricRow]:
        """Read on as metrics are asked for."""


class Cut(NamedTuple):
    """How a file can be divided.

    Attributes:
        parts: returns the parts of the file at a path, each of about so many bytes.
        length: returns how many lines begin in a part.
    """

    parts: Callable[[str, int], list[Part]]
    length: Callable[[Part], int]


class Format(NamedTuple):
    """What trainers write in one way, and how to read it.

    Attributes:
        key: as `--format` names it.
        name: as a report does.
        recognise: tells whether a file that begins so is of the format.
        samples, losses, events, metrics: what can be read of such a file; None where it holds none.
        cut: how to divide a file; None where it is read whole.
        why: how a file of it is recognised, as `--explain` says.
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
