/* Tokens by their keys: a table whose size is a power of two, at most half full, with linear probing. */
#ifndef COHERENCE_DICTIONARY_H
#define COHERENCE_DICTIONARY_H

#include <string.h>

#include "core.h"

#define PRIME UINT64_C(0x9E3779B97F4A7C15)
#define OTHER_PRIME UINT64_C(0xC2B2AE3D27D4EB4F)
#define NONE UINT32_MAX

/* Bytes that may be read after a text, which is searched for tokens 64 bytes at a time and in the next 64. */
enum { AHEAD = 128 };

/* The topmost byte of a key is the size of the token, or this if the token does not fit into the key. */
#define HASHED UINT64_C(0xFF)

/* Return up to eight bytes as a number, the first one lowest. */
static inline uint64_t
load(const uint8_t *bytes, size_t size)
{
    uint64_t loaded;
    memcpy(&loaded, bytes, 8);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    loaded = __builtin_bswap64(loaded);
#endif
    return size < 8 ? loaded & ((UINT64_C(1) << 8 * size) - 1) : loaded;
}

/* Return how many characters UTF-8 has: continuation bytes are not counted. */
static inline size_t
characters_of(const uint8_t *bytes, size_t size)
{
    size_t characters = 0;
    for (size_t at = 0; at < size; at++)
        characters += (bytes[at] & 0xC0) != 0x80;
    return characters;
}

/* Return the key of a token: itself if it has fewer than eight bytes, else a hash. */
static inline uint64_t
key_of(const uint8_t *bytes, size_t size)
{
    if (size < 8)
        return load(bytes, size) | (uint64_t)size << 56;
    uint64_t hash = size;
    for (size_t at = 0; at < size; at += 8) {
        hash = (hash ^ load(bytes + at, size - at)) * PRIME;
        hash ^= hash >> 32;
    }
    return hash | HASHED << 56;
}

static inline size_t
slot_of(const Dictionary *dictionary, uint64_t key)
{
    return key * PRIME >> (64 - dictionary->bits);
}

static inline int
is_taken(const Dictionary *dictionary, const Slot *slot)
{
    return slot->use == dictionary->use;
}

/* Return the slot of a token, or the free slot that it would get. */
static inline Slot *
find_slot(const Dictionary *dictionary, uint64_t key, const uint8_t *bytes, size_t size)
{
    Slot *slots = dictionary->slots.at;
    size_t mask = ((size_t)1 << dictionary->bits) - 1;
    size_t at = slot_of(dictionary, key);
    for (; is_taken(dictionary, &slots[at]); at = (at + 1) & mask) {
        if (slots[at].key != key)
            continue;
        if (key >> 56 != HASHED)
            return &slots[at];
        const uint32_t *places = dictionary->places.at, *sizes = dictionary->sizes.at;
        uint32_t held = slots[at].number;
        if (sizes[held] == size && memcmp(dictionary->bytes + places[held], bytes, size) == 0)
            return &slots[at];
    }
    return &slots[at];
}

static inline uint32_t
find(const Dictionary *dictionary, uint64_t key, const uint8_t *bytes, size_t size)
{
    if (!dictionary->count)
        return NONE;
    const Slot *slot = find_slot(dictionary, key, bytes, size);
    return is_taken(dictionary, slot) ? slot->number : NONE;
}

int start_dictionary(Dictionary *dictionary, size_t expected, const uint8_t *bytes);
int grow_dictionary(Dictionary *dictionary);
void free_dictionary(Dictionary *dictionary);

/* Return the number of the token at `place` of the bytes, a new number if it is new; NONE if there is no
 * memory. */
static inline uint32_t
number_of(Dictionary *dictionary, uint64_t key, uint32_t place, uint32_t size)
{
    Slot *slot = find_slot(dictionary, key, dictionary->bytes + place, size);
    if (is_taken(dictionary, slot))
        return slot->number;
    if (2 * (size_t)(dictionary->count + 1) > (size_t)1 << dictionary->bits) {
        if (grow_dictionary(dictionary) < 0)
            return NONE;
        slot = find_slot(dictionary, key, dictionary->bytes + place, size);
    }
    uint32_t number = dictionary->count++;
    *slot = (Slot){key, number, dictionary->use};
    ((uint64_t *)dictionary->keys.at)[number] = key;
    ((uint32_t *)dictionary->places.at)[number] = place;
    ((uint32_t *)dictionary->sizes.at)[number] = size;
    return number;
}

#endif
