// gguf_types.h - the types that GGUF has for tensors, by their numbers.
#ifndef VKMOE_GGUF_TYPES_H
#define VKMOE_GGUF_TYPES_H

#include <stdbool.h>
#include <stdint.h>

struct gguf_type {
    const char *name;         // as formats.def has it, of those that vkmoe computes with
    uint32_t elements, bytes; // of a block
};

// NULL: no type has this number. One without a name was withdrawn.
const struct gguf_type *vkmoe_gguf_type(uint32_t number);

// The number of the type that is called so; false: none is.
bool vkmoe_gguf_type_number(const char *name, uint32_t *out);

#endif
