"""Word order: whether the words of a text are in an order that English has, or in a random order.

Source: docs/scores.md, "Word order". `wordlists/order.py` learns the model.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain, compress, islice
from operator import getitem, ne
from struct import Struct
from typing import Any, NamedTuple

FORMAT = 1

LEVELS = "abcdefghijklmnopqrstuvwxy"
"""A mutual information as a letter, in steps of `STEP`: the middle letter is 0, the last 3 nats and more."""

STEP = 0.25

NEAR_CHANCE = 0.2
"""Below this value the words of eight samples together look shuffled; English has a value of about 1.

Three standard deviations above chance at 50 tokens a sample: docs/scores.md.
"""

ENOUGH_PAIRS = 40
"""Pairs of neighbours in all the samples together; fewer are too few to judge."""

PIECE = 800
"""Tokens; a longer text is measured in pieces, so that the sum of a column fits into 16 bits."""

WORD, NUMBER, SIGN = "*", "0", "#"
"""The classes of the words, numbers and signs that do not belong to another class."""

REMEMBERED = 4_000
"""How many tokens' classes are remembered: not all those of a text with a million different tokens."""

_TO_LEVELS = bytes.maketrans(LEVELS.encode(), bytes(range(len(LEVELS))))
_PLAIN = str.maketrans("‘’“”–—…", "''\"\"--.")


class Neighbours(NamedTuple):
    """How much better the neighbours in some samples fit than the same tokens in random order would.

    They are integers, so that samples add up to the same in any order: see `pooled`.

    Attributes:
        surplus: thousandths of a nat, over all pairs.
        pairs: of tokens that follow each other.
    """

    surplus: int
    pairs: int

    @property
    def value(self) -> float | None:
        """The surplus of a pair in nats: about 0 for random order, 1 for English; None below 40 pairs."""
        return self.surplus / 1000 / self.pairs if self.pairs >= ENOUGH_PAIRS else None


def pooled(samples: Iterable[Neighbours]) -> Neighbours:
    """Return the sums over several samples.

    >>> pooled([Neighbours(20_000, 30), Neighbours(40_000, 30)]).value
    1.0
    """
    surplus = pairs = 0
    for sample in samples:
        surplus += sample.surplus
        pairs += sample.pairs
    return Neighbours(surplus, pairs)


def without_runs(tokens: Sequence[str]) -> list[str]:
    """Return the tokens without those that equal the token before: a ruler of dashes becomes one dash.

    >>> without_runs(["no", "no", "no", "-", "-", "yes"])
    ['no', '-', 'yes']
    """
    return list(compress(tokens, map(ne, tokens, chain((None,), tokens))))


