/* How often things come: frequency spectra as in ngrams.py, and the effective number of what was counted.
 *
 * Things are numbers. A table of slots has the number and its count in each; a number that finds its slot taken by
 * another does not look for a free one but waits for the next round, which has another hash. So the loop holds
 * no branch that the text decides: a wrong guess at a branch costs more than the rest of the loop. A pass
 * over the table then tells how many counts there are of each size.
 */
#include <math.h>

#include "dictionary.h"

/* Four counts at once, in a register of the processor. */
typedef int32_t Four __attribute__((vector_size(16)));

/* The counts that nearly all things have: they are counted four slots at once. */
enum { COMMON = 3 };

/* A table of numbers of 32 bits has at most 2 to the power of NARROW_BITS slots (it has to be near the
 * processor), and counts half as many numbers. One of 64 bits has WIDE_BITS. */
enum { FEWEST_BITS = 8, NARROW_BITS = 17, WIDE_BITS = 22 };

static int
bits_for(uint64_t number)
{
    int bits = 0;
    while (bits < 63 && UINT64_C(1) << bits < number)
        bits++;
    return bits;
}

/* Spectra */

static int
room_for(Spectrum *spectrum, size_t things)
{
    /* The common counts are added even if they came never. */
    return reserve_zeroed(&spectrum->times, (things + COMMON + 2) * sizeof(uint32_t));
}

static inline void
add_times(Spectrum *spectrum, uint32_t count, uint32_t times)
{
    ((uint32_t *)spectrum->times.at)[count] += times;
    if (times && count > spectrum->largest)
        spectrum->largest = count;
}

/* Return how many things were counted into a spectrum. */
uint64_t
things(const Spectrum *spectrum)
{
    const uint32_t *times = spectrum->times.at;
    uint64_t sum = 0;
    for (uint32_t count = 1; count <= spectrum->largest; count++)
        sum += times[count];
    return sum;
}

/* Return the effective number, and empty the spectrum. In rising order of the counts, as ngrams.effective_of. */
double
take_effective(Spectrum *spectrum)
{
    uint32_t *times = spectrum->times.at;
    uint64_t total = 0;
    double weighted = 0.0;
    for (uint32_t count = 1; count <= spectrum->largest; count++) {
        if (!times[count])
            continue;
        uint64_t together = (uint64_t)count * times[count];
        total += together;
        weighted += (double)together * log((double)count);
        times[count] = 0;
    }
    spectrum->largest = 0;
    return total ? exp(log((double)total) - weighted / (double)total) : 0.0;
}

static uint32_t
sum_of(Four parts)
{
    return (uint32_t)(parts[0] + parts[1] + parts[2] + parts[3]);
}

/* Add the counts of slots to a spectrum; `mask` is where a slot has its count. The slots are used up. */
static void
add_slots(uint32_t *slots, size_t number, uint32_t mask, Spectrum *spectrum)
{
    /* How many counts are 1, how many 2 and how many 3, each four times: a comparison that holds is -1. */
    Four ones = {0}, twos = {0}, threes = {0};
    size_t large_ones = 0;
    Four masks = {(int32_t)mask, (int32_t)mask, (int32_t)mask, (int32_t)mask};
    for (size_t at = 0; at < number; at += 16) {
        Four large = {0};
        for (size_t part = at; part < at + 16; part += 4) {
            Four counts;
            memcpy(&counts, slots + part, sizeof counts);
            counts &= masks;
            ones -= counts == 1;
            twos -= counts == 2;
            threes -= counts == 3;
            large |= counts > COMMON;
        }
        uint64_t any[2];
        memcpy(any, &large, sizeof any);
        if (!(any[0] | any[1]))
            continue;
        /* Without a branch they are put at the front, over slots that were looked at. */
        for (size_t slot = at; slot < at + 16; slot++) {
            slots[large_ones] = slots[slot] & mask;
            large_ones += slots[large_ones] > COMMON;
        }
    }
    for (size_t at = 0; at < large_ones; at++)
        add_times(spectrum, slots[at], 1);
    add_times(spectrum, 1, sum_of(ones));
    add_times(spectrum, 2, sum_of(twos));
    add_times(spectrum, 3, sum_of(threes));
}

/* Numbers of up to 32 bits */

/* Count the numbers that meet no other in their slot, move the others to the front and return how many.
 *
 * The numbers have `bits` bits, the topmost of their 32. A product with an odd number takes them to others one to
 * one: of it, the topmost bits are the slot, the others a tag, and the tag and the slot tell the number. The
 * slot keeps the tag, and below it the count.
 */
