"""The rows of the audit: a scored sample in an array, as a value, and with the verdict of the gate."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coherence.scoring.profile import SCALES
from coherence.scoring.scores import ENOUGH_CHARACTERS, ENOUGH_TOKENS, Scores, scores_of_row
from coherence.signals.gate import Gate, Position, Verdict
from coherence.signals.samples import ALIKE_BELOW
from coherence.signals.together import KINDS, Samples

NO_STEP = np.iinfo(np.int64).min
"""The step of a sample that has none."""

ROW = np.dtype(
    [
        ("run", np.int32),  # index into the names of the output, or of the dump once it is read
        ("step", np.int64),
        ("row", np.int64),  # index of the sample in the shard
        ("place", np.int64),  # index of the sample in its step, if a monitor wrote it; else -1
        ("piece", np.int32),  # index of its piece in the shard
        ("line", np.int64),
        ("bigram", np.float64),
        ("trigram", np.float64),
        ("english", np.float64),
        ("character", np.float64),
        ("tokens", np.int64),
        ("characters", np.int64),
        ("template", np.bool_),
        ("surplus", np.int64),
        ("pairs", np.int64),
        ("has_loss", np.bool_),
        ("loss", np.float64),
        ("beside", np.int8),  # the sign that the loss is not a cross-entropy: index into `KINDS`
        ("reward", np.float64),  # not-a-number if it has none
        ("rewarded", np.int8),  # the key of the reward: index into `REWARD`, or -1
        ("time", np.float64),
        ("text", np.uint64),  # hashes: equal texts have equal ones
        ("prompt", np.uint64),
        ("word", np.uint32),  # of an answer of one word, see `one_word`
        ("segment", np.int32),  # of the shard: within it the steps of a file and run do not go back
        ("compared", np.int32),  # samples of the step compared with each other, at the first of them
        ("between", np.float64),
    ]
)

Rows = NDArray[np.void]

_BYTES = np.dtype((np.void, ROW.itemsize))


def joined(parts: Sequence[Rows], order: NDArray[np.int64] | None = None) -> Rows:
    """Return the rows of several arrays in one, in an order of their numbers if one is given."""
    # As bytes: to copy records field by field takes twenty times as long.
    whole = np.concatenate([np.ascontiguousarray(rows).view(_BYTES) for rows in parts])
    return (whole if order is None else whole[order]).view(ROW)


def is_scorable(rows: Rows) -> NDArray[np.bool_]:
    """Tell which samples are long enough to judge, as `Scores.scorable` does."""
    return np.asarray((rows["tokens"] >= ENOUGH_TOKENS) | (rows["characters"] >= ENOUGH_CHARACTERS))


def kinds_of(rows: Rows, threshold: float) -> NDArray[np.int8]:
    """Return the kinds of samples, as `Scores.kind` finds them, by their places in `KINDS`.

    >>> rows = np.zeros(2, ROW)
    >>> rows["tokens"], rows["characters"], rows["bigram"] = 20, 80, (40.0, 20.0)
    >>> [KINDS[kind] for kind in kinds_of(rows, 30.0)]
    ['fine', 'low']
    """
    scorable, below, whole = is_scorable(rows), np.ones(len(rows), bool), np.ones(len(rows), bool)
    for scale in SCALES:
        below &= ~(rows[scale] >= threshold)  # a missing score does not count against low
        whole &= ~np.isnan(rows[scale])
    low = below & (whole | scorable)
    kinds = np.where(scorable, KINDS.index("fine"), KINDS.index("too short"))
    kinds[low] = np.where(rows["template"][low], KINDS.index("templated"), KINDS.index("low"))
    kinds[rows["characters"] == 0] = KINDS.index("empty")
    return kinds.astype(np.int8)


class Edge(NamedTuple):
    """The samples of one step at an edge of a shard: the neighbouring shard may hold more of them.

    `begins` if the first of them is certainly the first of its step, because a monitor counts them.
    """

    run: str
    step: int
    row: int
    begins: bool
    texts: list[str]
    prompts: list[int]


class Segment(NamedTuple):
    """A stretch of a file in which the steps of a run do not go back."""

    run: int
    piece: int
    first: int
    last: int


class Chunk(NamedTuple):
    """Consecutive rows in the order of the steps, with the number of the output of each."""

    rows: Rows
    outputs: NDArray[np.int64]

    @property
    def numbers(self) -> list[int]:
        """The distinct numbers of the outputs."""
        return sorted(set(self.outputs.tolist()))  # np.unique would load numpy.ma

    def part(self, begin: int, end: int | None = None) -> "Chunk":
        """Return the rows from one up to another, exclusive, or to the end."""
        return Chunk(self.rows[begin:end], self.outputs[begin:end])

    def only(self, mask: NDArray[np.bool_]) -> "Chunk":
        """Return the rows that a mask marks."""
        return Chunk(self.rows[mask], self.outputs[mask])


class Row(NamedTuple):
    """A scored sample as a value, field for field as in `ROW`."""

    run: int
    step: int
    row: int
    place: int
    piece: int
    line: int
    bigram: float
    trigram: float
    english: float
    character: float
    tokens: int
    characters: int
    template: bool
    surplus: int
    pairs: int
    has_loss: bool
    loss: float
    beside: int
    reward: float
    rewarded: int
    time: float
    text: int
    prompt: int
    word: int
    segment: int
    compared: int
    between: float

    @property
    def scores(self) -> Scores:
        """The scores as values, None for a score that has no meaning."""
        return scores_of_row(
            self.bigram,
            self.trigram,
            self.english,
            self.character,
            self.tokens,
            self.characters,
            self.template,
            self.surplus,
            self.pairs,
        )


assert Row._fields == ROW.names  # noqa: S101 - one is made from the other by position


class Address(NamedTuple):
    """Where a sample was read: the number of its output, its row there, and the piece and the line of it."""

    output: int
    row: int
    piece: int
    line: int


class GatedSample(NamedTuple):
    """A sample with its scores, the gate's verdict, and the loss at that time, as logged and smoothed.

    Attributes:
        output, row: the number of its output, and its row there.
        place: its index among the samples of its step.
        alike: whether the samples of its step are alike, by the profile in use; only for the first of them.
    """

    output: int
    row: Row
    place: int
    scores: Scores
    verdict: Verdict
    loss: float | None
    smoothed: float | None
    alike: bool

    @property
    def address(self) -> Address:
        """Where it was read."""
        return Address(self.output, self.row.row, self.row.piece, self.row.line)

    @property
    def fine(self) -> bool:
        """Whether the sample is long enough to judge and not low."""
        return self.verdict.kind == "fine"

    @property
    def counts(self) -> bool:
        """Whether the sample was judged at all."""
        return self.verdict.judged


class Batch:
    """Samples of consecutive steps that were put to the signals together.

    Args:
        chunk: the rows.
        samples: the same as columns for the signals.
        gate: which took them.
        before: the positions of the low samples that counted before them.
        streaks: the streak after each.
        losses: the loss at each of the steps, as logged and smoothed.

    Attributes:
        rows, samples, streaks: see above.
        loss, smoothed: the loss at each of the steps.
        collapsed: whether the gate had fired before.
    """

    def __init__(
        self,
        chunk: Chunk,
        samples: Samples,
        gate: Gate,
        before: tuple[Position, ...],
        streaks: NDArray[np.int64],
        losses: Sequence[tuple[float | None, float | None]],
    ) -> None:
        self.rows, self._outputs = chunk.rows, chunk.outputs
        self.samples, self.streaks = samples, streaks
        self.loss, self.smoothed = zip(*losses, strict=True)
        self.collapsed = gate.halted
        self._gate, self._before = gate, before

    def __len__(self) -> int:
        return len(self.rows)

    def row(self, number: int) -> Row:
        """Return one sample as a value."""
        return Row._make(self.rows[number].tolist())

    def judged(self, number: int) -> GatedSample:
        """Return one sample as the gate judged it."""
        row, of_step = self.row(number), int(self.samples.numbers[number])
        scores, place = row.scores, int(self.samples.places[number])
        verdict = self._gate.verdict_after(self._counting(number), scores, row.step, place)
        alike = bool(self.samples.diversities[number] < ALIKE_BELOW)
        output, loss, smoothed = int(self._outputs[number]), self.loss[of_step], self.smoothed[of_step]
        return GatedSample(output, row, place, scores, verdict, loss, smoothed, alike)

    def _counting(self, number: int) -> list[Position]:
        """Return the positions of the low samples that counted before one."""
        streak = int(self.streaks[number - 1]) if number else len(self._before)
        low = np.flatnonzero(self.samples.low[:number])[-streak:]
        columns = (column[low].tolist() for column in (self.samples.steps, self.samples.places))
        return [*self._before, *zip(*columns, strict=True)][-streak:] if streak else []
