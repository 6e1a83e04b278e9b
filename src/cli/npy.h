// npy.h - NumPy's array files, as far as tests and tools exchange them: numbers of any byte
// order and either order of axes (numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
#ifndef VKMOE_NPY_H
#define VKMOE_NPY_H

#include <stdbool.h>
#include <stdint.h>

#include "vkmoe/vkmoe.h"

enum { VKMOE_NPY_MAX_RANK = 8 };

enum vkmoe_npy_dtype {
    VKMOE_NPY_F32,
    VKMOE_NPY_F64,
    VKMOE_NPY_F16,
    VKMOE_NPY_I8,
    VKMOE_NPY_I16,
    VKMOE_NPY_I32,
    VKMOE_NPY_I64,
    VKMOE_NPY_U8,
    VKMOE_NPY_U16,
    VKMOE_NPY_U32,
    VKMOE_NPY_U64,
};

struct vkmoe_npy {
    enum vkmoe_npy_dtype dtype;
    char descr[8]; // as the file has it: ">f4"
    uint32_t rank; // 0: one element
    uint64_t shape[VKMOE_NPY_MAX_RANK];
    uint64_t elements;
    void *data; // in C order and this machine's byte order; free() it
};

// Reads a whole file, which may be a pipe; "-" is standard input. UNSUPPORTED for other dtypes
// and more than 8 dimensions, INVALID for a file that is no array or whose size is not the
// header's.
enum vkmoe_status vkmoe_npy_read(
    const char *path, const struct vkmoe_log *log, struct vkmoe_npy *out);

static inline bool vkmoe_npy_is_integer(const struct vkmoe_npy *array)
{
    return array->dtype >= VKMOE_NPY_I8;
}

// An element of an array of integers; INT64_MAX for larger ones.
int64_t vkmoe_npy_get_integer(const struct vkmoe_npy *array, uint64_t i);

// "-" is standard output, which is flushed and not closed.
enum vkmoe_status vkmoe_npy_write_f32(const char *path, const struct vkmoe_log *log,
    const float *data, const uint64_t *shape, uint32_t rank);
enum vkmoe_status vkmoe_npy_write_i32(const char *path, const struct vkmoe_log *log,
    const int32_t *data, const uint64_t *shape, uint32_t rank);

#endif