static size_t
narrow_round(uint32_t *keys, size_t number, int bits, int slot_bits, uint32_t factor, uint32_t *slots)
{
    int count_bits = 32 - (bits - slot_bits);
    uint32_t count_mask = count_bits == 32 ? UINT32_MAX : (UINT32_C(1) << count_bits) - 1;
    size_t waiting = 0;
    for (size_t at = 0; at < number; at++) {
        uint32_t hash = keys[at] * factor, tag = hash << slot_bits;
        uint32_t *slot = &slots[hash >> (32 - slot_bits)], held = *slot;
        /* A free slot is as one with this tag and a count of 0; of another's slot the tags differ. */
        uint32_t found = held | (tag & (0 - (uint32_t)(held == 0))), other = (found ^ tag) > count_mask;
        *slot = found + 1 - other;
        keys[waiting] = keys[at];
        waiting += other;
    }
    return waiting;
}

/* Count numbers of so many bits, the topmost of their 32; at most half as many as the largest table has slots. */
static int
count_narrow(uint32_t *keys, size_t number, int bits, Scratch *scratch)
{
    if (room_for(&scratch->spectrum, number) < 0)
        return -1;
    uint32_t factor = 0x9E3779B1;
    while (number) {
        int slot_bits = bits_for(2 * number);
        slot_bits = slot_bits < FEWEST_BITS ? FEWEST_BITS : slot_bits > NARROW_BITS ? NARROW_BITS : slot_bits;
        /* Of few bits all are the slot, and a count has all 32 bits. */
        bits = bits < slot_bits ? slot_bits : bits;
        size_t size = sizeof(uint32_t) << slot_bits;
        if (reserve(&scratch->table, size) < 0)
            return -1;
        uint32_t *slots = scratch->table.at;
        memset(slots, 0, size);
        number = narrow_round(keys, number, bits, slot_bits, factor, slots);
        int count_bits = 32 - (bits - slot_bits);
        uint32_t mask = count_bits == 32 ? UINT32_MAX : (UINT32_C(1) << count_bits) - 1;
        add_slots(slots, (size_t)1 << slot_bits, mask, &scratch->spectrum);
        factor = factor * 0xC2B2AE35 | 1;
    }
    return 0;
}

/* Numbers of up to 64 bits */

static size_t
wide_round(uint64_t *keys, size_t number, int slot_bits, uint64_t factor, uint64_t *held, uint32_t *counts)
{
    size_t waiting = 0;
    for (size_t at = 0; at < number; at++) {
        uint64_t key = keys[at], slot = key * factor >> (64 - slot_bits), owner = held[slot];
        uint32_t count = counts[slot];
        uint64_t other = (count != 0) & (owner != key);
        held[slot] = key ^ ((key ^ owner) & (0 - other));
        counts[slot] = count + 1 - (uint32_t)other;
        keys[waiting] = key;
        waiting += other;
    }
    return waiting;
}

static int
count_wide(uint64_t *keys, size_t number, Scratch *scratch)
{
    if (room_for(&scratch->spectrum, number) < 0)
        return -1;
    uint64_t factor = PRIME;
    while (number) {
        int slot_bits = bits_for(2 * number);
        slot_bits = slot_bits < FEWEST_BITS ? FEWEST_BITS : slot_bits > WIDE_BITS ? WIDE_BITS : slot_bits;
        if (reserve(&scratch->table, sizeof(uint32_t) << slot_bits) < 0)
            return -1;
        if (reserve(&scratch->table_keys, sizeof(uint64_t) << slot_bits) < 0)
            return -1;
        uint32_t *counts = scratch->table.at;
        memset(counts, 0, sizeof(uint32_t) << slot_bits);
        number = wide_round(keys, number, slot_bits, factor, scratch->table_keys.at, counts);
        add_slots(counts, (size_t)1 << slot_bits, UINT32_MAX, &scratch->spectrum);
        factor *= OTHER_PRIME;
    }
    return 0;
}

/* Count how many different numbers there are; their order is lost. */
int
count_distinct(uint64_t *keys, size_t number, Scratch *scratch, uint64_t *distinct)
{
    if (count_wide(keys, number, scratch) < 0)
        return -1;
    *distinct = things(&scratch->spectrum);
    take_effective(&scratch->spectrum);
    return 0;
}

/* Give each two neighbours a number, so that as many things as there may be have a key of 64 bits. */
static int
number_pairs(const uint32_t *items, size_t number, uint32_t *pairs, Scratch *scratch)
{
    if (start_dictionary(&scratch->pairs, number, (const uint8_t *)"") < 0)
        return -1;
    for (size_t at = 0; at + 1 < number; at++) {
        /* The topmost byte of a key that is no hash is below HASHED: there are fewer items. */
        uint64_t key = (uint64_t)items[at] << 32 | items[at + 1];
        pairs[at] = number_of(&scratch->pairs, key, 0, 0);
        if (pairs[at] == NONE)
            return -1;
    }
    return 0;
}

