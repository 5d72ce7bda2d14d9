"""Word lists: which tokens are words of a language, and in which folders the lists are.

Source: wordlists/README.md.
"""

import os
from collections.abc import Collection, Iterable
from functools import cache, cached_property
from typing import Self

# Next to the modules in a wheel, next to the package in a checkout or an editable install.
_PACKAGE = os.path.dirname(os.path.dirname(__file__))
_FOLDERS = (os.path.join(_PACKAGE, "wordlists"), os.path.join(os.path.dirname(_PACKAGE), "wordlists"))


class Lexicon:
    """The words of one language, case-folded; a word that contains a line feed becomes two words.

    >>> lexicon = Lexicon(["cat", "well", "kept", "don't"])
    >>> [token in lexicon for token in ("cat", "cat’s", "well-kept", "don’t", "kat")]
    [True, True, True, True, False]
    """

    def __init__(self, words: Iterable[str], name: str = "custom") -> None:
        self.lines = "\n".join(words)
        self.name = name

    @cached_property
    def words(self) -> frozenset[str]:
        """The words as a set; the core reads the lines instead."""
        return frozenset(filter(None, self.lines.split("\n")))

    @staticmethod
    def load(name: str = "english") -> "Lexicon":
        """Return a word list that comes with the package, by its name; it is read once.

        Raises:
            ValueError: no list has that name.

        >>> "language" in Lexicon.load("english")
        True
        """
        return _load(name)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Return the word list in a UTF-8 file with one word a line.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is not UTF-8 or holds no word.
        """
        name = os.path.splitext(os.path.basename(path))[0]
        lexicon = cls(
            filter(None, map(str.strip, _read(path).casefold().replace("’", "'").split("\n"))), name
        )
        if not lexicon.words:
            raise ValueError(f"{os.fspath(path)!r} holds no words; expected one word a line")
        return lexicon

    def __contains__(self, token: str) -> bool:
        return token in self.words or (not token.isalpha() and self._contains_joined(token))

    def _contains_joined(self, token: str) -> bool:
        """Look up a token with apostrophes or hyphens, because possessives and compounds are not listed."""
        token = token.replace("’", "'").removesuffix("'s")
        return token in self.words or ("-" in token and all(part in self.words for part in token.split("-")))

    def known(self, tokens: Collection[str]) -> frozenset[str]:
        """Return those of the distinct `tokens` that are words.

        >>> sorted(Lexicon(["cat", "dog"]).known({"cat", "dog's", "xq"}))
        ['cat', "dog's"]
        """
        # Signs and numbers are not looked up in parts: only tokens that may be joined are.
        joined = [token for token in tokens if len(token) > 2 and not token.isalnum()]
        return self.words.intersection(tokens).union(filter(self._contains_joined, joined))


@cache
def _load(name: str) -> Lexicon:
    files = [os.path.join(folder, f"{name}.txt") for folder in _FOLDERS]
    if found := next(filter(os.path.isfile, files), None):
        return Lexicon([_read(found)], name)
    listed = [entry for folder in _FOLDERS if os.path.isdir(folder) for entry in os.listdir(folder)]
    names = sorted(entry.removesuffix(".txt") for entry in listed if entry.endswith(".txt"))
    raise ValueError(f"no word list {name!r}; there are {', '.join(names) or 'none'}")


def _read(path: str | os.PathLike[str]) -> str:
    with open(path, encoding="utf-8-sig") as file:
        try:
            return file.read()
        except UnicodeDecodeError as error:
            raise ValueError(f"{os.fspath(path)!r} is not a word list in UTF-8: {error}") from error
