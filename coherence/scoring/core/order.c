/* Word order: word_order.py. */
#include <math.h>

#include "dictionary.h"

/* A character that counts as a plain one, as UTF-8. */
static const struct {
    char curly[4], plain;
} PLAIN[] = {
    {"\xE2\x80\x98", '\''}, {"\xE2\x80\x99", '\''}, {"\xE2\x80\x9C", '"'}, {"\xE2\x80\x9D", '"'},
    {"\xE2\x80\x93", '-'},  {"\xE2\x80\x94", '-'},  {"\xE2\x80\xA6", '.'},
};

/* Copy a token with plain quotes and dashes; return its size. */
static size_t
make_plain(const uint8_t *token, size_t size, uint8_t *plain)
{
    size_t used = 0;
    for (size_t at = 0; at < size; at++) {
        plain[used] = token[at];
        if (token[at] == 0xE2 && at + 2 < size) {
            for (size_t which = 0; which < sizeof PLAIN / sizeof *PLAIN; which++) {
                if (memcmp(token + at, PLAIN[which].curly, 3) == 0) {
                    plain[used] = (uint8_t)PLAIN[which].plain;
                    at += 2;
                    break;
                }
            }
        }
        used++;
    }
    memset(plain + used, 0, PADDING);
    return used;
}

static uint32_t
class_by_ending(const Order *order, const uint8_t *bytes, size_t size)
{
    uint8_t last = bytes[size - 1];
    for (uint32_t at = order->first_ending[last]; at < order->first_ending[last + 1]; at++) {
        const Ending *ending = &order->endings[at];
        if (ending->size <= size
            && memcmp(bytes + size - ending->size, order->ending_bytes + ending->place, ending->size) == 0
            && characters_of(bytes, size) >= ending->shortest)
            return ending->of_class;
    }
    return order->word;
}

/* Return the class of a token: word_order.Classes. */
static uint32_t
class_of_token(const Order *order, const uint8_t *token, size_t token_size, uint8_t what)
{
    uint8_t plain[MOST_BYTES + PADDING];
    const uint8_t *bytes = token;
    size_t size = token_size;
    if (memchr(token, 0xE2, token_size)) { /* the first byte of all these signs */
        size = make_plain(token, token_size, plain);
        bytes = plain;
    }
    uint32_t common = find(&order->common.dictionary, key_of(bytes, size), bytes, size);
    if (common != NONE)
        return ((const uint32_t *)order->of_common.at)[common];
    if (!(what & ALPHABETIC))
        return what & DIGIT ? order->number : order->sign;
    return class_by_ending(order, bytes, size);
}

/* Put the classes of the first tokens into `places`, and return how many they are. A token that equals the token
 * before is skipped. */
static uint32_t
first_classes(const Order *order, Scratch *scratch, uint32_t *places)
{
    const Vocabulary *vocabulary = scratch->vocabulary;
    const uint32_t *ids = scratch->ids.at, *numbers = scratch->kind_numbers.at;
    uint32_t size = 0;
    for (uint32_t at = 0; at < scratch->tokens && at < ORDERED_TOKENS; at++) {
        if (at > 0 && ids[at] == ids[at - 1])
            continue;
        uint32_t number = numbers[ids[at]];
        Seen *seen = (Seen *)vocabulary->seen.at + number;
        if (!seen->place) {
            uint8_t room[MOST_BYTES + PADDING];
            size_t bytes;
            const uint8_t *token = spelled(vocabulary, &scratch->own, number, room, &bytes);
            seen->place = (uint16_t)(class_of_token(order, token, bytes, seen->classes) + 1);
        }
        places[size++] = seen->place - UINT32_C(1);
    }
    return size;
}

/* Return the mean over all orders of the same tokens. */
static double
by_chance(const Order *order, const uint32_t *places, uint32_t size)
{
    uint16_t columns[MOST_CLASSES]; /* 64 rows of at most 72 fit */
    int64_t pairs = 0;
    memset(columns, 0, order->classes * sizeof *columns);
    for (uint32_t at = 0; at < size; at++) {
        const uint16_t *row = order->both + (size_t)places[at] * order->classes;
        for (uint32_t column = 0; column < order->classes; column++)
            columns[column] = (uint16_t)(columns[column] + row[column]);
        pairs -= row[places[at]]; /* a token is not next to itself */
    }
    for (uint32_t at = 0; at < size; at++)
        pairs += columns[places[at]];
    return (double)pairs / (double)size;
}

/* Set how well the neighbours among the first tokens fit: WordOrder.neighbours. */
void
neighbours(const Order *order, Scratch *scratch, int64_t *surplus, int64_t *pairs)
{
    uint32_t places[ORDERED_TOKENS], size = first_classes(order, scratch, places);
    *surplus = *pairs = 0;
    if (size < 3)
        return;
    int64_t near = 0, far = 0;
    for (uint32_t at = 0; at + 1 < size; at++)
        near += order->near[places[at] * order->classes + places[at + 1]];
    for (uint32_t at = 0; at + 2 < size; at++)
        far += order->far[places[at] * order->classes + places[at + 2]];
    double found = (double)(2 * near) + (double)(far * (size - 1)) / (double)(size - 2);
    /* Halves are rounded to the even number, as in Python. */
    *surplus = (int64_t)rint((found - by_chance(order, places, size)) * 500 * STEP);
    *pairs = size - 1;
}
