/* The word list: which tokens are English, as in lexicon.py. */
#include "dictionary.h"

/* The most bytes of a token. */
enum { MOST_BYTES = 4 * LONGEST_WORD };

/* Add a word unless it is there; set `number` to its number. */
int
add_word(Words *words, const uint8_t *bytes, size_t size, uint32_t *number)
{
    size_t used = 0;
    if (words->dictionary.count) {
        uint32_t last = words->dictionary.count - 1;
        used = ((uint32_t *)words->dictionary.places.at)[last] + ((uint32_t *)words->dictionary.sizes.at)[last];
    } else if (!words->dictionary.slots.at && start_dictionary(&words->dictionary, 0, NULL) < 0) {
        return -1;
    }
    if (extend(&words->arena, used + size + PADDING) < 0)
        return -1;
    uint8_t *arena = words->arena.at;
    memcpy(arena + used, bytes, size);
    words->dictionary.bytes = arena;
    *number = number_of(&words->dictionary, key_of(arena + used, size), (uint32_t)used, (uint32_t)size);
    return *number == NONE ? -1 : 0;
}

void
free_words(Words *words)
{
    free_dictionary(&words->dictionary);
    release(&words->arena);
}

static int
is_listed(const Words *words, const uint8_t *bytes, size_t size)
{
    return find(&words->dictionary, key_of(bytes, size), bytes, size) != NONE;
}

/* Return whether a token with joints is a possessive or a compound: Lexicon._contains_joined. */
static int
is_listed_joined(const Words *words, const uint8_t *token, size_t token_size)
{
    uint8_t bytes[MOST_BYTES + PADDING];
    size_t size = 0;
    int compound = 0;
    for (size_t at = 0; at < token_size; at++) {
        int curly = at + 2 < token_size && memcmp(token + at, "\xE2\x80\x99", 3) == 0;
        bytes[size++] = curly ? '\'' : token[at];
        compound |= token[at] == '-';
        at += curly ? 2 : 0;
    }
    memset(bytes + size, 0, PADDING);
    if (size > 2 && memcmp(bytes + size - 2, "'s", 2) == 0)
        size -= 2;
    if (is_listed(words, bytes, size))
        return 1;
    size_t first = 0;
    for (size_t at = 0; at <= size; at++) {
        if (at < size && bytes[at] != '-')
            continue;
        if (!is_listed(words, bytes + first, at - first))
            return 0;
        first = at + 1;
    }
    return compound;
}

enum { NOT_KNOWN, KNOWN, TO_BE_ASKED };
#define LISTED (UINT64_C(1) << 63)

static inline uint64_t *
place_of(Remembered *remembered, uint64_t key)
{
    return &remembered->keys[key * PRIME >> (64 - REMEMBERED_BITS)];
}

static inline uint8_t
recall(Remembered *remembered, uint64_t key)
{
    uint64_t held = *place_of(remembered, key);
    return (held & ~LISTED) != key ? TO_BE_ASKED : held & LISTED ? KNOWN : NOT_KNOWN;
}

static uint8_t
ask(Scratch *scratch, const Words *words, uint32_t kind)
{
    const Dictionary *kinds = &scratch->kinds;
    uint64_t key = ((const uint64_t *)kinds->keys.at)[kind];
    const uint8_t *bytes = kinds->bytes + ((const uint32_t *)kinds->places.at)[kind];
    size_t size = ((const uint32_t *)kinds->sizes.at)[kind];
    int known = find(&words->dictionary, key, bytes, size) != NONE;
    if (!known && ((const uint8_t *)scratch->kind_classes.at)[kind] & JOINED)
        known = is_listed_joined(words, bytes, size);
    if (key >> 56 != HASHED) /* a hash may be that of another token */
        *place_of(&scratch->remembered, key) = key | (known ? LISTED : 0);
    return (uint8_t)known;
}

/* Note whether each distinct token is English. */
void
find_known(Scratch *scratch, const Words *words)
{
    const uint64_t *keys = scratch->kinds.keys.at;
    uint32_t kinds = scratch->kinds.count;
    uint8_t *known = scratch->kind_known.at;
    if (scratch->remembered.list != words->list) {
        memset(&scratch->remembered, 0, sizeof scratch->remembered);
        scratch->remembered.list = words->list;
    }
    /* All first slots are prefetched before the first is read. */
    const Slot *slots = words->dictionary.slots.at;
    for (uint32_t kind = 0; kind < kinds; kind++) {
        known[kind] = recall(&scratch->remembered, keys[kind]);
        if (known[kind] == TO_BE_ASKED && slots)
            __builtin_prefetch(&slots[slot_of(&words->dictionary, keys[kind])]);
    }
    for (uint32_t kind = 0; kind < kinds; kind++) {
        if (known[kind] == TO_BE_ASKED)
            known[kind] = ask(scratch, words, kind);
    }
}
