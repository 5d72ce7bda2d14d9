"""What counts as text, as a token and as a word: every pattern of the package is in this file.

Source: docs/scores.md, "Text to tokens".
"""

import re
from collections.abc import Iterator
from itertools import islice

import regex

LONGEST_WORD = 24
"""Longer runs of letters are no English words, they are loops without spaces, hashes or unspaced scripts."""

PIECE = 4
"""Length of the pieces such a run is cut into: short, so that a loop of any small period shows."""

_ANGLED = ("s", "/s", "pad", "unk", "bos", "eos", "mask", "cls", "sep", "start_of_turn", "end_of_turn")
_SQUARE = ("pad", "unk", "bos", "eos", "mask", "cls", "sep")
SPECIAL = regex.compile(
    rf"<\|[^<>|\s]{{1,40}}\|>|<(?:{'|'.join(_ANGLED)})>|\[(?:{'|'.join(_SQUARE)})\]", regex.IGNORECASE
)
"""Special tokens of tokenizers: they are the model's punctuation, not its text."""

# How they begin: a pattern that begins with one character is searched for from one to the next.
_MAY_BE_ANGLED = re.compile(rf"<(?:\||(?:{'|'.join(_ANGLED)})>)", re.IGNORECASE)
_MAY_BE_SQUARE = re.compile(rf"\[(?:{'|'.join(_SQUARE)})\]", re.IGNORECASE)

LETTER = r"[[\p{L}\p{M}\p{N}]--[\p{Han}\p{Hiragana}\p{Katakana}]]"
_ANY_SCRIPT = regex.compile(rf"(?V1){LETTER}++(?:['’\-]{LETTER}++)*+|\S")
# The same for Latin letters and their punctuation, where `re` finds the tokens in a third of the time.
_LATIN_LETTER = "[A-Za-z0-9ª²³µ¹º¼-¾À-ÖØ-öø-\u024f]"
_LATIN_SPACE = r"\t-\r \x85\xa0\u2000-\u200a\u2028\u2029\u202f\u205f"
_LATIN = re.compile(rf"{_LATIN_LETTER}++(?:['’\-]{_LATIN_LETTER}++)*+|[^{_LATIN_SPACE}]")
_IS_LATIN = re.compile(r"[\x00-\u024f\u2000-\u206f]*+")
JOINT = regex.compile(r"['’\-]")


def clean(text: str, prompt: str | None = None) -> str:
    """Return what is scored: the answer alone, stripped and case-folded.

    >>> clean("<s>Once upon a time THERE was<|endoftext|>", prompt="Once upon a time")
    'there was'
    """
    kept = answer(text, prompt)
    # The same for ASCII, in a twentieth of the time.
    return kept.lower() if kept.isascii() else kept.casefold()


def answer(text: str, prompt: str | None = None) -> str:
    r"""Return the part of a sample that the model answers for, stripped.

    Special tokens become a space, a leading `prompt` is cut off, of a chat only the answers stay.

    >>> answer("> What is it?\n< A list.<|endoftext|>")
    'A list.'
    """
    text = _without_special(text)
    if prompt:
        text = text.removeprefix(_without_special(prompt)).strip()
    return _answers_of_chat(text)


def _without_special(text: str) -> str:
    may_hold = ("<" in text and _MAY_BE_ANGLED.search(text)) or ("[" in text and _MAY_BE_SQUARE.search(text))
    # Those that follow each other are one space; a pattern of all of them would hold each of them in memory.
    return (" ".join(filter(None, SPECIAL.split(text))) if may_hold else text).strip()


def _answers_of_chat(text: str) -> str:
    """Return the answers of a chat written as `> question`, `< answer`; any other text as it is."""
    lines = text.split("\n") if text.startswith(("> ", "< ")) else []
    if not any(_speaker(line) == "<" for line in lines):
        return text
    return "\n".join(_answer_lines(lines)).strip()


def _answer_lines(lines: list[str]) -> Iterator[str]:
    answering = False
    for line in lines:
        if speaker := _speaker(line):
            answering = speaker == "<"
            line = line[2:]
        if answering:
            yield line


def _speaker(line: str) -> str | None:
    """Return the mark that opens a turn of a chat: it stands alone or before a space."""
    return line[0] if line[:2] in ("> ", "< ", ">", "<") else None


def tokenize(cleaned: str) -> list[str]:
    """Return the tokens of cleaned text.

    A word is a run of letters, marks and digits with inner apostrophes or hyphens; each Han character and
    each kana is a token; so is every other character that is not white space. A run longer than
    `LONGEST_WORD` is cut at its joints, and what is still longer into pieces of `PIECE` characters.

    >>> tokenize("the well-kept cat's '' 東京!")
    ['the', 'well-kept', "cat's", "'", "'", '東', '京', '!']
    >>> tokenize("main" * 7)
    ['main', 'main', 'main', 'main', 'main', 'main', 'main']
    """
    tokens: list[str] = _pattern(cleaned).findall(cleaned)
    if max(map(len, tokens), default=0) > LONGEST_WORD:
        return [piece for token in tokens for piece in _pieces(token)]
    return tokens


def _pattern(text: str) -> re.Pattern[str] | regex.Pattern[str]:
    return _LATIN if _IS_LATIN.fullmatch(text) else _ANY_SCRIPT


def _pieces(token: str) -> Iterator[str]:
    if len(token) <= LONGEST_WORD:
        yield token
        return
    for part in JOINT.split(token):
        if len(part) <= LONGEST_WORD:
            yield part
        else:
            yield from (part[i : i + PIECE] for i in range(0, len(part), PIECE))


def locate(text: str, most: int | None = None) -> list[tuple[int, str]]:
    """Return the tokens of an answer, or the first `most` of them, case-folded, each with where it begins.

    >>> locate("Budy  Budy!")
    [(0, 'budy'), (6, 'budy'), (10, '!')]
    """
    found = (
        (min(match.start() + offset, match.end() - 1), piece)  # folding makes some letters two or three
        for match in _pattern(text).finditer(text)
        for offset, piece in _offsets(match.group().casefold())
    )
    return list(islice(found, most))


def _offsets(token: str) -> Iterator[tuple[int, str]]:
    end = 0
    for piece in _pieces(token):
        start = token.index(piece, end)
        end = start + len(piece)
        yield start, piece


def is_word(token: str) -> bool:
    """Tell a word from a number or a sign: it begins with a letter.

    >>> [is_word(token) for token in ("cat", "été", "42", "!")]
    [True, True, False, False]
    """
    return token[0].isalpha()
