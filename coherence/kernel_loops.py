"""The compiled loops behind `coherence.kernel`: from the code points of a batch to its scores.

One pass a sample: fold the case, cut tokens, number them, count pairs, triples and runs of four characters.
Everything is counted in one open-addressing table that is never cleared: a slot is in use while its value
lies above the table's base, and raising the base empties it.

All compiled code is in this file, with the constants it is compiled with, since numba notices a change of the
file and of nothing else. The numbers are those of `coherence.scores`, to the last bit: the same operations in
the same order. Source: docs/scores.md, docs/performance.md.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
UInt32s = npt.NDArray[np.uint32]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Code = TypeVar("Code", bound=Callable[..., Any])

LETTER, JOINT, SPACE, ALPHABETIC = 1, 2, 4, 8
"""What a character is to the tokens: bits of its class; a sign has none of the first three."""

CLASS_SHIFT = 24
CODE = (1 << CLASS_SHIFT) - 1
EXPANDS = 1 << 31
"""An entry of `Folding` is `class << CLASS_SHIFT | folded code point`, or, if it folds to several,
`EXPANDS | their number << CLASS_SHIFT | place of the first` in `expansions`."""

APOSTROPHE, CURLY_APOSTROPHE, HYPHEN, LETTER_S = map(ord, "'’-s")
KNOWN = 16
FIRST_BITS = 12  # a table of 4,096 slots: what 2 KB of text fill to a third, in 48 KB
PRIME = 0x9E3779B97F4A7C15 - (1 << 64)
OTHER_PRIME = 0xC2B2AE3D27D4EB4F - (1 << 64)
LOW_HALF = (1 << 32) - 1


class Limits(NamedTuple):
    """The lengths that `coherence.text` and `coherence.scores` decide by."""

    longest_word: int
    piece: int
    enough_tokens: int
    enough_characters: int


class Folding(NamedTuple):
    """What each code point folds to and what that is to the tokens; see `EXPANDS`."""

    entries: UInt32s
    expansions: UInt32s


class Words(NamedTuple):
    """A word list as a hash table.

    Attributes:
        slots: number of the word + 1, or 0; a power of two of them, at most half of them used.
        ends: where each word ends in `codes`, after a leading 0.
        codes: the code points of all words.
    """

    slots: Int32s
    ends: Int32s
    codes: Int32s


class Reference(NamedTuple):
    """A profile as arrays: each curve as its logarithms, counts above effective numbers, or nothing."""

    bigram: Floats
    trigram: Floats
    english: Floats
    character: Floats
    english_share: float


class Table(NamedTuple):
    """An open-addressing table: a slot is in use while its value lies above `base[0]`."""

    keys: Int64s
    values: UInt32s
    base: Int64s


class Pairs(NamedTuple):
    """What `_count_pairs` found: the slot that stands for each pair, where each distinct one came first."""

    slots: Int32s
    fresh: Int32s


class Scratch(NamedTuple):
    """Room for one sample, used for all of a batch.

    Attributes:
        codes: folded code points.
        classes: their classes, and two more that end the text.
        starts: where each token begins.
        sizes: how long it is.
        ids: its number among the distinct tokens.
        firsts: of each distinct token, where it came first.
        counts: how often it came.
        marks: whether it is `ALPHABETIC`, has a `JOINT` and is `KNOWN` to the word list.
        hashes: its hash.
        pairs: the bigrams.
        spare: pairs that nobody asks for again.
        reached: how many things came once or more, twice or more, and so on from [1]; zero between uses.
    """

    codes: Int32s
    classes: Bytes
    starts: Int32s
    sizes: Int32s
    ids: Int32s
    firsts: Int32s
    counts: Int32s
    marks: Bytes
    hashes: Int64s
    pairs: Pairs
    spare: Pairs
    reached: Int64s


def compiled(function: Code) -> Code:
    """Compile a function on its first call, keep it on disk, and let other threads run meanwhile."""
    return cast(Code, njit(nogil=True, cache=True)(function))


def inner(function: Code) -> Code:
    """Compile a function into those that call it."""
    return cast(Code, njit(nogil=True)(function))


# Room


@inner
def _scratch(room: int) -> Scratch:
    return Scratch(
        np.empty(room, np.int32),
        np.empty(room + 2, np.uint8),
        np.empty(room, np.int32),
        np.empty(room, np.int32),
        np.empty(room, np.int32),
        np.empty(room, np.int32),
        np.empty(room, np.int32),
        np.empty(room, np.uint8),
        np.empty(room, np.int64),
        Pairs(np.empty(room, np.int32), np.empty(room, np.int32)),
        Pairs(np.empty(room, np.int32), np.empty(room, np.int32)),
        np.zeros(room + 2, np.int64),
    )


@inner
def _table(bits: int) -> Table:
    return Table(np.empty(1 << bits, np.int64), np.zeros(1 << bits, np.uint32), np.zeros(1, np.int64))


@inner
def _ready(table: Table, bits: int, number: int) -> Table:
    """Return a table of `1 << bits` slots or more that can count `number` things without an overflow."""
    if table.values.size < 1 << bits:
        return _table(bits)
    if table.base[0] + number >= LOW_HALF:
        table.values[:] = 0
        table.base[0] = 0
    return table


@inner
def _bits_for(number: int) -> int:
    """Return the binary logarithm of the slots to begin with: more are taken when these are half full."""
    bits = 4
    while bits < FIRST_BITS and 1 << bits < 2 * number:
        bits += 1
    return bits


# Text to tokens


@inner
def _fold(raw: UInt32s, begin: int, end: int, folding: Folding, scratch: Scratch) -> int:
    """Fold the case of one text into `scratch` and return its length, or -1 if there is no room for it."""
    codes, classes = scratch.codes, scratch.classes
    entries, expansions = folding.entries, folding.expansions
    used = 0
    for at in range(begin, end):
        entry = entries[raw[at]]
        if entry & EXPANDS:
            first, number = entry & 0xFFFF, entry >> CLASS_SHIFT & 3
            if used + number + end - at > codes.size:
                return -1
            for place in range(first, first + number):
                codes[used] = expansions[place] & CODE
                classes[used] = expansions[place] >> CLASS_SHIFT
                used += 1
        else:
            codes[used] = entry & CODE
            classes[used] = entry >> CLASS_SHIFT
            used += 1
    classes[used] = classes[used + 1] = SPACE
    return used


@inner
def _tokenize(length: int, limits: Limits, scratch: Scratch) -> int:
    """Find the tokens of the folded text, as `coherence.text.tokenize` does, and return their number."""
    classes, starts, sizes = scratch.classes, scratch.starts, scratch.sizes
    number = at = 0
    while at < length:
        kind = classes[at]
        start = at
        at += 1
        if kind & SPACE:
            continue
        if kind & LETTER:
            at = _word_end(classes, at)
        if at - start > limits.longest_word:
            number = _cut(start, at, number, limits, scratch)
        else:
            starts[number] = start
            sizes[number] = at - start
            number += 1
    return number


@inner
def _word_end(classes: Bytes, at: int) -> int:
    while classes[at] & LETTER or (classes[at] & JOINT and classes[at + 1] & LETTER):
        at += 1
    return at


@inner
def _cut(start: int, end: int, number: int, limits: Limits, scratch: Scratch) -> int:
    """Cut a run that is too long for a word at its joints, and what is still too long into pieces."""
    while start < end:
        stop = start
        while stop < end and not scratch.classes[stop] & JOINT:
            stop += 1
        piece = limits.piece if stop - start > limits.longest_word else stop - start
        for at in range(start, stop, piece):
            scratch.starts[number] = at
            scratch.sizes[number] = min(piece, stop - at)
            number += 1
        start = stop + 1
    return number


# Word list


@inner
def _hash(codes: Int32s, start: int, size: int) -> int:
    mixed = size
    for at in range(start, start + size):
        mixed = (mixed ^ codes[at]) * PRIME
    return mixed


@inner
def _same(codes: Int32s, start: int, others: Int32s, other: int, size: int) -> bool:
    for at in range(size):  # noqa: SIM110 - a generator is not compiled
        if codes[start + at] != others[other + at]:
            return False
    return True


@inner
def _listed(
    slots: Int32s, ends: Int32s, listed: Int32s, codes: Int32s, start: int, size: int, hashed: int
) -> bool:
    """Tell whether the word list holds these characters, of this hash."""
    mask = slots.size - 1
    slot = (hashed >> 32) & mask
    while slots[slot]:
        first = ends[slots[slot] - 1]
        if ends[slots[slot]] - first == size and _same(codes, start, listed, first, size):
            return True
        slot = (slot + 1) & mask
    return False


@inner
def _listed_joined(slots: Int32s, ends: Int32s, listed: Int32s, codes: Int32s, start: int, size: int) -> bool:
    """Tell whether a token with joints is English, a possessive or a compound: `Lexicon.known`."""
    token = np.empty(size, np.int32)
    compound = False
    for at in range(size):
        code = codes[start + at]
        token[at] = APOSTROPHE if code == CURLY_APOSTROPHE else code
        compound |= code == HYPHEN
    if token[size - 2] == APOSTROPHE and token[size - 1] == LETTER_S:
        size -= 2
    if _listed(slots, ends, listed, token, 0, size, _hash(token, 0, size)):
        return True
    first = 0
    for at in range(size + 1):
        if at == size or token[at] == HYPHEN:
            if not _listed(slots, ends, listed, token, first, at - first, _hash(token, first, at - first)):
                return False
            first = at + 1
    return compound


@inner
def _mark(distinct: int, words: Words, scratch: Scratch) -> None:
    """Mark which of the distinct tokens are words at all, joined, and `KNOWN` to the word list."""
    slots, ends, listed = words.slots, words.ends, words.codes
    codes, classes, starts, sizes = scratch.codes, scratch.classes, scratch.starts, scratch.sizes
    firsts, hashes, marks = scratch.firsts, scratch.hashes, scratch.marks
    for token in range(distinct):
        start, size = starts[firsts[token]], sizes[firsts[token]]
        mark = classes[start] & ALPHABETIC
        if _listed(slots, ends, listed, codes, start, size, hashes[token]):
            mark |= KNOWN
        else:
            for at in range(start, start + size):
                mark |= classes[at] & JOINT
        marks[token] = mark
    for token in range(distinct):
        if marks[token] & JOINT:
            start, size = starts[firsts[token]], sizes[firsts[token]]
            if size > 2 and _listed_joined(slots, ends, listed, codes, start, size):
                marks[token] |= KNOWN


@compiled
def fill(words: Words) -> None:
    """Put each word into its slot."""
    mask = words.slots.size - 1
    for word in range(words.ends.size - 1):
        start, size = words.ends[word], words.ends[word + 1] - words.ends[word]
        slot = (_hash(words.codes, start, size) >> 32) & mask
        while words.slots[slot]:
            slot = (slot + 1) & mask
        words.slots[slot] = word + 1


# Counting


@inner
def _claim(keys: Int64s, values: UInt32s, base: int, bits: int, key: np.int64) -> np.int64:
    """Find the slot of `key`, which may be a new one, and return it."""
    mask = (1 << bits) - 1
    slot = ((key ^ (key >> 32)) * PRIME >> (64 - bits)) & mask
    while values[slot] > base and keys[slot] != key:
        slot = (slot + 1) & mask
    keys[slot] = key
    return slot


@inner
def _try_pairs(
    lefts: Int32s, rights: Int32s, number: int, table: Table, bits: int, out: Pairs, reached: Int64s
) -> int:
    """Count the pairs; return how many are distinct, or -1 if they overfill the table."""
    keys, values, slots, fresh = table.keys, table.values, out.slots, out.fresh
    base, distinct, most = table.base[0], 0, 1 << bits >> 1
    table.base[0] += number
    for at in range(number):
        slot = _claim(keys, values, base, bits, np.int64(lefts[at]) << 32 | np.int64(rights[at]))
        count = max(np.int64(values[slot]), base) + 1 - base
        values[slot] = base + count
        reached[count] += 1
        slots[at] = slot
        fresh[distinct] = at
        distinct += count == 1
        if distinct > most:
            return -1
    return distinct


@inner
def _count_pairs(
    lefts: Int32s, rights: Int32s, number: int, table: Table, out: Pairs, reached: Int64s
) -> tuple[Table, int]:
    """Count the pairs into `reached` and name each in `out`; return how many are distinct."""
    bits, distinct = _bits_for(number), 0 if number < 1 else -1
    while distinct < 0:
        _forget(reached)
        table = _ready(table, bits, number)
        distinct = _try_pairs(lefts, rights, number, table, bits, out, reached)
        bits += 2
    return table, distinct


@inner
def _try_fours(codes: Int32s, length: int, table: Table, bits: int, reached: Int64s) -> int:
    """Count the runs of four characters of 16 bits; return -1 if they overfill the table."""
    keys, values = table.keys, table.values
    base, distinct, most = table.base[0], 0, 1 << bits >> 1
    table.base[0] += length
    run = np.int64(codes[0]) << 32 | np.int64(codes[1]) << 16 | np.int64(codes[2])
    for at in range(3, length):
        run = run << 16 | np.int64(codes[at])
        slot = _claim(keys, values, base, bits, run)
        count = max(np.int64(values[slot]), base) + 1 - base
        values[slot] = base + count
        reached[count] += 1
        distinct += count == 1
        if distinct > most:
            return -1
    return distinct


@inner
def _count_fours(length: int, table: Table, scratch: Scratch) -> Table:
    """Count the runs of four characters into `reached`."""
    if length < 4:
        return table
    codes = scratch.codes
    if _widest(codes, length) >> 16:
        # Beyond the first plane four characters are too long for a key: they are two pairs of pairs.
        pairs, reached = scratch.pairs, scratch.reached
        table, _ = _count_pairs(codes, codes[1:], length - 1, table, pairs, reached)
        table, _ = _count_pairs(pairs.slots, pairs.slots[2:], length - 3, table, scratch.spare, reached)
        return table
    bits, distinct = _bits_for(length), -1
    while distinct < 0:
        _forget(scratch.reached)
        table = _ready(table, bits, length)
        distinct = _try_fours(codes, length, table, bits, scratch.reached)
        bits += 2
    return table


@inner
def _widest(codes: Int32s, length: int) -> int:
    union = 0
    for at in range(length):
        union |= codes[at]
    return union


@inner
def _forget(reached: Int64s) -> None:
    count = 1
    while reached[count]:
        reached[count] = 0
        count += 1


@inner
def _try_tokens(number: int, table: Table, bits: int, scratch: Scratch) -> int:
    """Number the distinct tokens; return how many there are, or -1 if they overfill the table."""
    starts, sizes, firsts, codes = scratch.starts, scratch.sizes, scratch.firsts, scratch.codes
    ids, counts, hashes = scratch.ids, scratch.counts, scratch.hashes
    keys, values = table.keys, table.values
    base, distinct, most = table.base[0], 0, 1 << bits >> 1
    table.base[0] += number
    mask = (1 << bits) - 1
    for at in range(number):
        start, size = starts[at], sizes[at]
        hashed = _hash(codes, start, size)
        slot = (hashed >> (64 - bits)) & mask
        while values[slot] > base:
            first = firsts[np.int64(values[slot]) - base - 1]
            alike = keys[slot] == hashed and sizes[first] == size
            if alike and _same(codes, starts[first], codes, start, size):
                break
            slot = (slot + 1) & mask
        else:
            if distinct == most:
                return -1
            firsts[distinct], counts[distinct], hashes[distinct] = at, 0, hashed
            distinct += 1
            keys[slot] = hashed
            values[slot] = base + distinct
        token = np.int64(values[slot]) - base - 1
        ids[at] = token
        counts[token] += 1
    return distinct


@inner
def _number_tokens(number: int, table: Table, scratch: Scratch) -> tuple[Table, int]:
    bits, distinct = _bits_for(number), -1
    while distinct < 0:
        table = _ready(table, bits, number)
        distinct = _try_tokens(number, table, bits, scratch)
        bits += 2
    return table, distinct


@inner
def _count_known(distinct: int, scratch: Scratch) -> tuple[int, int]:
    """Count the English tokens into `reached`; return how many tokens are English, and words at all."""
    counts, marks, reached = scratch.counts, scratch.marks, scratch.reached
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
    """Return the effective number of what was counted, and forget it: `coherence.diversity`."""
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
    table: Table,
    words: Words,
    reference: Reference,
    limits: Limits,
    scratch: Scratch,
    scores: Floats,
) -> tuple[Table, int, int]:
    """Score the folded text; return the numbers of its tokens and of its distinct bigrams."""
    if length == 0:
        scores[:] = 0.0
        return table, 0, 0
    tokens = _tokenize(length, limits, scratch)
    table, distinct = _number_tokens(tokens, table, scratch)
    _mark(distinct, words, scratch)
    english, alphabetic = _count_known(distinct, scratch)
    scores[2] = _english(reference, _effective(scratch.reached), tokens, english, alphabetic)
    table = _count_fours(length, table, scratch)
    scores[3] = _against(reference.character, _effective(scratch.reached), length - 3)
    ids, pairs, reached = scratch.ids, scratch.pairs, scratch.reached
    table, distinct = _count_pairs(ids, ids[1:], tokens - 1, table, pairs, reached)
    scores[0] = _against(reference.bigram, _effective(reached), tokens - 1)
    table, _ = _count_pairs(pairs.slots, ids[2:], tokens - 2, table, scratch.spare, reached)
    scores[1] = _against(reference.trigram, _effective(reached), tokens - 2)
    return table, tokens, distinct


@inner
def _collect(union: Int64s, used: int, distinct: int, scratch: Scratch) -> Int64s:
    """Append the hashes of a sample's distinct bigrams to those of its group."""
    if used + distinct > union.size:
        grown = np.empty(2 * (used + distinct), np.int64)
        grown[:used] = union[:used]
        union = grown
    for place in range(distinct):
        at = scratch.pairs.fresh[place]
        left, right = scratch.hashes[scratch.ids[at]], scratch.hashes[scratch.ids[at + 1]]
        mixed = ((left ^ (left >> 29)) * PRIME + right) * OTHER_PRIME
        union[used + place] = mixed ^ (mixed >> 32)
    return union


