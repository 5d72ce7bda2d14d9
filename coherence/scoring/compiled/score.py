"""The four scores of many samples at once, compiled: the numbers of `coherence.score`, to the last bit.

    pip install 'coherence[fast]'

Python cuts off prompts and special tokens; everything after is one pass over the code points of the batch
(`coherence.scoring.compiled.loops`), which other threads run beside. What a character is comes from the
patterns of `coherence.scoring.text`, read once for all code points. Source: docs/performance.md.
"""

import sys
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import repeat
from math import log
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import regex

from coherence.scoring.between import between_groups
from coherence.scoring.columns import Columns, check_groups, columns_of
from coherence.scoring.lexicon import Lexicon
from coherence.scoring.profile import SCALES, Curve, Profile
from coherence.scoring.scores import EMPTY, ENOUGH_CHARACTERS, ENOUGH_TOKENS, finish
from coherence.scoring.text import JOINT, LETTER, LONGEST_WORD, PIECE, answer, short_rulers, tokenize

try:
    from coherence.scoring.compiled import loops as compiled_loops
except ModuleNotFoundError as error:
    raise ImportError("coherence.scoring.compiled needs numba: pip install 'coherence[fast]'") from error

BATCH = 1 << 20
"""Characters that are scored at a time, if one sample or group is not longer: few enough to bound memory, and
so many that a thread seldom asks for Python's lock, which another may hold for 5 ms."""

LENGTHS = compiled_loops.Lengths(LONGEST_WORD, PIECE, ENOUGH_TOKENS, ENOUGH_CHARACTERS)

_words_of: WeakKeyDictionary[Lexicon, compiled_loops.Words] = WeakKeyDictionary()


def score_compiled(
    texts: Sequence[str],
    prompts: Sequence[str | None] | None = None,
    lexicon: Lexicon | None = None,
    profile: Profile | str | None = None,
    groups: Sequence[int] = (),
    batch: int = BATCH,
) -> Columns:
    """Score many samples: column by column what `score_plain` gives, which takes the same but for `batch`.

    Bigrams of different samples are compared by hashes of 64 bits: among a million of them two would be
    taken for one once in 40 million groups.

    Raises:
        ValueError: there are more or fewer prompts than texts, or the groups do not add up to the texts.

    >>> columns = score_compiled(["The cat sat by the door.", "the the the the"], groups=[2])
    >>> columns.tokens.tolist(), columns.english.tolist()[1]
    ([7, 4], 0.0)
    """
    check_groups(texts, groups)
    given = repeat(None, len(texts)) if prompts is None else prompts
    answers = [short_rulers(answer(text, prompt)) for text, prompt in zip(texts, given, strict=True)]
    lexicon = lexicon or Lexicon.load()
    varied = _measured(answers, _words(lexicon), Profile.load(profile), _ends(groups), batch)
    return _finished(answers, varied, lexicon, prompts, groups)


def _finished(
    answers: list[str],
    varied: Columns,
    lexicon: Lexicon,
    prompts: Sequence[str | None] | None,
    groups: Sequence[int],
) -> Columns:
    """Return the scores: what is compiled knows how varied a text is, and not yet what it says again."""
    columns = [column.tolist() for column in varied[:4]]
    scores, tokenized = [], []
    for text, values in zip(answers, zip(*columns, strict=True), strict=True):
        cleaned = text.casefold()
        tokens = tokenize(cleaned)
        bigram, trigram, english, character = (None if value != value else value for value in values)
        trigrams = len(set(zip(tokens, tokens[1:], tokens[2:], strict=False)))
        found = (bigram, trigram, english, character)
        tokenized.append(tokens)
        scores.append(finish(cleaned, tokens, found, trigrams, lexicon) if cleaned else EMPTY)
    scored = zip(scores, tokenized, prompts or repeat(None), strict=False)
    between = between_groups(scored, groups)
    return columns_of(scores, np.array(between, np.float64))


def _measured(
    answers: list[str],
    words: compiled_loops.Words,
    profile: Profile,
    group_ends: npt.NDArray[np.int64],
    batch: int,
) -> Columns:
    """Score the answers, a batch at a time; a batch holds whole groups."""
    ends = _ends(list(map(len, answers)))
    scores, lengths = np.empty((len(answers), 4)), np.empty((len(answers), 2), np.int64)
    between = np.empty(len(group_ends) - 1)
    units = group_ends if len(between) else np.arange(len(answers) + 1)
    alphabet = np.zeros(sys.maxunicode + 1, np.int32)
    reference = _reference(profile)
    for first, last in _batches(ends[units], batch):
        start, stop = units[first], units[last]
        compiled_loops.score_batch(
            _code_points("".join(answers[start:stop])),
            ends[start : stop + 1] - ends[start],
            units[first : last + 1] - start,
            _folding(),
            words,
            reference,
            LENGTHS,
            alphabet,
            scores[start:stop],
            lengths[start:stop],
            between[first:last],
        )
    bigram, trigram, english, character = scores.T
    none = np.zeros(len(answers), np.int64)
    tokens, characters = lengths.T
    return Columns(bigram, trigram, english, character, tokens, characters, none > 0, none, none, between)


