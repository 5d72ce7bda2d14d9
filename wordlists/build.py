"""Rebuild english.txt from the SCOWL word lists and supplement.txt, byte for byte.

The rules, and what each of them costs and gains, stand in README.md beside this file.
"""

from __future__ import annotations

import argparse
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

HERE = Path(__file__).resolve().parent
DEFAULT_SCOWL = Path("/usr/share/dict/scowl")
CATEGORIES = ("english", "american", "british", "british_z", "variant_1", "british_variant_1")
SUBCATEGORIES = ("words", "contractions", "upper", "proper-names")
LARGEST_SIZE = 60

# Every entry of one or two letters. Gibberish lives in short tokens, so these are chosen by hand:
# each two-letter entry alone lets in one random pair of letters out of 676.
SHORT_LINES = """
a i o
am an as at be by do go he hi if in is it me my no of oh ok on or so to up us we
ad ah ai co dr eu ex ha id ii km la mr ms pc pm tv uh uk um un vs ye yo
"""
SHORT = frozenset(SHORT_LINES.split())


class MissingScowlError(Exception):
    """The folder holds no SCOWL list that the build needs."""


def scowl_files(folder: Path) -> list[Path]:
    """Return the lists that go in; a combination that SCOWL does not have is passed over."""
    wanted = [path for path in folder.glob("*-*.*") if is_wanted(path.name)]
    if not wanted:
        raise MissingScowlError(
            f"no SCOWL lists in {folder}: install the Debian package scowl or give --scowl"
        )
    return wanted


def is_wanted(name: str) -> bool:
    """Tell whether a file called category-subcategory.size belongs in the list.

    >>> is_wanted("british_z-words.60"), is_wanted("english-words.70"), is_wanted("special-hacker.50")
    (True, False, False)
    """
    stem, _, size = name.rpartition(".")
    category, _, subcategory = stem.partition("-")
    return (
        category in CATEGORIES
        and subcategory in SUBCATEGORIES
        and size.isdecimal()
        and int(size) <= LARGEST_SIZE
    )


def keeps(entry: str) -> bool:
    """Tell whether a SCOWL entry goes in, by its spelling there, capitals included.

    A possessive is left out because the lookup takes its ending off. Three capitals are an acronym, which
    looks like noise as often as it looks like a word; the well-known ones stand in supplement.txt.

    >>> [entry for entry in ("Tim", "Tim's", "TWA", "NASCAR") if keeps(entry)]
    ['Tim', 'NASCAR']
    """
    return not entry.endswith("'s") and not (len(entry) <= 3 and entry.isupper())


def spellings(entry: str) -> set[str]:
    """Return the case-folded entry, with its accents and without them.

    >>> sorted(spellings("Café"))
    ['cafe', 'café']
    """
    folded = unicodedata.normalize("NFC", entry).casefold()
    letters = (char for char in unicodedata.normalize("NFD", folded) if not unicodedata.combining(char))
    return {folded, "".join(letters)}


def words(entries: Iterable[str]) -> set[str]:
    """Apply the rules to entries as SCOWL spells them.

    >>> sorted(words(["Zoë", "zoo", "zoo's", "B", "xi"]) - SHORT)
    ['zoe', 'zoo', 'zoë']
    """
    found = {word for entry in entries if keeps(entry) for word in spellings(entry)}
    return {word for word in found if len(word) > 2} | SHORT


def read_entries(paths: Iterable[Path]) -> Iterator[str]:
    """Yield the lines of word files, without comments and empty lines."""
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = line.partition("#")[0].strip()
            if entry:
                yield entry


def build(scowl: Path, supplement: Path) -> bytes:
    """Return the content of english.txt."""
    entries = read_entries([*scowl_files(scowl), supplement])
    return "".join(f"{word}\n" for word in sorted(words(entries))).encode()


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Rebuild english.txt from SCOWL and supplement.txt.")
    parser.add_argument("--scowl", type=Path, default=DEFAULT_SCOWL, metavar="DIR", help="%(default)s")
    parser.add_argument("--supplement", type=Path, default=HERE / "supplement.txt", metavar="FILE")
    parser.add_argument("--output", type=Path, default=HERE / "english.txt", metavar="FILE")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the file would change")
    return parser.parse_args(arguments)


def is_current(output: Path, content: bytes) -> bool:
    """Tell whether the file already holds exactly this content."""
    return output.is_file() and output.read_bytes() == content


def main(arguments: Sequence[str] | None = None) -> int:
    """Build or check the list; 0 done or equal, 1 different, 2 no SCOWL."""
    options = parse_arguments(arguments)
    try:
        content = build(options.scowl, options.supplement)
    except MissingScowlError as error:
        print(error, file=sys.stderr)
        return 2
    if not options.check:
        options.output.write_bytes(content)
    elif not is_current(options.output, content):
        print(f"{options.output} is not what SCOWL and the supplement give: build it again", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
