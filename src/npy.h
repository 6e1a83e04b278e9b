// npy.h - NumPy's array files, as far as tests and tools exchange them: little-endian, C
// order (numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
#ifndef VKMOE_NPY_H
#define VKMOE_NPY_H

#include <stdint.h>

#include "vkmoe/vkmoe.h"

enum { VKMOE_NPY_MAX_RANK = 8 };

enum vkmoe_npy_dtype { VKMOE_NPY_F32, VKMOE_NPY_F64, VKMOE_NPY_F16, VKMOE_NPY_I32, VKMOE_NPY_I64 };

struct vkmoe_npy {
    enum vkmoe_npy_dtype dtype;
    uint32_t rank; // 0: one element
    uint64_t shape[VKMOE_NPY_MAX_RANK];
    uint64_t elements;
    void *data; // free() it
};

// Reads a whole file. UNSUPPORTED for other dtypes, Fortran order, and more than 8
// dimensions, INVALID for a file that is no array or whose size is not the header's.
enum vkmoe_status vkmoe_npy_read(const char *path, const struct vkmoe_log *log,
    struct vkmoe_npy *out);

enum vkmoe_status vkmoe_npy_write_f32(const char *path, const struct vkmoe_log *log,
    const float *data, const uint64_t *shape, uint32_t rank);
enum vkmoe_status vkmoe_npy_write_i32(const char *path, const struct vkmoe_log *log,
    const int32_t *data, const uint64_t *shape, uint32_t rank);

#endif