class Classes(dict[str, int]):
    """The class of a token, as its place among the `names`; tokens that were looked up are remembered.

    Each common word and each common sign is a class by itself; the class of any other word is that of its
    longest ending, and all numbers are one class.

    Attributes:
        names: of the classes, sorted.
        common: the tokens that are a class by themselves, each with its place.
        endings: by their last letter, the longest first, each with the fewest letters of a word that has it
            and the place of its class.
        word, number, sign: the places of the classes for all other words, numbers and signs.

    >>> classes = Classes(["the", "-ing", "-s", "-'s", ",", "*", "0", "#"])
    >>> [classes.names[classes[token]] for token in ("the", "walking", "ring", "cat’s", "1984", "—", ",")]
    ['the', '-ing', '*', "-'s", '0', '#', ',']
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(sorted(names))
        places = {name: place for place, name in enumerate(self.names)}
        if missing := {WORD, NUMBER, SIGN} - places.keys():
            raise ValueError(f"no class {', '.join(sorted(missing))}")
        ends = [name for name in self.names if name[:1] == "-" != name]
        # A token that is a star is a sign.
        super().__init__({name: places[name] for name in places.keys() - ends} | {WORD: places[SIGN]})
        self.common = tuple(self.items())
        self.word, self.number, self.sign = places[WORD], places[NUMBER], places[SIGN]
        self.endings: dict[str, list[tuple[str, int, int]]] = {}
        for ending in sorted((name[1:] for name in ends), key=len, reverse=True):
            # A word is left: one letter before an apostrophe (I'd), else three ("bed" does not end in -ed).
            shortest = len(ending) + (1 if "'" in ending else 3)
            self.endings.setdefault(ending[-1], []).append((ending, shortest, places[f"-{ending}"]))
        self._most = len(self) + REMEMBERED

    def __missing__(self, token: str) -> int:
        plain = token if token.isascii() else token.translate(_PLAIN)
        place = self[plain] if plain in self else self._place(plain)
        if len(self) < self._most:
            self[token] = place
        return place

    def _place(self, token: str) -> int:
        if not token[:1].isalpha():
            return self.number if token[:1].isdigit() else self.sign
        for ending, shortest, place in self.endings.get(token[-1], ()):
            if token.endswith(ending) and len(token) >= shortest:
                return place
        return self.word


class WordOrder:
    """How well two word classes go together as neighbours, and with one token between them.

    Attributes:
        source: what it was learned from.
        tokens: how much of it.
        table: for each class the rows of its two distances: a letter of `LEVELS` for each class that may
            follow, in the order of their names.
        classes: the class of each token.
        near, far: the rows of the table as numbers.
    """

    def __init__(self, source: str, tokens: int, table: Mapping[str, Sequence[str]]) -> None:
        self.source = source
        self.tokens = tokens
        self.table = {name: (table[name][0], table[name][1]) for name in sorted(table)}
        self.classes = Classes(self.table)
        self.near = [_levels(near, len(table)) for near, _ in self.table.values()]
        self.far = [_levels(far, len(table)) for _, far in self.table.values()]
        rows = [_both(near, far) for near, far in zip(self.near, self.far, strict=True)]
        self._itself = [row[place] for place, row in enumerate(rows)]
        # A row is one long integer, 16 bits a cell: whole rows are added, not cell by cell.
        self._cells = Struct(f"<{len(table)}H")
        self._rows = [int.from_bytes(self._cells.pack(*row), "little") for row in rows]

    @staticmethod
    def load() -> "WordOrder":
        """Return the model of English that comes with the package; it is read once.

        >>> WordOrder.load() is WordOrder.load()
        True
        """
        return _load_default()

    @staticmethod
    def parse(values: dict[str, Any]) -> "WordOrder":
        """Return the model that plain JSON values hold, as `to_json` gives them.

        Raises:
            ValueError: they are not a model, or of a format that this version does not know.

        >>> WordOrder.parse(WordOrder.load().to_json()).table == WordOrder.load().table
        True
        """
        try:
            if values["format"] != FORMAT:
                raise ValueError(f"format {values['format']!r}; this version reads format {FORMAT}")
            return WordOrder(str(values["source"]), int(values["tokens"]), values["classes"])
        except (TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
            raise ValueError(f"not a model of word order: {error!r}") from error

    def to_json(self) -> dict[str, Any]:
        """Return the model as plain JSON values."""
        classes = {name: list(rows) for name, rows in self.table.items()}
        return {"format": FORMAT, "source": self.source, "tokens": self.tokens, "classes": classes}

    def neighbours(self, tokens: Sequence[str]) -> Neighbours:
        """Return how well the neighbouring tokens of one sample fit each other.

        Let I be the pointwise mutual information of two classes as neighbours, plus half of that with one
        token between them. Of n tokens, x are of class a and y of class b:

            surplus / pairs = mean I in the text - sum over a, b of x (y - [a = b]) I(a, b) / (n (n - 1))

        The second term is exactly the mean over all orders of the same tokens. A text is measured in pieces
        of 800 tokens. A token that equals the token before is skipped.

        Args:
            tokens: as `text.tokenize` returns them. The value has a meaning only if they are English.

        >>> order = WordOrder.load()
        >>> words = "when she came to the house he was in the garden with a friend of his mother".split()
        >>> order.neighbours(words * 3).value > NEAR_CHANCE > order.neighbours(words[::-1] * 3).value
        True
        """
        places = list(map(self.classes.__getitem__, without_runs(tokens)))
        if len(places) <= PIECE:
            return self._piece(places)
        return pooled(self._piece(places[at : at + PIECE]) for at in range(0, len(places), PIECE))

    def _piece(self, places: list[int]) -> Neighbours:
        size = len(places)
        if size < 3:
            return Neighbours(0, 0)
        near = sum(map(getitem, map(self.near.__getitem__, places), islice(places, 1, None)))
        far = sum(map(getitem, map(self.far.__getitem__, places), islice(places, 2, None)))
        # Levels count from 0 and not from the middle: that adds the same to both sides.
        found = 2 * near + far * (size - 1) / (size - 2)
        return Neighbours(round((found - self._by_chance(places)) * 500 * STEP), size - 1)

    def _by_chance(self, places: list[int]) -> float:
        """Return the mean of what `_piece` finds over all orders of the same tokens."""
        columns = sum(map(self._rows.__getitem__, places))
        cells: tuple[int, ...] = self._cells.unpack(columns.to_bytes(self._cells.size, "little"))
        # A token is not next to itself.
        pairs = sum(map(cells.__getitem__, places)) - sum(map(self._itself.__getitem__, places))
        return pairs / len(places)


def _levels(row: str, length: int) -> bytes:
    if len(row) != length or not set(row) <= set(LEVELS):
        raise ValueError(f"a row has {length} letters from {LEVELS[0]} to {LEVELS[-1]}; got {row!r}")
    return row.encode().translate(_TO_LEVELS)


def _both(near: bytes, far: bytes) -> list[int]:
    return [2 * one + half for one, half in zip(near, far, strict=True)]


@cache
def _load_default() -> WordOrder:
    with open(os.path.join(os.path.dirname(__file__), "word_order.json"), encoding="utf-8") as file:
        return WordOrder.parse(json.load(file))
