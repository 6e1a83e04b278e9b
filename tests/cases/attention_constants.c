// attention_constants.c - see attention_constants.h.
#include "attention_constants.h"

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
