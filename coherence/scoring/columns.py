"""The scores of many samples as columns, which the plain scorer and the core both fill."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coherence.scoring.scores import Scores, scores_of_row


class Columns(NamedTuple):
    """The scores of many samples, one entry a sample.

    Attributes:
        bigram, trigram, english, character: 0 to 100; not-a-number if a score has no meaning.
        tokens, characters: the length of each sample.
        template: whether a sample is a template, see `Scores`.
        surplus, pairs: of the word order, see `Neighbours`; 0 pairs if a sample has none.
        between: one entry a group, the diversity between its samples, 0 to 100; not-a-number if it has none.
    """

    bigram: NDArray[np.float64]
    trigram: NDArray[np.float64]
    english: NDArray[np.float64]
    character: NDArray[np.float64]
    tokens: NDArray[np.int64]
    characters: NDArray[np.int64]
    template: NDArray[np.bool_]
    surplus: NDArray[np.int64]
    pairs: NDArray[np.int64]
    between: NDArray[np.float64]


def columns_of(scores: Sequence[Scores], between: NDArray[np.float64]) -> Columns:
    """Return scores as columns.

    >>> columns_of([Scores(100.0, None, 80.0, 90.0, 2, 9)], np.zeros(0)).trigram.tolist()
    [nan]
    """
    values = np.array([each.values for each in scores], np.float64).reshape(-1, 4)
    lengths = np.array([(each.tokens, each.characters) for each in scores], np.int64).reshape(-1, 2)
    template = np.array([each.template for each in scores], np.bool_)
    orders = np.array([each.order or (0, 0) for each in scores], np.int64).reshape(-1, 2)
    bigram, trigram, english, character = values.T
    tokens, characters = lengths.T
    surplus, pairs = orders.T
    return Columns(bigram, trigram, english, character, tokens, characters, template, surplus, pairs, between)


def scores_of(columns: Columns) -> Iterator[Scores]:
    """Yield the scores that columns hold.

    >>> scores = Scores(100.0, None, 80.0, 90.0, 2, 9)
    >>> list(scores_of(columns_of([scores], np.zeros(0)))) == [scores]
    True
    """
    for row in zip(*(column.tolist() for column in columns[:-1]), strict=True):
        yield scores_of_row(*row)


def check_groups(texts: Sequence[str], groups: Sequence[int]) -> None:
    """Raise an error if there are groups and their sizes do not add up to the number of texts."""
    if len(groups) and (sum(groups) != len(texts) or min(groups) < 0):
        raise ValueError(f"groups of {sum(groups)} samples for {len(texts)} texts; expected as many")
