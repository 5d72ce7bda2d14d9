/* Sixteen bytes at once. */
#ifndef COHERENCE_SIXTEEN_H
#define COHERENCE_SIXTEEN_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "dictionary.h"

typedef uint8_t Sixteen __attribute__((vector_size(16)));

/* Set all bits of those of sixteen bytes that are one of the `number` values from `first` on. */
static inline Sixteen
within(Sixteen bytes, uint8_t first, uint8_t number)
{
    Sixteen firsts, numbers;
    memset(&firsts, first, sizeof firsts);
    memset(&numbers, number, sizeof numbers);
    return (Sixteen)(bytes - firsts < numbers);
}

/* Return a bit for each of sixteen bytes, set if the byte is. */
static inline uint64_t
bits_of(Sixteen flags)
{
#ifdef __SSE2__
    return (uint64_t)_mm_movemask_epi8((__m128i)flags);
#else
    /* The topmost byte of this product has the lowest bits of eight bytes, in their order. */
    const uint64_t ones = UINT64_C(0x0101010101010101), gather = UINT64_C(0x0102040810204080);
    uint8_t bytes[sizeof flags];
    memcpy(bytes, &flags, sizeof flags);
    return ((load(bytes, 8) & ones) * gather >> 56) | ((load(bytes + 8, 8) & ones) * gather >> 56) << 8;
#endif
}

#endif
