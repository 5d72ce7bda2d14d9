/* Text to tokens: case folding and what text.tokenize does. */
#include "dictionary.h"

/* Note of a token that came for the first time what it is. */
static int
add_kind(Scratch *scratch, uint32_t id, uint8_t class)
{
    if (extend(&scratch->kind_classes, id + 1) < 0)
        return -1;
    if (extend(&scratch->kind_counts, (id + 1) * sizeof(uint32_t)) < 0)
        return -1;
    ((uint8_t *)scratch->kind_classes.at)[id] = class;
    ((uint32_t *)scratch->kind_counts.at)[id] = 0;
    return 0;
}

/* Note a token that lies at `place` of the bytes; set `is_new` if it came for the first time. */
static inline uint32_t
add_token(Scratch *scratch, uint32_t place, uint32_t size, int *is_new)
{
    Dictionary *kinds = &scratch->kinds;
    uint32_t before = kinds->count;
    uint32_t id = number_of(kinds, key_of(kinds->bytes + place, size), place, size);
    ((uint32_t *)scratch->ids.at)[scratch->tokens++] = id;
    *is_new = kinds->count != before;
    return id;
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

/* ASCII: what is done to each byte is done without a branch, so that the compiler does it to many at once. */

static int
is_letter(uint8_t byte)
{
    return ((uint8_t)(byte - 'a') < 26) | ((uint8_t)(byte - '0') < 10);
}

static int
is_space(uint8_t byte)
{
    return (byte == ' ') | ((uint8_t)(byte - '\t') < 5);
}

static void
fold_ascii(const uint8_t *from, size_t length, uint8_t *to)
{
    for (size_t at = 0; at < length; at++)
        to[at] = (uint8_t)(from[at] + ((uint8_t)(from[at] - 'A') < 26) * ('a' - 'A'));
    memset(to + length, ' ', PADDING);
}

/* Where tokens begin and end, of a text of `length` and one space more: a flag for each byte. */
static void
find_bounds(const uint8_t *bytes, size_t length, uint8_t *in_word, uint8_t *begins, uint8_t *ends)
{
    /* A joint is in a word if letters stand on both sides; before the text there is none. */
    in_word[0] = (uint8_t)is_letter(bytes[0]);
    begins[0] = !is_space(bytes[0]);
    ends[0] = 0;
    for (size_t at = 1; at <= length; at++) {
        int joint = (bytes[at] == '\'') | (bytes[at] == '-');
        in_word[at] = (uint8_t)(is_letter(bytes[at]) | (joint & is_letter(bytes[at - 1]) & is_letter(bytes[at + 1])));
    }
    for (size_t at = 1; at <= length; at++) {
        int goes_on = in_word[at] & in_word[at - 1];
        begins[at] = (uint8_t)(!is_space(bytes[at]) & !goes_on);
        ends[at] = (uint8_t)(!is_space(bytes[at - 1]) & !goes_on);
    }
}

/* Put the places where the flags are set one after the other, and return how many tokens there are. */
static size_t
places_of(const uint8_t *begin_flags, const uint8_t *end_flags, size_t length, uint32_t *begins, uint32_t *ends)
{
    size_t begun = 0, ended = 0;
    for (size_t at = 0; at <= length; at++) {
        begins[begun] = ends[ended] = (uint32_t)at;
        begun += begin_flags[at];
        ended += end_flags[at];
    }
    return ended;
}

static int
add_ascii(Scratch *scratch, uint32_t begin, uint32_t end)
{
    const uint8_t *bytes = scratch->bytes.at, *classes = scratch->folding->ascii;
    int is_new;
    uint32_t id = add_token(scratch, begin, end - begin, &is_new);
    if (id == NONE)
        return -1;
    if (is_new) {
        uint8_t class = classes[bytes[begin]];
        for (uint32_t at = begin + 1; at < end; at++)
            class |= classes[bytes[at]] & JOINT ? JOINED : 0;
        if (add_kind(scratch, id, class) < 0)
            return -1;
    }
    ((uint32_t *)scratch->kind_counts.at)[id]++;
    return 0;
}

/* Cut a run that is too long for a word at its joints, and what is still too long into pieces. */
static int
cut_ascii(Scratch *scratch, uint32_t begin, uint32_t end)
{
    const uint8_t *bytes = scratch->bytes.at, *classes = scratch->folding->ascii;
    while (begin < end) {
        uint32_t stop = begin;
        while (stop < end && !(classes[bytes[stop]] & JOINT))
            stop++;
        uint32_t piece = stop - begin > LONGEST_WORD ? PIECE : stop - begin;
        for (uint32_t at = begin; at < stop; at += piece) {
            if (add_ascii(scratch, at, stop - at < piece ? stop : at + piece) < 0)
                return -1;
        }
        begin = stop + 1;
    }
    return 0;
}

static int
tokenize_ascii(Scratch *scratch)
{
    size_t length = scratch->characters, room = length + PADDING;
    if (reserve(&scratch->keys, room * (3 + 2 * sizeof(uint32_t))) < 0)
        return -1;
    uint32_t *begins = scratch->keys.at, *ends = begins + room;
    uint8_t *in_word = (uint8_t *)(ends + room), *begin_flags = in_word + room, *end_flags = begin_flags + room;
    find_bounds(scratch->bytes.at, length, in_word, begin_flags, end_flags);
    size_t number = places_of(begin_flags, end_flags, length, begins, ends);
    for (size_t at = 0; at < number; at++) {
        int added = ends[at] - begins[at] > LONGEST_WORD ? cut_ascii(scratch, begins[at], ends[at])
                                                         : add_ascii(scratch, begins[at], ends[at]);
        if (added < 0)
            return -1;
    }
    return 0;
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
    int is_new;
    uint32_t id = add_token(scratch, place, *used - place, &is_new);
    if (id == NONE || (is_new && add_kind(scratch, id, class) < 0))
        return -1;
    ((uint32_t *)scratch->kind_counts.at)[id]++;
    return 0;
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
        const uint32_t *entry = entry_of(folding, text->codes[at]);
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
