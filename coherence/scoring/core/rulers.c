/* Shortens rulers, lines of signs alone, to at most four equal signs in a row: text.short_rulers. */
#include <wchar.h>

#include "sixteen.h"

static inline uint32_t
code_at(const Text *text, size_t at)
{
    return text->ascii ? text->ascii[at] : text->codes[at];
}

/* Return where the next line feed is among code points; the length if there is none. */
static size_t
end_of_line(const uint32_t *codes, size_t at, size_t length)
{
    if (sizeof(wchar_t) == sizeof *codes) { /* not on Windows */
        const wchar_t *wide = (const wchar_t *)codes, *found = wmemchr(wide + at, L'\n', length - at);
        return found ? (size_t)(found - wide) : length;
    }
    while (at < length && codes[at] != '\n')
        at++;
    return at;
}

/* Return where the line that contains `at` ends. */
static size_t
line_end(const Text *text, size_t at)
{
    if (text->ascii) {
        const uint8_t *found = memchr(text->ascii + at, '\n', text->length - at);
        return found ? (size_t)(found - text->ascii) : text->length;
    }
    return end_of_line(text->codes, at, text->length);
}

static inline int
is_white(uint32_t code)
{
    return code == ' ' || (code >= '\t' && code <= '\r');
}

static inline int
is_letter_or_digit(uint32_t code)
{
    return (code | ('a' - 'A')) - 'a' < 26 || code - '0' < 10;
}

/* Return the first of the positions `from`, `from` + 16 and so on with five equal signs in a row that begin in the next
 * sixteen bytes; if there is none, the first one that is too near to the end to be looked at so. */
static size_t
skip_bytes(const uint8_t *bytes, size_t from, size_t length)
{
    for (; from + 16 + RULER <= length; from += 16) {
        Sixteen same, some[RULER + 1];
        for (size_t ahead = 0; ahead <= RULER; ahead++)
            memcpy(&some[ahead], bytes + from + ahead, sizeof *some);
        same = (Sixteen)(some[0] == some[1]) & (Sixteen)(some[1] == some[2]) & (Sixteen)(some[2] == some[3])
               & (Sixteen)(some[3] == some[4]);
        Sixteen white = within(some[0], ' ', 1) | within(some[0], '\t', 5);
        Sixteen letters = within(some[0], '0', 10) | within(some[0] | ('a' - 'A'), 'a', 26);
        if (bits_of(same & ~white & ~letters))
            break;
    }
    return from;
}

/* Return a position among the first five equal signs in a row from `from` on, the length of the text if there are none.
 * Any five in a row include a pair that begins at a position divisible by four, so only these pairs are checked. */
static size_t
next_row(const Text *text, size_t from)
{
    if (text->ascii)
        from = skip_bytes(text->ascii, from, text->length);
    for (size_t at = from; at + 1 < text->length; at += RULER) {
        uint32_t code = code_at(text, at);
        if (code != code_at(text, at + 1) || is_white(code) || is_letter_or_digit(code))
            continue;
        size_t begin = at, end = at + 2;
        while (begin > from && code_at(text, begin - 1) == code)
            begin--;
        while (end < text->length && code_at(text, end) == code)
            end++;
        if (end - begin > RULER)
            return at;
    }
    return text->length;
}

/* Return whether some line has five equal signs in a row before its first ASCII letter or digit: else no ruler is
 * too long, and nothing more has to be checked. */
static int
may_be_ruled(const Text *text)
{
    for (size_t at = 0; (at = next_row(text, at)) < text->length; at = line_end(text, at)) {
        size_t begin = at;
        while (begin > 0 && code_at(text, begin - 1) != '\n' && !is_letter_or_digit(code_at(text, begin - 1)))
            begin--;
        if (begin == 0 || code_at(text, begin - 1) == '\n')
            return 1;
    }
    return 0;
}

static int
is_blank(const Text *text, const Folding *folding, size_t at)
{
    if (text->ascii)
        return folding->ascii[text->ascii[at]] & BLANK;
    return (entry_of(folding, text->codes[at])[0] >> CLASS_SHIFT & BLANK) != 0;
}

