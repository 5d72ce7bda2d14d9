/* What a text says again, and whether it is a template: again.py. */
#include "dictionary.h"

/* Mark the tokens that equal the token one period before, if so many in a row do; without a branch that depends on the
 * text. `equal` has room for one byte a token. */
static void
mark_short_period(const uint32_t *ids, size_t tokens, size_t period, uint8_t *restrict equal, uint8_t *restrict marks)
{
    if (tokens <= period)
        return;
    size_t last = tokens - period;
    for (size_t at = 0; at < last; at++)
        equal[at] = ids[at] == ids[at + period];
    equal[last] = 0;
    /* Then only those stay that begin a row, and the whole row is marked. */
    for (size_t more = 1; more < period; more++) {
        for (size_t at = 0; at < last; at++)
            equal[at] &= equal[at + 1];
    }
    for (size_t ahead = 0; ahead < period && ahead < last; ahead++) {
        for (size_t at = 0; at < last - ahead; at++)
            marks[at + period + ahead] |= equal[at];
    }
}

/* The same for a long period: three copies of a phrase have two periods of such tokens in a row. */
static void
mark_long_period(const uint32_t *ids, size_t tokens, size_t period, uint8_t *marks)
{
    size_t least = 2 * period, last = tokens > period ? tokens - period : 0;
    /* A long enough row includes one of these places, and after a row one of those after it. */
    for (size_t at = least - 1; at < last; at += least) {
        size_t begin = at, end = at;
        while (end < last && ids[end] == ids[end + period])
            end++;
        if (end == at)
            continue;
        while (begin > 0 && ids[begin - 1] == ids[begin - 1 + period])
            begin--;
        if (end - begin >= least)
            memset(marks + begin + period, 1, end - begin);
        at = end;
    }
}

/* Long phrases */

/* How far apart equal runs are: how often each distance occurred, and the distances in order of occurrence. */
typedef struct {
    uint32_t *times, *came;
    size_t number;
} Distances;

/* Return whether two runs are equal. If the runs before them were, `known` apart, only the last tokens are compared. */
static inline int
same_run(const uint32_t *ids, size_t one, size_t other, size_t length, size_t known)
{
    if (other - one == known)
        return ids[one + length - 1] == ids[other + length - 1];
    uint32_t differ = 0; /* cheaper than memcmp for so few */
    for (size_t at = 0; at < length; at++)
        differ |= ids[one + at] ^ ids[other + at];
    return !differ;
}

/* Count how many runs of `length` tokens occurred before, until they are `enough`, and into `distances`, if given, how
 * far before. */
static int
count_again(Scratch *scratch, size_t length, size_t enough, Distances *distances, size_t *again)
{
    const uint32_t *ids = scratch->ids.at;
    *again = 0;
    if (scratch->tokens < length)
        return 0;
    size_t runs = scratch->tokens - length + 1, found = 0;
    int bits = 4;
    while ((size_t)1 << bits < 2 * runs)
        bits++;
    size_t mask = ((size_t)1 << bits) - 1, size = sizeof(uint32_t) << bits;
    if (reserve(&scratch->positions, size) < 0)
        return -1;
    uint32_t *positions = scratch->positions.at; /* last position of the run of a slot, from 1 */
    memset(positions, 0, size);
    /* A rolling hash: the token that leaves the run is subtracted. */
    uint64_t hash = 0, leaving = 1;
    for (size_t at = 0; at + 1 < length; at++) {
        hash = hash * PRIME + ids[at] + 1;
        leaving *= PRIME;
    }
    size_t distance = 0; /* how far before the last run an equal one was, 0 if there was none */
    for (size_t begin = 0; begin < runs && found < enough; begin++) {
        hash = hash * PRIME + ids[begin + length - 1] + 1;
        size_t slot = hash * OTHER_PRIME >> (64 - bits), held;
        while ((held = positions[slot]) && !same_run(ids, held - 1, begin, length, distance))
            slot = (slot + 1) & mask;
        distance = held ? begin + 1 - held : 0;
        if (held) {
            found++;
            if (distances && !distances->times[distance]++)
                distances->came[distances->number++] = (uint32_t)distance;
        }
        positions[slot] = (uint32_t)begin + 1;
        hash -= leaving * (ids[begin] + UINT64_C(1));
    }
    *again = found;
    return 0;
}

/* Add the commonest distances between equal runs of `length` tokens: those above SHORT that occurred at least SEEN
 * times, at most PHRASES, among the PHRASES + 2 commonest. Equally common ones count in the order in which they
 * came. */
static int
add_common(Scratch *scratch, size_t length, uint32_t *common, size_t *number)
{
    size_t size = (size_t)scratch->tokens * sizeof(uint32_t), again;
    if (reserve(&scratch->distances, 2 * size) < 0)
        return -1;
    uint32_t *times = scratch->distances.at;
    Distances distances = {times, times + scratch->tokens, 0};
    memset(times, 0, size);
    if (count_again(scratch, length, SIZE_MAX, &distances, &again) < 0)
        return -1;
    for (int place = 0, taken = 0; place < PHRASES + 2 && taken < PHRASES; place++) {
        uint32_t best = 0; /* a distance that does not occur */
        for (size_t at = 0; at < distances.number; at++)
            best = times[distances.came[at]] > times[best] ? distances.came[at] : best;
        if (times[best] < SEEN)
            break;
        times[best] = 0;
        if (best <= SHORT)
            continue;
        common[(*number)++] = best;
        taken++;
    }
    return 0;
}

