"""The snapshot: what is kept of a checkpoint's samples, so that later ones can be compared with them.

No text of a sample is in it: its scores, whether it is low or too short to judge, and hashes of prompts.
The same samples give the same file, byte for byte. Source: docs/ci.md, "The snapshot".
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, ValidationError

from coherence.check.statistics import Floats
from coherence.files import whole_file
from coherence.report import Written
from coherence.scoring.profile import SCALES

CAP = 2_000
"""Samples that a snapshot holds; of more it holds as many of each prompt as its share."""

FINE, LOW, SHORT = "f", "l", "s"


Points = Annotated[float | None, Field(ge=0, le=100)]


@dataclass(frozen=True, kw_only=True)
class Provenance(Written):
    """What a snapshot was made with; samples that are scored in another way are not compared with it.

    Attributes:
        version: of coherence.
        profile: the name of the reference profile and a hash of it.
        lexicon: the name of the word list and how many words it has.
        prompt_field: the key of the prompt that was asked for.
        group_by: the key of the group that was asked for.
        prompts: whether all samples tell their prompts, or some; or were found to begin with one, or neither.
    """

    version: str
    profile: str
    lexicon: str
    prompt_field: str | None
    group_by: str | None
    prompts: Literal["told", "some", "found", "none"]

    def differences(self, other: "Provenance") -> list[str]:
        """Return what differs, in words, this one's values first."""
        names = ["version", "profile", "lexicon", "prompt_field", "group_by"]
        # Where some samples have prompts, it is chance whether all do or none.
        names += ["prompts"] * ("some" not in (self.prompts, other.prompts))
        pairs = [(name, getattr(self, name), getattr(other, name)) for name in names]
        return [f"{name.replace('_', ' ')} {one!r}, not {two!r}" for name, one, two in pairs if one != two]


class SampleSet(NamedTuple):
    """Samples as they are compared: an entry each.

    Attributes:
        scores: a row each, the four scores; not-a-number for none.
        states: `f` fine, `l` low, `s` too short to judge.
        prompts, groups: a hash of its prompt, the name of its group; empty for none.
    """

    scores: Floats
    states: Sequence[str]
    prompts: Sequence[str]
    groups: Sequence[str]

    def only(self, places: Sequence[int]) -> "SampleSet":
        """Return some of the samples."""
        picked = [[column[place] for place in places] for column in self[1:]]
        return SampleSet(self.scores[list(places)], *picked)