def _ends(sizes: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return where things of these sizes end that follow each other, after a leading 0."""
    return np.cumsum([0, *sizes], dtype=np.int64)


def _batches(ends: npt.NDArray[np.int64], batch: int) -> Iterator[tuple[int, int]]:
    """Yield the first unit of each batch and the one after its last: as many as fit, but one at least."""
    first, units = 0, len(ends) - 1
    while first < units:
        fitting = int(np.searchsorted(ends, ends[first] + batch, "right")) - 1
        last = max(fitting, first + 1)
        yield first, last
        first = last


def _code_points(text: str) -> npt.NDArray[np.uint32]:
    """Return the code points of a string, lone surrogates too, which no encoding lets through."""
    return np.array([text], dtype=f"U{max(len(text), 1)}").view(np.uint32)[: len(text)]


@cache
def _folding() -> compiled_loops.Folding:
    """Return what each code point folds to, and what the patterns of `text` take that for."""
    codes = np.arange(sys.maxunicode + 1, dtype=np.int32)
    every = str(codes.view(f"U{len(codes)}")[0])
    classes = _classes(codes, every)
    entries = codes | classes
    expansions: list[int] = []
    for code, folded in _folded(every):
        if len(folded) == 1:
            entries[code] = ord(folded) | classes[ord(folded)]
        else:
            entries[code] = compiled_loops.EXPANDS | len(folded) << 16 | len(expansions)
            expansions += [ord(character) | classes[ord(character)] for character in folded]
    return compiled_loops.Folding(entries, np.array(expansions, np.int32))


def _classes(codes: npt.NDArray[np.int32], every: str) -> npt.NDArray[np.int32]:
    # What `coherence.scoring.text.is_word` asks of a character; it takes ten times as long one by one.
    classes = np.char.isalpha(codes.view("U1")) * np.int32(compiled_loops.ALPHABETIC)
    letters = _matched(LETTER, every)
    classes |= letters * compiled_loops.LETTER
    classes |= _matched(JOINT, every) * (1 - letters) * compiled_loops.JOINT
    classes |= _matched(r"\s", every) * compiled_loops.SPACE
    return classes


def _folded(every: str) -> Iterator[tuple[int, str]]:
    """Yield the code points that case folding changes, and what they become."""
    for start in range(0, len(every), 256):
        block = every[start : start + 256]
        if block.casefold() != block:
            for code, character in enumerate(block, start):
                if (folded := character.casefold()) != character:
                    yield code, folded


def _matched(characters: str, every: str) -> npt.NDArray[np.int32]:
    """Return 1 for each character that the pattern of one character matches, else 0."""
    matched = np.zeros(len(every), np.int32)
    for run in regex.finditer(rf"(?V1){characters}++", every):
        matched[run.start() : run.end()] = 1
    return matched


def _words(lexicon: Lexicon) -> compiled_loops.Words:
    """Return the word list as a hash table; it is built once."""
    if (words := _words_of.get(lexicon)) is None:
        # A longer word is no token, so nobody will look for it.
        listed = [word for word in lexicon.words if 0 < len(word) <= LONGEST_WORD]
        slots = 1 << (2 * len(listed)).bit_length()
        codes = _code_points("".join([f"{chr(len(word))}{word}" for word in listed])).view(np.int32)
        words = compiled_loops.Words(np.zeros(slots, np.int64), np.zeros(slots, np.int32), codes)
        compiled_loops.fill(words)
        _words_of[lexicon] = words
    return words


def _reference(profile: Profile) -> compiled_loops.Reference:
    bigram, trigram, english, character = (_logarithms(profile.curves.get(scale)) for scale in SCALES)
    return compiled_loops.Reference(bigram, trigram, english, character, profile.english_share)


def _logarithms(curve: Curve | None) -> npt.NDArray[np.float64]:
    points = () if curve is None else curve.points
    return np.array([[log(value) for value in values] for values in zip(*points, strict=True)]).reshape(2, -1)
