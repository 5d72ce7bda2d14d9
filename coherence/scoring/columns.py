"""The scores of many samples as columns, which the plain and the compiled scorer fill alike."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Columns(NamedTuple):
    """The scores of many samples, an entry each.

    Attributes:
        bigram, trigram, english, character: 0 to 100; not-a-number where a score has no meaning.
        tokens, characters: the length of each sample.
        between: an entry a group, the diversity between its samples, 0 to 100; not-a-number for none.
    """

    bigram: NDArray[np.float64]
    trigram: NDArray[np.float64]
    english: NDArray[np.float64]
    character: NDArray[np.float64]
    tokens: NDArray[np.int64]
    characters: NDArray[np.int64]
    between: NDArray[np.float64]


def check_groups(texts: Sequence[str], groups: Sequence[int]) -> None:
    """Raise an error if the groups, where there are any, do not add up to the texts."""
    if len(groups) and (sum(groups) != len(texts) or min(groups) < 0):
        raise ValueError(f"groups of {sum(groups)} samples for {len(texts)} texts; expected as many")
