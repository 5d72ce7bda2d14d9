/* Buffers and dictionaries: everything that allocates. */
#include <stdlib.h>

#include "dictionary.h"

int
replace_buffer(Buffer *buffer, size_t bytes, int zeroed)
{
    release(buffer);
    buffer->at = zeroed ? calloc(bytes, 1) : malloc(bytes);
    if (buffer->at == NULL)
        return -1;
    buffer->bytes = bytes;
    return 0;
}

int
grow_buffer(Buffer *buffer, size_t bytes)
{
    void *grown = realloc(buffer->at, 2 * bytes);
    if (grown == NULL)
        return -1;
    *buffer = (Buffer){grown, 2 * bytes};
    return 0;
}

void
release(Buffer *buffer)
{
    free(buffer->at);
    *buffer = (Buffer){NULL, 0};
}

/* Make room for tokens, half as many as there are slots. */
static int
make_room(Dictionary *dictionary)
{
    size_t most = (size_t)1 << (dictionary->bits - 1);
    if (extend(&dictionary->keys, most * sizeof(uint64_t)) < 0)
        return -1;
    if (extend(&dictionary->places, most * sizeof(uint32_t)) < 0)
        return -1;
    return extend(&dictionary->sizes, most * sizeof(uint32_t));
}

/* Empty a dictionary, and make it large enough for the expected number of tokens. */
int
start_dictionary(Dictionary *dictionary, size_t expected, const uint8_t *bytes)
{
    dictionary->bits = 4;
    while ((size_t)1 << dictionary->bits < 2 * expected)
        dictionary->bits++;
    dictionary->count = 0;
    dictionary->bytes = bytes;
    if (reserve_zeroed(&dictionary->slots, sizeof(Slot) << dictionary->bits) < 0)
        return -1;
    if (++dictionary->use == 0) { /* the number of uses has overflowed */
        memset(dictionary->slots.at, 0, dictionary->slots.bytes);
        dictionary->use = 1;
    }
    return make_room(dictionary);
}

int
grow_dictionary(Dictionary *dictionary)
{
    Buffer old = dictionary->slots;
    size_t slots = (size_t)1 << dictionary->bits;
    int bits = dictionary->bits + 1;
    Buffer grown = {NULL, 0};
    if (reserve_zeroed(&grown, sizeof(Slot) << bits) < 0)
        return -1;
    dictionary->slots = grown;
    dictionary->bits = bits;
    Slot *from = old.at, *to = grown.at;
    for (size_t at = 0; at < slots; at++) {
        if (!is_taken(dictionary, &from[at]))
            continue;
        size_t slot = slot_of(dictionary, from[at].key);
        while (is_taken(dictionary, &to[slot]))
            slot = (slot + 1) & (2 * slots - 1);
        to[slot] = from[at];
    }
    release(&old);
    return make_room(dictionary);
}

void
free_dictionary(Dictionary *dictionary)
{
    release(&dictionary->slots);
    release(&dictionary->keys);
    release(&dictionary->places);
    release(&dictionary->sizes);
}
