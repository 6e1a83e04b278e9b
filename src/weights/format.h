// format.h - the formats of weights, as formats.def lists them.
#ifndef VKMOE_FORMAT_H
#define VKMOE_FORMAT_H

#include "vkmoe/vkmoe.h"

// A block is what elements of a row are stored as, and can be read as, together: one by one in
// most formats.
struct format {
    const char *name;           // "bf16"
    const char *in_checkpoints; // "BF16"
    uint32_t elements, bytes;   // of a block
    uint32_t lead;              // bytes of a block, see formats.def
    void (*decode)(const void *block, float *to);
};

#define FORMAT_MAX_ELEMENTS 256 // of a block
#define FORMAT_MAX_BYTES 256

// NULL: there is none such.
const struct format *vkmoe_format(enum vkmoe_dtype dtype);

// What files call them: "F32, F16, ...".
extern const char *const vkmoe_format_list;

// The format that files call so; false: none.
bool vkmoe_format_named(const char *in_checkpoints, enum vkmoe_dtype *out);

// Whether kernels want the code books of weights/code_books.h to read it.
bool vkmoe_format_has_code_book(enum vkmoe_dtype dtype);

// The bytes of elements that are whole blocks; those of a negative number are negative.
int64_t vkmoe_format_offset(enum vkmoe_dtype dtype, int64_t elements);
// Those of a row, whose last block may have more than is used of it, and of several rows.
uint64_t vkmoe_format_size(enum vkmoe_dtype dtype, uint64_t elements);
uint64_t vkmoe_format_matrix_size(enum vkmoe_dtype dtype, uint64_t rows, uint64_t columns);
// The elements of these blocks.
uint64_t vkmoe_format_width(enum vkmoe_dtype dtype, uint64_t columns);

// decode*.c: one block as floats, exactly.
#define FORMAT(name, ...) void vkmoe_decode_##name(const void *block, float *to);
#include "weights/formats.def"

#endif