class Pairs(NamedTuple):
    """Pairs of samples of one prompt, or of one step: an entry each.

    Attributes:
        diversity: between the two.
        by: what the two of a pair share.
        prompts, groups: as for samples.
    """

    diversity: Floats
    by: Literal["prompt", "step"]
    prompts: Sequence[str]
    groups: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class _Columns(Written):
    """A column for each thing that is known of a sample; prompts and groups are numbered."""

    bigram: tuple[Points, ...]
    trigram: tuple[Points, ...]
    english: tuple[Points, ...]
    character: tuple[Points, ...]
    states: Annotated[str, Field(pattern="^[fls]*$")]
    prompts: tuple[int, ...]
    groups: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class _PairColumns(Written):
    by: Literal["prompt", "step"]
    diversity: tuple[float, ...]
    prompts: tuple[int, ...]
    groups: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Snapshot(Written):
    """What is kept of a checkpoint's samples.

    Attributes:
        made: what they were scored with.
        prefixes: the beginnings of texts that were taken for prompts.
        drawn: how many samples there were; of more than 2,000 the rest is not here.
        prompts, groups: hashes and names that the columns number.
        samples, pairs: a column for each thing that is known of them.
    """

    format: Literal[1] = 1
    made: Provenance
    prefixes: tuple[str, ...]
    drawn: int
    prompts: tuple[str, ...]
    groups: tuple[str, ...]
    samples: _Columns
    pairs: _PairColumns

    def __post_init__(self) -> None:
        for columns in (self.samples, self.pairs):
            told = {name: column for name, column in vars(columns).items() if name != "by"}
            if len({len(column) for column in told.values()}) > 1:
                lengths = ", ".join(f"{name} {len(column)}" for name, column in told.items())
                raise ValueError(f"columns of unequal length: {lengths}")
            for numbers, names in ((columns.prompts, self.prompts), (columns.groups, self.groups)):
                if wrong := [number for number in numbers if not 0 <= number < len(names)]:
                    raise ValueError(f"number {wrong[0]} of {len(names)} names")

    @classmethod
    def of(cls, samples: SampleSet, pairs: Pairs, provenance: Provenance, prefixes: Sequence[str]) -> Self:
        """Return the snapshot of samples."""
        kept, count = thin(samples, CAP), len(samples.states)
        pairs = thin_pairs(pairs, CAP // 2)
        prompts = {name: number for number, name in enumerate(sorted({*kept.prompts, *pairs.prompts}))}
        groups = {name: number for number, name in enumerate(sorted({*kept.groups, *pairs.groups}))}
        told = {name: _listed(column) for name, column in zip(SCALES, kept.scores.T, strict=True)}
        return cls(
            made=provenance,
            prefixes=tuple(map(_encodable, prefixes)),
            drawn=count,
            prompts=tuple(prompts),
            groups=tuple(map(_encodable, groups)),
            samples=_Columns(
                **told,
                states="".join(kept.states),
                prompts=tuple(prompts[name] for name in kept.prompts),
                groups=tuple(groups[name] for name in kept.groups),
            ),
            pairs=_PairColumns(
                by=pairs.by,
                diversity=tuple(pairs.diversity.round(2).tolist()),
                prompts=tuple(prompts[name] for name in pairs.prompts),
                groups=tuple(groups[name] for name in pairs.groups),
            ),
        )

    def to_sample_set(self) -> SampleSet:
        """Return the samples as they are compared."""
        columns = self.samples
        scores = np.array([getattr(columns, name) for name in SCALES], np.float64).reshape(4, -1).T
        return SampleSet(scores, columns.states, self._prompts(columns.prompts), self._groups(columns.groups))

    def to_pairs(self) -> Pairs:
        """Return the pairs as they are compared."""
        columns = self.pairs
        diversity = np.array(columns.diversity, np.float64)
        return Pairs(diversity, columns.by, self._prompts(columns.prompts), self._groups(columns.groups))

    def _prompts(self, numbers: Sequence[int]) -> list[str]:
        return [self.prompts[number] for number in numbers]

    def _groups(self, numbers: Sequence[int]) -> list[str]:
        return [self.groups[number] for number in numbers]

    def save(self, path: str | Path) -> None:
        """Write the snapshot, whole or not at all, a column a line.

        Raises:
            OSError: it cannot be written.
        """
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(target) as file:
            file.write((_json(asdict(self)) + "\n").encode())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a snapshot.

        Raises:
            OSError: it cannot be read.
            ValueError: it is none, or of another format; the message names the file and the value.
        """
        try:
            return cls.from_json(Path(path).read_bytes())
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(f"{path}: no snapshot: {where}{': ' if where else ''}{first['msg']}") from None


def _encodable(text: str) -> str:
    """Return a text without half a character, which JSON could not carry."""
    return text.encode("utf-8", "replace").decode()


def _listed(column: Floats) -> tuple[float | None, ...]:
    return tuple(None if math.isnan(value) else round(value, 2) for value in column.tolist())


def _json(values: dict[str, Any], indent: str = " ") -> str:
    """Write JSON with a line for each key: a person can look at it, and git can tell what changed."""
    lines = (
        f"{indent}{json.dumps(key)}: "
        + (_json(value, indent + " ") if isinstance(value, dict) else _one_line(value))
        for key, value in values.items()
    )
    return "{\n" + ",\n".join(lines) + f"\n{indent[1:]}}}"


def _one_line(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def thin(samples: SampleSet, most: int) -> SampleSet:
    """Return at most so many of the samples, of each group and prompt as many as its share, evenly."""
    return samples.only(_evenly(samples.groups, samples.prompts, most))


def thin_pairs(pairs: Pairs, most: int) -> Pairs:
    """Return at most so many of the pairs, likewise."""
    places = _evenly(pairs.groups, pairs.prompts, most)
    prompts, groups = ([column[place] for place in places] for column in (pairs.prompts, pairs.groups))
    return Pairs(pairs.diversity[places], pairs.by, prompts, groups)


def _evenly(groups: Sequence[str], prompts: Sequence[str], most: int) -> list[int]:
    """Return the places of those that are kept, in their order.

    Every second, third, ... in the order of the prompts, not in that of the dump, where prompts that take
    turns would lose all of every second one.
    """
    order = sorted(range(len(groups)), key=lambda place: (groups[place], prompts[place]))
    size = len(order)
    if size > most:
        order = [order[number * size // most] for number in range(most)]
    return sorted(order)
