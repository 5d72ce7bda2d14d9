"""The compiled loops behind `coherence.scoring.compiled`: from the code points of a batch to its scores.

One pass a sample: fold the case, cut tokens and number them, look the distinct ones up, count pairs and
triples of tokens and runs of four characters. The numbers are those of `scores`, to the last bit: the
same operations in the same order.

All compiled code is in this file, with the constants it is compiled with, for numba notices a change of the
file and of nothing else. The hottest loops hold no branch that the text decides, since a wrong guess costs
more than the rest of them. Loops take arrays out of their tuples first, since numba counts references to
what they take, and the hot ones index by unsigned numbers, since signed ones may count from the end.
Source: docs/scores.md, docs/performance.md.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

UInt32s = npt.NDArray[np.uint32]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Code = TypeVar("Code", bound=Callable[..., Any])

CODE = (1 << 21) - 1
LETTER, JOINT, SPACE, ALPHABETIC, KNOWN, EXPANDS = (1 << bit for bit in range(24, 30))
"""A character is a code point and what it is to the tokens: a sign is none of the first three. One that folds
to several is `EXPANDS | their number << 16 | place of the first` among the expansions."""

APOSTROPHE, CURLY_APOSTROPHE, HYPHEN, LETTER_S = map(ord, "'’-s")
HASHED = 255
"""The lowest byte of a token's key if the key is a hash; else the key is the token and its length."""

PRIME = 0x9E3779B97F4A7C15 - (1 << 64)
OTHER_PRIME = 0xC2B2AE3D27D4EB4F - (1 << 64)
LOW_HALF = (1 << 32) - 1
FIRST_BITS = 15  # a table of 32,768 slots, the largest to begin with: it stays near the processor


class Lengths(NamedTuple):
    """The lengths that `coherence.scoring.text` and `coherence.scoring.scores` decide by."""

    longest_word: int
    piece: int
    enough_tokens: int
    enough_characters: int


class Folding(NamedTuple):
    """What each code point folds to; see `EXPANDS`."""

    entries: Int32s
    expansions: Int32s


class Words(NamedTuple):
    """A word list as an open-addressing table, a power of two of slots.

    Attributes:
        keys: the key of the word in each slot, 0 for none.
        places: where it stands in `codes`.
        codes: the words, one after the other: a length and so many code points each.
    """

    keys: Int64s
    places: Int32s
    codes: Int32s


class Reference(NamedTuple):
    """A profile as arrays: each curve as its logarithms, counts above effective numbers, or nothing."""

    bigram: Floats
    trigram: Floats
    english: Floats
    character: Floats
    english_share: float


class Table(NamedTuple):
    """A hash table of a power of two of slots: a key and how often it came, 0 for none."""

    keys: Int64s
    counts: UInt32s


class Tokens(NamedTuple):
    """The tokens of a sample, in order: where each begins, how long it is, its key, its number."""

    starts: Int32s
    sizes: Int32s
    keys: Int64s
    ids: Int32s


class Kinds(NamedTuple):
    """The distinct tokens: where each came first, its key, how often it came, what it is."""

    firsts: Int32s
    keys: Int64s
    counts: Int32s
    marks: Int32s


class Scratch(NamedTuple):
    """Room for one sample, used for all of a batch.

    Attributes:
        folded: its characters, and two spaces that end them.
        tokens: its tokens.
        kinds: its distinct tokens.
        keys: of the things to count.
        reached: how many things came once or more, twice or more, and so on from [1]; zero between uses.
        alphabet: a number for each character, where they have to be numbered; zero between uses.
        table: to count them in.
    """

    folded: Int32s
    tokens: Tokens
    kinds: Kinds
    keys: Int64s
    reached: Int64s
    alphabet: Int32s
    table: Table


def compiled(function: Code) -> Code:
    """Compile a function on its first call, keep it on disk, and let other threads run meanwhile.

    Where it can be kept nowhere, as in a container that may write to no folder, each process compiles anew.
    """
    try:
        return cast(Code, njit(nogil=True, cache=True)(function))
    except RuntimeError:  # numba: no locator available
        return cast(Code, njit(nogil=True)(function))


def inner(function: Code) -> Code:
    """Compile a function into those that call it."""
    return cast(Code, njit(nogil=True)(function))


# Room


