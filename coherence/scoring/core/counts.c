/* How often things occur: frequency spectra as in ngrams.py, and the effective number of the counted things.
 *
 * Things are numbers. First each number is written into its slot of a table, over those that were there; then it is
 * counted if its slot still holds it, and else waits for the next round, which has another hash. So the loops have
 * no branch that depends on the text: a mispredicted branch costs more than the rest of the loop. A pass over the
 * counts then finds how many there are of each size.
 */
#include <math.h>

#include "dictionary.h"

/* The counts that are processed at once. */
typedef uint16_t Eight __attribute__((vector_size(16)));

/* The counts that nearly all things have: eight slots at a time are searched for them. */
enum { COMMON = 3 };
static const Eight OVER_COMMON = {0xFFFC, 0xFFFC, 0xFFFC, 0xFFFC, 0xFFFC, 0xFFFC, 0xFFFC, 0xFFFC};

/* Numbers of 32 bits have counts of 16 bits, and a table of at most 2 to the power of NARROW_BITS slots fits into the
 * processor's cache; for numbers of 64 bits a table has WIDE_BITS. */
enum { FEWEST_BITS = 8, NARROW_BITS = 16, WIDE_BITS = 22, MOST_NARROW = UINT16_MAX };

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
    /* The common counts are added even if they are 0. */
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

static double
logarithm(Spectrum *spectrum, uint32_t count)
{
    if (count >= SMALL)
        return log((double)count);
    if (count > 1 && spectrum->logarithms[count] == 0.0)
        spectrum->logarithms[count] = log((double)count);
    return spectrum->logarithms[count];
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
        weighted += (double)together * logarithm(spectrum, count);
        times[count] = 0;
    }
    spectrum->largest = 0;
    return total ? exp(log((double)total) - weighted / (double)total) : 0.0;
}

/* Add counts of 16 bits to a spectrum; their number is a multiple of 8. They are overwritten; `places` has room for a
 * number for every eight. */
static void
add_counts(uint16_t *counts, size_t number, uint32_t *places, Spectrum *spectrum)
{
    /* How many counts are 1, how many 2 and how many 3, in eight lanes each: a true comparison is -1. */
    Eight ones = {0}, twos = {0}, threes = {0};
    size_t noted = 0, large = 0;
    for (size_t at = 0; at < number; at += 8) {
        Eight eight;
        memcpy(&eight, counts + at, sizeof eight);
        ones -= (Eight)(eight == 1);
        twos -= (Eight)(eight == 2);
        threes -= (Eight)(eight == 3);
        uint64_t any[2];
        Eight others = eight & OVER_COMMON;
        memcpy(any, &others, sizeof any);
        places[noted] = (uint32_t)at;
        noted += (any[0] | any[1]) != 0;
    }
    /* The larger ones are moved to the front, over counts that are done. */
    for (size_t eight = 0; eight < noted; eight++) {
        for (size_t slot = places[eight]; slot < places[eight] + 8; slot++) {
            counts[large] = counts[slot];
            large += counts[large] > COMMON;
        }
    }
    for (size_t at = 0; at < large; at++)
        add_times(spectrum, counts[at], 1);
    uint32_t sums[COMMON + 1] = {0};
    for (int part = 0; part < 8; part++) {
        sums[1] += ones[part];
        sums[2] += twos[part];
        sums[3] += threes[part];
    }
    for (uint32_t count = 1; count <= COMMON; count++)
        add_times(spectrum, count, sums[count]);
}

/* Numbers of up to 32 bits */

/* Return a number that is at any place. */
static inline uint32_t
key_at(const uint8_t *from, size_t at)
{
    uint32_t key;
    memcpy(&key, from + at, sizeof key);
    return key;
}

/* Count numbers, each `stride` bytes after the one before; write those that have to wait to `keys`, and return how many
 * they are. `slots` is a power of two. */
static inline size_t
narrow_round(
    const uint8_t *from, size_t stride, size_t number, uint32_t *keys, uint64_t slots, uint32_t factor, uint32_t *places,
    uint32_t *held, uint16_t *counts
)
{
    for (size_t at = 0; at < number; at++) {
        /* The topmost bits of the product: their number is not known to the compiler, and a variable shift is slow. */
        uint32_t key = key_at(from, at * stride), place = (uint32_t)((uint32_t)(key * factor) * slots >> 32);
        places[at] = place;
        held[place] = key;
    }
    size_t waiting = 0;
    for (size_t at = 0; at < number; at++) {
        uint32_t key = key_at(from, at * stride), place = places[at], own = held[place] == key;
        counts[place] = (uint16_t)(counts[place] + own);
        keys[waiting] = key;
        waiting += !own;
    }
    return waiting;
}

