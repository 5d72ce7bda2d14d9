"""A sample made ready to be looked at: the answer apart from the prompt, its loops and odd words marked.

Source: docs/page.md, "The samples".
"""

from collections.abc import Collection, Iterable
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple
from zlib import crc32

from coherence.escape import printable
from coherence.scoring.lexicon import Lexicon
from coherence.scoring.loop import Loop, Phrase, find_phrases
from coherence.scoring.text import answer, is_latin, is_word, locate

ODD, LOOPED = 1, 2
"""What a part of a text may be: no English word, of a repeated phrase; they add up."""

LETTERS = "abcd"
"""A letter for each sum of them: a is plain text."""

PROMPT = 4
"""A prompt is shown up to this part of the length of an answer."""

ENOUGH_WORDS = 6
"""Different words: of fewer in Latin letters nothing is said of their language."""

LOOKED_AT = 20_000
"""Characters of an answer in which loops are looked for, for an excerpt."""

REMEMBERED = 1024
"""Texts whose loops are remembered: looking for them takes ten times as long as all the rest here."""


class MarkedText(NamedTuple):
    """The text of a sample as it is shown.

    Attributes:
        prompt: what the model was given, its first characters.
        prompt_id: a number that equal prompts share, however little of them is shown.
        text: the answer, its first characters.
        runs: how it divides: so many UTF-16 units, as a browser counts them, of each kind in `LETTERS`.
        left_out: characters of the answer that are not shown.
        loops: of what is shown, the largest first.
        foreign: whether it is not English, so that no word is marked as odd.
    """

    prompt: str | None
    prompt_id: int
    text: str
    runs: str
    left_out: int
    loops: tuple[Loop, ...]
    foreign: bool


def mark(text: str, prompt: str | None, lexicon: Lexicon, longest: int) -> MarkedText:
    """Cut a sample to `longest` bytes and mark what repeats in it, and what is not an English word.

    Words are not marked in a text that is not English: more than half of its words are in other letters, or
    more than half of six different words or more are not in the list.

    >>> mark("Qwx so so so so", None, Lexicon(["so"]), longest=100).runs
    '3b1a2c1a2c1a2c1a2c'
    >>> mark("Es war einmal ein König im Wald", None, Lexicon(["so"]), longest=100).foreign
    True
    """
    whole = answer(text, prompt)
    shown = answer(whole.encode(errors="replace")[:longest].decode(errors="ignore"))
    located = locate(shown)
    loops = _loops_in(shown)
    kinds = bytearray(len(shown))
    words = {token for _, token in located if is_word(token)}
    odd = words - lexicon.known(words)
    foreign = _is_foreign(words, odd)
    for start, end in () if foreign else _places(odd, located, len(shown)):
        kinds[start:end] = bytes([ODD]) * (end - start)
    for start, end in _repeated(located, loops):
        kinds[start:end] = bytes(kind | LOOPED for kind in kinds[start:end])
    return MarkedText(
        None if prompt is None else prompt[: longest // PROMPT],
        crc32((prompt or "").encode(errors="replace")),
        shown,
        _runs(shown, kinds),
        len(whole) - len(shown),
        tuple(loop for loop, _ in loops),
        foreign,
    )


class Excerpt(NamedTuple):
    """A part of an answer.

    Attributes:
        before: characters that come before it.
        text: the part.
        after: characters that come after it.
        loops: where each phrase that the answer repeats begins and ends in `text`, in order.
    """

    before: int
    text: str
    after: int
    loops: tuple[tuple[int, int], ...]


def excerpt(text: str, prompt: str | None, longest: int) -> Excerpt:
    """Return the beginning of an answer; where it loops only later, what comes from shortly before the loop.

    >>> excerpt("It was late and dark. We left. We left. We left. We left.", None, longest=30)
    Excerpt(before=19, text='k. We left. We left. We left. ', after=8, loops=((3, 11), (12, 20), (21, 29)))
    """
    whole = answer(text, prompt)
    seen = whole[:LOOKED_AT]
    found = sorted(_repeated(locate(seen), _loops_in(seen)))
    begins = found[0][0] if found else 0
    start = begins - longest // 10 if begins > longest // 2 else 0
    loops = [(max(one, start) - start, min(two, start + longest) - start) for one, two in found]
    return Excerpt(
        start,
        whole[start : start + longest],
        max(0, len(whole) - start - longest),
        tuple((one, two) for one, two in loops if one < two),
    )


def _runs(text: str, kinds: bytearray) -> str:
    runs = groupby(zip(kinds, text, strict=True), key=lambda each: each[0])
    lengths = [(kind, sum(1 + (char > "\uffff") for _, char in run)) for kind, run in runs]
    return "".join(f"{length}{LETTERS[kind]}" for kind, length in lengths)


@lru_cache(maxsize=REMEMBERED)
def _loops_in(text: str) -> tuple[tuple[Loop, Phrase], ...]:
    return tuple(find_phrases(text))


def _is_foreign(words: Collection[str], odd: Collection[str]) -> bool:
    other_letters = sum(not is_latin(word) for word in words)
    return 2 * other_letters > len(words) or (len(words) >= ENOUGH_WORDS and 2 * len(odd) > len(words))


def _places(words: Collection[str], located: list[tuple[int, str]], length: int) -> list[tuple[int, int]]:
    """Return where words begin and end."""
    ends = [*(start for start, _ in located), length][1:]
    return [
        (start, min(start + len(token), end))
        for (start, token), end in zip(located, ends, strict=True)
        if token in words
    ]


def _repeated(located: list[tuple[int, str]], loops: Iterable[tuple[Loop, Phrase]]) -> list[tuple[int, int]]:
    """Return where the repeated phrases begin and end."""
    return [place for loop, phrase in loops for place in _occurrences(located, loop.start, phrase)]


def _occurrences(located: list[tuple[int, str]], begins: int, phrase: Phrase) -> list[tuple[int, int]]:
    """Return where a repeated phrase begins and ends, from where the repetition begins."""
    found = []
    at = next((place for place, (start, _) in enumerate(located) if start >= begins), len(located))
    while at <= len(located) - len(phrase):
        if tuple(token for _, token in located[at : at + len(phrase)]) == phrase:
            last, token = located[at + len(phrase) - 1]
            found.append((located[at][0], last + len(token)))
            at += len(phrase)
        else:
            at += 1
    return found


def in_brackets(shown: Excerpt) -> str:
    """Return an excerpt on one line, with what it repeats in brackets, copies in a row together.

    >>> in_brackets(excerpt("We left. We left. We left. We left.", None, 99))
    '[We left. We left. We left. We left.]'
    """
    joined: list[tuple[int, int]] = []
    for start, end in shown.loops:
        if joined and not shown.text[joined[-1][1] : start].strip():
            start = joined.pop()[0]
        joined.append((start, end))
    shift = int(shown.before > 0)
    line = on_a_line(shown)
    for start, end in reversed(joined):
        line = f"{line[: start + shift]}[{line[start + shift : end + shift]}]{line[end + shift :]}"
    return line


def on_a_line(shown: Excerpt) -> str:
    """Return an excerpt on one line, with a sign where something is left out."""
    text = printable(shown.text) or "(no text)"
    return f"{'…' if shown.before else ''}{text}{'…' if shown.after else ''}"
