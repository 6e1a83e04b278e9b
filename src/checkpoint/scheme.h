// scheme.h - what the schemes of assembly.h share.
#ifndef VKMOE_SCHEME_H
#define VKMOE_SCHEME_H

#include "checkpoint/assembly.h"

// UNSUPPORTED or INVALID with a line about a tensor.
#define SCHEME_FAIL(candidate, code, tensor, format, ...) \
    vkmoe_fail((candidate)->log, VKMOE_ERROR_##code, "%s: tensor %s " format, (tensor)->path, \
        (tensor)->name, __VA_ARGS__)

// INVALID: the shape of a tensor does not go with that of the values.
enum vkmoe_status vkmoe_scheme_misfit(
    const struct candidate *candidate, const struct tensor *tensor);

// Rows and columns of values [rows][words] or [experts][rows][words], each word being so many
// columns, and what they become.
enum vkmoe_status vkmoe_scheme_rows(const struct candidate *candidate, uint64_t columns_of_word,
    enum vkmoe_dtype dtype, struct assembled *out);

// What each scale is for, as the shape says: for all, for an expert, for a row, or for so many
// rows and columns.
enum vkmoe_status vkmoe_scheme_scales(const struct candidate *candidate, uint64_t block_rows,
    uint64_t block_columns, struct assembled *out);

// No more than what they are stored as.
enum vkmoe_status vkmoe_scheme_scale_type(const struct candidate *candidate, struct assembled *out);

// `count` of them as floats. INVALID for one that is no number.
enum vkmoe_status vkmoe_scheme_scales_decode(const struct assembled *matrix,
    const struct vkmoe_log *log, const unsigned char *bytes, uint64_t count, float *to);
uint32_t vkmoe_scheme_scale_size(const struct assembled *matrix); // in bytes

// The tensors beside values and scales, those that are there, and the order of columns, if the
// settings say that groups may lie apart. UNSUPPORTED or INVALID with a line.
enum vkmoe_status vkmoe_scheme_others(const struct candidate *candidate, const char *zeros_tail,
    const char *order_tail, const char *zeros_dtype, uint64_t zeros_count, struct assembled *out);

// The same of such as the scheme does not read: zeros are 0, and columns of the group that their
// place says. Of a matrix that is described.
enum vkmoe_status vkmoe_scheme_check_unread(
    const struct candidate *candidate, struct assembled *matrix);

// That each column is of the group that its place says, unless the order is known.
enum vkmoe_status vkmoe_scheme_check_order(
    const struct assembled *matrix, const struct vkmoe_log *log);

// Makes rows whose values are `bytes` bytes each, by a function that gets a row's, its scales and
// as many zeros of a byte each, or NULL.
typedef void make_row(const struct assembled *matrix, const unsigned char *values,
    const float *scales, const unsigned char *zeros, unsigned char *to);
enum vkmoe_status vkmoe_scheme_each_row(const struct assembled *matrix, const struct vkmoe_log *log,
    uint64_t row, uint64_t rows, uint64_t bytes, make_row *make, unsigned char *to);

// Reads `size` bytes of a part to memory of its own; free(*out), which is NULL on failure.
enum vkmoe_status vkmoe_scheme_read(const struct assembled *matrix, const struct vkmoe_log *log,
    enum part part, uint64_t offset, uint64_t size, unsigned char **out);

// The column that a row has at `place`.
static inline uint64_t column_at(const struct assembled *matrix, uint64_t place)
{
    return matrix->order ? matrix->order[place] : place;
}

// Word i of little-endian ones.
static inline uint32_t vkmoe_word_at(const unsigned char *words, uint64_t i)
{
    const unsigned char *w = words + 4 * i;
    return w[0] | (uint32_t)w[1] << 8 | (uint32_t)w[2] << 16 | (uint32_t)w[3] << 24;
}

// Element i of nibbles, the lower first.
static inline unsigned vkmoe_nibble_at(const unsigned char *bytes, uint64_t i)
{
    return bytes[i / 2] >> i % 2 * 4 & 15;
}

// The functions of each.
#define SCHEMES(S) \
    S(mxfp4_blocks) \
    S(nvfp4) \
    S(floats_8) \
    S(int8) \
    S(packed) \
    S(words)

#define SCHEME_FUNCTIONS(name) \
    enum vkmoe_status vkmoe_##name##_describe( \
        const struct candidate *candidate, struct assembled *out); \
    enum vkmoe_status vkmoe_##name##_make(const struct assembled *matrix, \
        const struct vkmoe_log *log, uint64_t row, uint64_t rows, unsigned char *to);
SCHEMES(SCHEME_FUNCTIONS)

#endif
