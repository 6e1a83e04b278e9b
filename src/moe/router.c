// router.c - creates and runs a gate. Its rules: router_check.c.
#include "moe/router.h"

#include "base/common.h"
#include "base/try.h"
#include "device/fit.h"
#include "device/operands.h"
#include "device/tuning.h"

#include "shaders/route.h"

#include <stdlib.h>

static bool weighs_shared(const struct router_source *s)
{
    return s->shared_gate && s->shared_gate->data;
}

static uint32_t matrix_rows(const struct router_source *s)
{
    return s->experts + weighs_shared(s) + (s->params->levels.data ? 2 : 0);
}

uint64_t vkmoe_router_load_size(const struct router_source *s)
{
    return has_router(s->params) ? (uint64_t)matrix_rows(s) * s->hidden * sizeof(float) : 0;
}

// ------------------------------------------------------------------------- create

// Rows that multiply r, which is x times input_scale.
static void scale_rows(const float *input_scale, uint32_t count, uint32_t columns, float *rows)
{
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t d = 0; d < columns; d++)
            rows[(size_t)i * columns + d] *= input_scale[d];
    }
}

static enum vkmoe_status create_matrix(
    struct loading *loading, const struct router_source *s, struct router *out)
{
    const struct vkmoe_router_params *p = s->params;
    const uint32_t columns = s->hidden, rows = matrix_rows(s);
    // After the matrix, the scale.
    float *matrix = malloc(((size_t)rows + 1) * columns * sizeof *matrix);
    if (!matrix)
        return vkmoe_fail(
            device_log(out->device), VKMOE_ERROR_OUT_OF_MEMORY, "router: out of host memory");
    vkmoe_fit_name(out->device, "router");
    float *shared = matrix + (size_t)s->experts * columns;
    float *levels = shared + (out->weighs_shared ? columns : 0);
    float *input_scale = matrix + (size_t)rows * columns;
    enum vkmoe_status status;
    TRY(vkmoe_view_read(out->device, &p->weight, s->experts, columns, matrix));
    if (out->weighs_shared)
        TRY(vkmoe_view_read(out->device, s->shared_gate, 1, columns, shared));
    if (out->leveled)
        TRY(vkmoe_view_read(out->device, &p->levels, 2, columns, levels));
    TRY(vkmoe_view_read(out->device, &p->input_scale, 1, columns, input_scale));
    if (p->input_scale.data && !out->device->fit) {
        scale_rows(input_scale, s->experts, columns, matrix);
        scale_rows(input_scale, out->leveled ? 2 : 0, columns, levels);
    }
    const struct vkmoe_view view = { .data = matrix, .dtype = VKMOE_DTYPE_F32 };
    TRY(vkmoe_matrix_create(loading, &view, NULL, rows, columns, VKMOE_DTYPE_F32, &out->matrix));
fail:
    free(matrix);
    return status;
}

static enum vkmoe_status create_vectors(const struct router_source *s, struct router *out)
{
    const struct vkmoe_router_params *p = s->params;
    const uint32_t n = s->experts;
    float vectors[3 * MAX_EXPERTS] = { 0 };
    for (uint32_t e = 0; e < n; e++)
        vectors[2 * n + e] = 1;
    TRY_RETURN(vkmoe_view_read(out->device, &p->bias, 1, n, vectors));
    TRY_RETURN(vkmoe_view_read(out->device, &p->correction_bias, 1, n, vectors + n));
    TRY_RETURN(vkmoe_view_read(out->device, &p->expert_scale, 1, n, vectors + 2 * n));
    return vkmoe_buffer_create_from(out->device, vectors, 3 * n * sizeof *vectors, &out->vectors);
}

enum vkmoe_status vkmoe_router_create(
    struct loading *loading, const struct router_source *source, struct router *out)
{
    *out = (struct router){
        .device = loading->device,
        .shapes = vkmoe_shapes_choose(loading->device),
        .params = *source->params,
        .hidden = source->hidden,
        .experts = source->experts,
        .experts_per_token = source->experts_per_token,
        .weighs_shared = weighs_shared(source),
        .leveled = source->params->levels.data != NULL,
    };
    struct vkmoe_router_params *p = &out->params;
    if (p->scale == 0)
        p->scale = 1;
    if (p->groups.count == 0)
        p->groups.count = p->groups.kept = 1;
    if (!has_router(p))
        return VKMOE_OK;
    TRY_RETURN(create_matrix(loading, source, out));
    return create_vectors(source, out);
}

void vkmoe_router_destroy(struct router *router)
{
    vkmoe_matrix_destroy(&router->matrix);
    vkmoe_buffer_destroy(&router->vectors);
}

uint64_t vkmoe_router_size(const struct router *router)
{
    return vkmoe_buffer_taken(router->matrix.buffer) + vkmoe_buffer_taken(router->vectors);
}

