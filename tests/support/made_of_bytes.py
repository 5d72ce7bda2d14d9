"""Turns bytes into texts, prompts, groups, a word list and a profile, for fuzzers and property tests.

Bytes that are decoded as text are hardly ever repetitive, a template or a ruler; here each byte is a step
that makes such texts.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from prose import ADJECTIVES, NOUNS, VERBS, prose

from coherence import Lexicon, Profile
from coherence.scoring.batch import score_core, score_plain
from coherence.scoring.profile import Curve

MANY = 70_000
"""Characters: the core counts this many in another way."""

WORDS = (
    *("the", "a", "of", "and", "to", "The", "CAT", "cat's", "CAT’S", "don’t", "well-kept", "well-kept’s"),
    *(
        "xq-the",
        "a-b-c",
        "4th",
        "42",
        "1999",
        "٣",
        "½",
        "Ⅷ",
        "-",
        "'",
        "’’",
        "–",
        "—",
        "…",
        "“",
        "”",
        ".",
        ",",
    ),
    *(
        "!",
        "é",
        "naïve",
        "élan",
        "привет",
        "мир",
        "東京",
        "ひらがな",
        "カタカナ",
        "한국",
        "ไทย",
        "😀",
        "budy",
    ),
    *("x" * 24, "x" * 25, "ing", "walking", "nationalism", "quickly", "ﬃ" * 9, "abc-" * 9 + "d", "o’k" * 12),
    *NOUNS,
    *ADJECTIVES,
    *VERBS,
)
SIGNS: tuple[str, ...] = (
    *"-=_.~*#+|!?,;:'\"’<>[](){}/\\&%$@^`",
    *"ßİﬃŉΐſKςᎠꭰé\u0345\u0301\u20e3々ーｶ東ひカ한ไ😀🏴½²Ⅷ٣‐—…",
    *" \t\n\r\0\x1c\x85\u200b\u2028\u3000\u180e\u0378\ud800\udfff\U0010ffff",
)
SPECIAL = (
    "<s>",
    "</s>",
    "<|endoftext|>",
    "[PAD]",
    "<|",
    "[",
    "> ",
    "\n< ",
    "<|s_17|>",
    "user\n",
    "assistant\n",
)
AFTER = (" ", " ", " ", "", "\n", ", ", ". ", "-")
PROSE = prose(400, "made of bytes").split()
PROMPTS = (None, "", "once upon", "Who is it?")

Thing = TypeVar("Thing")


class Steps:
    """Bytes that are taken one after another; zeros come after the last.

    Attributes:
        made: the parts of the text so far.
        room: how many more characters it may have.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0
        self.made: list[str] = []
        self.room = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int = 1) -> int:
        """Return the next bytes as a number."""
        return int.from_bytes(self.raw(size))

    def raw(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken

    def of(self, things: tuple[Thing, ...]) -> Thing:
        return things[self.take() % len(things)]


# Steps: each takes some bytes and returns the next part


def word(steps: Steps) -> str:
    return steps.of(WORDS) + steps.of(AFTER)


def listed(steps: Steps) -> str:
    words = shipped_words()
    return words[steps.take(2) % len(words)] + steps.of(AFTER)


def sentences(steps: Steps) -> str:
    begin = steps.take()
    return " ".join(PROSE[begin : begin + steps.take() % 128]) + steps.of(AFTER)


def again(steps: Steps) -> str:
    """Repeat the end of the text several times."""
    said = "".join(steps.made[-1 - steps.take() % 40 :])
    return said * min(1 + steps.take(), 1 + steps.room // max(len(said), 1))


def template(steps: Steps) -> str:
    """Repeat the end of the text, each time with something new in it."""
    frame, new = "".join(steps.made[-1 - steps.take() % 40 :]), 1 + steps.take() % 4
    return "".join(f"{frame}n{number // new} " for number in range(min(steps.take(), steps.room)))


def line(steps: Steps) -> str:
    """Return a line of characters, which is a ruler if they are few different ones."""
    return "\n" + "".join(steps.of(SIGNS) * (steps.take() % 12) for _ in range(1 + steps.take() % 3)) + "\n"


def long_word(steps: Steps) -> str:
    letters, joint = steps.of(("x", "ab", "é", "ΐ", "ж", "\u0301", "7", "q’")), steps.of(("", "-", "'", "’"))
    return joint.join(letters * (steps.take() % 40) for _ in range(1 + steps.take() % 6))


def code_point(steps: Steps) -> str:
    return chr(steps.take(3) % 0x110000)


def sign(steps: Steps) -> str:
    return steps.of(SIGNS)


def script(steps: Steps) -> str:
    """Return code points that are consecutive or at a distance."""
    first, apart, number = steps.take(3), 1 + steps.take() % 5, steps.take()
    return "".join(chr((first + apart * at) % 0x110000) for at in range(number))


def special(steps: Steps) -> str:
    return steps.of(SPECIAL)


def raw(steps: Steps) -> str:
    return steps.raw(steps.take() % 64).decode("utf-8", "surrogateescape")


def shouted(steps: Steps) -> str:
    return steps.made[-1].upper() if steps.made else ""


def numbered(steps: Steps) -> str:
    """Return very many different words, as many as there is room for."""
    first, apart = steps.take(2), 1 + steps.take()
    return " ".join(str(first + apart * at) for at in range(min(steps.take(2), steps.room)))


def scattered(steps: Steps) -> str:
    """Return very many different characters, as many as there is room for."""
    first, apart = steps.take(3), 1 + steps.take(2)
    return "".join(chr((first + apart * at) % 0x110000) for at in range(min(2 * steps.take(2), steps.room)))


STEPS: tuple[Callable[[Steps], str], ...] = (
    *(word, listed, sentences, again, template, line, long_word, code_point, sign, script, special, raw),
    *(shouted, numbered, scattered),
)
"""Steps by their first byte; a larger byte ends the text."""

END = len(STEPS)


def recipe(*steps: Callable[[Steps], str] | int, how: int = 0) -> bytes:
    """Return bytes for one text, or with `how` for several: steps, each followed by the numbers it takes."""
    return bytes([0, 0, how, 0, 0, *(step if isinstance(step, int) else STEPS.index(step) for step in steps)])


def phrases(*said: tuple[int, int]) -> Iterator[Callable[[Steps], str] | int]:
    """Yield steps for phrases, each given by its number of characters and of repetitions."""
    for signs, times in said:
        yield from (script, 0, 0x50 + signs, 0, 0, signs, again, 0, times)


ASCII = b"".join(b"a%cb" % code for code in range(128))

RECIPES = (
    # each ASCII character in the same place, so that two that are confused count as a repetition
    recipe(
        *(
            step
            for at in range(0, len(ASCII), 63)
            for step in (raw, len(ASCII[at : at + 63]), *ASCII[at : at + 63])
        )
    ),
    recipe(*phrases((1, 90), (2, 60), (3, 60), (5, 8), (6, 8), (7, 8))),
    recipe(*phrases(*((signs, 9) for signs in range(5, 12)))),
    recipe(sentences, 0, 127, 1, sentences, 40, 90, 4, again, 1, 1),
    recipe(word, 1, 0, word, 9, 0, word, 60, 4, again, 2, 90),
    recipe(sentences, 0, 30, 4, again, 0, 5, listed, 9, 9, 0, again, 2, 20),
    recipe(word, 3, 0, sentences, 0, 12, 4, template, 1, 0, 100),
    recipe(sentences, 0, 30, 4, line, 0, 0, 9, sentences, 30, 60, 4, line, 2, 8, 11, sentences, 9, 9, 4),
    recipe(sign, 33, sentences, 0, 99, 4, line, 0, 0, 9, sentences, 30, 60, 4, line, 59, 0, 9, word, 0, 0),
    recipe(long_word, 0, 2, 24, 4, 30, 30, 2, 9, 9, long_word, 3, 3, 5, 30, 30, 30, 3, 2, 3),
    recipe(script, 0, 0x4E, 0, 0, 99, script, 0, 0x30, 0x40, 0, 60, again, 1, 3),
    recipe(sentences, 0, 20, 0, END, 1, 0, sentences, 9, 20, 0, END, 2, 1, sentences, 3, 20, 0, how=3),
    recipe(sentences, 0, 20, 0, END, 1, 0, sentences, 9, 20, 0, how=255),
    # two samples with exactly enough characters to be compared
    recipe(
        *(long_word, 0, 0, 0, 24, sign, SIGNS.index(" "), long_word, 0, 0, 0, 15, END, 0, 0),
        *(long_word, 6, 0, 0, 24, sign, SIGNS.index(" "), long_word, 6, 0, 0, 15),
        how=1,
    ),
)
"""One for each thing that the core does differently."""

LONG_RECIPES = (
    recipe(sentences, 0, 127, 4, again, 0, 255, again, 1, 9, sentences, 60, 80, 4),
    recipe(sign, 33, sentences, 0, 127, 4, again, 0, 255, again, 1, 9),
    recipe(numbered, 0, 9, 6, 255, 255),
    recipe(scattered, 1, 0, 0, 0, 6, 0x90, 0),
    recipe(scattered, 0, 0x4E, 0, 0, 0, 0x50, 0, again, 0, 3),
)
"""Recipes that need long texts."""


class Asked(NamedTuple):
    """The arguments of a scorer, in the order of `score_many`."""

    texts: list[str]
    prompts: list[str | None] | None
    lexicon: Lexicon | None
    profile: Profile | None
    groups: list[int]


def asked(data: bytes, characters: int) -> Asked:
    """Return the arguments from bytes: three choose, the others make texts of `characters` at most."""
    steps = Steps(data)
    lists, profile, how = steps.take(), steps.of(profiles()), steps.take()
    steps.room = characters
    samples = []
    while steps and steps.room > 0:
        samples.append(sample(steps))
    if how & 1:
        samples *= 1 + min(how // 4, characters // (1 + characters - steps.room))
    texts, prompts = [text for text, _ in samples], [prompt for _, prompt in samples]
    words = {1: [], 2: " ".join(texts).split()[::2]}.get(lists % 8)
    return Asked(
        texts,
        prompts if how & 2 else None,
        None if words is None else Lexicon(words),
        profile,
        [len(texts) // 3, 0, len(texts) - len(texts) // 3] if how & 1 else [],
    )


def sample(steps: Steps) -> tuple[str, str | None]:
    """Make a text up to a step that ends it, and the prompt with which it may begin."""
    prompt, begins = steps.of(PROMPTS), steps.take() % 2
    steps.made = [prompt or ""] if begins else []
    steps.room -= 1
    while steps and steps.room > 0 and (step := steps.take() % 16) < END:
        steps.made.append(STEPS[step](steps)[: steps.room])
        steps.room -= len(steps.made[-1])
    return "".join(steps.made), prompt


@cache
def shipped_words() -> tuple[str, ...]:
    return tuple(sorted(Lexicon.load().words))


@cache
def profiles() -> tuple[Profile | None, ...]:
    default = Profile.load()
    steep = {scale: Curve([(1, 1), (3, 2.5), (10**9, 1e5)]) for scale in default.curves}
    flat = {scale: Curve([(1, 1), (10**9, 1.5)]) for scale in default.curves if scale != "english"}
    made = (default._replace(english_share=0.03, curves=steep), default._replace(curves=flat))
    return (None, None, None, *map(Profile.load, ("code", "data", "logs")), *made)


def differences(request: Asked) -> list[str]:
    """Return the columns in which the core differs from the plain scorer in any bit."""
    pairs = zip(score_core(*request), score_plain(*request), strict=True)
    names = (
        "bigram",
        "trigram",
        "english",
        "character",
        "tokens",
        "characters",
        "template",
        "surplus",
        "pairs",
    )
    return [
        f"{name}: {found.tolist()} for {expected.tolist()}"
        for name, (found, expected) in zip((*names, "between"), pairs, strict=True)
        if bits(found) != bits(expected)
    ]


def bits(column: NDArray[Any]) -> bytes:
    """Return the bytes of a column, the same for every not-a-number."""
    return np.where(column == column, column, np.nan).tobytes()
