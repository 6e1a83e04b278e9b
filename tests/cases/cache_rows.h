// cache_rows.h - rows of a cache for the cases of attention's kernels, laid out as
// shaders/lib/cache.glsl says and rounded on the host.
#ifndef VKMOE_TESTS_CASES_CACHE_ROWS_H
#define VKMOE_TESTS_CASES_CACHE_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "shaders/shared.h"

// Words of a cache's row, scales included.
uint32_t cache_row_words(enum cache_type type, uint32_t head_size);

// Stores one head as row `row` of `rows`, with zeros behind it.
void cache_put_row(enum cache_type type, uint32_t head_size, size_t rows, size_t row,
    const float *head, uint32_t *cache);

// What is stored there.
void cache_get_row(enum cache_type type, uint32_t head_size, size_t rows, size_t row,
    const uint32_t *cache, float *head);

#endif
