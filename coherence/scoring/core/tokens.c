/* Text to tokens: case folding and what text.tokenize does. */
#include "sixteen.h"

/* Note a token, and return its number in the vocabulary; NONE if there is no memory. */
static inline uint32_t
add_token(Scratch *scratch, const uint8_t *bytes, size_t size)
{
    Vocabulary *vocabulary = scratch->vocabulary;
    const Dictionary *dictionary = &vocabulary->words.dictionary;
    const Slot *slot = find_slot(dictionary, key_of(bytes, size), bytes, size);
    uint32_t number = slot->number;
    if (!is_taken(dictionary, slot) && add_seen(vocabulary, bytes, size, &number) < 0)
        return NONE;
    /* Without a branch: whether a token is new in the text is not predictable. */
    Seen *seen = (Seen *)vocabulary->seen.at + number;
    uint32_t kinds = scratch->kinds, is_new = seen->text != scratch->text;
    seen->kind += (kinds - seen->kind) * is_new;
    seen->text = scratch->text;
    ((uint32_t *)scratch->ids.at)[scratch->tokens++] = seen->kind;
    ((uint32_t *)scratch->kind_numbers.at)[kinds] = number;
    scratch->kinds = kinds + is_new;
    return number;
}

/* Make room for the tokens of a text with this many characters. */
static int
start(Scratch *scratch, size_t characters)
{
    scratch->characters = characters;
    scratch->tokens = scratch->kinds = 0;
    if (reserve(&scratch->kind_numbers, (characters + 1) * sizeof(uint32_t)) < 0)
        return -1;
    return reserve(&scratch->ids, (characters + 1) * sizeof(uint32_t));
}

/* Texts with one byte a character: ASCII, and others whose alphabet is small enough. Each byte is processed without a
 * branch, so that the compiler can process many at once. */

/* The classes of 64 bytes, a bit each. */
typedef struct {
    uint64_t letters, joints, spaces;
} Masks;

static Masks
masks_of(const uint8_t *bytes)
{
    Masks masks = {0};
    for (int at = 0; at < 64; at += 16) {
        Sixteen some;
        memcpy(&some, bytes + at, sizeof some);
        Sixteen letters = within(some, 'a', 26) | within(some, '0', 10) | within(some, LETTERS, JOINTS - LETTERS);
        Sixteen joints = within(some, '\'', 1) | within(some, '-', 1) | within(some, JOINTS, SPACES - JOINTS);
        Sixteen spaces = within(some, ' ', 1) | within(some, '\t', 5) | within(some, SPACES, SIGNS - SPACES);
        masks.letters |= bits_of(letters) << at;
        masks.joints |= bits_of(joints) << at;
        masks.spaces |= bits_of(spaces) << at;
    }
    return masks;
}

static uint8_t
lower(uint32_t code)
{
    return (uint8_t)(code + ((uint32_t)(code - 'A') < 26) * ('a' - 'A'));
}

static void
fold_ascii(const uint8_t *from, size_t length, uint8_t *to)
{
    for (size_t at = 0; at < length; at++)
        to[at] = (uint8_t)(from[at] + ((uint8_t)(from[at] - 'A') < 26) * ('a' - 'A'));
}

static void
start_alphabet(Alphabet *alphabet, const Folding *folding)
{
    memset(alphabet->slots, 0, sizeof alphabet->slots);
    memcpy(alphabet->classes, folding->ascii, FIRST_OWN);
    alphabet->next[0] = LETTERS;
    alphabet->next[1] = JOINTS;
    alphabet->next[2] = SPACES;
    alphabet->next[3] = SIGNS;
}

/* Return the byte of a character that is not ASCII, a new byte if it is new; 0 if no byte is left. */
static uint8_t
byte_of(Alphabet *alphabet, uint32_t code)
{
    static const uint16_t ENDS[] = {JOINTS, SPACES, SIGNS, BYTE_VALUES};
    uint32_t *slots = alphabet->slots, held = code << 8; /* the class is a function of the code point */
    size_t at = (uint32_t)(held * UINT32_C(0x9E3779B1)) >> (32 - ALPHABET_BITS);
    for (; slots[at]; at = (at + 1) % (1 << ALPHABET_BITS)) {
        if ((slots[at] ^ held) < BYTE_VALUES)
            return (uint8_t)slots[at];
    }
    uint8_t class = (uint8_t)(code >> CLASS_SHIFT);
    int kind = class & LETTER ? 0 : class & JOINT ? 1 : class & SPACE ? 2 : 3;
    if (alphabet->next[kind] == ENDS[kind])
        return 0;
    uint8_t byte = (uint8_t)alphabet->next[kind]++;
    alphabet->classes[byte] = class;
    alphabet->codes[byte - FIRST_OWN] = code & CODE_MASK;
    slots[at] = held | byte;
    return byte;
}

