"""The snapshot: what is stored about a checkpoint's samples, so that later ones can be compared with them.

It holds no texts of samples unless asked to: only scores, whether a sample is low or too short to judge, and
hashes of prompts. The same samples give the same file, byte for byte. Source: docs/ci.md, "The snapshot".
"""

import codecs
import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from coherence.check.statistics import Floats
from coherence.check.stored import Letters, Within, read
from coherence.files import whole_file
from coherence.report import Written
from coherence.scoring.profile import SCALES

CAP = 2_000
"""Samples that a snapshot holds; if there are more, each prompt keeps its share."""

FINE, LOW, TEMPLATED, SHORT, EMPTY = "f", "l", "t", "s", "e"


EARLIER = re.compile(rb'\s*\{\s*"format"\s*:\s*[12]\s*,\s*"made"')

BEGINNING = b'{"format":3,"made":{'
"""How a snapshot begins, without white space."""

KEYS = ("prompts", "groups")

LONGEST = 31
"""The binary logarithm that no count reaches."""

Points = Annotated[float | None, Within(0, 100)]
Order = Annotated[float | None, Within(-1_000, 1_000)]
Count = Annotated[int, Within(0, 2**LONGEST - 1)]


@dataclass(frozen=True, kw_only=True)
class Stored(Written):
    """The base of what is stored; no value of another type is converted, because we wrote none."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "strict": True}


@dataclass(frozen=True, kw_only=True)
class Provenance(Stored):
    """How a snapshot was made; samples that are scored differently are not compared with it.

    Attributes:
        version: of coherence.
        profile: the name of the reference profile and a hash of it.
        lexicon: the name of the word list and how many words it has.
        prompt_field: the key of the prompt that was asked for.
        group_by: the key of the group that was asked for.
        prompts: whether all samples state their prompts, or some; or prompts were found at the beginning of
            texts, or guessed from samples that look alike, or neither.
    """

    version: str
    profile: str
    lexicon: str
    prompt_field: str | None
    group_by: str | None
    prompts: Literal["told", "some", "found", "alike", "none"]

    def differences(self, other: "Provenance") -> list[str]:
        """Return the differences in words, with the values of this one first."""
        names = ["version"] * (_minor(self.version) != _minor(other.version))
        names += ["profile", "lexicon", "prompt_field", "group_by"]
        prompts = {"none" if each == "alike" else each for each in (self.prompts, other.prompts)}
        # If some samples have prompts, it is chance whether all do or none.
        names += ["prompts"] * (len(prompts) > 1 and "some" not in prompts)
        pairs = [(name, getattr(self, name), getattr(other, name)) for name in names]
        return [f"{name.replace('_', ' ')} {one!r}, not {two!r}" for name, one, two in pairs if one != two]


def _minor(version: str) -> str:
    """Return a version without its patch number, which changes no score (docs/compatibility.md).

    >>> _minor("0.1.3"), _minor("1.2")
    ('0.1', '1.2')
    """
    return ".".join(version.split(".")[:2])


class SampleSet(NamedTuple):
    """Samples as they are compared, one entry each.

    Attributes:
        scores: the four scores in a row; not-a-number for none.
        order: the word order, 100 for about as ordered as English; not-a-number for none.
        tokens: the length.
        states: `f` fine, `l` low, `t` templated, `s` too short to judge, `e` empty.
        again: whether it repeats a quarter or more of itself.
        cut_off: whether it ends in the middle.
        beginnings: the number of its first words; 0 if no other sample begins with them.
        prompts, groups: a hash of its prompt, the name of its group; empty for none.
    """

    scores: Floats
    order: Floats
    tokens: NDArray[np.int64]
    states: Sequence[str]
    again: NDArray[np.bool_]
    cut_off: NDArray[np.bool_]
    beginnings: NDArray[np.int64]
    prompts: Sequence[str]
    groups: Sequence[str]

    def only(self, places: Sequence[int]) -> "SampleSet":
        """Return some of the samples."""
        where = list(places)
        states, prompts, groups = (
            [column[place] for place in where] for column in (self.states, self.prompts, self.groups)
        )
        return SampleSet(
            self.scores[where],
            self.order[where],
            self.tokens[where],
            states,
            self.again[where],
            self.cut_off[where],
            self.beginnings[where],
            prompts,
            groups,
        )

    def with_scores_of(self, other: "SampleSet") -> "SampleSet":
        """Return these samples with the scores and the word order of equally many others."""
        return self._replace(scores=other.scores, order=other.order)


class Pairs(NamedTuple):
    """Pairs of samples of one step, of one prompt or of different ones, one entry each.

    Attributes:
        diversity: between the two.
        prompts, groups: as for samples; the names of both if there are two prompts.
    """

    diversity: Floats
    prompts: Sequence[str]
    groups: Sequence[str]


Flag = Annotated[str, Letters("01")]


class _Numbers(NamedTuple):
    """The numbers of prompts and groups."""

    prompts: dict[str, int]
    groups: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class _Columns(Stored):
    """A column for each property of a sample; prompts and groups are numbered."""

    bigram: tuple[Points, ...]
    trigram: tuple[Points, ...]
    english: tuple[Points, ...]
    character: tuple[Points, ...]
    order: tuple[Order, ...]
    tokens: tuple[Count, ...]
    states: Annotated[str, Letters("fltse")]
    again: Flag
    cut_off: Flag
    beginnings: tuple[Annotated[int, Within(0)], ...]
    prompts: tuple[int, ...]
    groups: tuple[int, ...]

    @classmethod
    def of(cls, samples: SampleSet, numbers: _Numbers) -> Self:
        """Return the columns of samples."""
        return cls(
            **{name: _listed(column) for name, column in zip(SCALES, samples.scores.T, strict=True)},
            order=_listed(samples.order),
            tokens=tuple(samples.tokens.tolist()),
            states="".join(samples.states),
            again=_flags(samples.again),
            cut_off=_flags(samples.cut_off),
            beginnings=tuple(samples.beginnings.tolist()),
            prompts=tuple(numbers.prompts[name] for name in samples.prompts),
            groups=tuple(numbers.groups[name] for name in samples.groups),
        )


@dataclass(frozen=True, kw_only=True)
class _PairColumns(Stored):
    diversity: tuple[Annotated[float, Within(0, 100)], ...]
    prompts: tuple[int, ...]
    groups: tuple[int, ...]

    @classmethod
    def of(cls, pairs: Pairs, numbers: _Numbers) -> Self:
        """Return the columns of pairs."""
        return cls(
            diversity=tuple(pairs.diversity.round(2).tolist()),
            prompts=tuple(numbers.prompts[name] for name in pairs.prompts),
            groups=tuple(numbers.groups[name] for name in pairs.groups),
        )


@dataclass(frozen=True, kw_only=True)
class Kept(Stored):
    """A sample whose text is kept, to be shown with one of a later checkpoint.

    Attributes:
        key: the hash of its prompt; empty for none.
        prompt: what the model was given, its first characters.
        text: the answer, its first characters.
        left_out: how many characters of the answer are left out.
        mean: of its scores.
    """

    key: str
    prompt: str | None
    text: str
    left_out: Count
    mean: Annotated[float, Within(0, 100)]


@dataclass(frozen=True, kw_only=True)
class Figure(Stored):
    """The mean of a quantity that is compared.

    Attributes:
        mean: of samples or pairs.
        error: its standard error, with samples of one prompt as a unit.
        within: the same among draws from the same prompts; None if few prompts have several samples.
        size: how many samples or pairs there are.
        units: how many prompts there are; each sample without a prompt counts as one.
    """

    mean: Annotated[float, Within(-1_000, 1_000)]
    error: Annotated[float, Within(0, 10_000)]
    within: Annotated[float | None, Within(0, 10_000)]
    size: Count
    units: Annotated[int, Within(2, 2**LONGEST - 1)]

    def __post_init__(self) -> None:
        if self.size < self.units + (self.within is not None):
            raise ValueError(f"size {self.size} with {self.units} units")


@dataclass(frozen=True, kw_only=True)
class Release(Stored):
    """The figures of an earlier snapshot.

    Attributes:
        samples: how many there were.
        prompts: a hash of all prompts and of how many samples each has; empty if they are not known.
        figures: one entry for each quantity that is compared.
    """

    samples: Count
    prompts: str
    figures: dict[str, Figure]

    def __post_init__(self) -> None:
        length = self.figures.get("length")
        if length is not None and not 0 <= length.mean < LONGEST:
            raise ValueError(f"length {length.mean}; expected a binary logarithm")


@dataclass(frozen=True, kw_only=True)
class Snapshot(Stored):
    """What is stored about a checkpoint's samples.

    Attributes:
        made: how they were scored.
        prefixes: the beginnings of texts that were treated as prompts.
        drawn: how many samples there were; only 2,000 are stored if there were more.
        digest: a hash of all their texts.
        halt_reason: why the gate halts on them; None if it does not.
        prompts, groups: the hashes and names that the numbers in the columns refer to.
        samples, within, between: a column for each property of samples, and of pairs of them, of one prompt
            and of different ones.
        texts: samples that are shown with later ones; none unless that was asked for.
        history: the figures of the snapshots that this one replaced, the oldest first.
    """

    format: Literal[3] = 3
    made: Provenance
    prefixes: tuple[str, ...]
    drawn: Count
    digest: str = ""
    halt_reason: str | None = None
    prompts: tuple[str, ...]
    groups: tuple[str, ...]
    samples: _Columns
    within: _PairColumns
    between: _PairColumns
    texts: tuple[Kept, ...] = ()
    history: tuple[Release, ...] = ()

    def __post_init__(self) -> None:
        for columns in (self.samples, self.within, self.between):
            told = vars(columns)
            if len({len(column) for column in told.values()}) > 1:
                lengths = ", ".join(f"{name} {len(column)}" for name, column in told.items())
                raise ValueError(f"columns of unequal length: {lengths}")
            for numbers, names in ((columns.prompts, self.prompts), (columns.groups, self.groups)):
                if wrong := [number for number in numbers if not 0 <= number < len(names)]:
                    raise ValueError(f"number {wrong[0]} of {len(names)} names")
        if not 0 < (stored := len(self.samples.states)) <= self.drawn:
            raise ValueError(f"drawn {self.drawn}, but {stored} samples; expected one at least, and no more")

    @classmethod
    def of(
        cls,
        samples: SampleSet,
        within: Pairs,
        between: Pairs,
        provenance: Provenance,
        prefixes: Sequence[str],
        digest: str = "",
        halt_reason: str | None = None,
    ) -> Self:
        """Return the snapshot of samples."""
        kept, pairs = thin(samples, CAP), [thin_pairs(each, CAP // 2) for each in (within, between)]
        names = [{name for each in (kept, *pairs) for name in getattr(each, key)} for key in KEYS]
        prompts, groups = (sorted(each) for each in names)
        numbers = _Numbers(*({name: n for n, name in enumerate(each)} for each in (prompts, groups)))
        return cls(
            made=provenance,
            prefixes=tuple(map(encodable, prefixes)),
            drawn=len(samples.states),
            digest=digest,
            halt_reason=halt_reason,
            prompts=tuple(prompts),
            groups=tuple(map(encodable, groups)),
            samples=_Columns.of(kept, numbers),
            within=_PairColumns.of(pairs[0], numbers),
            between=_PairColumns.of(pairs[1], numbers),
        )

    def to_sample_set(self) -> SampleSet:
        """Return the samples in the form for a comparison."""
        columns = self.samples
        return SampleSet(
            np.array([getattr(columns, name) for name in SCALES], np.float64).reshape(4, -1).T,
            np.array(columns.order, np.float64),
            np.array(columns.tokens, np.int64),
            columns.states,
            _as_flags(columns.again),
            _as_flags(columns.cut_off),
            np.array(columns.beginnings, np.int64),
            self._prompts(columns.prompts),
            self._groups(columns.groups),
        )

    def to_pairs(self, columns: _PairColumns) -> Pairs:
        """Return `within` or `between` in the form for a comparison."""
        diversity = np.array(columns.diversity, np.float64)
        return Pairs(diversity, self._prompts(columns.prompts), self._groups(columns.groups))

    def _prompts(self, numbers: Sequence[int]) -> list[str]:
        return [self.prompts[number] for number in numbers]

    def _groups(self, numbers: Sequence[int]) -> list[str]:
        return [self.groups[number] for number in numbers]

    def save(self, path: str | Path) -> None:
        """Write the snapshot, whole or not at all, one column per line.

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
            ValueError: it is not a snapshot, or has another format; the message names the file and the value.
        """
        content = Path(path).read_bytes()
        if (found := read(cls, content)) is not None:
            return found
        try:
            return cls.from_json(content)
        except import_module("pydantic").ValidationError as error:
            if EARLIER.match(content):
                raise ValueError(
                    f"{path}: a snapshot of an earlier version of coherence; make it again, from samples of "
                    "the checkpoint that you trust: --update"
                ) from None
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(
                f"{path}: not a snapshot: {where}{': ' if where else ''}{first['msg']}"
            ) from None


def is_snapshot(path: Path) -> bool:
    """Tell whether a file begins like a snapshot, perhaps a cut or an earlier one, or is empty.

    Raises:
        OSError: it cannot be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (path := Path(folder, "s.json")).write_text('{"format": 1, "made": {"version": "0.1')
    ...     is_snapshot(path)
    True
    """
    with path.open("rb") as file:
        head = b"".join(file.read(100).removeprefix(codecs.BOM_UTF8).split())
    as_now = re.sub(rb"\d+", b"3", head, count=1)
    return as_now.startswith(BEGINNING) or BEGINNING.startswith(as_now)


def encodable(text: str) -> str:
    """Return a text without lone surrogates, which JSON cannot hold."""
    return text.encode("utf-8", "replace").decode()


def _flags(column: NDArray[np.bool_]) -> str:
    return "".join("01"[flag] for flag in column.tolist())


def _as_flags(column: str) -> NDArray[np.bool_]:
    return np.array([each == "1" for each in column], np.bool_)


def _listed(column: Floats) -> tuple[float | None, ...]:
    return tuple(None if math.isnan(value) else round(value, 2) for value in column.tolist())


def _json(values: dict[str, Any], indent: str = " ") -> str:
    """Write JSON with one line per key, so that people can read it and git can show what changed."""
    lines = (
        f"{indent}{json.dumps(key)}: "
        + (_json(value, indent + " ") if isinstance(value, dict) else _one_line(value))
        for key, value in values.items()
    )
    return "{\n" + ",\n".join(lines) + f"\n{indent[1:]}}}"


def _one_line(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def thin(samples: SampleSet, most: int) -> SampleSet:
    """Return at most `most` of the samples, each group and prompt with its share, evenly spaced."""
    return samples.only(_evenly(samples.groups, samples.prompts, most))


def thin_pairs(pairs: Pairs, most: int) -> Pairs:
    """Return at most `most` of the pairs, in the same way."""
    places = _evenly(pairs.groups, pairs.prompts, most)
    prompts, groups = ([column[place] for place in places] for column in (pairs.prompts, pairs.groups))
    return Pairs(pairs.diversity[places], prompts, groups)


def _evenly(groups: Sequence[str], prompts: Sequence[str], most: int) -> list[int]:
    """Return the indices of those that are kept, in their order.

    Every second, third, ... in the order of the prompts, not of the dump: if prompts take turns there,
    every second one would be lost entirely.
    """
    order = sorted(range(len(groups)), key=lambda place: (groups[place], prompts[place]))
    size = len(order)
    if size > most:
        order = [order[number * size // most] for number in range(most)]
    return sorted(order)
