"""Reads and scores a shard of a dump, into rows of numbers that can be replayed in order.

One pure function, `score_shard`, turns one shard into one output. Outputs are written under a temporary
name and renamed, so an output that exists is done. Source: docs/report.md, "Large dumps".
"""

import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, count, groupby, islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coherence.audit.rows import NO_STEP, ROW, Edge, Rows, Segment, is_scorable
from coherence.readers.folder import as_recorded
from coherence.readers.format import USUAL, Fields
from coherence.readers.lines import Problems
from coherence.readers.objects.names import REWARD
from coherence.readers.read import Piece, PromptedSample, line_count, read_pieces, tally_empty
from coherence.scoring.batch import score_many
from coherence.scoring.between import COMPARED, compared
from coherence.scoring.columns import Columns, columns_of, scores_of
from coherence.scoring.lexicon import Lexicon
from coherence.scoring.profile import SCALES, Profile
from coherence.scoring.text import ONE_WORD, clean, one_word, tokenize
from coherence.signals.loss import KINDS

BATCH = 2**20
"""Characters that are scored at a time."""

EMPTY = 32
"""Characters that a sample counts in addition to its own: samples without text would never fill a batch."""


SEGMENTS = 1000
"""A shard whose steps go back more often is not in any order."""


class Shard(NamedTuple):
    """Pieces of a dump that are scored together: several small files, or a part of a large one."""

    number: int
    pieces: tuple[Piece, ...]


class ScoringSettings(NamedTuple):
    """Everything that a score depends on.

    Attributes:
        prefixes: prompts that texts may begin with if no key holds the prompt.
        fields: the keys to look under, in addition to the usual ones.
        lexicon, profile: as for `score`.
        anew: whether to score again what a monitor wrote, instead of using its scores.
    """

    prefixes: tuple[str, ...] = ()
    fields: Fields = USUAL
    lexicon: Lexicon | None = None
    profile: Profile | None = None
    anew: bool = False


class ShardResult(NamedTuple):
    """The output of a shard.

    Attributes:
        rows: the samples in the order of the dump, see `ROW`.
        runs: the names that the column `run` refers to.
        segments: those that the column `segment` refers to.
        edges: the first and the last group of samples of one step, empty if there are no samples.
        size: characters of text.
        lines: how many lines each piece has, if that is needed.
        problems: for each piece, the lines that were not used, counted from its beginning.
    """

    rows: Rows
    runs: list[str]
    segments: list[Segment]
    edges: list[Edge]
    size: int
    lines: list[int]
    problems: list[Problems]


def score_shard(shard: Shard, settings: ScoringSettings) -> ShardResult:
    """Read a shard and score its samples; anything that cannot be read is noted."""
    problems = [Problems() for _ in shard.pieces]
    reads = read_pieces(shard.pieces, problems, settings.fields, settings.prefixes)
    result = score_samples(reads, settings, problems)
    return result._replace(lines=[line_count(piece) for piece in shard.pieces], problems=problems)


def score_samples(
    reads: Iterable[PromptedSample], settings: ScoringSettings, noted: Sequence[Problems] = ()
) -> ShardResult:
    """Score samples as they come.

    Args:
        reads: the samples.
        settings: everything that a score depends on.
        noted: one for each piece, to count why samples are empty.
    """
    names: dict[str, int] = {}
    batches: list[Rows] = [np.zeros(0, ROW)]
    edges: list[_AtEdge] = []
    row = size = 0
    for clusters in _batches(_clusters(reads)):
        batch = _rows(clusters, row, names, settings)
        batches.append(batch)
        _tally_empty(clusters, batch, noted)
        edges = _at_edges(edges, clusters, row)
        row += len(batch)
        size += sum(len(read.sample.text) for cluster in clusters for read in cluster)
    rows = np.concatenate(batches)
    segments = _cut_into_segments(rows)
    return ShardResult(rows, list(names), segments, [each.edge() for each in edges], size, [], [])


def _clusters(reads: Iterable[PromptedSample]) -> Iterator[list[PromptedSample]]:
    """Group the samples that are compared: the first of consecutive samples of one step.

    If a monitor counts them from 0 again, samples were drawn again at that step.
    """
    anew = count()
    number = 0

    def key(read: PromptedSample) -> tuple[str, int | None, int]:
        nonlocal number
        number = next(anew) if read.sample.place == 0 else number
        return read.run, read.sample.step, number

    for (_, step, _), group in groupby(reads, key=key):
        if step is not None:
            yield list(islice(group, COMPARED))
        for read in group:  # noqa: B031 - continues where islice stopped
            yield [read]


def _batches(clusters: Iterable[list[PromptedSample]]) -> Iterator[list[list[PromptedSample]]]:
    batch: list[list[PromptedSample]] = []
    size = 0
    for cluster in clusters:
        batch.append(cluster)
        size += sum(len(read.sample.text) + EMPTY for read in cluster)
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _rows(
    clusters: Sequence[list[PromptedSample]], start: int, names: dict[str, int], settings: ScoringSettings
) -> Rows:
    groups = [len(cluster) for cluster in clusters]
    reads = [read for cluster in clusters for read in cluster]
    samples = [read.sample for read in reads]
    texts, prompts = [sample.text for sample in samples], [read.prompt for read in reads]
    columns = score_many(texts, prompts, settings.lexicon, settings.profile, groups)
    if not settings.anew and any(sample.scores is not None for sample in samples):
        columns = _believed(columns, reads)
    rows = np.zeros(len(reads), ROW)
    rows["row"] = np.arange(start, start + len(reads))
    _fill_in_reads(rows, reads, names)
    for name in (*SCALES, "tokens", "characters", "template", "surplus", "pairs"):
        rows[name] = getattr(columns, name)
    for place in np.flatnonzero((columns.tokens > 0) & (columns.tokens <= ONE_WORD)).tolist():
        rows["word"][place] = one_word(tokenize(clean(texts[place], prompts[place])))
    _fill_in_between(rows, columns.between, groups, prompts)
    return rows


