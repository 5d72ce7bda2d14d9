"""A shard of a dump: read, scored, and put down as rows of numbers that the replay can go through in order.

One pure function, `score_shard`, turns one shard into one output. Outputs are written to a temporary name
and renamed: one that exists is done. Source: docs/report.md, "Large dumps".
"""

import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from itertools import count, groupby, islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coherence.readers import recognise as formats
from coherence.readers.lines import Part, Problems
from coherence.readers.records import Sample
from coherence.scoring.batch import Columns, score_plain
from coherence.scoring.lexicon import Lexicon
from coherence.scoring.profile import SCALES, Profile
from coherence.scoring.scores import ENOUGH_CHARACTERS, ENOUGH_TOKENS
from coherence.scoring.text import clean
from coherence.signals.samples import COMPARED
from coherence.signals.settings import LaterFormat

NO_STEP = np.iinfo(np.int64).min
"""The step of a sample whose file tells none."""

ROW = np.dtype(
    [
        ("run", np.int32),  # index into the names of the output, of the dump once it is read
        ("step", np.int64),
        ("row", np.int64),  # which sample of the shard
        ("place", np.int64),  # which sample of its step, where a monitor wrote it; else -1
        ("piece", np.int32),  # which piece of the shard it stands in
        ("line", np.int64),
        ("bigram", np.float64),
        ("trigram", np.float64),
        ("english", np.float64),
        ("character", np.float64),
        ("tokens", np.int64),
        ("characters", np.int64),
        ("has_loss", np.bool_),
        ("loss", np.float64),
        ("time", np.float64),
        ("text", np.uint64),  # hashes: equal texts have equal ones
        ("prompt", np.uint64),
        ("segment", np.int32),  # of the shard: within one the steps of a file and run do not go back
        ("compared", np.int32),  # samples of the step compared with each other, at the first of them
        ("between", np.float64),
    ]
)

Rows = NDArray[np.void]

BATCH = 2**20
"""Characters that are scored at once."""

EMPTY = 32
"""Characters that a sample counts as beside its own: without text there would be no end to a batch."""


SEGMENTS = 1000
"""A shard whose steps go back more often is in no order at all."""


class Piece(NamedTuple):
    """A part of a file, what it is written in, and the run it belongs to if its rows name none."""

    part: Part
    format: str
    run: str | None


class Shard(NamedTuple):
    """Pieces of a dump that are scored together: several small files, or a part of a large one."""

    number: int
    pieces: tuple[Piece, ...]


class Settings(NamedTuple):
    """What a score depends on.

    Attributes:
        fast: use the compiled scorer.
        prefixes: prompts that texts begin with where no field tells the prompt.
        prompt_field: the key of the prompt.
        lexicon, profile: as for `score`.
        group_field: the key of the group; no score depends on it.
        anew: score what a monitor wrote anew: its scores are not believed.
    """

    fast: bool = False
    prefixes: tuple[str, ...] = ()
    prompt_field: str | None = None
    lexicon: Lexicon | None = None
    profile: Profile | None = None
    group_field: str | None = None
    anew: bool = False


class Edge(NamedTuple):
    """The samples of one step at an edge of a shard: the neighbouring shard may hold more of them.

    `begins` where the first of them is surely the first of its step: a monitor counts them.
    """

    run: str
    step: int
    row: int
    begins: bool
    texts: list[str]


class Segment(NamedTuple):
    """A stretch of a file in which the steps of a run do not go back."""

    run: int
    piece: int
    first: int
    last: int


class Scored(NamedTuple):
    """The output of a shard.

    Attributes:
        rows: the samples in the order of the dump, see `ROW`.
        runs: the names that `rows` counts.
        segments: what `rows` counts under that name.
        edges: the first and the last group of samples of one step, none where there is no sample.
        size: characters of text.
        lines: of each piece, where that is needed: how many lines it has.
        problems: of each piece, the lines that were not used, counted from its beginning.
    """

    rows: Rows
    runs: list[str]
    segments: list[Segment]
    edges: list[Edge]
    size: int
    lines: list[int]
    problems: list[Problems]