@inner
def _scratch(room: int, alphabet: Int32s) -> Scratch:
    return Scratch(
        np.empty(room + 2, np.int32),
        Tokens(
            np.empty(room, np.int32),
            np.empty(room, np.int32),
            np.empty(room, np.int64),
            np.empty(room, np.int32),
        ),
        Kinds(
            np.empty(room, np.int32),
            np.empty(room, np.int64),
            np.empty(room, np.int32),
            np.empty(room, np.int32),
        ),
        np.empty(room, np.int64),
        np.zeros(room + 2, np.int64),
        alphabet,
        _table(room),
    )


@inner
def _table(number: int) -> Table:
    """Return a table for so many things; what is never used of it is never touched, and takes no memory."""
    slots = 1 << _bits_for(2 * number, 62)
    return Table(np.empty(slots, np.int64), np.empty(slots, np.uint32))


@inner
def _bits_for(number: int, most: int) -> int:
    """Return the binary logarithm of the slots for so many things."""
    bits = 4
    while bits < most and 1 << bits < number:
        bits += 1
    return bits


# Text to tokens


@inner
def _fold(raw: UInt32s, begin: int, end: int, folding: Folding, folded: Int32s) -> tuple[int, int]:
    """Fold the case of one text; return its length, or -1 for want of room, and all its bits."""
    entries, expansions = folding.entries, folding.expansions
    used = union = 0
    for at in range(begin, end):
        entry = entries[raw[at]]
        if entry & EXPANDS:
            first, number = entry & 0xFFFF, entry >> 16 & 3
            if used + number + end - at > folded.size - 2:
                return -1, 0
            for place in range(first, first + number):
                folded[used] = expansions[place]
                union |= expansions[place]
                used += 1
        else:
            folded[np.uint64(used)] = entry
            union |= entry
            used += 1
    folded[used] = folded[used + 1] = SPACE
    return used, union & CODE


@inner
def _hash(codes: Int32s, start: int, size: int) -> int:
    mixed = size
    for at in range(start, start + size):
        mixed = (mixed ^ (codes[at] & CODE)) * PRIME
    return mixed ^ (mixed >> 32)


@inner
def _key(codes: Int32s, start: int, size: int) -> int:
    """Return what stands for a token: itself, where it is short and of narrow characters, else a hash."""
    packed, widest = 0, 0
    for at in range(start, start + size):
        packed = packed << 8 | (codes[at] & 255)
        widest |= codes[at] & CODE
    return packed << 8 | size if size < 8 and widest < 256 else _hash(codes, start, size) | HASHED


@inner
def _same(codes: Int32s, start: int, others: Int32s, other: int, size: int) -> bool:
    for at in range(size):  # noqa: SIM110 - a generator is not compiled
        if (codes[start + at] ^ others[other + at]) & CODE:
            return False
    return True


@inner
def _tokenize(folded: Int32s, length: int, limits: Lengths, tokens: Tokens) -> int:
    """Find the tokens of the folded text, as `text.tokenize` does, and return their number."""
    starts, sizes, keys = tokens.starts, tokens.sizes, tokens.keys
    number = at = 0
    while at < length:
        start, character = at, folded[at]
        at += 1
        if character & SPACE:
            continue
        packed = np.int64(character & 255)
        widest = character & CODE
        if character & LETTER:
            # The loop of `_key`, in the one place where it counts.
            character = folded[np.uint64(at)]
            while character & LETTER or (character & JOINT and folded[np.uint64(at + 1)] & LETTER):
                packed = packed << 8 | (character & 255)
                widest |= character
                at += 1
                character = folded[np.uint64(at)]
        size = at - start
        if size > limits.longest_word:
            number = _cut(folded, start, at, number, limits, tokens)
        else:
            short = size < 8 and widest & CODE < 256
            keys[number] = packed << 8 | size if short else _hash(folded, start, size) | HASHED
            starts[number], sizes[number] = start, size
            number += 1
    return number


@inner
def _cut(folded: Int32s, start: int, end: int, number: int, limits: Lengths, tokens: Tokens) -> int:
    """Cut a run that is too long for a word at its joints, and what is still too long into pieces."""
    while start < end:
        stop = start
        while stop < end and not folded[stop] & JOINT:
            stop += 1
        piece = limits.piece if stop - start > limits.longest_word else stop - start
        for at in range(start, stop, piece):
            size = min(piece, stop - at)
            tokens.starts[number], tokens.sizes[number] = at, size
            tokens.keys[number] = _key(folded, at, size)
            number += 1
        start = stop + 1
    return number


