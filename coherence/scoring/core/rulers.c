/* Rulers, lines of signs alone, have no more than four equal signs in a row: text.short_rulers. */
#include "dictionary.h"

static inline uint32_t
code_at(const Text *text, size_t at)
{
    return text->ascii ? text->ascii[at] : text->codes[at];
}

/* Return where the line ends in which `at` is. */
static size_t
line_end(const Text *text, size_t at)
{
    if (text->ascii) {
        const uint8_t *found = memchr(text->ascii + at, '\n', text->length - at);
        return found ? (size_t)(found - text->ascii) : text->length;
    }
    while (at < text->length && text->codes[at] != '\n')
        at++;
    return at;
}

/* Tell whether in some line five equal signs stand in a row before the first letter or digit of ASCII: else no
 * ruler is too long, and nothing more has to be looked at. */
static int
may_be_ruled(const Text *text)
{
    size_t row = 0;
    for (size_t at = 0; at < text->length; at++) {
        uint32_t code = code_at(text, at), small = code | ('a' - 'A');
        if ((small >= 'a' && small <= 'z') || (code >= '0' && code <= '9')) {
            at = line_end(text, at);
            row = 0;
            continue;
        }
        int is_space = code == ' ' || (code >= '\t' && code <= '\r');
        row = is_space ? 0 : row && code == code_at(text, at - 1) ? row + 1 : 1;
        if (row > RULER)
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

/* Return the signs of a line that is a ruler, 0 of another one; set whether it holds anything. */
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

/* Copy a line, of a ruler no more than four equal signs in a row; return where the copy ends. */
static size_t
copy_line(const Text *text, const Folding *folding, size_t begin, size_t end, int is_ruler, void *to, size_t used)
{
    for (size_t at = begin, row = 0; at < end; at++) {
        uint32_t code = code_at(text, at);
        row = at > begin && code == code_at(text, at - 1) ? row + 1 : 0;
        if (is_ruler && row >= RULER && !is_blank(text, folding, at))
            continue;
        if (text->ascii)
            ((uint8_t *)to)[used++] = (uint8_t)code;
        else
            ((uint32_t *)to)[used++] = code;
    }
    return used;
}

/* Cut the rulers of a text; if there are any, it becomes a copy that lies in the scratch. */
int
short_rulers(Text *text, Scratch *scratch)
{
    if (!may_be_ruled(text))
        return 0;
    const Folding *folding = scratch->folding;
    size_t written = 0, rulers = 0, last = 0; /* where the last line that holds anything begins */
    for (size_t begin = 0; begin <= text->length;) {
        size_t end = line_end(text, begin);
        int is_written;
        rulers += ruler_signs(text, folding, begin, end, &is_written) > 0;
        written += (size_t)is_written;
        last = is_written ? begin : last;
        begin = end + 1;
    }
    if (2 * rulers >= written)
        return 0;
    size_t each = text->ascii ? sizeof(uint8_t) : sizeof(uint32_t), used = 0;
    if (reserve(&scratch->shortened, (text->length + 1) * each) < 0)
        return -1;
    void *to = scratch->shortened.at;
    for (size_t begin = 0; begin <= text->length;) {
        size_t end = line_end(text, begin);
        int is_written, is_ruler = ruler_signs(text, folding, begin, end, &is_written) && begin != last;
        /* With the line feed, which ends all lines but the last. */
        used = copy_line(text, folding, begin, end < text->length ? end + 1 : end, is_ruler, to, used);
        begin = end + 1;
    }
    *text = text->ascii ? (Text){to, NULL, used} : (Text){NULL, to, used};
    return 0;
}
