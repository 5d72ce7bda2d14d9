"""The rows of the audit: a scored sample in a column, as a value, and as the gate judged it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coherence.scoring.scores import Scores
from coherence.scoring.word_order import Neighbours
from coherence.signals.gate import Verdict

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
        ("template", np.bool_),
        ("surplus", np.int64),
        ("pairs", np.int64),
        ("has_loss", np.bool_),
        ("loss", np.float64),
        ("beside", np.int8),  # what tells that it is not a cross-entropy: index into `KINDS`
        ("time", np.float64),
        ("text", np.uint64),  # hashes: equal texts have equal ones
        ("prompt", np.uint64),
        ("word", np.uint32),  # of an answer of one word, see `one_word`
        ("segment", np.int32),  # of the shard: within one the steps of a file and run do not go back
        ("compared", np.int32),  # samples of the step compared with each other, at the first of them
        ("between", np.float64),
    ]
)

Rows = NDArray[np.void]


class Edge(NamedTuple):
    """The samples of one step at an edge of a shard: the neighbouring shard may hold more of them.

    `begins` where the first of them is surely the first of its step: a monitor counts them.
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
    """Rows that follow each other in the order of the steps, and the number of the output each is of."""

    rows: Rows
    outputs: NDArray[np.int64]

    @property
    def numbers(self) -> list[int]:
        """The numbers of the outputs, each once."""
        return sorted(set(self.outputs.tolist()))  # np.unique would load numpy.ma

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
    time: float
    text: int
    prompt: int
    word: int
    segment: int
    compared: int
    between: float

    @property
    def scores(self) -> Scores:
        """The scores as values, none where a score has no meaning."""
        bigram, trigram, english, character = [value if value == value else None for value in self[6:10]]
        order = Neighbours(self.surplus, self.pairs) if self.pairs else None
        return Scores(bigram, trigram, english, character, self.tokens, self.characters, self.template, order)


assert Row._fields == ROW.names  # noqa: S101 - one is made from the other, place by place


class GatedSample(NamedTuple):
    """A sample with its scores, the gate's verdict, and the loss when it came: as logged, and smoothed.

    Attributes:
        output, row: which output it is of, and its row there.
        place: which sample of its step it is.
        alike: whether the samples of its step are, of which it is the first, by the profile in force.
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
    def fine(self) -> bool:
        """Whether the sample is long enough to judge and not low."""
        return self.verdict.kind == "fine"

    @property
    def counts(self) -> bool:
        """Whether the sample was judged at all."""
        return self.verdict.judged
