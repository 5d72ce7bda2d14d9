/* Text to tokens: case folding and what text.tokenize does. */
#include "dictionary.h"

/* Note a token that lies at `place` of the bytes, of this class. */
static inline int
add_token(Scratch *scratch, uint32_t place, uint32_t size, uint8_t class)
{
    Dictionary *kinds = &scratch->kinds;
    uint32_t before = kinds->count;
    uint32_t id = number_of(kinds, key_of(kinds->bytes + place, size), place, size);
    if (kinds->count != before) {
        if (extend(&scratch->kind_classes, kinds->count) < 0)
            return -1;
        if (extend(&scratch->kind_counts, kinds->count * sizeof(uint32_t)) < 0)
            return -1;
        ((uint8_t *)scratch->kind_classes.at)[id] = class;
        ((uint32_t *)scratch->kind_counts.at)[id] = 0;
    }
    if (id == NONE)
        return -1;
    ((uint32_t *)scratch->kind_counts.at)[id]++;
    ((uint32_t *)scratch->ids.at)[scratch->tokens++] = id;
    return 0;
}

/* Make room for a text of so many characters, whose tokens take so many bytes at most. */
static int
start(Scratch *scratch, size_t characters, size_t bytes)
{
    enum { EXPECTED = 512 };
    scratch->characters = characters;
    scratch->tokens = 0;
    if (reserve(&scratch->bytes, bytes + PADDING) < 0)
        return -1;
    if (reserve(&scratch->ids, (characters + 1) * sizeof(uint32_t)) < 0)
        return -1;
    size_t expected = characters / 8 < EXPECTED ? characters / 8 : EXPECTED;
    return start_dictionary(&scratch->kinds, expected, scratch->bytes.at);
}

/* ASCII */

/* Cut a run that is too long for a word at its joints, and what is still too long into pieces. */
static int
cut_ascii(Scratch *scratch, const uint8_t *bytes, uint32_t begin, uint32_t end)
{
    const uint8_t *classes = scratch->folding->ascii;
    while (begin < end) {
        uint32_t stop = begin;
        while (stop < end && !(classes[bytes[stop]] & JOINT))
            stop++;
        uint32_t piece = stop - begin > LONGEST_WORD ? PIECE : stop - begin;
        for (uint32_t at = begin; at < stop; at += piece) {
            uint32_t size = stop - at < piece ? stop - at : piece;
            if (add_token(scratch, at, size, classes[bytes[at]]) < 0)
                return -1;
        }
        begin = stop + 1;
    }
    return 0;
}

static int
tokenize_ascii(Scratch *scratch)
{
    const uint8_t *bytes = scratch->bytes.at, *classes = scratch->folding->ascii;
    uint32_t at = 0, length = (uint32_t)scratch->characters;
    while (at < length) {
        uint32_t begin = at;
        uint8_t class = classes[bytes[at++]];
        if (class & SPACE)
            continue;
        if (class & LETTER) {
            /* The text ends in spaces, so that a word ends before it does. */
            for (;;) {
                while (classes[bytes[at]] & LETTER)
                    at++;
                if (!(classes[bytes[at]] & JOINT && classes[bytes[at + 1]] & LETTER))
                    break;
                class |= JOINED;
                at += 2;
            }
        }
        int added = at - begin > LONGEST_WORD ? cut_ascii(scratch, bytes, begin, at)
                                              : add_token(scratch, begin, at - begin, class);
        if (added < 0)
            return -1;
    }
    return 0;
}

static void
fold_ascii(const uint8_t *from, size_t length, uint8_t *to)
{
    for (size_t at = 0; at < length; at++)
        to[at] = from[at] + (from[at] >= 'A' && from[at] <= 'Z' ? 'a' - 'A' : 0);
    memset(to + length, ' ', PADDING);
}

/* Any other text */

static uint8_t
class_of(uint32_t code)
{
    return (uint8_t)(code >> CLASS_SHIFT);
}

/* Append a character to UTF-8; lone surrogates are taken as if they were characters. */
static uint8_t *
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

/* Write the token of these codes after the tokens that are there, and note it; `*used` bytes are. */
static int
add_codes(Scratch *scratch, const uint32_t *codes, size_t size, uint8_t class, uint32_t *used)
{
    uint8_t *begin = (uint8_t *)scratch->bytes.at + *used, *end = begin;
    for (size_t at = 0; at < size; at++)
        end = put_utf8(end, codes[at] & CODE_MASK);
    uint32_t place = *used;
    *used += (uint32_t)(end - begin);
    return add_token(scratch, place, *used - place, class);
}

static int
cut_codes(Scratch *scratch, const uint32_t *codes, size_t size, uint32_t *used)
{
    for (size_t begin = 0; begin < size;) {
        size_t stop = begin;
        while (stop < size && !(class_of(codes[stop]) & JOINT))
            stop++;
        size_t piece = stop - begin > LONGEST_WORD ? PIECE : stop - begin;
        for (size_t at = begin; at < stop; at += piece) {
            size_t length = stop - at < piece ? stop - at : piece;
            if (add_codes(scratch, codes + at, length, class_of(codes[at]), used) < 0)
                return -1;
        }
        begin = stop + 1;
    }
    return 0;
}

static int
tokenize_codes(Scratch *scratch)
{
    const uint32_t *codes = scratch->codes.at;
    uint32_t used = 0;
    for (size_t at = 0; at < scratch->characters;) {
        size_t begin = at;
        uint8_t class = class_of(codes[at++]);
        if (class & SPACE)
            continue;
        if (class & LETTER) {
            for (;;) {
                while (class_of(codes[at]) & LETTER)
                    at++;
                if (!(class_of(codes[at]) & JOINT && class_of(codes[at + 1]) & LETTER))
                    break;
                class |= JOINED;
                at += 2;
            }
        }
        int added = at - begin > LONGEST_WORD ? cut_codes(scratch, codes + begin, at - begin, &used)
                                              : add_codes(scratch, codes + begin, at - begin, class, &used);
        if (added < 0)
            return -1;
    }
    return 0;
}

/* Fold the case; a character becomes up to three. */
static size_t
fold_codes(const Folding *folding, const Text *text, uint32_t *to)
{
    uint32_t *end = to;
    for (size_t at = 0; at < text->length; at++) {
        uint32_t code = text->codes[at];
        const uint32_t *entry = folding->pages[code / PAGE] + code % PAGE * FOLDS_TO;
        *end++ = entry[0];
        for (int more = 1; more < FOLDS_TO && entry[more]; more++)
            *end++ = entry[more];
    }
    end[0] = end[1] = (uint32_t)SPACE << CLASS_SHIFT | ' ';
    return (size_t)(end - to);
}

/* Fold a text and cut it into tokens, which get their numbers. */
int
tokenize(const Text *text, Scratch *scratch)
{
    scratch->is_ascii = text->ascii != NULL;
    if (scratch->is_ascii) {
        if (start(scratch, text->length, text->length) < 0)
            return -1;
        fold_ascii(text->ascii, text->length, scratch->bytes.at);
        return tokenize_ascii(scratch);
    }
    if (reserve(&scratch->codes, (FOLDS_TO * text->length + 2) * sizeof(uint32_t)) < 0)
        return -1;
    size_t length = fold_codes(scratch->folding, text, scratch->codes.at);
    if (start(scratch, length, 4 * length) < 0)
        return -1;
    return tokenize_codes(scratch);
}