@inner
def _try_numbers(folded: Int32s, number: int, tokens: Tokens, kinds: Kinds, table: Table, bits: int) -> int:
    """Number the distinct tokens; return how many there are, or -1 if they overfill the table."""
    starts, sizes, keys, ids = tokens.starts, tokens.sizes, tokens.keys, tokens.ids
    firsts, kind_keys, counts = kinds.firsts, kinds.keys, kinds.counts
    held, taken = table.keys, table.counts
    taken[: 1 << bits] = 0
    shift, mask = np.uint64(64 - bits), np.uint64((1 << bits) - 1)
    distinct, most = 0, 1 << bits >> 1
    for place in range(number):
        at = np.uint64(place)
        key = keys[at]
        slot = np.uint64(key * PRIME) >> shift
        while taken[slot]:
            first = firsts[taken[slot] - 1]
            if held[slot] == key and (
                key & HASHED != HASHED
                or (sizes[first] == sizes[at] and _same(folded, starts[first], folded, starts[at], sizes[at]))
            ):
                break
            slot = (slot + np.uint64(1)) & mask
        # The next number is prepared for whatever came, and used up if it is new.
        unused = np.uint64(distinct)
        firsts[unused], kind_keys[unused], counts[unused] = place, key, 0
        new = taken[slot] == 0
        distinct += new
        if distinct > most:
            return -1
        token = distinct - 1 if new else np.int64(taken[slot]) - 1
        held[slot], taken[slot] = key, token + 1
        ids[at] = token
        counts[np.uint64(token)] += 1
    return distinct


@inner
def _number(folded: Int32s, number: int, tokens: Tokens, kinds: Kinds, table: Table) -> int:
    """Number the distinct tokens, and return how many there are."""
    bits, distinct = _bits_for(2 * number, FIRST_BITS), -1
    while distinct < 0:
        distinct = _try_numbers(folded, number, tokens, kinds, table, bits)
        bits = _bits_for(2 * number, bits + 2)
    return distinct


# Word list


@inner
def _listed(
    keys: Int64s, places: Int32s, listed: Int32s, codes: Int32s, start: int, size: int, key: int
) -> bool:
    """Tell whether the word list holds this word; the arrays are those of `Words`."""
    mask = keys.size - 1
    slot = (key * PRIME >> 32) & mask
    while keys[slot]:
        if keys[slot] == key:
            place = places[slot]
            if key & HASHED != HASHED:
                return True
            if listed[place] == size and _same(codes, start, listed, place + 1, size):
                return True
        slot = (slot + 1) & mask
    return False


@inner
def _listed_joined(
    keys: Int64s, places: Int32s, listed: Int32s, folded: Int32s, start: int, size: int
) -> bool:
    """Tell whether a token with joints is English, a possessive or a compound: `Lexicon.known`."""
    token = np.empty(size, np.int32)
    compound = False
    for at in range(size):
        code = folded[start + at] & CODE
        token[at] = APOSTROPHE if code == CURLY_APOSTROPHE else code
        compound |= code == HYPHEN
    if token[size - 2] == APOSTROPHE and token[size - 1] == LETTER_S:
        size -= 2
    if _listed(keys, places, listed, token, 0, size, _key(token, 0, size)):
        return True
    first = 0
    for at in range(size + 1):
        if at == size or token[at] == HYPHEN:
            part = at - first
            if not _listed(keys, places, listed, token, first, part, _key(token, first, part)):
                return False
            first = at + 1
    return compound


@inner
def _mark(distinct: int, words: Words, folded: Int32s, tokens: Tokens, kinds: Kinds) -> None:
    """Mark what each distinct token is: `ALPHABETIC` at its start, `KNOWN` to the word list."""
    starts, sizes = tokens.starts, tokens.sizes
    firsts, kind_keys, marks = kinds.firsts, kinds.keys, kinds.marks
    keys, places, listed = words.keys, words.places, words.codes
    mask = keys.size - 1
    # The list is too large for the caches: all first slots are asked for before one is waited for.
    for token in range(distinct):
        marks[token] = keys[(kind_keys[token] * PRIME >> 32) & mask] == kind_keys[token]
    for token in range(distinct):
        start, size, key = starts[firsts[token]], sizes[firsts[token]], kind_keys[token]
        known = marks[token] != 0 and key & HASHED != HASHED
        known = known or _listed(keys, places, listed, folded, start, size, key)
        if not known and size > 2:
            joint = 0
            for at in range(start, start + size):
                joint |= folded[at] & JOINT
            known = joint != 0 and _listed_joined(keys, places, listed, folded, start, size)
        marks[token] = (folded[start] & ALPHABETIC) | (KNOWN if known else 0)