class Read(NamedTuple):
    """A sample as it was read: which piece it stands in, its run, what of its text is the prompt."""

    piece: int
    run: str
    sample: Sample
    prompt: str | None


def score_shard(shard: Shard, settings: Settings) -> Scored:
    """Read a shard and score its samples; what cannot be read of it is noted."""
    problems = [Problems() for _ in shard.pieces]
    scored = score_reads(read_shard(shard, settings, problems), settings)
    return scored._replace(lines=[count_lines(piece) for piece in shard.pieces], problems=problems)


def read_shard(shard: Shard, settings: Settings, problems: list[Problems]) -> Iterator[Read]:
    """Yield the samples of a shard in the order of the dump."""
    for number, piece in enumerate(shard.pieces):
        reader, noted = formats.named(piece.format), problems[number]
        try:
            for sample in reader.samples(piece.part, noted, settings.prompt_field, settings.group_field):
                yield to_read(sample, number, piece.run, settings)
        except LaterFormat:
            raise
        except (OSError, ValueError) as error:
            noted.add(piece.part.path, 0, f"not read on from here: {error}")


def to_read(sample: Sample, piece: int, run: str | None, settings: Settings) -> Read:
    """Return a sample with its run, and with the prompt that its text begins with.

    What a monitor judged without a prompt has none.
    """
    told = sample.prompt is not None or sample.place is not None
    prompt = sample.prompt if told else _prefix(sample.text, settings.prefixes)
    return Read(piece, "/".join(filter(None, (run, sample.run))), sample, prompt)


def score_reads(reads: Iterable[Read], settings: Settings) -> Scored:
    """Score samples as they come."""
    names: dict[str, int] = {}
    batches: list[Rows] = [np.zeros(0, ROW)]
    edges: list[_AtEdge] = []
    row = size = 0
    for clusters in _batches(_clusters(reads)):
        batch = _rows(clusters, row, names, settings)
        batches.append(batch)
        edges = _at_edges(edges, clusters, row)
        row += len(batch)
        size += sum(len(read.sample.text) for cluster in clusters for read in cluster)
    rows = np.concatenate(batches)
    segments = _cut_into_segments(rows)
    return Scored(rows, list(names), segments, [each.edge() for each in edges], size, [], [])


def _prefix(text: str, prefixes: Sequence[str]) -> str | None:
    return next((prefix for prefix in prefixes if text.startswith(prefix)), None) if prefixes else None


def _clusters(reads: Iterable[Read]) -> Iterator[list[Read]]:
    """Put together what is compared: the first samples of those of one step that stand together.

    Where a monitor counts them from 0 again, the step was drawn anew.
    """
    anew = count()
    number = 0

    def key(read: Read) -> tuple[str, int | None, int]:
        nonlocal number
        number = next(anew) if read.sample.place == 0 else number
        return read.run, read.sample.step, number

    for (_, step, _), group in groupby(reads, key=key):
        if step is not None:
            yield list(islice(group, COMPARED))
        for read in group:  # noqa: B031 - goes on where islice stopped
            yield [read]


def _batches(clusters: Iterable[list[Read]]) -> Iterator[list[list[Read]]]:
    batch: list[list[Read]] = []
    size = 0
    for cluster in clusters:
        batch.append(cluster)
        size += sum(len(read.sample.text) + EMPTY for read in cluster)
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _rows(clusters: Sequence[list[Read]], start: int, names: dict[str, int], settings: Settings) -> Rows:
    groups = [len(cluster) for cluster in clusters]
    reads = [read for cluster in clusters for read in cluster]
    samples = [read.sample for read in reads]
    columns = _score([sample.text for sample in samples], [read.prompt for read in reads], groups, settings)
    rows = np.zeros(len(reads), ROW)
    rows["run"] = [names.setdefault(read.run, len(names)) for read in reads]
    rows["step"] = [NO_STEP if sample.step is None else sample.step for sample in samples]
    rows["row"] = np.arange(start, start + len(reads))
    rows["piece"] = [read.piece for read in reads]
    rows["line"] = [sample.line for sample in samples]
    rows["place"] = [-1 if sample.place is None else sample.place for sample in samples]
    for name in ("bigram", "trigram", "english", "character", "tokens", "characters"):
        rows[name] = getattr(columns, name)
    if not settings.anew:
        _believe(rows, samples)
    rows["has_loss"] = [sample.loss is not None for sample in samples]
    rows["loss"] = [math.nan if sample.loss is None else sample.loss for sample in samples]
    rows["time"] = [math.nan if sample.time is None else sample.time for sample in samples]
    rows["text"] = [_hash(sample.text.strip()) for sample in samples]
    rows["prompt"] = [0 if read.prompt is None else _hash(read.prompt) for read in reads]
    first = np.concatenate([[0], np.cumsum(groups)[:-1]]).astype(np.int64)
    judged = (columns.tokens >= ENOUGH_TOKENS) | (columns.characters >= ENOUGH_CHARACTERS)
    rows["between"], rows["compared"] = math.nan, 0
    rows["between"][first] = columns.between
    rows["compared"][first] = np.where(np.isnan(columns.between), 0, np.add.reduceat(judged, first))
    return rows