/* Count runs of `order` neighbours, four at most, of items that are numbers below `kinds`. */
static int
count_runs(const uint32_t *items, size_t number, int order, size_t kinds, Scratch *scratch)
{
    if (number < (size_t)order)
        return 0;
    size_t runs = number - (size_t)order + 1;
    int each = bits_for(kinds), bits = each * order;
    if (reserve(&scratch->keys, (number + 1) * sizeof(uint64_t)) < 0)
        return -1;
    if (bits <= 32 && runs <= (size_t)1 << (NARROW_BITS - 1)) {
        bits = bits ? bits : 1;
        uint32_t *keys = scratch->keys.at, key = 0;
        for (size_t at = 0; at < number; at++) {
            key = key << each | items[at];
            if (at + 1 >= (size_t)order)
                keys[at + 1 - (size_t)order] = key << (32 - bits);
        }
        return count_narrow(keys, runs, bits, scratch);
    }
    uint64_t *keys = scratch->keys.at;
    if (bits <= 64) {
        uint64_t key = 0, mask = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
        for (size_t at = 0; at < number; at++) {
            key = (key << each | items[at]) & mask;
            if (at + 1 >= (size_t)order)
                keys[at + 1 - (size_t)order] = key;
        }
        return count_wide(keys, runs, scratch);
    }
    /* Three or four: the first two, and the last one or two. */
    if (reserve(&scratch->pair_numbers, number * sizeof(uint32_t)) < 0)
        return -1;
    uint32_t *pairs = scratch->pair_numbers.at;
    if (number_pairs(items, number, pairs, scratch) < 0)
        return -1;
    for (size_t at = 0; at < runs; at++)
        keys[at] = (uint64_t)pairs[at] << 32 | (order == 4 ? pairs[at + 2] : items[at + 2]);
    return count_wide(keys, runs, scratch);
}

int
count_bigrams(Scratch *scratch)
{
    return count_runs(scratch->ids.at, scratch->tokens, 2, scratch->kinds.count, scratch);
}

int
count_trigrams(Scratch *scratch)
{
    return count_runs(scratch->ids.at, scratch->tokens, 3, scratch->kinds.count, scratch);
}

/* Runs of four characters */

static int
count_runs_of_ascii(Scratch *scratch)
{
    const uint8_t *bytes = scratch->bytes.at;
    size_t runs = scratch->characters - 3;
    if (reserve(&scratch->keys, runs * sizeof(uint64_t)) < 0)
        return -1;
    /* Four bytes are a number as they are. */
    if (runs <= (size_t)1 << (NARROW_BITS - 1)) {
        uint32_t *keys = scratch->keys.at;
        for (size_t at = 0; at < runs; at++)
            memcpy(&keys[at], bytes + at, sizeof *keys);
        return count_narrow(keys, runs, 32, scratch);
    }
    uint64_t *keys = scratch->keys.at;
    for (size_t at = 0; at < runs; at++) {
        uint32_t key;
        memcpy(&key, bytes + at, sizeof key);
        keys[at] = key;
    }
    return count_wide(keys, runs, scratch);
}

/* Replace each character by its number among those of the text, and return how many there are. */
static uint32_t
number_characters(const uint32_t *codes, size_t length, uint32_t *alphabet, uint32_t *numbers)
{
    uint32_t kinds = 0;
    for (size_t at = 0; at < length; at++) {
        uint32_t *number = &alphabet[codes[at] & CODE_MASK];
        if (!*number)
            *number = ++kinds;
        numbers[at] = *number - 1;
    }
    for (size_t at = 0; at < length; at++)
        alphabet[codes[at] & CODE_MASK] = 0;
    return kinds;
}

int
count_runs_of_four(Scratch *scratch)
{
    if (scratch->characters < 4)
        return 0;
    if (scratch->is_ascii)
        return count_runs_of_ascii(scratch);
    /* No code point is larger than all bits of all together. */
    uint32_t bits = 0;
    const uint32_t *codes = scratch->codes.at;
    for (size_t at = 0; at < scratch->characters; at++)
        bits |= codes[at] & CODE_MASK;
    if (reserve_zeroed(&scratch->alphabet, (bits + 1) * sizeof(uint32_t)) < 0)
        return -1;
    if (reserve(&scratch->positions, scratch->characters * sizeof(uint32_t)) < 0)
        return -1;
    uint32_t *numbers = scratch->positions.at;
    uint32_t kinds = number_characters(codes, scratch->characters, scratch->alphabet.at, numbers);
    return count_runs(numbers, scratch->characters, 4, kinds, scratch);
}
