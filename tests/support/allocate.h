// allocate.h - memory for tests.
#ifndef VKMOE_TESTS_ALLOCATE_H
#define VKMOE_TESTS_ALLOCATE_H

#include <stdlib.h>

// Zeroed, and room for one element where there is none, so that there is always somewhere to write.
// A test without memory has nothing to say.
static inline void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    if (!memory)
        abort();
    return memory;
}

#endif