/* Mark repetitions of long phrases: again._long_periods. */
static int
mark_long_periods(Scratch *scratch, uint8_t *marks)
{
    size_t again, number = 0;
    uint32_t common[2 * PHRASES];
    if (count_again(scratch, LEAST_AGAIN, SEEN, NULL, &again) < 0)
        return -1;
    if (again && add_common(scratch, NEAR_NEIGHBOURS, common, &number) < 0)
        return -1;
    if (again >= SEEN && add_common(scratch, FAR_NEIGHBOURS, common, &number) < 0)
        return -1;
    for (size_t one = 0; one < number; one++) {
        mark_long_period(scratch->ids.at, scratch->tokens, common[one], marks);
        for (size_t other = 0; other <= one; other++)
            mark_long_period(scratch->ids.at, scratch->tokens, (size_t)common[one] + common[other], marks);
    }
    return 0;
}

/* Rulers */

typedef struct {
    uint64_t lines, rulers, signs; /* lines that hold something; those that are rulers, and their signs */
    uint64_t line_signs;
    int has_alphanumeric;
} Rulers;

static void
end_line(Rulers *rulers)
{
    rulers->lines += rulers->line_signs > 0;
    if (!rulers->has_alphanumeric && rulers->line_signs >= RULER) {
        rulers->rulers++;
        rulers->signs += rulers->line_signs;
    }
    rulers->line_signs = 0;
    rulers->has_alphanumeric = 0;
}

/* Return the position of the next line feed, or the end of the text. */
static size_t
end_of_line(const Scratch *scratch, size_t at)
{
    if (scratch->in_bytes) {
        const uint8_t *bytes = scratch->bytes.at;
        const uint8_t *found = memchr(bytes + at, '\n', scratch->characters - at);
        return found ? (size_t)(found - bytes) : scratch->characters;
    }
    const uint32_t *codes = scratch->codes.at;
    while (at < scratch->characters && (codes[at] & CODE_MASK) != '\n')
        at++;
    return at;
}

/* Return how many signs are in rulers, if fewer than half of the lines are rulers: text.rulers. */
static uint64_t
ruled(const Scratch *scratch)
{
    Rulers rulers = {0};
    const uint8_t *bytes = scratch->bytes.at;
    const uint32_t *codes = scratch->codes.at;
    for (size_t at = 0; at < scratch->characters; at++) {
        uint8_t class = scratch->in_bytes ? scratch->classes[bytes[at]] : (uint8_t)(codes[at] >> CLASS_SHIFT);
        if ((scratch->in_bytes ? bytes[at] : codes[at] & CODE_MASK) == '\n') {
            end_line(&rulers);
            continue;
        }
        rulers.line_signs += !(class & BLANK);
        if (class & ALPHANUMERIC) {
            /* The rest of the line does not matter. */
            rulers.has_alphanumeric = 1;
            at = end_of_line(scratch, at) - 1;
        }
    }
    end_line(&rulers);
    return 2 * rulers.rulers < rulers.lines ? rulers.signs : 0;
}

/* Return how many of the marked tokens begin with neither a letter nor a number. */
static uint64_t
marked_signs(const Scratch *scratch, const uint8_t *marks)
{
    const uint32_t *ids = scratch->ids.at;
    const uint8_t *classes = scratch->kind_classes.at;
    uint64_t signs = 0;
    for (size_t at = 0; at < scratch->tokens; at++)
        signs += marks[at] & !(classes[ids[at]] & ALPHANUMERIC);
    return signs;
}

/* Set `share` to the share of tokens that only repeat what came just before. */
int
said_again(Scratch *scratch, uint64_t distinct_trigrams, double *share)
{
    size_t tokens = scratch->tokens;
    *share = 0.0;
    if (reserve(&scratch->marks, 2 * (tokens + 1)) < 0)
        return -1;
    uint8_t *marks = scratch->marks.at;
    memset(marks, 0, tokens);
    for (size_t period = 1; period <= SHORT; period++)
        mark_short_period(scratch->ids.at, tokens, period, marks + tokens + 1, marks);
    int64_t again = (int64_t)tokens - 2 - (int64_t)distinct_trigrams; /* repeated triples */
    double many = MANY * (double)tokens;
    if ((double)again >= (many > SEEN ? many : SEEN) && mark_long_periods(scratch, marks) < 0)
        return -1;
    uint64_t found = 0;
    for (size_t at = 0; at < tokens; at++)
        found += marks[at];
    if (!found)
        return 0;
    uint64_t signs = marked_signs(scratch, marks), in_rulers = signs >= RULER - 1 ? ruled(scratch) : 0;
    *share = (double)(found - (signs < in_rulers ? signs : in_rulers)) / (double)tokens;
    return 0;
}

/* Set `found` to whether the text repeats its frame and fills in new things. */
int
is_template(Scratch *scratch, double again, int64_t *found)
{
    const uint32_t *ids = scratch->ids.at;
    size_t tokens = scratch->tokens, come_again;
    *found = 0;
    if (tokens < STRETCH || again >= LITTLE)
        return 0;
    /* Tokens are numbered as they come, so the largest number in the first half gives its number of kinds. */
    uint32_t kinds = scratch->kinds, early = 0;
    for (size_t at = 0; at < tokens / 2; at++)
        early = ids[at] + 1 > early ? ids[at] + 1 : early;
    double new_kinds = (double)(kinds - early), wanted = NEW_SHARE * (double)kinds;
    if (new_kinds < (wanted > NEW_KINDS ? wanted : NEW_KINDS))
        return 0;
    if (count_again(scratch, STRETCH, SIZE_MAX, NULL, &come_again) < 0)
        return -1;
    *found = (double)come_again / (double)tokens < LITTLE;
    return 0;
}