/* Fold a character that is not ASCII into up to three bytes, and return how many; 0 if no byte is left. */
static size_t
fold_character(const Folding *folding, uint32_t code, Alphabet *alphabet, uint8_t *to)
{
    const uint32_t *entry = entry_of(folding, code);
    size_t used = 0;
    for (; used < FOLDS_TO && entry[used]; used++) {
        uint32_t folded = entry[used] & CODE_MASK;
        to[used] = folded < FIRST_OWN ? (uint8_t)folded : byte_of(alphabet, entry[used]);
        if (!to[used])
            return 0;
    }
    return used;
}

/* Fold a text into bytes, and return their number; 0 if its alphabet is too large for that. */
static size_t
fold_to_bytes(const Text *text, const Folding *folding, Alphabet *alphabet, uint8_t *to)
{
    enum { AT_ONCE = 16 };
    size_t used = 0;
    for (size_t from = 0; from < text->length; from += AT_ONCE) {
        const uint32_t *codes = text->codes + from;
        size_t number = text->length - from < AT_ONCE ? text->length - from : AT_ONCE;
        uint32_t any = number < AT_ONCE ? FIRST_OWN : 0;
        for (size_t at = 0; at < AT_ONCE && number == AT_ONCE; at++)
            any |= codes[at];
        if (any < FIRST_OWN) {
            for (size_t at = 0; at < AT_ONCE; at++)
                to[used + at] = lower(codes[at]);
            used += AT_ONCE;
            continue;
        }
        for (size_t at = 0; at < number; at++) {
            size_t more = 1;
            if (codes[at] < FIRST_OWN)
                to[used] = lower(codes[at]);
            else if (!(more = fold_character(folding, codes[at], alphabet, to + used)))
                return 0;
            used += more;
        }
    }
    return used;
}

static size_t
put_places(uint64_t mask, uint32_t from, uint32_t *places, size_t number)
{
    for (; mask; mask &= mask - 1)
        places[number++] = from + (uint32_t)__builtin_ctzll(mask);
    return number;
}

/* Find where tokens begin and where they end, and return how many there are. Spaces follow the text. */
static size_t
find_tokens(const uint8_t *bytes, size_t length, uint32_t *begins, uint32_t *ends)
{
    size_t begun = 0, ended = 0;
    /* About the byte before these: is it a letter, is it in a word, is it in a token. */
    uint64_t letter_before = 0, word_before = 0, token_before = 0;
    Masks now = masks_of(bytes);
    for (size_t from = 0; from <= length; from += 64) {
        Masks next = masks_of(bytes + from + 64);
        uint64_t before = now.letters << 1 | letter_before, after = now.letters >> 1 | next.letters << 63;
        uint64_t words = now.letters | (now.joints & before & after);
        uint64_t goes_on = words & (words << 1 | word_before); /* bytes that continue a word */
        begun = put_places(~now.spaces & ~goes_on, (uint32_t)from, begins, begun);
        ended = put_places((~now.spaces << 1 | token_before) & ~goes_on, (uint32_t)from, ends, ended);
        letter_before = now.letters >> 63;
        word_before = words >> 63;
        token_before = ~now.spaces >> 63;
        now = next;
    }
    return ended;
}

/* Cut a run that is too long for a word at its joints, and parts that are still too long into pieces. */
static int
cut_bytes(Scratch *scratch, uint32_t begin, uint32_t end)
{
    const uint8_t *bytes = scratch->bytes.at, *classes = scratch->classes;
    while (begin < end) {
        uint32_t stop = begin;
        while (stop < end && !(classes[bytes[stop]] & JOINT))
            stop++;
        uint32_t piece = stop - begin > LONGEST_WORD ? PIECE : stop - begin;
        for (uint32_t at = begin; at < stop; at += piece) {
            if (add_token(scratch, bytes + at, stop - at < piece ? stop - at : piece) == NONE)
                return -1;
        }
        begin = stop + 1;
    }
    return 0;
}

/* Note the classes of the tokens of the vocabulary from the given one on. */
static void
classify(Scratch *scratch, uint32_t first)
{
    const Dictionary *dictionary = &scratch->vocabulary->words.dictionary;
    const uint32_t *places = dictionary->places.at, *sizes = dictionary->sizes.at;
    Seen *seen = scratch->vocabulary->seen.at;
    for (uint32_t number = first; number < dictionary->count; number++) {
        const uint8_t *token = dictionary->bytes + places[number];
        uint8_t joints = 0;
        for (uint32_t at = 1; at < sizes[number]; at++)
            joints |= scratch->classes[token[at]] & JOINT;
        seen[number].classes = scratch->classes[token[0]] | (joints ? JOINED : 0);
    }
}

