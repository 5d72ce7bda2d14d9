/* The word list: which tokens are English, as in lexicon.py. */
#include "dictionary.h"

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

/* Return whether a word list has a token; with joints it may also be a possessive or a compound. */
int
is_known(const List *list, const uint8_t *bytes, size_t size, int joined)
{
    return is_listed(&list->words, bytes, size) || (joined && is_listed_joined(&list->words, bytes, size));
}
