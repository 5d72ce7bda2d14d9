/* The scores of one text: scores.py. */
#include <math.h>

#include "dictionary.h"

/* Return how long reference text must be to hold this many different things: Curve.length_for. */
static double
length_for(const Curve *curve, double effective)
{
    if (effective < 1)
        return 0.0;
    const double *counts = curve->counts, *effectives = curve->effectives;
    double target = log(effective);
    size_t low = 0, high = curve->points;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (effectives[middle] < target)
            low = middle + 1;
        else
            high = middle;
    }
    size_t right = low < 1 ? 1 : low > curve->points - 1 ? curve->points - 1 : low;
    double share = (target - effectives[right - 1]) / (effectives[right] - effectives[right - 1]);
    double length = counts[right - 1] + share * (counts[right] - counts[right - 1]);
    return exp(length < 700.0 ? length : 700.0);
}

static double
against(const Curve *curve, double effective, uint64_t counted)
{
    double share = (length_for(curve, effective) - 1) / (double)(counted - 1);
    share = share > 0.0 ? share : 0.0;
    return 100 * (share < 1.0 ? share : 1.0);
}

/* Return the diversity of the counts in the spectrum, and empty it. */
static double
take_diversity(Scratch *scratch, const Curve *curve, uint32_t order, uint64_t length)
{
    double effective = take_effective(&scratch->spectrum);
    /* The number of runs. */
    uint64_t counted = length < order ? 0 : length - order + 1;
    return counted < 2 ? NAN : against(curve, effective, counted);
}

/* Numbers of the words of a text, by tokens and by kinds of tokens. */
typedef struct {
    uint64_t english, words;
    uint64_t different, different_english; /* words */
} WordCounts;

static int
count_kinds(Scratch *scratch)
{
    size_t size = scratch->kinds * sizeof(uint32_t);
    if (reserve(&scratch->kind_counts, size + 1) < 0)
        return -1;
    const uint32_t *ids = scratch->ids.at;
    uint32_t *counts = memset(scratch->kind_counts.at, 0, size);
    for (uint32_t at = 0; at < scratch->tokens; at++)
        counts[ids[at]]++;
    return 0;
}

static WordCounts
count_words(Scratch *scratch)
{
    WordCounts counted = {0};
    const uint8_t *classes = scratch->kind_classes.at, *known = scratch->kind_known.at;
    const uint32_t *counts = scratch->kind_counts.at;
    uint32_t *times = scratch->spectrum.times.at, largest = 0;
    for (uint32_t kind = 0; kind < scratch->kinds; kind++) {
        /* A kind that is not English has the count 0, which the spectrum ignores. */
        uint32_t english = known[kind] ? counts[kind] : 0, is_word = (classes[kind] & ALPHABETIC) != 0;
        counted.english += english;
        counted.words += is_word ? counts[kind] : 0;
        counted.different += is_word;
        counted.different_english += is_word & known[kind];
        times[english]++;
        largest = english > largest ? english : largest;
    }
    times[0] = 0;
    scratch->spectrum.largest = largest;
    return counted;
}

/* Return the lower of two: how varied the English words are, and how many of the words are English. */
static double
english_score(Scratch *scratch, const Reference *reference, const WordCounts *counted)
{
    double effective = take_effective(&scratch->spectrum);
    if (reference->english == NULL || scratch->tokens < 2)
        return NAN;
    double varied = against(reference->english, effective, scratch->tokens);
    double share = counted->words ? (double)counted->english / (double)counted->words : 0.0;
    double present = 100 * share / reference->english_share;
    return present < varied ? present : varied;
}

static int
score_words(Scratch *scratch, const Reference *reference, double *english)
{
    if (reserve_zeroed(&scratch->spectrum.times, (scratch->tokens + 2) * sizeof(uint32_t)) < 0)
        return -1;
    if (count_kinds(scratch) < 0)
        return -1;
    WordCounts counted = count_words(scratch);
    *english = english_score(scratch, reference, &counted);
    int is_foreign = counted.different >= ENOUGH_WORDS
                     && (double)counted.different_english < FOREIGN_SHARE * (double)counted.different;
    if (*english < FOREIGN_BELOW && is_foreign)
        *english = NAN;
    return 0;
}

/* Find how varied the text is on the four scales, before repetitions are subtracted. */
static int
measure(Scratch *scratch, const Reference *reference, Row *row, uint64_t *bigrams, uint64_t *trigrams)
{
    if (score_words(scratch, reference, &row->english) < 0)
        return -1;
    if (count_runs_of_four(scratch) < 0)
        return -1;
    row->character = take_diversity(scratch, reference->character, 4, scratch->characters);
    if (count_trigrams(scratch) < 0)
        return -1;
    *trigrams = things(&scratch->spectrum);
    row->trigram = take_diversity(scratch, reference->trigram, 3, scratch->tokens);
    if (count_bigrams(scratch) < 0)
        return -1;
    *bigrams = things(&scratch->spectrum);
    row->bigram = take_diversity(scratch, reference->bigram, 2, scratch->tokens);
    return 0;
}

/* A missing score is not-a-number, for which no comparison holds. */
static int
may_be_template(const Row *row)
{
    return !(row->bigram >= TOLD_BELOW) && !(row->trigram >= TOLD_BELOW) && !(row->english >= TOLD_BELOW)
           && !(row->character >= TOLD_BELOW);
}

/* Score a text: scores.score_tokens. */
int
score_text(
    const Text *text, const List *list, const Reference *reference, const Order *order, Scratch *scratch, Row *row,
    uint64_t *distinct_bigrams
)
{
    uint64_t trigrams;
    double again;
    *row = (Row){0};
    *distinct_bigrams = 0;
    if (tokenize(text, list, scratch) < 0)
        return -1;
    row->tokens = scratch->tokens;
    row->characters = (int64_t)scratch->characters;
    if (!scratch->characters)
        return 0;
    if (measure(scratch, reference, row, distinct_bigrams, &trigrams) < 0)
        return -1;
    if (said_again(scratch, trigrams, &again) < 0)
        return -1;
    row->bigram *= 1 - again;
    row->trigram *= 1 - again;
    row->english *= 1 - again;
    row->character *= 1 - again;
    if (may_be_template(row) && is_template(scratch, again, &row->template_) < 0)
        return -1;
    if (row->english >= ENGLISH_FROM)
        neighbours(order, scratch, &row->surplus, &row->pairs);
    return 0;
}

void
free_scratch(Scratch *scratch)
{
    Buffer *buffers[] = {
        &scratch->bytes,      &scratch->codes,     &scratch->ids,       &scratch->kind_classes,   &scratch->kind_counts,
        &scratch->kind_known, &scratch->keys,      &scratch->table,     &scratch->table_keys,     &scratch->numbers_of_codes,
        &scratch->shortened, &scratch->kind_numbers, &scratch->places,  &scratch->marks,     &scratch->positions, &scratch->distances, &scratch->spectrum.times, &scratch->pair_numbers,
    };
    for (size_t at = 0; at < sizeof buffers / sizeof *buffers; at++)
        release(buffers[at]);
    forget(scratch);
    free_dictionary(&scratch->pairs);
}
