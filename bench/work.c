// work.c - see work.h. Each function knows how one kernel walks over its operands, as the head of
// shaders/<kernel>.comp tells; how many of its workgroups there are it is told.
#include "work.h"

#include <stdio.h>

#include "base/common.h"
#include "weights/experts.h"
#include "weights/format.h"

#include "shaders/activate.h"
#include "shaders/attend.h"
#include "shaders/combine.h"
#include "shaders/decode_down.h"
#include "shaders/decode_heads.h"
#include "shaders/decode_up.h"
#include "shaders/embed.h"
#include "shaders/experts_gemm.h"
#include "shaders/group_tokens.h"
#include "shaders/merge_attention.h"
#include "shaders/norm.h"
#include "shaders/plan.h"
#include "shaders/route.h"
#include "shaders/store_kv.h"

#define BLOCK 8 // rows of a matrix in a block, and columns in a unit
#define NAME(work, ...) snprintf((work)->what, sizeof(work)->what, __VA_ARGS__)

static double unit_bytes(uint32_t dtype)
{
    const struct format *format = vkmoe_format((enum vkmoe_dtype)dtype);
    return (double)BLOCK * format->bytes / format->elements;
}

// The rows of an expert in a product of sorted pairs by the plan at this address.
static uint32_t rows_of(const struct scene *scene, uint64_t plan, uint32_t e)
{
    const struct group_tokens_push *sort = &scene->sort;
    const uint32_t rows = scene->rows[e];
    const uint32_t few = FEW_ROWS(rows, sort->many, sort->many_rest, sort->many_tile_rows);
    return plan == sort->plan ? few : rows - few;
}

// Experts that got pairs, and the sum of ceil(pairs / tile) over them.
static uint32_t chosen(const struct scene *scene, uint32_t tile, uint32_t *tiles)
{
    uint32_t count = 0;
    *tiles = 0;
    for (uint32_t e = 0; e < scene->experts; e++) {
        count += scene->rows[e] > 0;
        *tiles += div_up(scene->rows[e], tile);
    }
    return count;
}

// ------------------------------------------------------------------------ few tokens

// Bytes of a workgroup's blocks of rows, and of what its lanes ask for in a turn of the loop: each
// `unroll` units of every block.
static void read_blocks(
    struct work *work, uint32_t blocks, double units, double unit, uint32_t unroll)
{
    work->group_bytes = blocks * BLOCK * units * unit;
    work->turn_bytes = work->lanes * blocks * unit * unroll;
}

static void decode_up(const struct scene *scene, const struct dispatch *d, struct work *work)
{
    const struct decode_up_push *push = d->push;
    const uint32_t blocks = d->spec[DECODE_BLOCKS], tile = d->spec[DECODE_TOKENS];
    const double unit = unit_bytes(d->spec[DECODE_TYPE]);
    const uint32_t together = d->spec[DECODE_TOGETHER]; // the next ones read all of it again
    const double shared_groups = (double)div_up(push->tokens, tile) * push->shared_row_tiles;
    const double shared_reads = (double)div_up(push->tokens, together) * push->shared_row_tiles;
    uint32_t tiles = 0, reads = 0, experts = push->k > 0 ? chosen(scene, tile, &tiles) : 0;
    if (experts > 0)
        chosen(scene, together, &reads);
    work->lanes = d->spec[DECODE_LANES];
    read_blocks(work, blocks, push->units, unit, d->spec[DECODE_UNROLL]);
    work->groups = (double)tiles * push->row_tiles + shared_groups;
    work->bytes = work->group_bytes
        * ((double)experts * push->row_tiles + (shared_groups > 0 ? push->shared_row_tiles : 0));
    if (work->groups > 0)
        work->group_bytes *= ((double)reads * push->row_tiles + shared_reads) / work->groups;
    work->waits = push->k > 0 ? 2 : 1; // [the pair's expert,] the matrix's address
    work->flops = 2.0 * blocks * BLOCK * push->units * BLOCK
        * ((double)push->tokens * push->k * push->row_tiles
            + (double)push->tokens * push->shared_row_tiles);
    NAME(work, "%u x %u%s",
        (push->k > 0 ? push->row_tiles : push->shared_row_tiles) * blocks * BLOCK, push->columns,
        push->k > 0 ? " of each" : "");
}

