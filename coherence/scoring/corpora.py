"""The corpora that come with NLTK, as sources of a profile: `coherence calibrate nltk:brown`.

They are read from the folders of `nltk.data.path`, where `python -m nltk.downloader brown` puts one; nothing
is downloaded. Source: docs/scores.md, "Reference profile".
"""

from difflib import get_close_matches
from importlib import import_module
from typing import Any

from nltk.corpus import reader as readers
from nltk.corpus.util import LazyCorpusLoader

LEXICONS = (
    readers.WordListCorpusReader,
    readers.WordNetCorpusReader,
    readers.CMUDictCorpusReader,
    readers.ToolboxCorpusReader,
)
"""Their words are entries: the word order says nothing about a language."""


def nltk_text(name: str) -> str:
    """Return the text of an NLTK corpus: plain text unchanged, of other corpora the words, joined by spaces.

    Tags, trees and the like are not text, and `words` leaves them out.

    Args:
        name: as in `nltk.corpus`: `brown`, `gutenberg`, `webtext`.

    Raises:
        ValueError: NLTK has no such corpus, its data is not installed, or it holds no running text.
        OSError: one of its files cannot be read.

    >>> nltk_text("brwon")
    Traceback (most recent call last):
    ValueError: NLTK has no corpus 'brwon'; did you mean brown?
    """
    reader = _reader(name)
    try:
        reader.ensure_loaded()
    except LookupError as error:
        # One package may hold several corpora: treebank/raw, treebank/tagged.
        package = reader.__name__.partition("/")[0]
        raise ValueError(
            f"nltk:{name}: its data is not installed; python -m nltk.downloader {package}"
        ) from error
    if isinstance(reader, LEXICONS) or not hasattr(reader, "words"):
        raise ValueError(f"nltk:{name}: a list or a database; expected a corpus of running text")
    if isinstance(reader, readers.PlaintextCorpusReader):
        return str(reader.raw())
    if isinstance(reader, readers.XMLCorpusReader):  # gives the words of one file at a time
        return " ".join(word for file in reader.fileids() for word in reader.words(file))
    return " ".join(reader.words())


def _reader(name: str) -> Any:
    """Return the reader of a corpus, perhaps not loaded yet."""
    known = (LazyCorpusLoader, readers.CorpusReader)
    there = vars(import_module("nltk.corpus"))  # `nltk.corpus` itself is only a lazy loader
    corpora = {key: value for key, value in there.items() if isinstance(value, known)}
    if name in corpora:
        return corpora[name]
    similar = get_close_matches(name, corpora)
    meant = f"did you mean {' or '.join(similar)}?" if similar else f"it has {', '.join(sorted(corpora))}"
    raise ValueError(f"NLTK has no corpus {name!r}; {meant}")
