// half_rows.h - rows of h in f16 with their scales, as HALF_STRIDE of shaders/experts_gemm.h has
// them, for cases of kernels.
#ifndef VKMOE_TESTS_HALF_ROWS_H
#define VKMOE_TESTS_HALF_ROWS_H

#include "cases.h"

// Makes rows of that of an input of floats, and returns what these hold, [rows][columns]. `even`: a
// row has one scale where it can.
const float *half_rows_from_floats(
    struct kernel_io *io, const char *name, uint32_t rows, bool even);

// Adds an output of such rows, which is compared as floats, [rows][columns].
void half_rows_add(struct kernel_io *io, const char *name, uint32_t rows, uint32_t columns);

#endif
