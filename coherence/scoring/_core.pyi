"""The core in C (`core/`): what it takes. `fast` alone calls it."""

from collections.abc import Callable, Sequence

Table = object
"""What Python holds on to, and only the core looks into."""

CONSTANTS: dict[str, float]
"""The constants that it was compiled with, by their names in the Python modules."""

SOURCES: str
"""The fingerprint of the sources that it was compiled from (`hatch_build.py`)."""

def folding(page: Callable[[int], bytes], /) -> Table:
    """Return a table of what characters fold to, which asks `page` for 256 of them when a text needs them."""

def words(lines: bytes, /) -> Table:
    """Return a word list, a word a line in UTF-8, as a hash table."""

def curve(counts: Sequence[float], effectives: Sequence[float], /) -> Table:
    """Return a curve of a profile, of which the logarithms are given."""

def order(
    near: bytes,
    far: bytes,
    common: tuple[tuple[str, int], ...],
    endings: tuple[tuple[str, int, int], ...],
    classes: int,
    word: int,
    number: int,
    sign: int,
    /,
) -> Table:
    """Return a model of word order."""

def score(
    texts: tuple[str, ...],
    folding: Table,
    words: Table,
    order: Table,
    curves: tuple[Table | None, ...],
    english_share: float,
    groups: bytes,
    prompts: bytes,
    cut_rulers: bool,
    /,
) -> tuple[bytes, bytes]:
    """Return the scores of texts, a row each, and the diversity between the samples of each group.

    Raises:
        MemoryError: there is not enough.
        OverflowError: a text has more than half a billion characters.
        ValueError: the groups do not add up to the texts.
    """