@compiled
def fill(words: Words) -> None:
    """Put each word of `codes` into a slot."""
    keys, places, listed = words.keys, words.places, words.codes
    mask = keys.size - 1
    place = 0
    while place < listed.size:
        size = listed[place]
        key = _key(listed, place + 1, size)
        slot = (key * PRIME >> 32) & mask
        while keys[slot]:
            slot = (slot + 1) & mask
        keys[slot], places[slot] = key, place
        place += size + 1


# Counting


@inner
def _settle(key: np.int64, slot: np.uint64, held: Int64s, counts: UInt32s, reached: Int64s) -> np.int64:
    """Count a key, and how many keys came that often, and return 0; or -1 if another key owns its slot."""
    count, owner = np.int64(counts[slot]), held[slot]
    other = -np.int64((count != 0) & (owner != key))
    # Another owner gets back what it holds, and reached[0] the count: cheaper than a wrong guess at a branch.
    held[slot] = key ^ ((key ^ owner) & other)
    counts[slot] = count + 1 + other
    reached[np.uint64((count + 1) & ~other)] += 1
    return other


@inner
def _round(keys: Int64s, number: int, table: Table, bits: int, prime: int, reached: Int64s) -> int:
    """Count the keys that meet no other in their slot, move the rest to the front, return their number."""
    held, counts = table.keys, table.counts
    counts[: 1 << bits] = 0
    shift, waiting = np.uint64(64 - bits), np.uint64(0)
    for at in range(number):
        key = keys[at]
        keys[waiting] = key
        waiting -= np.uint64(_settle(key, np.uint64(key * prime) >> shift, held, counts, reached))
    return int(waiting)


@inner
def _round_of_fours(
    folded: Int32s, length: int, table: Table, bits: int, keys: Int64s, reached: Int64s
) -> int:
    """Begin to count the runs of four characters of 16 bits: a round that makes its keys as it goes."""
    held, counts = table.keys, table.counts
    counts[: 1 << bits] = 0
    shift, waiting = np.uint64(64 - bits), np.uint64(0)
    key = np.int64(0)
    for at in range(3):
        key = key << 16 | (folded[at] & 0xFFFF)
    for at in range(3, length):
        key = key << 16 | (folded[at] & 0xFFFF)
        keys[waiting] = key
        waiting -= np.uint64(_settle(key, np.uint64(key * PRIME) >> shift, held, counts, reached))
    return int(waiting)


@inner
def _round_of_narrow_fours(
    folded: Int32s, length: int, table: Table, bits: int, keys: Int64s, reached: Int64s
) -> int:
    """Do the same for characters of 8 bits: a key and its count are one number, which takes two thirds."""
    entries = table.keys
    entries[: 1 << bits] = 0
    shift, waiting = np.uint64(64 - bits), np.uint64(0)
    key = np.int64(0)
    for at in range(3):
        key = key << 8 | (folded[at] & 0xFF)
    for at in range(3, length):
        key = (key << 8 | (folded[at] & 0xFF)) & LOW_HALF
        slot = np.uint64(key * PRIME) >> shift
        entry = entries[slot]
        count = (entry & LOW_HALF) + 1
        other = -np.int64((entry != 0) & ((entry >> 32) & LOW_HALF != key))
        settled = key << 32 | count
        entries[slot] = settled ^ ((settled ^ entry) & other)
        reached[np.uint64(count & ~other)] += 1
        keys[waiting] = key
        waiting -= np.uint64(other)
    return int(waiting)


@inner
def _count(keys: Int64s, number: int, table: Table, bits: int, reached: Int64s) -> None:
    """Count the first `number` of `keys` into `reached`.

    Nobody looks for a free slot: what meets another key waits for the next round, which has another hash.
    """
    prime = PRIME
    while number > 0:
        number = _round(keys, number, table, bits, prime, reached)
        bits, prime = _bits_for(number, bits + 3), prime * OTHER_PRIME
    reached[0] = 0


