// attention_constants.c - see attention_constants.h.
#include "attention_constants.h"

#include <math.h>
#include <string.h>

void io_add_attention_constants(struct kernel_io *io)
{
    io_add(io, "constants", ROLE_IN, 1, sizeof(struct attention_constants) / 4);
}

uint64_t io_fill_attention_constants(struct kernel_io *io, struct attention_constants numbers)
{
    numbers.patterns = io_address(io, "patterns");
    numbers.sinks = io_address(io, "sinks");
    numbers.position_bias = io_address(io, "position_bias");
    numbers.query_norm = io_address(io, "query_norm");
    numbers.key_norm = io_address(io, "key_norm");
    memcpy(io_find(io, "constants")->before, &numbers, sizeof numbers);
    return io_address(io, "constants");
}

struct attention_constants attention_numbers(
    uint32_t heads, uint32_t kv_heads, uint32_t experts, uint32_t k, uint32_t query_stride)
{
    return (struct attention_constants){ .heads = heads,
        .kv_heads = kv_heads,
        .experts = MAX(experts, 1),
        .experts_per_token = MAX(k, 1),
        .query_stride = query_stride };
}

void io_leave_queries(
    struct kernel_io *io, uint32_t rows, uint32_t width, const uint32_t *row_token)
{
    struct kernel_operand *query = io_find(io, "query");
    float *values = query->before;
    if (rows)
        query->size -= (query->columns - width) * sizeof *values;
    for (uint32_t row = 0; row < rows; row++)
        for (uint32_t i = 0; row_token[row] == UINT32_MAX && i < width; i++)
            values[(size_t)row * query->columns + i] = NAN;
}

uint32_t *io_add_places(struct kernel_io *io, const char *name, bool is_there, uint32_t tokens)
{
    return is_there ? io_add(io, name, ROLE_IN, tokens, 1)->before : NULL;
}

void io_copy_places(struct kernel_io *io, bool placed, bool in_sequences, uint32_t tokens,
    const uint32_t *position, const uint32_t *sequence)
{
    uint32_t *positions = io_add_places(io, "positions", placed, tokens);
    uint32_t *sequences = io_add_places(io, "sequences", in_sequences, tokens);
    if (positions)
        memcpy(positions, position, tokens * sizeof *position);
    if (sequences)
        memcpy(sequences, sequence, tokens * sizeof *sequence);
}

void io_add_turns(struct kernel_io *io, bool placed, uint32_t sequences, uint32_t tokens,
    uint32_t start, uint32_t **position, uint32_t **sequence)
{
    const uint32_t count = MAX(sequences, 1);
    *position = io_alloc(io, tokens, sizeof **position);
    *sequence = io_alloc(io, tokens, sizeof **sequence);
    for (uint32_t t = 0; t < tokens; t++) {
        (*sequence)[t] = t % count;
        (*position)[t] = start + t / count;
    }
    io_copy_places(io, placed, sequences != 0, tokens, *position, *sequence);
}
