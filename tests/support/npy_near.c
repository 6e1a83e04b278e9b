// npy_near.c - compares two arrays for the shell's tests:
//
//     npy_near FOUND.npy EXPECTED.npy TOLERANCE
//
// Fails, and says why, unless their shapes are the same and each difference is at most
// TOLERANCE times the rms of what is expected. With TOLERANCE "argmax" the largest element
// of each row must stand at the same place.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/npy.h"

static double get(const struct vkmoe_npy *array, uint64_t i)
{
    switch (array->dtype) {
    case VKMOE_NPY_F32: return ((const float *)array->data)[i];
    case VKMOE_NPY_F64: return ((const double *)array->data)[i];
    case VKMOE_NPY_I32: return ((const int32_t *)array->data)[i];
    default: return NAN;
    }
}

static uint64_t find_largest(const struct vkmoe_npy *array, uint64_t row, uint64_t columns)
{
    uint64_t best = 0;
    for (uint64_t i = 1; i < columns; i++) {
        if (get(array, row * columns + i) > get(array, row * columns + best))
            best = i;
    }
    return best;
}

static int compare_largest(const struct vkmoe_npy *found, const struct vkmoe_npy *expected)
{
    const uint64_t columns = expected->shape[expected->rank - 1];
    for (uint64_t row = 0; row < expected->elements / columns; row++) {
        const uint64_t a = find_largest(found, row, columns);
        const uint64_t b = find_largest(expected, row, columns);
        if (a != b) {
            printf("row %u: largest is %u, expected %u\n", (unsigned)row, (unsigned)a, (unsigned)b);
            return 1;
        }
    }
    return 0;
}

static int compare(
    const struct vkmoe_npy *found, const struct vkmoe_npy *expected, double tolerance)
{
    double sum = 0, most = 0;
    for (uint64_t i = 0; i < expected->elements; i++) {
        const double a = get(found, i), b = get(expected, i), error = fabs(a - b);
        most = error <= most ? most : isnan(error) ? INFINITY : error;
        sum += b * b;
    }
    const double rms = sqrt(sum / (double)expected->elements);
    if (most <= tolerance * rms)
        return 0;
    printf("largest error is %g, with an rms of %g\n", most, rms);
    return 1;
}

int main(int argc, char **argv)
{
    struct vkmoe_npy found = { 0 }, expected = { 0 };
    if (argc != 4 || vkmoe_npy_read(argv[1], NULL, &found) != VKMOE_OK
        || vkmoe_npy_read(argv[2], NULL, &expected) != VKMOE_OK || expected.rank == 0) {
        printf("cannot compare\n");
        return 1;
    }
    int status = 0;
    if (found.rank != expected.rank || found.dtype != expected.dtype
        || memcmp(found.shape, expected.shape, found.rank * sizeof found.shape[0]) != 0) {
        printf("shapes or dtypes differ\n");
        status = 1;
    } else if (strcmp(argv[3], "argmax") == 0) {
        status = compare_largest(&found, &expected);
    } else {
        status = compare(&found, &expected, atof(argv[3]));
    }
    free(found.data);
    free(expected.data);
    return status;
}