def _fill_in_reads(rows: Rows, reads: Sequence[PromptedSample], names: dict[str, int]) -> None:
    """Fill in what was read with each sample."""
    samples = [read.sample for read in reads]
    rows["run"] = [names.setdefault(read.run, len(names)) for read in reads]
    rows["step"] = [NO_STEP if sample.step is None else sample.step for sample in samples]
    rows["piece"] = [read.piece for read in reads]
    rows["line"] = [sample.line for sample in samples]
    rows["place"] = [-1 if sample.place is None else sample.place for sample in samples]
    rows["has_loss"] = [sample.loss is not None for sample in samples]
    rows["loss"] = [math.nan if sample.loss is None else sample.loss for sample in samples]
    rows["beside"] = [KINDS.index(sample.beside) for sample in samples]
    rows["reward"] = [math.nan if sample.reward is None else sample.reward for sample in samples]
    rows["rewarded"] = [
        -1 if sample.rewarded is None else REWARD.index(sample.rewarded) for sample in samples
    ]
    rows["time"] = [math.nan if sample.time is None else sample.time for sample in samples]
    rows["text"] = [_hash(sample.text.strip()) for sample in samples]
    rows["prompt"] = [0 if read.prompt is None else _hash(read.prompt) for read in reads]


def _fill_in_between(
    rows: Rows, between: NDArray[np.float64], groups: Sequence[int], prompts: Sequence[str | None]
) -> None:
    """Fill in the diversity between the samples of each group, and how many of them are compared."""
    first = np.concatenate([[0], np.cumsum(groups)[:-1]]).astype(np.int64)
    rows["between"] = math.nan
    rows["between"][first] = between
    judged, tokens = is_scorable(rows).tolist(), rows["tokens"].tolist()
    for place, size, found in zip(first.tolist(), groups, between.tolist(), strict=True):
        if found == found:
            step = slice(place, place + size)
            samples = zip(tokens[step], prompts[step], strict=True)
            rows["compared"][place] = compared(compress(samples, judged[step]))


def _tally_empty(clusters: Sequence[list[PromptedSample]], rows: Rows, noted: Sequence[Problems]) -> None:
    reads = [read for cluster in clusters for read in cluster]
    for place in np.flatnonzero(rows["characters"] == 0).tolist() if noted else ():
        tally_empty(reads[place], noted[reads[place].piece])


def _believed(columns: Columns, reads: Sequence[PromptedSample]) -> Columns:
    """Return the scores, with those of a monitor in place of ours, because it decided by them."""
    found = list(scores_of(columns))
    for place, (ours, read) in enumerate(zip(found, reads, strict=True)):
        given = read.sample.scores
        if given is not None and given != ours.values:
            cleaned = clean(read.sample.text, read.prompt)
            found[place] = as_recorded(given, cleaned, tokenize(cleaned))
    return columns_of(found, columns.between)


def _hash(text: str) -> int:
    """Return a number that is the same for equal texts, in every process."""
    return (len(text) & 0xFFFFFFFF) << 32 | zlib.crc32(text.encode("utf-8", "surrogatepass"))


class _AtEdge(NamedTuple):
    row: int
    step: int
    reads: list[PromptedSample]

    def edge(self) -> Edge:
        texts = [clean(read.sample.text, read.prompt) for read in self.reads]
        prompts = [_hash(read.prompt or "") for read in self.reads]
        return Edge(self.reads[0].run, self.step, self.row, self.reads[0].sample.place == 0, texts, prompts)


def _at_edges(edges: list[_AtEdge], clusters: Sequence[list[PromptedSample]], row: int) -> list[_AtEdge]:
    """Return the first and the last group so far."""
    for cluster in clusters:
        step = cluster[0].sample.step
        if step is not None and not _goes_on(edges, cluster[0]):
            edges = [*edges[:1], _AtEdge(row, step, cluster)]
        row += len(cluster)
    return edges


def _goes_on(edges: Sequence[_AtEdge], read: PromptedSample) -> bool:
    same = bool(edges) and (edges[-1].reads[0].run, edges[-1].step) == (read.run, read.sample.step)
    return same and read.sample.place != 0


def _cut_into_segments(rows: Rows) -> list[Segment]:
    """Number the stretches of a file in which the steps of a run do not go back."""
    order = np.lexsort((rows["run"], rows["piece"]))
    ordered = rows[order]
    other = (np.diff(ordered["piece"]) != 0) | (np.diff(ordered["run"]) != 0)
    other |= np.diff(ordered["step"] == NO_STEP)
    back = np.diff(ordered["step"]) < 0
    if back.sum() > SEGMENTS:  # not in any order
        back[:] = False
    begins = np.concatenate([np.ones(min(1, len(rows)), bool), other | back])
    rows["segment"][order] = np.cumsum(begins) - 1
    starts = np.flatnonzero(begins)
    last = np.append(starts[1:], len(rows)) - 1
    first, last = ordered[starts], ordered[last[: len(starts)]]
    told = (first["run"], first["piece"], first["step"], last["step"])
    return [Segment(*each) for each in zip(*(column.tolist() for column in told), strict=True)]