/* Count numbers of 32 bits, at most MOST_NARROW of them, each `stride` bytes after the one before: that is 1 if they
 * overlap, else their size. */
static int
count_narrow(const uint8_t *from, size_t stride, size_t number, Scratch *scratch)
{
    if (room_for(&scratch->spectrum, number) < 0)
        return -1;
    if (reserve(&scratch->keys, number * sizeof(uint32_t)) < 0)
        return -1;
    if (reserve(&scratch->places, number * sizeof(uint32_t)) < 0)
        return -1;
    for (uint32_t factor = 0x9E3779B1; number; factor = factor * 0xC2B2AE35 | 1) {
        size_t slots = (size_t)1 << FEWEST_BITS;
        while (slots < 2 * number && slots < (size_t)1 << NARROW_BITS)
            slots *= 2;
        if (reserve(&scratch->table, slots * sizeof(uint16_t)) < 0)
            return -1;
        if (reserve(&scratch->table_keys, slots * sizeof(uint32_t)) < 0)
            return -1;
        uint32_t *keys = scratch->keys.at, *places = scratch->places.at, *held = scratch->table_keys.at;
        uint16_t *counts = memset(scratch->table.at, 0, slots * sizeof *counts);
        number = stride == 1 ? narrow_round(from, 1, number, keys, slots, factor, places, held, counts)
                             : narrow_round(from, sizeof *keys, number, keys, slots, factor, places, held, counts);
        add_counts(counts, slots, held, &scratch->spectrum);
        from = scratch->keys.at;
        stride = sizeof *keys;
    }
    return 0;
}

/* Numbers of up to 64 bits */

static size_t
wide_round(uint64_t *keys, size_t number, int slot_bits, uint64_t factor, uint64_t *held, uint32_t *counts)
{
    size_t waiting = 0;
    for (size_t at = 0; at < number; at++)
        held[keys[at] * factor >> (64 - slot_bits)] = keys[at];
    for (size_t at = 0; at < number; at++) {
        uint64_t key = keys[at], slot = key * factor >> (64 - slot_bits);
        uint32_t own = held[slot] == key;
        counts[slot] += own;
        keys[waiting] = key;
        waiting += !own;
    }
    return waiting;
}

static int
count_wide(uint64_t *keys, size_t number, Scratch *scratch)
{
    if (room_for(&scratch->spectrum, number) < 0)
        return -1;
    for (uint64_t factor = PRIME; number; factor *= OTHER_PRIME) {
        int slot_bits = bits_for(2 * number);
        slot_bits = slot_bits < FEWEST_BITS ? FEWEST_BITS : slot_bits > WIDE_BITS ? WIDE_BITS : slot_bits;
        size_t slots = (size_t)1 << slot_bits;
        if (reserve(&scratch->table, slots * sizeof(uint32_t)) < 0)
            return -1;
        if (reserve(&scratch->table_keys, slots * sizeof(uint64_t)) < 0)
            return -1;
        uint32_t *counts = scratch->table.at;
        memset(counts, 0, slots * sizeof *counts);
        number = wide_round(keys, number, slot_bits, factor, scratch->table_keys.at, counts);
        for (size_t slot = 0; slot < slots; slot++)
            add_times(&scratch->spectrum, counts[slot], counts[slot] > 0);
    }
    return 0;
}

/* Give each pair of neighbours a number, so that a key of 64 bits is enough for any number of things. */
static int
number_pairs(const uint32_t *items, size_t number, uint32_t *pairs, Scratch *scratch)
{
    if (start_dictionary(&scratch->pairs, number, (const uint8_t *)"") < 0)
        return -1;
    for (size_t at = 0; at + 1 < number; at++) {
        /* The topmost byte of a key that is not a hash is below HASHED, because there are fewer items. */
        uint64_t key = (uint64_t)items[at] << 32 | items[at + 1];
        pairs[at] = number_of(&scratch->pairs, key, 0, 0);
        if (pairs[at] == NONE)
            return -1;
    }
    return 0;
}

/* Return whether runs of `order` numbers below `kinds` are less than 2 to the power of 32. */
static int
fits_narrow(uint64_t kinds, int order)
{
    uint64_t runs = kinds;
    for (int more = 1; more < order && runs <= UINT32_MAX; more++)
        runs *= kinds;
    return runs <= UINT32_MAX;
}

