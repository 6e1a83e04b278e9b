// npy.c - an array file of NumPy's.
#include "cli/npy.h"

#include <stdlib.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record record = { 0 };
    const struct vkmoe_log log = log_to(&record);
    struct vkmoe_npy array;
    const char *path = fuzz_write("array.npy", data, size, 0);
    const enum vkmoe_status status = vkmoe_npy_read(path, &log, &array);
    int64_t sum = 0;
    fuzz_expect(status, &record);
    for (uint64_t i = 0; status == VKMOE_OK && i < array.elements; i++)
        sum ^= vkmoe_npy_get_integer(&array, i);
    free(array.data);
    return sum == INT64_MIN; // 0, but for the sum to be needed
}
