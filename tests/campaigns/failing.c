/* Memory of the core that runs out: one call of malloc, calloc or realloc fails. memory_fails.py adds it. */
#undef malloc
#undef calloc
#undef realloc
#undef free
#include <stdlib.h>

#define SHOWN __attribute__((visibility("default")))

SHOWN long calls, failing, held; /* how many there were, which of them fails, how many pieces are not yet freed */

static int
fails(void)
{
    return ++calls == failing;
}

void *
failing_malloc(size_t size)
{
    void *memory = fails() ? NULL : malloc(size);
    held += memory != NULL;
    return memory;
}

void *
failing_calloc(size_t number, size_t size)
{
    void *memory = fails() ? NULL : calloc(number, size);
    held += memory != NULL;
    return memory;
}

void *
failing_realloc(void *old, size_t size)
{
    void *memory = fails() ? NULL : realloc(old, size);
    held += memory != NULL && old == NULL;
    return memory;
}

void
failing_free(void *memory)
{
    held -= memory != NULL;
    free(memory);
}
