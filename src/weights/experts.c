// experts.c - creates and destroys sets of expert matrices; products.c and gemm.c multiply by them.
#include "weights/experts.h"

#include "base/check.h"
#include "base/common.h"
#include "base/try.h"
#include "device/fit.h"
#include "device/operands.h"
#include "weights/code_books.h"
#include "weights/order.h"
#include "weights/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum vkmoe_status no_host_memory(const vkmoe_device *device)
{
    return vkmoe_fail(device_log(device), VKMOE_ERROR_OUT_OF_MEMORY, "experts: out of host memory");
}

// ------------------------------------------------------------------------- source

enum vkmoe_status vkmoe_experts_check(const struct caller *caller, const struct experts_source *s)
{
    const enum vkmoe_dtype dtype = s->weights[0].dtype;
    for (uint32_t e = 0; e < s->count; e++) {
        CHECK((!s->gate || s->gate[e].data) && s->weights[e].data,
            "%s: the matrix of expert %u is missing", s->name, e);
        CHECK((!s->gate || s->gate[e].dtype == dtype) && s->weights[e].dtype == dtype,
            "%s: the matrix of expert %u differs in dtype from those before", s->name, e);
    }
    TRY_RETURN(vkmoe_matrices_check(caller, s->name, s->weights, s->count, s->columns));
    if (s->gate)
        TRY_RETURN(vkmoe_matrices_check(caller, "gate", s->gate, s->count, s->columns));
    if (s->shared.rows == 0)
        return VKMOE_OK;
    char name[64];
    snprintf(name, sizeof name, "shared.%s", s->name);
    const struct named_view shared[] = {
        { "shared.gate", &s->shared.gate, s->shared.columns },
        { name, &s->shared.weights, s->shared.columns },
    };
    return vkmoe_views_check(caller, shared, ARRAY_SIZE(shared));
}

uint64_t vkmoe_experts_load_size(const struct experts_source *s)
{
    const enum vkmoe_dtype dtype = s->weights[0].dtype;
    const uint64_t rows = (uint64_t)s->count * s->rows * (s->gate ? 2 : 1);
    const uint64_t shared_rows = (uint64_t)s->shared.rows * (s->shared.gate.data ? 2 : 1);
    return vkmoe_format_matrix_size(dtype, rows, s->columns)
        + (shared_rows
                ? vkmoe_format_matrix_size(s->shared.weights.dtype, shared_rows, s->shared.columns)
                : 0);
}

// ------------------------------------------------------------------------- create

enum vkmoe_status vkmoe_experts_prepare(vkmoe_device *device, enum vkmoe_dtype dtype,
    uint32_t count, uint32_t rows, uint32_t columns, struct experts *out)
{
    *out = (struct experts){
        .device = device,
        .shapes = vkmoe_shapes_choose(device),
        .dtype = dtype,
        .rows = rows,
        .columns = columns,
        .matrices = calloc(count, sizeof *out->matrices),
    };
    if (!out->matrices)
        return no_host_memory(device);
    out->count = count;
    return VKMOE_OK;
}

static enum vkmoe_status create_matrices(
    struct loading *loading, const struct experts_source *s, struct experts *out)
{
    for (uint32_t e = 0; e < s->count; e++) {
        vkmoe_fit_name(
            loading->device, "%s%s of expert %u", s->gate ? "gate and " : "", s->name, e);
        TRY_RETURN(vkmoe_matrix_create(loading, s->gate ? &s->gate[e] : &s->weights[e],
            s->gate ? &s->weights[e] : NULL, s->rows, s->columns, out->dtype, &out->matrices[e]));
    }
    if (s->shared.rows == 0)
        return VKMOE_OK;
    const bool gated = s->shared.gate.data != NULL;
    out->shared.rows = s->shared.rows;
    out->shared.columns = s->shared.columns;
    out->shared.gated = gated;
    out->shared.alone = s->shared.alone;
    out->shared.dtype = s->shared.weights.dtype;
    vkmoe_fit_name(loading->device, "shared expert");
    return vkmoe_matrix_create(loading, gated ? &s->shared.gate : &s->shared.weights,
        gated ? &s->shared.weights : NULL, s->shared.rows, s->shared.columns, out->shared.dtype,
        &out->shared.matrix);
}

// If x is brought into an order anywhere, the shared expert has a product of its own. Gate and up
// have their order in common, or would be apart.
static enum vkmoe_status create_orders(
    struct loading *loading, const struct experts_source *s, struct experts *out)
{
    TRY_RETURN(vkmoe_orders_create(loading, s->weights, s->count, s->columns, &out->order));
    if (s->shared.rows > 0)
        TRY_RETURN(vkmoe_orders_create(
            loading, &s->shared.weights, 1, s->shared.columns, &out->shared.order));
    out->shared.alone = out->shared.alone || out->order || out->shared.order;
    return VKMOE_OK;
}