@inner
def _count_keys(keys: Int64s, number: int, table: Table, reached: Int64s) -> None:
    _count(keys, number, table, _bits_for(2 * number, FIRST_BITS), reached)


@inner
def _pair_keys(ids: Int32s, number: int, keys: Int64s) -> None:
    for at in range(number):
        keys[at] = np.int64(ids[at]) << 32 | np.int64(ids[at + 1])


@inner
def _triple_keys(ids: Int32s, number: int, distinct: int, keys: Int64s) -> None:
    """Make a key of three tokens: themselves, or for more than two million distinct tokens a hash."""
    factor = 1 << 21 if distinct <= 1 << 21 else PRIME
    for at in range(number):
        keys[at] = (np.int64(ids[at]) * factor + ids[at + 1]) * factor + ids[at + 2]


@inner
def _count_fours(length: int, union: int, scratch: Scratch) -> None:
    """Count the runs of four characters into `reached`."""
    folded, keys, reached, table = scratch.folded, scratch.keys, scratch.reached, scratch.table
    if length < 4:
        return
    if union >> 16:
        _wide_keys(folded, length, scratch.alphabet, keys)
        _count_keys(keys, length - 3, table, reached)
        return
    bits = _bits_for(2 * length, FIRST_BITS)
    if union >> 8:
        waiting = _round_of_fours(folded, length, table, bits, keys, reached)
    else:
        waiting = _round_of_narrow_fours(folded, length, table, bits, keys, reached)
    _count(keys, waiting, table, _bits_for(waiting, bits + 3), reached)


@inner
def _wide_keys(folded: Int32s, length: int, alphabet: Int32s, keys: Int64s) -> None:
    """Make keys of four characters beyond the first plane: of their numbers among those of the sample.

    For more than 65,535 distinct characters the keys are hashes.
    """
    characters = 0
    for at in range(length):
        if not alphabet[folded[at] & CODE]:
            characters += 1
            alphabet[folded[at] & CODE] = characters
    factor = np.int64(1 << 16 if characters < 1 << 16 else PRIME)
    for at in range(length - 3):
        key = np.int64(0)
        for place in range(at, at + 4):
            key = key * factor + alphabet[folded[place] & CODE]
        keys[at] = key
    for at in range(length):
        alphabet[folded[at] & CODE] = 0


@inner
def _count_known(distinct: int, kinds: Kinds, reached: Int64s) -> tuple[int, int]:
    """Count the English tokens into `reached`; return how many tokens are English, and words at all."""
    counts, marks = kinds.counts, kinds.marks
    english = words = 0
    for token in range(distinct):
        if marks[token] & ALPHABETIC:
            words += counts[token]
        if marks[token] & KNOWN:
            english += counts[token]
            for count in range(1, counts[token] + 1):
                reached[count] += 1
    return english, words


# Counts to scores


@inner
def _effective(reached: Int64s) -> float:
    """Return the effective number of what was counted, and forget it: `coherence.scoring.ngrams`."""
    total = 0
    weighted = 0.0
    count = 1
    while reached[count]:
        times = reached[count] - reached[count + 1]
        if times:
            total += count * times
            weighted += count * times * math.log(count)
        reached[count] = 0
        count += 1
    return math.exp(math.log(total) - weighted / total) if total else 0.0


@inner
def _length_for(curve: Floats, effective: float) -> float:
    """Return the length of reference text that is as varied: `Curve.length_for`."""
    if effective < 1:
        return 0.0
    counts, effectives, target = curve[0], curve[1], math.log(effective)
    right = min(max(np.searchsorted(effectives, target), 1), effectives.size - 1)
    share = (target - effectives[right - 1]) / (effectives[right] - effectives[right - 1])
    return math.exp(min(counts[right - 1] + share * (counts[right] - counts[right - 1]), 700.0))


@inner
def _against(curve: Floats, effective: float, counted: int) -> float:
    if counted < 2:
        return math.nan
    share = (_length_for(curve, effective) - 1) / (counted - 1)
    return 100 * min(max(share, 0.0), 1.0)


@inner
def _english(reference: Reference, effective: float, tokens: int, english: int, alphabetic: int) -> float:
    if reference.english.size == 0 or tokens < 2:
        return math.nan
    share = english / alphabetic if alphabetic else 0.0
    return min(_against(reference.english, effective, tokens), 100 * share / reference.english_share)


# A batch