/* Count runs of `order` neighbours, at most four, of items that are numbers below `kinds`. */
static int
count_runs(const uint32_t *items, size_t number, int order, size_t kinds, Scratch *scratch)
{
    if (number < (size_t)order)
        return 0;
    size_t runs = number - (size_t)order + 1;
    int each = bits_for(kinds), bits = each * order;
    if (reserve(&scratch->keys, (number + 1) * sizeof(uint64_t)) < 0)
        return -1;
    if (fits_narrow(kinds, order) && runs <= MOST_NARROW) {
        uint32_t *keys = scratch->keys.at;
        for (size_t at = 0; at < runs; at++) {
            uint32_t key = 0;
            for (int ahead = 0; ahead < order; ahead++)
                key = key * (uint32_t)kinds + items[at + (size_t)ahead];
            keys[at] = key;
        }
        return count_narrow(scratch->keys.at, sizeof *keys, runs, scratch);
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
    /* Of three or four items: the first two, and the last one or two. */
    if (reserve(&scratch->pair_numbers, number * sizeof(uint32_t)) < 0)
        return -1;
    uint32_t *pairs = scratch->pair_numbers.at;
    if (number_pairs(items, number, pairs, scratch) < 0)
        return -1;
    for (size_t at = 0; at < runs; at++)
        keys[at] = (uint64_t)pairs[at] << 32 | (order == 4 ? pairs[at + 2] : items[at + 2]);
    return count_wide(keys, runs, scratch);
}

/* Count the different pairs of numbers below `kinds`, each pair in one number of 64 bits. */
int
count_distinct_pairs(uint64_t *pairs, size_t number, size_t kinds, Scratch *scratch, uint64_t *distinct)
{
    int failed;
    if (fits_narrow(kinds, 2) && number <= MOST_NARROW) {
        if (reserve(&scratch->keys, number * sizeof(uint32_t)) < 0)
            return -1;
        uint32_t *keys = scratch->keys.at;
        for (size_t at = 0; at < number; at++)
            keys[at] = (uint32_t)(pairs[at] >> 32) * (uint32_t)kinds + (uint32_t)pairs[at];
        failed = count_narrow(scratch->keys.at, sizeof *keys, number, scratch);
    } else {
        failed = count_wide(pairs, number, scratch);
    }
    if (failed < 0)
        return -1;
    *distinct = things(&scratch->spectrum);
    take_effective(&scratch->spectrum);
    return 0;
}

int
count_bigrams(Scratch *scratch)
{
    return count_runs(scratch->ids.at, scratch->tokens, 2, scratch->kinds, scratch);
}

int
count_trigrams(Scratch *scratch)
{
    return count_runs(scratch->ids.at, scratch->tokens, 3, scratch->kinds, scratch);
}

/* Character 4-grams */

static int
count_runs_of_bytes(Scratch *scratch)
{
    const uint8_t *bytes = scratch->bytes.at;
    size_t runs = scratch->characters - 3;
    /* Four bytes are already a number. */
    if (runs <= MOST_NARROW)
        return count_narrow(bytes, 1, runs, scratch);
    if (reserve(&scratch->keys, runs * sizeof(uint64_t)) < 0)
        return -1;
    uint64_t *keys = scratch->keys.at;
    for (size_t at = 0; at < runs; at++)
        keys[at] = key_at(bytes, at);
    return count_wide(keys, runs, scratch);
}

/* Replace each character by its number in the text, and return how many different ones there are. */
static uint32_t
number_characters(const uint32_t *codes, size_t length, uint32_t *numbers_of_codes, uint32_t *numbers)
{
    uint32_t kinds = 0;
    for (size_t at = 0; at < length; at++) {
        uint32_t *number = &numbers_of_codes[codes[at] & CODE_MASK];
        if (!*number)
            *number = ++kinds;
        numbers[at] = *number - 1;
    }
    for (size_t at = 0; at < length; at++)
        numbers_of_codes[codes[at] & CODE_MASK] = 0;
    return kinds;
}

int
count_runs_of_four(Scratch *scratch)
{
    if (scratch->characters < 4)
        return 0;
    if (scratch->in_bytes)
        return count_runs_of_bytes(scratch);
    /* No code point exceeds the bitwise or of all. */
    uint32_t bits = 0;
    const uint32_t *codes = scratch->codes.at;
    for (size_t at = 0; at < scratch->characters; at++)
        bits |= codes[at] & CODE_MASK;
    if (reserve_zeroed(&scratch->numbers_of_codes, (bits + 1) * sizeof(uint32_t)) < 0)
        return -1;
    if (reserve(&scratch->positions, scratch->characters * sizeof(uint32_t)) < 0)
        return -1;
    uint32_t *numbers = scratch->positions.at;
    uint32_t kinds = number_characters(codes, scratch->characters, scratch->numbers_of_codes.at, numbers);
    return count_runs(numbers, scratch->characters, 4, kinds, scratch);
}