// Element `row` of a bias goes where the packed matrix has that row; gated, strips of two
// biases take turns. The second of these is absent otherwise.
static void place_bias(const float *first, const float *second, uint32_t rows, float *packed)
{
    for (uint32_t row = 0; row < rows; row++) {
        const uint32_t at = row / STRIP_ROWS * 2 * STRIP_ROWS + row % STRIP_ROWS;
        packed[second ? at : row] = first[row];
        if (second)
            packed[at + STRIP_ROWS] = second[row];
    }
}

static enum vkmoe_status create_bias(const struct experts_source *s, struct experts *out)
{
    const vkmoe_device *device = out->device;
    const size_t padded = (size_t)out->matrices[0].blocks * BLOCK_ROWS;
    const size_t size = (size_t)s->count * s->rows; // of the values of one view
    if (!s->gate_bias.data && !s->bias.data)
        return VKMOE_OK;
    float *bias = calloc(s->count * padded, sizeof *bias);
    float *values = calloc(2 * size, sizeof *values);
    enum vkmoe_status status;
    TRY(bias && values ? VKMOE_OK : no_host_memory(device));
    if (s->gate)
        TRY(vkmoe_view_read(device, &s->gate_bias, s->count, s->rows, values + size));
    TRY(vkmoe_view_read(device, &s->bias, s->count, s->rows, values));
    for (uint32_t e = 0; e < s->count; e++) {
        const float *up = values + (size_t)e * s->rows, *gate = up + size;
        place_bias(s->gate ? gate : up, s->gate ? up : NULL, s->rows, bias + e * padded);
    }
    TRY(vkmoe_buffer_create_from(out->device, bias, s->count * padded * sizeof *bias, &out->bias));
fail:
    free(values);
    free(bias);
    return status;
}

// The bytes before the addresses.
static size_t books_size(const struct experts *e)
{
    const bool has = vkmoe_format_has_code_book(e->dtype)
        || (e->shared.rows > 0 && vkmoe_format_has_code_book(e->shared.dtype));
    return has ? sizeof vkmoe_code_books : 0;
}

uint64_t vkmoe_experts_table(const struct experts *e)
{
    return vkmoe_buffer_address(e->table) + e->books_size;
}

enum vkmoe_status vkmoe_experts_finish(struct experts *e)
{
    const size_t books = books_size(e);
    const size_t size = books + ((size_t)e->count + 1) * sizeof(uint64_t);
    uint64_t *table = calloc(1, size);
    if (!table)
        return no_host_memory(e->device);
    e->books_size = books;
    memcpy(table, vkmoe_code_books, books);
    uint64_t *addresses = table + books / sizeof *table;
    for (uint32_t i = 0; i < e->count; i++)
        addresses[i] = vkmoe_buffer_address(e->matrices[i].buffer);
    addresses[e->count] = address_or_dummy(e->device, e->shared.matrix.buffer);
    const enum vkmoe_status status = vkmoe_buffer_create_from(e->device, table, size, &e->table);
    free(table);
    return status;
}

enum vkmoe_status vkmoe_experts_create(
    struct loading *loading, const struct experts_source *source, struct experts *out)
{
    TRY_RETURN(vkmoe_experts_prepare(loading->device, source->weights[0].dtype, source->count,
        source->rows, source->columns, out));
    out->gated = source->gate != NULL;
    out->fast = loading->fast;
    TRY_RETURN(create_matrices(loading, source, out));
    TRY_RETURN(create_orders(loading, source, out));
    TRY_RETURN(create_bias(source, out));
    return vkmoe_experts_finish(out);
}

void vkmoe_experts_destroy(struct experts *e)
{
    for (uint32_t i = 0; i < e->count; i++)
        vkmoe_matrix_destroy(&e->matrices[i]);
    free(e->matrices);
    vkmoe_matrix_destroy(&e->shared.matrix);
    vkmoe_buffer_destroy(&e->table);
    vkmoe_buffer_destroy(&e->bias);
    vkmoe_buffer_destroy(&e->order);
    vkmoe_buffer_destroy(&e->shared.order);
    *e = (struct experts){ 0 };
}

void vkmoe_experts_destroy_all(struct experts *const *experts)
{
    for (; *experts; experts++)
        vkmoe_experts_destroy(*experts);
}

uint64_t vkmoe_experts_size(const struct experts *e)
{
    uint64_t size = vkmoe_buffer_taken(e->shared.matrix.buffer) + vkmoe_buffer_taken(e->table)
        + vkmoe_buffer_taken(e->bias) + vkmoe_buffer_taken(e->order)
        + vkmoe_buffer_taken(e->shared.order);
    for (uint32_t i = 0; i < e->count; i++)
        size += vkmoe_buffer_taken(e->matrices[i].buffer);
    return size;
}
