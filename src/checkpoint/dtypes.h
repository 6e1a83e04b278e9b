// dtypes.h - the names that checkpoints have for the types of elements.
#ifndef VKMOE_DTYPES_H
#define VKMOE_DTYPES_H

#include <stdbool.h>
#include <stdint.h>

#include "vkmoe/vkmoe.h"

// False for what vkmoe does not compute with.
bool vkmoe_dtype_named(const char *name, enum vkmoe_dtype *out);

// Bits of one element; 0: unknown, which is fine until somebody needs the tensor.
uint32_t vkmoe_dtype_bits(const char *name);

#endif