static void decode_heads(const struct scene *scene, const struct dispatch *d, struct work *work)
{
    const struct decode_heads_push *push = d->push;
    const struct decode_up_push product = {
        .tokens = push->tokens,
        .columns = push->columns,
        .units = push->units,
        .shared_row_tiles = push->row_tiles,
    };
    struct dispatch projection = *d;
    projection.push = &product;
    decode_up(scene, &projection, work);
    work->waits += 3; // the count, the head's rows, its rotations
}

static void decode_down(const struct scene *scene, const struct dispatch *d, struct work *work)
{
    const struct decode_down_push *push = d->push;
    const uint32_t blocks = d->spec[DECODE_BLOCKS];
    const double unit = unit_bytes(d->spec[DECODE_TYPE]);
    const double units = (double)push->h_columns / BLOCK;
    const double shared = d->spec[DECODE_SHARED] ? (double)push->shared_h_columns / BLOCK : 0;
    uint32_t tiles;
    work->lanes = d->spec[DECODE_LANES];
    read_blocks(work, blocks, push->k * units + shared, unit, d->spec[DECODE_UNROLL]);
    work->groups = d->groups;
    work->bytes =
        push->row_tiles * blocks * BLOCK * unit * (chosen(scene, 1, &tiles) * units + shared);
    // Of slots that follow each other.
    work->waits = 2.0 * (div_up(push->k, d->spec[DECODE_SLOTS]) + (shared > 0));
    work->flops = 2 * work->groups * blocks * BLOCK * (push->k * units + shared) * BLOCK;
    NAME(work, "%u x %u of each", push->columns, push->h_columns);
}

static void route(const struct dispatch *d, struct work *work)
{
    const struct route_push *push = d->push;
    const double unit = unit_bytes(VKMOE_DTYPE_F32);
    work->lanes = d->spec[ROUTE_LANES];
    read_blocks(work, d->spec[ROUTE_BLOCKS], push->units, unit, d->spec[ROUTE_UNROLL]);
    work->groups = d->groups;
    work->bytes = push->row_tiles * work->group_bytes;
    work->waits = 3; // the counter; then, of the last group, logits
    work->flops = 2.0 * push->tokens * d->spec[ROUTE_EXPERTS] * push->hidden;
    NAME(work, "%u x %u, f32", d->spec[ROUTE_EXPERTS], push->hidden);
}

// ----------------------------------------------------------------------- many tokens

static void experts_gemm(const struct scene *scene, const struct variant *variant,
    const struct dispatch *d, struct work *work)
{
    const struct experts_gemm_push *push = d->push;
    const struct tile *tile = &variant->tile;
    const double unit = unit_bytes(d->spec[GEMM_TYPE]);
    const double row_bytes = (double)push->units * BLOCK * sizeof(float); // of activations
    const bool direct = d->spec[GEMM_DIRECT] != 0;
    const bool last = scene->sort.many == UINT32_MAX || push->plan != scene->sort.plan; // class
    const bool shared = !direct && last && push->shared_row_tiles > 0;
    const double matrix = (double)tile->blocks * BLOCK * push->units * unit; // of a row tile
    uint32_t tiles = 0, experts = 0;
    if (direct || shared) {
        work->rows += vkmoe_gemm_computed_rows(variant, push->tokens, push->tile_rows);
        work->live_rows += push->tokens;
    }
    if (direct) {
        experts = 1;
        tiles = div_up(push->tokens, push->tile_rows);
    } else {
        for (uint32_t e = 0; e < scene->experts; e++) {
            const uint32_t rows = rows_of(scene, push->plan, e);
            experts += rows > 0;
            tiles += div_up(rows, push->tile_rows);
            work->rows += vkmoe_gemm_computed_rows(variant, rows, push->tile_rows);
            work->live_rows += rows;
        }
    }
    const double row_tiles = push->row_tiles;
    const double shared_groups =
        shared ? (double)div_up(push->tokens, push->tile_rows) * push->shared_row_tiles : 0;
    const bool matrices = variant->needs & NEED_ANY_MATRIX;
    const double columns = variant->needs & NEED_integer_dot ? 32 : 16;
    const double slice = matrices ? d->spec[GEMM_SLICE] : columns; // that it asks for at once
    work->lanes = matrices ? d->spec[GEMM_LANES] : tile->lanes;
    work->groups = d->indirect ? tiles * row_tiles + shared_groups : d->groups;
    work->group_bytes = matrix + push->tile_rows * row_bytes;
    work->turn_bytes = slice / BLOCK * (work->group_bytes / push->units);
    if (d->spec[GEMM_SPLIT])
        work->group_bytes *= (double)push->part_units / push->units;
    work->bytes = matrix * (experts * row_tiles + (shared ? push->shared_row_tiles : 0))
        + work->live_rows * row_bytes;
    work->waits = 3; // tile, row, address
    work->flops = 2 * work->rows * row_tiles * tile->blocks * BLOCK * push->units * BLOCK;
    NAME(work, "%u x %u%s", push->row_tiles * tile->blocks * BLOCK, push->units * BLOCK,
        direct ? "" : " of each");
}