uint32_t vkmoe_router_logits(const struct router *router)
{
    return router->experts + (router->leveled ? 2 : 0);
}

// ------------------------------------------------------------------------- record

static void set_spec(const struct router *router, uint32_t spec[SPEC_MAX])
{
    const struct vkmoe_router_params *r = &router->params;
    spec[ROUTE_EXPERTS] = router->experts;
    spec[ROUTE_K] = router->experts_per_token;
    spec[ROUTE_SCORE] = r->score;
    spec[ROUTE_SELECT] = r->select;
    spec[ROUTE_WEIGH] = r->weigh;
    spec[ROUTE_GROUPS] = r->groups.count;
    spec[ROUTE_GROUPS_KEPT] = r->groups.kept;
    spec[ROUTE_GROUP_SCORE] = r->groups.score;
    spec[ROUTE_GROUP_MODE] = r->groups.mode;
    spec[ROUTE_RENORMALIZE] = r->renormalize.mode;
    spec[ROUTE_RMS_NORM] = r->rms_norm;
    spec[ROUTE_RENORM_EPSILON] = float_bits(r->renormalize.epsilon);
    spec[ROUTE_SCALE] = float_bits(r->scale);
    spec[ROUTE_SOFT_CAP] = float_bits(r->soft_cap);
    spec[ROUTE_THRESHOLD] = float_bits(r->sparsemixer_threshold);
    spec[ROUTE_RMS_EPSILON] = float_bits(r->rms_epsilon);
    spec[ROUTE_ALWAYS] = r->always;
    spec[ROUTE_EXTRA_ROW] = router->weighs_shared;
    spec[ROUTE_LEVELS] = router->leveled;
}

// Blocks of experts for a workgroup. A CPU loads x once for all of them.
static uint32_t tile_blocks(const struct router *router, uint32_t rows)
{
    const uint32_t blocks = rows <= 8 ? 1 : rows <= 16 ? 2 : 4;
    return MIN(blocks, vkmoe_tuning(router->device, TUNE_ROUTE_BLOCKS));
}

bool vkmoe_router_folds(const struct router *router)
{
    return !has_router(&router->params) || !router->params.rms_norm;
}

// How many units a lane has under way: with one token, as many as registers hold.
static uint32_t unroll(const struct router *router, uint32_t units, uint32_t lanes, uint32_t tokens)
{
    uint32_t unroll = tokens > 1 ? 1 : vkmoe_tuning(router->device, TUNE_ROUTE_UNROLL);
    while (unroll > 1 && unroll / 2 * (lanes / BLOCK_ROWS) >= units)
        unroll /= 2;
    return unroll;
}

enum vkmoe_status vkmoe_router_record(
    vkmoe_stream *stream, const struct router *router, const struct route_operands *o)
{
    if (!has_router(&router->params))
        return VKMOE_OK;
    const uint32_t tokens = o->pairs.tokens, hidden = router->hidden;
    const uint32_t rows = vkmoe_router_logits(router) + router->weighs_shared;
    const uint32_t blocks = tile_blocks(router, rows);
    const uint32_t most = router->shapes.route_tokens, tile_tokens = tokens >= most ? most : 1;
    const bool shares_x = router->weighs_shared && o->x != o->shared_x;
    const uint32_t lanes = vkmoe_lanes_for(router->shapes.route_lanes, router->matrix.units);
    const struct route_push push = {
        .x = o->x,
        .shared_x = o->shared_x,
        .matrix = vkmoe_buffer_address(router->matrix.buffer),
        .vectors = vkmoe_buffer_address(router->vectors),
        .logits = o->logits,
        .ids = o->pairs.ids,
        .weights = o->pairs.weights,
        .shared_weights = o->shared_weights,
        .counters = vkmoe_stream_counters(stream),
        .raw = o->norm ? o->norm->raw : vkmoe_device_dummy_address(router->device),
        .tokens = tokens,
        .hidden = hidden,
        .units = router->matrix.units,
        .row_tiles = div_up(rows, BLOCK_ROWS * blocks),
    };
    struct dispatch d = {
        .kernel = KERNEL_route,
        .spec = {
            [ROUTE_LANES] = lanes,
            [ROUTE_UNROLL] = unroll(router, push.units, lanes, tile_tokens),
            [ROUTE_BLOCKS] = blocks,
            [ROUTE_TOKENS] = tile_tokens,
            [ROUTE_PACKED] = is_packed(o->x, hidden, 8)
                && (!shares_x || is_packed(o->shared_x, hidden, 8)),
            [ROUTE_SHARED_X] = shares_x,
        },
        .push = &push,
        .groups = push.row_tiles * div_up(tokens, tile_tokens),
    };
    set_spec(router, d.spec);
    if (o->norm) {
        d.spec[ROUTE_FOLDED] = 1;
        d.spec[ROUTE_RMS_EPSILON] = float_bits(o->norm->epsilon);
    }
    return stream_run(stream, &d);
}