@inner
def _score(
    length: int,
    union: int,
    words: Words,
    reference: Reference,
    limits: Lengths,
    scratch: Scratch,
    scores: Floats,
) -> tuple[int, int]:
    """Score the folded text; return the numbers of its tokens and of its distinct bigrams."""
    if length == 0:
        scores[:] = 0.0
        return 0, 0
    folded, tokens, kinds = scratch.folded, scratch.tokens, scratch.kinds
    ids, keys, reached, table = tokens.ids, scratch.keys, scratch.reached, scratch.table
    number = _tokenize(folded, length, limits, tokens)
    distinct = _number(folded, number, tokens, kinds, table)
    _mark(distinct, words, folded, tokens, kinds)
    english, alphabetic = _count_known(distinct, kinds, reached)
    scores[2] = _english(reference, _effective(reached), number, english, alphabetic)
    _count_fours(length, union, scratch)
    scores[3] = _against(reference.character, _effective(reached), length - 3)
    _triple_keys(ids, number - 2, distinct, keys)
    _count_keys(keys, number - 2, table, reached)
    scores[1] = _against(reference.trigram, _effective(reached), number - 2)
    _pair_keys(ids, number - 1, keys)
    _count_keys(keys, number - 1, table, reached)
    pairs = reached[1]
    scores[0] = _against(reference.bigram, _effective(reached), number - 1)
    return number, pairs


@inner
def _collect(union: Int64s, used: int, ids: Int32s, number: int, keys: Int64s) -> Int64s:
    """Append the hashes of a sample's bigrams to those of its group."""
    if used + number > union.size:
        grown = np.empty(2 * (used + number), np.int64)
        grown[:used] = union[:used]
        union = grown
    for at in range(number):
        left, right = keys[ids[at]], keys[ids[at + 1]]
        mixed = ((left ^ (left >> 29)) * PRIME + right) * OTHER_PRIME
        union[used + at] = mixed ^ (mixed >> 32)
    return union


@inner
def _between(union: Int64s, used: int, pairs: int, held: int) -> float:
    """Return the diversity between the samples of a group: `coherence.scoring.between.between_samples`."""
    if held < 2:
        return math.nan
    reached = np.zeros(used + 2, np.int64)
    _count_keys(union, used, _table(used), reached)
    shared, distinct = 1 / held, int(reached[1])
    return 100 * max(0.0, distinct / pairs - shared) / (1 - shared)


@compiled
def score_batch(
    raw: UInt32s,
    ends: Int64s,
    group_ends: Int64s,
    folding: Folding,
    words: Words,
    reference: Reference,
    limits: Lengths,
    alphabet: Int32s,
    scores: Floats,
    lengths: Int64s,
    between: Floats,
) -> None:
    """Score the texts of a batch, and compare those of each group.

    Args:
        raw: the code points of all texts.
        ends: where each text ends, after a leading 0.
        group_ends: the number of the sample with which each group ends, after a leading 0.
        folding: what each code point folds to.
        words: the word list.
        reference: the profile.
        limits: the lengths to decide by.
        alphabet: a zero for each code point; where no text needs it, it is not touched.
        scores: gets the four scores of each sample, NaN for none.
        lengths: gets its tokens and characters.
        between: gets the diversity between the samples of each group, NaN for none; empty if nobody asks.
    """
    longest = 0
    for sample in range(ends.size - 1):
        longest = max(longest, ends[sample + 1] - ends[sample])
    scratch, union = _scratch(longest + 1, alphabet), np.empty(0, np.int64)
    for group in range(group_ends.size - 1):
        used = distinct = held = 0
        for sample in range(group_ends[group], group_ends[group + 1]):
            length, characters = _fold(raw, ends[sample], ends[sample + 1], folding, scratch.folded)
            while length < 0:
                scratch = _scratch(2 * scratch.folded.size, alphabet)
                length, characters = _fold(raw, ends[sample], ends[sample + 1], folding, scratch.folded)
            number, pairs = _score(length, characters, words, reference, limits, scratch, scores[sample])
            lengths[sample, 0], lengths[sample, 1] = number, length
            scorable = number >= limits.enough_tokens or length >= limits.enough_characters
            if between.size and scorable and number > 1:
                union = _collect(union, used, scratch.tokens.ids, number - 1, scratch.kinds.keys)
                used, distinct, held = used + number - 1, distinct + pairs, held + 1
        if between.size:
            between[group] = _between(union, used, distinct, held)