static int
is_alphanumeric(const Text *text, const Folding *folding, size_t at)
{
    if (text->ascii)
        return folding->ascii[text->ascii[at]] & ALPHANUMERIC;
    return (entry_of(folding, text->codes[at])[0] >> CLASS_SHIFT & WAS_ALPHANUMERIC) != 0;
}

/* Return the number of signs of a ruler, 0 for any other line; set whether the line holds anything. */
static size_t
ruler_signs(const Text *text, const Folding *folding, size_t begin, size_t end, int *is_written)
{
    size_t signs = 0;
    for (size_t at = begin; at < end; at++) {
        signs += !is_blank(text, folding, at);
        if (is_alphanumeric(text, folding, at)) {
            *is_written = 1;
            return 0;
        }
    }
    *is_written = signs > 0;
    return signs >= RULER ? signs : 0;
}

/* Copy a ruler, with at most four equal signs in a row; return where the copy ends. */
static size_t
copy_ruler(const Text *text, const Folding *folding, size_t begin, size_t end, void *to, size_t used)
{
    for (size_t at = begin, row = 0; at < end; at++) {
        uint32_t code = code_at(text, at);
        row = at > begin && code == code_at(text, at - 1) ? row + 1 : 0;
        if (row >= RULER && !is_blank(text, folding, at))
            continue;
        if (text->ascii)
            ((uint8_t *)to)[used++] = (uint8_t)code;
        else
            ((uint32_t *)to)[used++] = code;
    }
    return used;
}

static size_t
copy_part(const Text *text, size_t begin, size_t end, void *to, size_t used)
{
    if (text->ascii)
        memcpy((uint8_t *)to + used, text->ascii + begin, end - begin);
    else
        memcpy((uint32_t *)to + used, text->codes + begin, (end - begin) * sizeof(uint32_t));
    return used + end - begin;
}

/* A ruler: where its line begins and ends. */
typedef struct {
    size_t begin, end;
} Ruler;

/* Note the rulers of a text that may be shortened, and set their number: none if half of the lines are rulers. */
static int
find_rulers(const Text *text, Scratch *scratch, size_t *number)
{
    size_t written = 0, rulers = 0, last = 0; /* the start of the last line that holds anything */
    for (size_t begin = 0, end; begin <= text->length; begin = end + 1) {
        int is_written;
        end = line_end(text, begin);
        if (ruler_signs(text, scratch->folding, begin, end, &is_written)) {
            if (extend(&scratch->positions, (rulers + 1) * sizeof(Ruler)) < 0)
                return -1;
            ((Ruler *)scratch->positions.at)[rulers++] = (Ruler){begin, end};
        }
        written += (size_t)is_written;
        last = is_written ? begin : last;
    }
    *number = 2 * rulers < written ? rulers : 0;
    if (*number && ((Ruler *)scratch->positions.at)[rulers - 1].begin == last)
        --*number;
    return 0;
}

/* Shorten the rulers of a text; if there are any, the text becomes a copy in the scratch memory. */
int
short_rulers(Text *text, Scratch *scratch)
{
    size_t number = 0, done = 0, used = 0;
    if (may_be_ruled(text) && find_rulers(text, scratch, &number) < 0)
        return -1;
    if (!number)
        return 0;
    size_t each = text->ascii ? sizeof(uint8_t) : sizeof(uint32_t);
    if (reserve(&scratch->shortened, (text->length + 1) * each) < 0)
        return -1;
    void *to = scratch->shortened.at;
    const Ruler *rulers = scratch->positions.at;
    for (size_t at = 0; at < number; at++) {
        used = copy_part(text, done, rulers[at].begin, to, used);
        used = copy_ruler(text, scratch->folding, rulers[at].begin, rulers[at].end, to, used);
        done = rulers[at].end;
    }
    used = copy_part(text, done, text->length, to, used);
    *text = text->ascii ? (Text){to, NULL, used} : (Text){NULL, to, used};
    return 0;
}