// Leaves in the scene what the products find.
static void group_tokens(struct scene *scene, const struct dispatch *d, struct work *work)
{
    const struct group_tokens_push *push = d->push;
    scene->sort = *push;
    work->fresh = true;
    work->lanes = d->spec[GROUP_LANES];
    work->groups = d->groups;
    work->group_bytes = 3.0 * push->tokens * push->k * sizeof(uint32_t); // in three passes
    work->turn_bytes = work->lanes * sizeof(uint32_t);
    work->bytes = work->group_bytes;
    work->waits = 4; // the counter; then, of the last group, counts
    NAME(work, "%u pairs", push->tokens * push->k);
}

static void activate(const struct dispatch *d, struct work *work)
{
    const struct activate_push *push = d->push;
    work->fresh = true;
    work->lanes = d->spec[ACTIVATE_LANES];
    work->groups = d->groups;
    work->turn_bytes = work->lanes * (d->spec[ACTIVATE_GATED] ? 2.0 : 1.0) * sizeof(float);
    work->group_bytes = work->turn_bytes * d->spec[ACTIVATE_RUN];
    work->bytes = push->elements * (d->spec[ACTIVATE_GATED] ? 3.0 : 2.0) * sizeof(float);
    NAME(work, "%u elements", push->elements);
}

static void combine(const struct dispatch *d, struct work *work)
{
    const struct combine_push *push = d->push;
    const double run = d->spec[COMBINE_RUN] * sizeof(float);
    work->fresh = true;
    work->lanes = d->spec[COMBINE_LANES];
    work->groups = d->groups;
    work->group_bytes = work->lanes * run * push->k;
    work->turn_bytes = work->lanes * run;
    work->bytes = ((double)push->k + 1) * push->tokens * push->columns * sizeof(float);
    work->waits = 1; // a weight
    NAME(work, "%u of %u", push->k, push->columns);
}

// ------------------------------------------------------------------------- attention

static void store_kv(const struct scene *scene, const struct dispatch *d, struct work *work)
{
    const struct store_kv_push *push = d->push;
    const double heads =
        (double)push->query_rows * scene->heads + 2.0 * push->tokens * scene->kv_heads;
    const double head = d->spec[STORE_HEAD_SIZE] * sizeof(float);
    const uint32_t queries = push->query_rows ? scene->heads : 0;
    const uint32_t most = MAX(div_up(queries, d->spec[STORE_QUERY_GROUPS]), // of a workgroup
        2 * div_up(scene->kv_heads, d->spec[STORE_KV_GROUPS]));
    work->fresh = true;
    work->lanes = d->spec[STORE_LANES];
    work->groups = d->groups;
    work->group_bytes = most * 2 * head; // read twice: for the norm, and to move
    work->turn_bytes = MIN(work->lanes * sizeof(float), head);
    work->bytes = heads * head;
    work->waits = 2; // positions, the table of rotations
    NAME(work, "%.0f heads", heads);
}

// Where lanes own columns: keys of a block, and what a lane has under way while it waits for the
// first of them.
static uint32_t block_keys(const struct dispatch *d)
{
    return d->spec[ATTEND_LANES] / 4
        * (d->spec[ATTEND_ROWS] * d->spec[ATTEND_HEADS] > 8 || d->spec[ATTEND_LOADS] == 1 ? 1 : 2);
}

// Bytes of an element of the cache, but for scales.
static uint32_t cached_size(const struct dispatch *d)
{
    return 4 >> d->spec[ATTEND_CACHE];
}

static double columns_under_way(const struct dispatch *d)
{
    const bool f32 = d->spec[ATTEND_CACHE] == CACHE_F32;
    const uint32_t lanes = d->spec[ATTEND_LANES], keys = block_keys(d);
    const uint32_t loads = d->spec[ATTEND_LOADS], chunk = 16 / cached_size(d);
    const uint32_t chunks = div_up(d->spec[ATTEND_HEAD_SIZE], chunk);            // of 16 bytes
    return MIN(div_up(chunks, 4), loads) * 16.0 * (4.0 * keys / lanes)           // keys
        + (f32 ? (loads == 1 ? 2 : loads) * 4 : 2 * loads * 4) * cached_size(d); // values
}