@inner
def _try_distinct(hashes: Int64s, number: int, table: Table, bits: int) -> int:
    keys, values = table.keys, table.values
    base, distinct, most = table.base[0], 0, 1 << bits >> 1
    table.base[0] += number
    for at in range(number):
        slot = _claim(keys, values, base, bits, hashes[at])
        distinct += values[slot] <= base
        values[slot] = base + 1
        if distinct > most:
            return -1
    return distinct


@inner
def _between(union: Int64s, used: int, held: int, table: Table) -> tuple[Table, float]:
    """Return the diversity between the samples of a group: `coherence.diversity.between_samples`."""
    if held < 2:
        return table, math.nan
    bits, distinct = _bits_for(used), -1
    while distinct < 0:
        table = _ready(table, bits, used)
        distinct = _try_distinct(union, used, table, bits)
        bits += 2
    shared = 1 / held
    return table, 100 * max(0.0, distinct / used - shared) / (1 - shared)


@compiled
def measure(
    raw: UInt32s,
    ends: Int64s,
    group_ends: Int64s,
    folding: Folding,
    words: Words,
    reference: Reference,
    limits: Limits,
    scores: Floats,
    lengths: Int64s,
    between: Floats,
) -> None:
    """Score the texts that end at `ends` in `raw`, after a leading 0, and compare those of each group.

    Args:
        raw: the code points of all texts.
        ends: where each ends, after a leading 0.
        group_ends: the number of the sample with which each group ends, after a leading 0.
        folding: what each code point is.
        words: the word list.
        reference: the profile.
        limits: the lengths to decide by.
        scores: gets the four scores of each sample, NaN for none.
        lengths: gets its tokens and characters.
        between: gets the diversity between the samples of each group, NaN for none.
    """
    longest = 0
    for sample in range(ends.size - 1):
        longest = max(longest, ends[sample + 1] - ends[sample])
    scratch = _scratch(longest + 1)
    table = _table(FIRST_BITS)
    union = np.empty(0, np.int64)
    grouped = between.size > 0
    for group in range(group_ends.size - 1):
        used = held = 0
        for sample in range(group_ends[group], group_ends[group + 1]):
            length = _fold(raw, ends[sample], ends[sample + 1], folding, scratch)
            while length < 0:
                scratch = _scratch(2 * scratch.codes.size)
                length = _fold(raw, ends[sample], ends[sample + 1], folding, scratch)
            table, tokens, distinct = _score(length, table, words, reference, limits, scratch, scores[sample])
            lengths[sample, 0], lengths[sample, 1] = tokens, length
            scorable = tokens >= limits.enough_tokens or length >= limits.enough_characters
            if grouped and scorable and tokens > 1:
                union = _collect(union, used, distinct, scratch)
                used += distinct
                held += 1
        if grouped:
            table, between[group] = _between(union, used, held, table)
