/* How different the samples of one step are from each other: between.py. */
#include <math.h>

#include "dictionary.h"

void
begin_group(Group *group, Scratch *scratch)
{
    if (++scratch->group == 0) { /* the number has overflowed */
        forget(scratch);
        scratch->group = 1;
    }
    group->held = 0;
    group->looked_at = group->judged = 0;
    /* Emptied at its first use, because most groups have one sample. */
}

/* Give a token its number in the group, which its other vocabulary may have given it already. */
static int
number_token(Group *group, const Scratch *scratch, uint32_t number, Seen *seen)
{
    uint8_t room[MOST_BYTES + PADDING];
    size_t size;
    const uint8_t *token = spelled(scratch->vocabulary, &scratch->own, number, room, &size);
    seen->group = scratch->group;
    return add_word(&group->tokens, token, size, &seen->in_group);
}

/* Give the kinds of tokens of a sample their numbers in the group. */
static int
number_kinds(Group *group, const Scratch *scratch)
{
    if (extend(&group->numbers, (scratch->kinds + (size_t)1) * sizeof(uint32_t)) < 0)
        return -1;
    uint32_t *numbers = group->numbers.at;
    Seen *seen = scratch->vocabulary->seen.at;
    for (uint32_t kind = 0; kind < scratch->kinds; kind++) {
        uint32_t number = ((const uint32_t *)scratch->kind_numbers.at)[kind];
        if (seen[number].group != scratch->group && number_token(group, scratch, number, &seen[number]) < 0)
            return -1;
        numbers[kind] = seen[number].in_group;
    }
    return 0;
}

/* Keep the bigrams of a sample, if it is one of the first and long enough to judge. */
int
add_to_group(Group *group, const Scratch *scratch, const Row *row, int64_t prompt, uint64_t distinct_bigrams)
{
    if (group->looked_at++ >= COMPARED)
        return 0;
    if (row->tokens < ENOUGH_TOKENS && row->characters < ENOUGH_CHARACTERS)
        return 0;
    enum { EXPECTED = 2048 }; /* for a few samples, so that they are not moved again and again */
    if (!group->judged && start_dictionary(&group->tokens.dictionary, EXPECTED, NULL) < 0)
        return -1;
    if (number_kinds(group, scratch) < 0)
        return -1;
    size_t bigrams = scratch->tokens > 1 ? scratch->tokens - 1 : 0, begin = group->held;
    if (extend(&group->bigrams, (begin + bigrams) * sizeof(uint64_t)) < 0)
        return -1;
    uint64_t *held = group->bigrams.at;
    const uint32_t *ids = scratch->ids.at, *numbers = group->numbers.at;
    for (size_t at = 0; at < bigrams; at++)
        held[begin + at] = (uint64_t)numbers[ids[at]] << 32 | numbers[ids[at + 1]];
    group->held += bigrams;
    group->samples[group->judged++] = (Compared){begin, group->held, distinct_bigrams, prompt};
    return 0;
}

/* Keep only the first sample of each prompt, if there are two prompts or more: between.of_each_prompt. */
static void
keep_one_of_each_prompt(Group *group)
{
    int64_t known = 0;
    int several = 0, kept = 0;
    for (int at = 0; at < group->judged; at++) {
        int64_t prompt = group->samples[at].prompt;
        several |= prompt && known && prompt != known;
        known = prompt ? prompt : known;
    }
    if (!several)
        return;
    for (int at = 0; at < group->judged; at++) {
        int before = 0;
        while (before < kept && group->samples[before].prompt != group->samples[at].prompt)
            before++;
        if (before == kept)
            group->samples[kept++] = group->samples[at];
    }
    group->judged = kept;
}

/* Set `between` to the diversity between the samples of the group, not-a-number if there is none. */
int
between_samples(Group *group, Scratch *scratch, double *between)
{
    keep_one_of_each_prompt(group);
    uint64_t *held = group->bigrams.at, each = 0, together;
    size_t used = 0;
    int samples = 0;
    for (int at = 0; at < group->judged; at++) {
        const Compared *sample = &group->samples[at];
        if (sample->begin == sample->end)
            continue;
        memmove(held + used, held + sample->begin, (sample->end - sample->begin) * sizeof *held);
        used += sample->end - sample->begin;
        each += sample->distinct;
        samples++;
    }
    *between = NAN;
    if (samples < 2)
        return 0;
    if (count_distinct_pairs(held, used, group->tokens.dictionary.count, scratch, &together) < 0)
        return -1;
    double shared = 1 / (double)samples, distinct = (double)together / (double)each;
    *between = 100 * (distinct > shared ? distinct - shared : 0.0) / (1 - shared);
    return 0;
}

void
free_group(Group *group)
{
    free_words(&group->tokens);
    release(&group->numbers);
    release(&group->bigrams);
}
