// products.h - what products of few tokens and of many have in common. Operands that a product does
// not use are dummies, see device/operands.h.
#ifndef VKMOE_WEIGHTS_PRODUCTS_H
#define VKMOE_WEIGHTS_PRODUCTS_H

#include "device/operands.h"
#include "weights/experts.h"

// Of a bias, in elements.
static inline uint32_t bias_stride(const struct experts *e)
{
    return e->matrices[0].blocks * BLOCK_ROWS;
}

// The shared expert is in a format of its own, or has a limit of its own, so that no dispatch has
// both.
static inline bool is_apart(const struct experts *e)
{
    return e->shared.rows > 0 && (e->shared.alone || e->shared.dtype != e->dtype);
}

// As if all were in the format of the shared expert.
static inline struct experts in_shared_format(const struct experts *e)
{
    struct experts shared = *e;
    shared.dtype = e->shared.dtype;
    shared.form = is_apart(e) ? NULL : e->form;
    return shared;
}

// What a shared expert that is apart multiplies.
static inline uint64_t shared_x(const struct up_operands *o)
{
    return o->shared_x ? o->shared_x : o->x;
}

static inline uint32_t shared_tokens(const struct up_operands *o)
{
    return o->shared_x ? o->shared_tokens : o->pairs.tokens;
}

#define EXPERTS_OPERANDS(e) \
    .table = vkmoe_experts_table(e), .bias = address_or_dummy((e)->device, (e)->bias)

// Whether load_row() of lib/weights.glsl can read rows whole.
static inline bool rows_are_packed(uint64_t x, uint32_t columns, uint32_t stride)
{
    return is_packed(x, columns, 8) && stride % 8 == 0;
}

// The tiles of a matrix that have the wanted ones of its `rows`; blocks are taken in pairs, so
// those of two strips belong together.
struct tiles {
    uint32_t first, count;
};

static inline struct tiles wanted_tiles(
    const struct direct_operands *o, uint32_t rows, uint32_t blocks)
{
    const uint32_t end = o->end_row ? o->end_row : rows;
    const uint32_t together = MAX(blocks * BLOCK_ROWS, 2 * STRIP_ROWS); // rows
    const uint32_t tiles = together / (blocks * BLOCK_ROWS);
    const uint32_t first = o->first_row / together;
    return (struct tiles){ first * tiles, (div_up(end, together) - first) * tiles };
}

#endif