static void attend(const struct scene *scene, const struct variant *variant,
    const struct dispatch *d, struct work *work)
{
    const struct attend_push *push = d->push;
    const double element = cached_size(d);
    const double key = 2 * (double)align_up(d->spec[ATTEND_HEAD_SIZE], 8) * element; // and value
    const bool columns = variant->needs & NEED_gpu;
    const bool matrices = variant->needs & NEED_ANY_MATRIX;
    const uint32_t block = matrices ? ATTEND_MATRIX_KEYS
        : columns                   ? block_keys(d)
                                    : d->spec[ATTEND_LANES];
    const uint32_t blocks = div_up(scene->keys, block), share = div_up(blocks, push->splits);
    const uint32_t used = columns ? div_up(blocks, share) : push->splits; // the rest ends at once
    work->lanes = d->spec[ATTEND_LANES];
    work->groups = (double)d->groups / push->splits * used;
    work->group_bytes = key * scene->keys / used;
    // Else a lane asks for 4 elements of its key.
    work->turn_bytes =
        matrices ? block * key : work->lanes * (columns ? columns_under_way(d) : 4 * element);
    work->bytes = key * scene->keys * scene->kv_heads;
    work->waits = 3; // positions, constants, the pattern
    if (columns && used > 1)
        work->waits += 2
            + div_up(used,
                2 * d->spec[ATTEND_LOADS]); // the counter, then partial results, of the last group
    work->flops = 4.0 * push->row_count * scene->heads * scene->keys * d->spec[ATTEND_HEAD_SIZE];
    NAME(work, "%u keys in %u", scene->keys, used);
}

static void merge(const struct dispatch *d, struct work *work)
{
    const struct merge_attention_push *push = d->push;
    work->fresh = true;
    work->lanes = d->spec[MERGE_LANES];
    work->groups = d->groups;
    work->group_bytes = push->splits * (2.0 + d->spec[MERGE_HEAD_SIZE]) * sizeof(float);
    work->turn_bytes = work->lanes * sizeof(float);
    work->bytes = work->groups * work->group_bytes;
    work->waits = 1;
    NAME(work, "%u splits", push->splits);
}

// ----------------------------------------------------------------------- whole models

static void norm(const struct dispatch *d, struct work *work)
{
    const struct norm_push *push = d->push;
    const double row = push->columns * sizeof(float);
    work->fresh = true;
    work->lanes = d->spec[NORM_LANES];
    work->groups = d->groups;
    work->group_bytes = (d->spec[NORM_CENTERED] ? 3 : 2) * row; // in so many passes
    work->turn_bytes = MIN(work->lanes * 4 * sizeof(float), row);
    work->bytes = push->tokens * row * (d->spec[NORM_HAS_DELTA] ? 3 : 2);
    NAME(work, "%u columns", push->columns);
}

static void embed(const struct dispatch *d, struct work *work)
{
    const struct embed_push *push = d->push;
    const double unit = unit_bytes(d->spec[EMBED_TYPE]);
    work->lanes = d->spec[EMBED_LANES];
    work->groups = d->groups;
    work->group_bytes = work->turn_bytes = work->lanes * unit;
    work->bytes = (double)push->tokens * push->units * unit;
    work->waits = 1; // the token's id
    NAME(work, "%u rows", push->tokens);
}

struct work work_of(struct scene *scene, const struct variant *variant, const struct dispatch *d)
{
    struct work work = { .groups = d->groups, .lanes = 64, .waits = 1 };
    switch (variant->kernel) {
    case KERNEL_decode_heads: decode_heads(scene, d, &work); break;
    case KERNEL_decode_up: decode_up(scene, d, &work); break;
    case KERNEL_decode_down: decode_down(scene, d, &work); break;
    case KERNEL_route: route(d, &work); break;
    case KERNEL_experts_gemm: experts_gemm(scene, variant, d, &work); break;
    case KERNEL_group_tokens: group_tokens(scene, d, &work); break;
    case KERNEL_activate: activate(d, &work); break;
    case KERNEL_combine: combine(d, &work); break;
    case KERNEL_store_kv: store_kv(scene, d, &work); break;
    case KERNEL_attend: attend(scene, variant, d, &work); break;
    case KERNEL_merge_attention: merge(d, &work); break;
    case KERNEL_norm: norm(d, &work); break;
    case KERNEL_embed: embed(d, &work); break;
    default: NAME(&work, "not looked into"); break; // a wait, and nothing else
    }
    return work;
}