def _believe(rows: Rows, samples: Sequence[Sample]) -> None:
    """Put the scores that a monitor gave in the place of ours: by those it decided."""
    ours = [place for place, sample in enumerate(samples) if sample.scores is not None]
    scores = np.array([samples[place].scores for place in ours], np.float64).reshape(-1, 4)
    for scale, column in zip(SCALES, scores.T, strict=True):
        rows[scale][ours] = column


def _score(
    texts: Sequence[str], prompts: Sequence[str | None], groups: Sequence[int], settings: Settings
) -> Columns:
    scorer = import_module("coherence.scoring.compiled").score_many if settings.fast else score_plain
    columns: Columns = scorer(texts, prompts, settings.lexicon, settings.profile, groups)
    return columns


def _hash(text: str) -> int:
    """Return a number that equal texts share, in every process."""
    return (len(text) & 0xFFFFFFFF) << 32 | zlib.crc32(text.encode("utf-8", "surrogatepass"))


class _AtEdge(NamedTuple):
    row: int
    step: int
    reads: list[Read]

    def edge(self) -> Edge:
        texts = [clean(read.sample.text, read.prompt) for read in self.reads]
        return Edge(self.reads[0].run, self.step, self.row, self.reads[0].sample.place == 0, texts)


def _at_edges(edges: list[_AtEdge], clusters: Sequence[list[Read]], row: int) -> list[_AtEdge]:
    """Return the first and the last group so far."""
    for cluster in clusters:
        step = cluster[0].sample.step
        if step is not None and not _goes_on(edges, cluster[0]):
            edges = [*edges[:1], _AtEdge(row, step, cluster)]
        row += len(cluster)
    return edges


def _goes_on(edges: Sequence[_AtEdge], read: Read) -> bool:
    same = bool(edges) and (edges[-1].reads[0].run, edges[-1].step) == (read.run, read.sample.step)
    return same and read.sample.place != 0


def count_lines(piece: Piece) -> int:
    """Return how many lines the part of a file has; 0 for a whole file, where nobody asks."""
    if piece.part.end is None:
        return 0
    count: int = getattr(formats.named(piece.format), "length")(piece.part)  # noqa: B009 - where there are parts
    return count


def _cut_into_segments(rows: Rows) -> list[Segment]:
    """Number the stretches of a file in which the steps of a run do not go back."""
    order = np.lexsort((rows["run"], rows["piece"]))
    ordered = rows[order]
    other = (np.diff(ordered["piece"]) != 0) | (np.diff(ordered["run"]) != 0)
    other |= np.diff(ordered["step"] == NO_STEP)
    back = np.diff(ordered["step"]) < 0
    if back.sum() > SEGMENTS:  # in no order at all
        back[:] = False
    begins = np.concatenate([np.ones(min(1, len(rows)), bool), other | back])
    rows["segment"][order] = np.cumsum(begins) - 1
    starts = np.flatnonzero(begins)
    last = np.append(starts[1:], len(rows)) - 1
    first, last = ordered[starts], ordered[last[: len(starts)]]
    told = (first["run"], first["piece"], first["step"], last["step"])
    return [Segment(*each) for each in zip(*(column.tolist() for column in told), strict=True)]
