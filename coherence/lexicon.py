"""Word lists: which tokens are words of a language, and where the lists lie.

Source: wordlists/README.md.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Self

# Beside the modules in a wheel, beside the package in a checkout or an editable install.
_FOLDERS = (Path(__file__).parent / "wordlists", Path(__file__).parent.parent / "wordlists")


class Lexicon:
    """The words of one language, case-folded.

    >>> lexicon = Lexicon(["cat", "well", "kept", "don't"])
    >>> [token in lexicon for token in ("cat", "cat’s", "well-kept", "don’t", "kat")]
    [True, True, True, True, False]
    """

    def __init__(self, words: Iterable[str], name: str = "custom") -> None:
        self.words = frozenset(words)
        self.name = name

    @staticmethod
    def load(name: str = "english") -> "Lexicon":
        """Return a word list that comes with the package, by its name; it is read once.

        Raises:
            ValueError: there is no list of that name.

        >>> "language" in Lexicon.load("english")
        True
        """
        return _load(name)

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Return the word list in a UTF-8 file with one word a line.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is not UTF-8 or holds no word.
        """
        path = Path(path)
        words = path.read_text(encoding="utf-8").casefold().split("\n")
        lexicon = cls(filter(None, map(str.strip, words)), name=path.stem)
        if not lexicon.words:
            raise ValueError(f"{str(path)!r} holds no words; expected one word a line")
        return lexicon

    def __contains__(self, token: str) -> bool:
        return token in self.words or (not token.isalpha() and self._contains_joined(token))

    def _contains_joined(self, token: str) -> bool:
        """Look up a token with apostrophes or hyphens: possessives and compounds are not listed."""
        token = token.replace("’", "'").removesuffix("'s")
        return token in self.words or ("-" in token and all(part in self.words for part in token.split("-")))

    def known(self, tokens: Iterable[str]) -> frozenset[str]:
        """Return those of the distinct `tokens` that are words.

        >>> sorted(Lexicon(["cat", "dog"]).known({"cat", "dog's", "xq"}))
        ['cat', "dog's"]
        """
        tokens = set(tokens)
        plain = self.words.intersection(tokens)
        return plain.union(token for token in tokens - plain if token in self)


@cache
def _load(name: str) -> Lexicon:
    for folder in _FOLDERS:
        if (path := folder / f"{name}.txt").is_file():
            return Lexicon(path.read_text(encoding="utf-8").split("\n")[:-1], name=name)
    names = sorted(path.stem for folder in _FOLDERS for path in folder.glob("*.txt"))
    raise ValueError(f"no word list {name!r}; there are {', '.join(names) or 'none'}")
