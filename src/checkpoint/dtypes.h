// dtypes.h - the names that checkpoints have for the types of elements.
#ifndef VKMOE_DTYPES_H
#define VKMOE_DTYPES_H

#include <stdint.h>

// Bits of one element; 0: unknown, which is fine until somebody needs the tensor.
uint32_t vkmoe_dtype_bits(const char *name);

#endif
