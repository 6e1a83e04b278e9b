// arrays.c - reads .npy files as the arrays that a layer takes.
#include "cli.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dtype.h"
#include "layer.h"
#include "npy.h"

// "[4][100]"
static const char *describe_shape(const struct vkmoe_npy *array, char *text, size_t size)
{
    size_t used = 0;
    if (array->rank == 0)
        snprintf(text, size, "a single number");
    for (uint32_t i = 0; i < array->rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "[%llu]",
            (unsigned long long)array->shape[i]);
    return text;
}

static float get_float(const struct vkmoe_npy *array, size_t i)
{
    if (array->dtype == VKMOE_NPY_F32)
        return ((const float *)array->data)[i];
    if (array->dtype == VKMOE_NPY_F64)
        return (float)((const double *)array->data)[i];
    const struct vkmoe_view view = {.data = array->data, .dtype = VKMOE_F16, .column_stride = 1};
    return vkmoe_view_get(&view, 0, (int64_t)i);
}

static int check_floats(const char *path, const struct vkmoe_npy *array, uint32_t columns)
{
    char shape[192];
    if (array->dtype == VKMOE_NPY_I32 || array->dtype == VKMOE_NPY_I64)
        return cli_fail("%s: holds integers, expected f32, f64 or f16", path);
    if (array->rank != 2 || array->shape[1] != columns)
        return cli_fail("%s: is %s, expected [tokens][%u]", path,
            describe_shape(array, shape, sizeof shape), columns);
    if (array->shape[0] > MAX_TOKENS)
        return cli_fail("%s: has %llu tokens, expected at most %d", path,
            (unsigned long long)array->shape[0], MAX_TOKENS);
    return 0;
}

int cli_read_floats(const char *path, uint32_t columns, uint32_t *tokens, float **data)
{
    struct vkmoe_npy array;
    *data = NULL;
    int status = cli_result(vkmoe_npy_read(path, &cli_log, &array), path);
    if (status == 0)
        status = check_floats(path, &array, columns);
    if (status != 0)
        goto done;
    *tokens = (uint32_t)array.shape[0];
    *data = cli_alloc((size_t)array.elements * sizeof **data);
    for (size_t i = 0; i < array.elements; i++) {
        (*data)[i] = get_float(&array, i);
        // One NaN would spread over its token's row, and nobody would see where it began.
        if (!isfinite((*data)[i])) {
            status = cli_fail("%s: [%zu][%zu] is %s, expected finite numbers", path, i / columns,
                i % columns, isnan((*data)[i]) ? "NaN" : "infinite or too large for f32");
            break;
        }
    }
done:
    free(array.data);
    if (status != 0) {
        free(*data);
        *data = NULL;
    }
    return status;
}

int cli_read_ids(const char *path, uint32_t tokens, uint32_t columns, int32_t **data)
{
    struct vkmoe_npy array;
    char shape[192];
    *data = NULL;
    int status = cli_result(vkmoe_npy_read(path, &cli_log, &array), path);
    if (status != 0)
        return status;
    if (array.dtype != VKMOE_NPY_I32 && array.dtype != VKMOE_NPY_I64)
        status = cli_fail("%s: holds no integers, expected i32 or i64", path);
    else if (array.rank != 2 || array.shape[0] != tokens || array.shape[1] != columns)
        status = cli_fail("%s: is %s, expected [%u][%u]", path,
            describe_shape(&array, shape, sizeof shape), tokens, columns);
    if (status == 0)
        *data = cli_alloc((size_t)array.elements * sizeof **data);
    for (size_t i = 0; status == 0 && i < array.elements; i++) {
        int64_t id = array.dtype == VKMOE_NPY_I32 ? ((const int32_t *)array.data)[i]
            : ((const int64_t *)array.data)[i];
        (*data)[i] = id >= 0 && id <= INT32_MAX ? (int32_t)id : -1;
    }
    free(array.data);
    return status;
}
