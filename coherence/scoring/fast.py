"""The core in C: whether it was built, and the tables that it is given.

It gives any text the scores of `scores.score_tokens`, to the last bit, in a twentieth of the time. It is
built when the package is installed, if there is a C compiler (`hatch_build.py`).
Source: docs/performance.md.
"""

import re
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from struct import unpack
from typing import Any
from weakref import WeakKeyDictionary

from coherence.scoring.lexicon import Lexicon
from coherence.scoring.profile import SCALES, Curve, Profile
from coherence.scoring.text import JOINT, LATIN_LETTER, LATIN_SPACE, LETTER, answer, is_latin
from coherence.scoring.word_order import WordOrder

CORE: Any = None
"""The extension module `_core`; None if it was not built."""
with suppress(ImportError):
    CORE = import_module("coherence.scoring._core")

NAME = "plain scorer" if CORE is None else "core in C"
"""The scorer that is used here, named for people."""

ROW = (
    *((scale, "d") for scale in SCALES),
    *((name, "q") for name in ("tokens", "characters", "template", "surplus", "pairs")),
)
"""The fields that the core returns for a text, and how each is packed; a missing score is not-a-number."""

_words: WeakKeyDictionary[Lexicon, Any] = WeakKeyDictionary()
_curves: WeakKeyDictionary[Curve, Any] = WeakKeyDictionary()
_last: tuple[Lexicon | None, Profile | None, tuple[Any, ...]] = (None, None, ())
"""The last word list and profile that were given, with their tables: mostly the next call gives the same."""


def score_rows(
    answers: Sequence[str],
    lexicon: Lexicon | None = None,
    profile: Profile | str | None = None,
    groups: Iterable[int] = (),
    prompts: Iterable[str | None] = (),
    cut_rulers: bool = True,
) -> tuple[bytes, bytes]:
    """Return the core's scores of texts, packed as `ROW`, and of groups of them, a float each.

    Args:
        answers: as `text.answer` leaves them.
        lexicon: as for `score`.
        profile: as for `score`.
        groups: the sizes of groups of samples that are compared with each other.
        prompts: of the texts; needed if groups are compared.
        cut_rulers: do what `text.short_rulers` does; false if that was done already.

    Raises:
        RuntimeError: the core is not there.
    """
    if CORE is None:
        raise RuntimeError("coherence was installed without its core")
    packed = _packed(groups, prompts) if groups or prompts else (b"", b"")
    tables = _tables(lexicon, profile)
    found: tuple[bytes, bytes] = CORE.score(tuple(answers), *tables, *packed, cut_rulers)
    return found


def _packed(groups: Iterable[int], prompts: Iterable[str | None]) -> tuple[bytes, bytes]:
    """Return the sizes of the groups and a number for each prompt, packed for the core."""
    number: dict[str | None, int] = {None: 0, "": 0}
    numbers = [number.setdefault(prompt, len(number)) for prompt in prompts]
    return array("q", groups).tobytes(), array("q", numbers).tobytes()


def between(texts: Sequence[str], prompts: Sequence[str | None]) -> float | None:
    """Return what `between.diversity_between` returns for the samples of one step.

    Args:
        texts: what the model wrote.
        prompts: one for each.

    Raises:
        RuntimeError: the core is not there.
    """
    answers = [answer(*pair) for pair in zip(texts, prompts, strict=True)]
    (found,) = unpack("=d", score_rows(answers, groups=[len(answers)], prompts=prompts)[1])
    return float(found) if found == found else None


def _tables(lexicon: Lexicon | None, profile: Profile | str | None) -> tuple[Any, ...]:
    """Return the tables that the core is given for this word list and profile."""
    global _last
    words, measured, tables = _last
    if not tables or words is not lexicon or measured is not profile:
        list_, loaded = lexicon or Lexicon.load(), Profile.load(profile)
        curves = tuple([_curve(loaded.curves.get(scale)) for scale in SCALES])
        tables = (_folding(), _words_of(list_), _order(), curves, loaded.english_share)
        if profile is None or isinstance(profile, Profile):  # a file may change
            _last = lexicon, profile, tables
    return tables


def _words_of(lexicon: Lexicon) -> Any:
    if (words := _words.get(lexicon)) is None:
        words = _words[lexicon] = CORE.words(lexicon.lines.encode("utf-8", "surrogatepass"))
    return words


def _curve(curve: Curve | None) -> Any:
    if curve is None:
        return None
    if (found := _curves.get(curve)) is None:
        found = _curves[curve] = CORE.curve(curve.log_counts, curve.log_effectives)
    return found


@cache
def _order() -> Any:
    order = WordOrder.load()
    classes = order.classes
    endings = tuple(each for several in classes.endings.values() for each in several)
    tables = (b"".join(order.near), b"".join(order.far), classes.common, endings, len(classes.names))
    return CORE.order(*tables, classes.word, classes.number, classes.sign)


# What a character is


@cache
def _folding() -> Any:
    return CORE.folding(_page)


def _page(number: int) -> bytes:
    """Return what each character of a page folds to: three numbers; 0 means that there is no character."""
    size, most = int(CORE.CONSTANTS["PAGE"]), int(CORE.CONSTANTS["FOLDS_TO"])
    entries = array("I")
    for code in range(number * size, (number + 1) * size):
        folded = chr(code).casefold()
        entries.extend([_code(character, chr(code).isalnum()) for character in folded])
        entries.extend([0] * (most - len(folded)))
    return entries.tobytes()


@cache
def _patterns(latin: bool) -> tuple[Any, Any]:
    """Return the patterns of letters and of spaces; for Latin ones regex is not loaded."""
    if latin:
        return re.compile(LATIN_LETTER), re.compile(f"[{LATIN_SPACE}]")
    regex = import_module("regex")
    return regex.compile(rf"(?V1){LETTER}"), regex.compile(r"(?V1)\s")


def _code(character: str, was_alphanumeric: bool) -> int:
    """Return a code point and, in the bits above it, its classes by the patterns of `text` and by `str`."""
    letter, space = _patterns(is_latin(character))
    is_letter = letter.match(character) is not None
    classes = {
        "LETTER": is_letter,
        "JOINT": not is_letter and re.match(JOINT, character) is not None,
        "SPACE": space.match(character) is not None,
        "ALPHABETIC": character.isalpha(),
        "ALPHANUMERIC": character.isalnum(),
        "BLANK": character.isspace(),
        "DIGIT": character.isdigit(),
        "WAS_ALPHANUMERIC": was_alphanumeric,
    }
    bits = sum(int(CORE.CONSTANTS[name]) for name, holds in classes.items() if holds)
    return ord(character) | bits << int(CORE.CONSTANTS["CLASS_SHIFT"])
