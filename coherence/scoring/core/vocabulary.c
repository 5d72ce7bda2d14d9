/* The tokens of earlier texts, and what is known of them. */
#include "dictionary.h"

/* Append a character to UTF-8; lone surrogates are encoded like characters. */
uint8_t *
put_utf8(uint8_t *to, uint32_t code)
{
    if (code < 0x80) {
        *to++ = (uint8_t)code;
    } else if (code < 0x800) {
        *to++ = (uint8_t)(0xC0 | code >> 6);
        *to++ = (uint8_t)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *to++ = (uint8_t)(0xE0 | code >> 12);
        *to++ = (uint8_t)(0x80 | (code >> 6 & 63));
        *to++ = (uint8_t)(0x80 | (code & 63));
    } else {
        *to++ = (uint8_t)(0xF0 | code >> 18);
        *to++ = (uint8_t)(0x80 | (code >> 12 & 63));
        *to++ = (uint8_t)(0x80 | (code >> 6 & 63));
        *to++ = (uint8_t)(0x80 | (code & 63));
    }
    return to;
}

/* Begin a text whose tokens are in this alphabet. The vocabulary is emptied if its tokens are in another one, or if it
 * is large. */
int
start_vocabulary(Scratch *scratch, Vocabulary *vocabulary, uint64_t alphabet)
{
    scratch->vocabulary = vocabulary;
    if (++scratch->text == 0) { /* the number has overflowed */
        forget(scratch);
        scratch->text = 1;
    }
    Dictionary *dictionary = &vocabulary->words.dictionary;
    if (dictionary->slots.at && vocabulary->alphabet == alphabet && dictionary->count <= MOST_SEEN)
        return 0;
    vocabulary->alphabet = alphabet;
    vocabulary->asked = 0;
    return start_dictionary(dictionary, MOST_SEEN, vocabulary->words.arena.at);
}

/* Add a token that is not in the vocabulary. */
int
add_seen(Vocabulary *vocabulary, const uint8_t *bytes, size_t size, uint32_t *number)
{
    if (add_word(&vocabulary->words, bytes, size, number) < 0)
        return -1;
    if (extend(&vocabulary->seen, (*number + (size_t)1) * sizeof(Seen)) < 0)
        return -1;
    ((Seen *)vocabulary->seen.at)[*number] = (Seen){0};
    return 0;
}

/* Return a token as UTF-8, the encoding of word lists, and set its size. `room` is for MOST_BYTES and PADDING. */
const uint8_t *
spelled(const Vocabulary *vocabulary, const Alphabet *alphabet, uint32_t number, uint8_t *room, size_t *size)
{
    const Dictionary *dictionary = &vocabulary->words.dictionary;
    const uint8_t *bytes = dictionary->bytes + ((const uint32_t *)dictionary->places.at)[number];
    *size = ((const uint32_t *)dictionary->sizes.at)[number];
    if (vocabulary->alphabet == UTF8)
        return bytes;
    uint8_t *end = room;
    for (size_t at = 0; at < *size; at++)
        end = put_utf8(end, bytes[at] < FIRST_OWN ? bytes[at] : alphabet->codes[bytes[at] - FIRST_OWN]);
    memset(end, 0, PADDING);
    *size = (size_t)(end - room);
    return room;
}

/* Note whether the tokens of a vocabulary that were not looked up yet are English. */
void
find_known(Vocabulary *vocabulary, const Alphabet *alphabet, const List *list)
{
    const Dictionary *dictionary = &vocabulary->words.dictionary, *listed = &list->words.dictionary;
    const uint64_t *keys = dictionary->keys.at;
    Seen *seen = vocabulary->seen.at;
    /* All first slots are prefetched before the first is read: the list is too large for the caches. */
    const Slot *slots = listed->slots.at;
    for (uint32_t number = vocabulary->asked; slots && number < dictionary->count; number++)
        __builtin_prefetch(&slots[slot_of(listed, keys[number])]);
    for (; vocabulary->asked < dictionary->count; vocabulary->asked++) {
        uint8_t room[MOST_BYTES + PADDING];
        size_t size;
        const uint8_t *bytes = spelled(vocabulary, alphabet, vocabulary->asked, room, &size);
        Seen *token = &seen[vocabulary->asked];
        token->known = (uint8_t)is_known(list, bytes, size, token->classes & JOINED);
    }
}

/* Copy what is known of each kind of token of the text. */
int
describe_kinds(Scratch *scratch)
{
    if (reserve(&scratch->kind_classes, scratch->kinds + 1) < 0)
        return -1;
    if (reserve(&scratch->kind_known, scratch->kinds + 1) < 0)
        return -1;
    const Seen *seen = scratch->vocabulary->seen.at;
    const uint32_t *numbers = scratch->kind_numbers.at;
    uint8_t *classes = scratch->kind_classes.at, *known = scratch->kind_known.at;
    for (uint32_t kind = 0; kind < scratch->kinds; kind++) {
        classes[kind] = seen[numbers[kind]].classes;
        known[kind] = seen[numbers[kind]].known;
    }
    return 0;
}

/* Forget earlier texts. */
void
forget(Scratch *scratch)
{
    scratch->own.number = 0;
    free_vocabulary(&scratch->ascii);
    free_vocabulary(&scratch->others);
}

void
free_vocabulary(Vocabulary *vocabulary)
{
    free_words(&vocabulary->words);
    release(&vocabulary->seen);
    *vocabulary = (Vocabulary){0};
}