static int
tokenize_bytes(Scratch *scratch)
{
    if (reserve(&scratch->keys, 2 * (scratch->characters + 1) * sizeof(uint32_t)) < 0)
        return -1;
    uint32_t *begins = scratch->keys.at, *ends = begins + scratch->characters + 1;
    uint32_t first = scratch->vocabulary->words.dictionary.count;
    const uint8_t *bytes = scratch->bytes.at;
    size_t number = find_tokens(bytes, scratch->characters, begins, ends);
    for (size_t at = 0; at < number; at++) {
        uint32_t size = ends[at] - begins[at];
        if (size > LONGEST_WORD ? cut_bytes(scratch, begins[at], ends[at]) < 0
                                : add_token(scratch, bytes + begins[at], size) == NONE)
            return -1;
    }
    classify(scratch, first);
    return 0;
}

/* Any other text */

static uint8_t
class_of(uint32_t code)
{
    return (uint8_t)(code >> CLASS_SHIFT);
}

/* Write the token of these codes as UTF-8, and note it. */
static int
add_codes(Scratch *scratch, const uint32_t *codes, size_t size, uint8_t class)
{
    uint8_t bytes[MOST_BYTES + PADDING], *end = bytes;
    for (size_t at = 0; at < size; at++)
        end = put_utf8(end, codes[at] & CODE_MASK);
    memset(end, 0, PADDING);
    uint32_t number = add_token(scratch, bytes, (size_t)(end - bytes));
    if (number == NONE)
        return -1;
    ((Seen *)scratch->vocabulary->seen.at)[number].classes = class;
    return 0;
}

static int
cut_codes(Scratch *scratch, const uint32_t *codes, size_t size)
{
    for (size_t begin = 0; begin < size;) {
        size_t stop = begin;
        while (stop < size && !(class_of(codes[stop]) & JOINT))
            stop++;
        size_t piece = stop - begin > LONGEST_WORD ? PIECE : stop - begin;
        for (size_t at = begin; at < stop; at += piece) {
            size_t length = stop - at < piece ? stop - at : piece;
            if (add_codes(scratch, codes + at, length, class_of(codes[at])) < 0)
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
        int added = at - begin > LONGEST_WORD ? cut_codes(scratch, codes + begin, at - begin)
                                              : add_codes(scratch, codes + begin, at - begin, class);
        if (added < 0)
            return -1;
    }
    return 0;
}

/* Fold the case; one character becomes up to three. */
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

/* Fold a text into bytes, if its alphabet is small enough; set the number of its characters. */
static int
fold_small_alphabet(const Text *text, Scratch *scratch, size_t *characters)
{
    Alphabet *alphabet = &scratch->own;
    if (reserve(&scratch->bytes, FOLDS_TO * text->length + AHEAD) < 0)
        return -1;
    scratch->classes = alphabet->classes;
    *characters = alphabet->number ? fold_to_bytes(text, scratch->folding, alphabet, scratch->bytes.at) : 0;
    if (*characters)
        return 0;
    start_alphabet(alphabet, scratch->folding);
    alphabet->number = ++scratch->alphabets;
    *characters = fold_to_bytes(text, scratch->folding, alphabet, scratch->bytes.at);
    return 0;
}

/* Fold a text, and note its tokens. */
static int
fold_and_cut(const Text *text, Scratch *scratch)
{
    size_t characters = text->length;
    if (text->ascii) {
        scratch->classes = scratch->folding->ascii;
        if (reserve(&scratch->bytes, characters + AHEAD) < 0)
            return -1;
        fold_ascii(text->ascii, characters, scratch->bytes.at);
    } else if (fold_small_alphabet(text, scratch, &characters) < 0) {
        return -1;
    }
    scratch->in_bytes = text->ascii || characters;
    uint64_t alphabet = text->ascii || !characters ? UTF8 : scratch->own.number;
    if (start_vocabulary(scratch, text->ascii ? &scratch->ascii : &scratch->others, alphabet) < 0)
        return -1;
    if (scratch->in_bytes) {
        memset((uint8_t *)scratch->bytes.at + characters, ' ', AHEAD);
        return start(scratch, characters) < 0 ? -1 : tokenize_bytes(scratch);
    }
    if (reserve(&scratch->codes, (FOLDS_TO * text->length + 2) * sizeof(uint32_t)) < 0)
        return -1;
    characters = fold_codes(scratch->folding, text, scratch->codes.at);
    return start(scratch, characters) < 0 ? -1 : tokenize_codes(scratch);
}

/* Fold a text and cut it into numbered tokens, and find what is known of each kind of token. */
int
tokenize(const Text *text, const List *list, Scratch *scratch)
{
    if (fold_and_cut(text, scratch) < 0)
        return -1;
    find_known(scratch->vocabulary, &scratch->own, list);
    return describe_kinds(scratch);
}
