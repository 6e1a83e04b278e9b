// arrays.c - reads .npy files as the arrays that a layer takes, and looks through results.
#include "cli.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weights/format.h"
#include "moe/moe.h"
#include "npy.h"

// "[4][100]"
static const char *describe_shape(const struct vkmoe_npy *array, char *text, size_t size)
{
    size_t used = 0;
    if (array->rank == 0)
        snprintf(text, size, "a single number");
    for (uint32_t i = 0; i < array->rank && used < size; i++)
        used += (size_t)snprintf(
            text + used, size - used, "[%llu]", (unsigned long long)array->shape[i]);
    return text;
}

const char *cli_input_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

// Standard input can be read once only.
static int read_array(const char *path, struct vkmoe_npy *array)
{
    static bool taken;
    const bool is_input = strcmp(path, "-") == 0;
    *array = (struct vkmoe_npy){ 0 };
    if (is_input && taken)
        return cli_fail("standard input: is wanted for two inputs");
    taken = taken || is_input;
    return cli_result(vkmoe_npy_read(path, &cli_log, array), path);
}

static float get_float(const struct vkmoe_npy *array, size_t i)
{
    if (array->dtype == VKMOE_NPY_F32)
        return ((const float *)array->data)[i];
    if (array->dtype == VKMOE_NPY_F64)
        return (float)((const double *)array->data)[i];
    float value;
    vkmoe_decode_f16((const uint16_t *)array->data + i, &value);
    return value;
}

static int check_floats(const char *path, const struct vkmoe_npy *array, uint32_t columns)
{
    char shape[192];
    if (vkmoe_npy_is_integer(array))
        return cli_fail("%s: holds integers (%s), expected f4, f8 or f2", path, array->descr);
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
    int status = read_array(path, &array);
    path = cli_input_name(path);
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

static int check_integers(const char *path, const struct vkmoe_npy *array)
{
    return vkmoe_npy_is_integer(array)
        ? 0
        : cli_fail("%s: holds no integers, but %s", path, array->descr);
}

int cli_read_ids(const char *path, uint32_t tokens, uint32_t columns, int32_t **data)
{
    struct vkmoe_npy array;
    char shape[192];
    *data = NULL;
    int status = read_array(path, &array);
    path = cli_input_name(path);
    if (status == 0)
        status = check_integers(path, &array);
    if (status == 0 && (array.rank != 2 || array.shape[0] != tokens || array.shape[1] != columns))
        status = cli_fail("%s: is %s, expected [%u][%u]", path,
            describe_shape(&array, shape, sizeof shape), tokens, columns);
    if (status == 0)
        *data = cli_alloc((size_t)array.elements * sizeof **data);
    for (size_t i = 0; status == 0 && i < array.elements; i++) {
        const int64_t id = vkmoe_npy_get_integer(&array, i);
        (*data)[i] = id >= 0 && id <= INT32_MAX ? (int32_t)id : -1;
    }
    free(array.data);
    return status;
}

// A number as it is in the file.
static const char *describe_integer(const struct vkmoe_npy *array, uint64_t i, char text[32])
{
    if (array->dtype == VKMOE_NPY_U64)
        snprintf(text, 32, "%llu", (unsigned long long)((const uint64_t *)array->data)[i]);
    else
        snprintf(text, 32, "%lld", (long long)vkmoe_npy_get_integer(array, i));
    return text;
}

// [tokens], or a batch of one.
static int check_text(const char *path, const struct vkmoe_npy *array, uint32_t context)
{
    char shape[192];
    int status = check_integers(path, array);
    if (status != 0)
        return status;
    if (array->rank != 1 && !(array->rank == 2 && array->shape[0] == 1))
        return cli_fail("%s: is %s, expected [tokens] or [1][tokens]", path,
            describe_shape(array, shape, sizeof shape));
    if (array->elements == 0)
        return cli_fail("%s: is empty, expected at least one token", path);
    if (array->elements > context)
        return cli_fail("%s: has %llu tokens, the model's context holds %u", path,
            (unsigned long long)array->elements, context);
    return 0;
}

int cli_read_text(
    const char *path, uint32_t vocabulary, uint32_t context, uint32_t **tokens, uint32_t *count)
{
    struct vkmoe_npy array;
    char text[32];
    int status = read_array(path, &array);
    path = cli_input_name(path);
    if (status == 0)
        status = check_text(path, &array, context);
    for (uint32_t i = 0; status == 0 && i < array.elements; i++) {
        const int64_t id = vkmoe_npy_get_integer(&array, i);
        if (id < 0 || id >= vocabulary)
            status = cli_fail("%s: [%s%u] is %s, expected 0 to %u, the model's vocabulary", path,
                array.rank == 2 ? "0][" : "", i, describe_integer(&array, i, text), vocabulary - 1);
    }
    if (status == 0) {
        *count = (uint32_t)array.elements;
        *tokens = cli_alloc(*count * sizeof **tokens);
    }
    for (uint32_t i = 0; status == 0 && i < array.elements; i++)
        (*tokens)[i] = (uint32_t)vkmoe_npy_get_integer(&array, i);
    free(array.data);
    return status;
}

struct cli_bad cli_find_bad(const float *data, uint64_t rows, uint64_t columns)
{
    struct cli_bad bad = { 0 };
    for (uint64_t row = 0; row < rows; row++, data += columns) {
        uint64_t column = 0;
        while (column < columns && isfinite(data[column]))
            column++;
        if (column == columns)
            continue;
        if (bad.rows++ == 0)
            bad = (struct cli_bad){ 1, row, column, data[column] };
    }
    return bad;
}

void cli_add_bad(struct cli_bad *bad, const struct cli_bad *next, uint64_t first_row)
{
    const uint64_t rows = bad->rows + next->rows;
    if (bad->rows == 0) {
        *bad = *next;
        bad->row += first_row;
    }
    bad->rows = rows;
}

const char *cli_name_bad(float value)
{
    return isnan(value) ? "NaN" : value > 0 ? "infinity" : "-infinity";
}

int cli_fail_bad(const char *name, const struct cli_bad *bad, uint64_t tokens)
{
    if (bad->rows == 0)
        return 0;
    return cli_fail("%s: token %llu has %s at [%llu][%llu]; %llu of %llu token%s not finite", name,
        (unsigned long long)bad->row, cli_name_bad(bad->value), (unsigned long long)bad->row,
        (unsigned long long)bad->column, (unsigned long long)bad->rows, (unsigned long long)tokens,
        tokens == 1 ? " is" : "s are");
}

int cli_fail_bad_logits(
    const char *path, const char *what, const float *logits, uint32_t vocabulary)
{
    const struct cli_bad bad = cli_find_bad(logits, vocabulary, 1);
    return bad.rows == 0
        ? 0
        : cli_fail("%s: %s: the logits are not finite (%llu of %u; that of %llu is %s)", path, what,
            (unsigned long long)bad.rows, vocabulary, (unsigned long long)bad.row,
            cli_name_bad(bad.value));
}
