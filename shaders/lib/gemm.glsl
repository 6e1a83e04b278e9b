// gemm.glsl - what the forms of experts_gemm share: finding the tile, rows, epilogue.
// Needs BLOCKS, the blocks of 8 matrix rows that a workgroup makes, in pairs.
#ifndef GEMM_GLSL
#define GEMM_GLSL

#include "lib/activation.glsl"
#include "lib/grid.glsl"
#define WEIGHT_TYPE GEMM_TYPE
#include "lib/weights.glsl"
#include "plan.h"

struct tile {
    uint expert;
    uint first, rows;  // rows first .. first + rows - 1 of the sorted order (shared: tokens)
    uint pair;         // of blocks of the matrix, the first
    bool is_shared;
};

// Tiles of token rows, direct.
uint direct_tiles() { return (pc.tokens + pc.tile_rows - 1) / pc.tile_rows; }

// The part of K that this workgroup has, and its units.
uint part_of_k()
{
    return GEMM_SPLIT != 0 ? group_index() / (direct_tiles() * pc.row_tiles) : 0;
}

uint first_unit() { return GEMM_SPLIT != 0 ? part_of_k() * pc.part_units : 0; }

uint end_unit()
{
    return GEMM_SPLIT != 0 ? min(first_unit() + pc.part_units, pc.units) : pc.units;
}

// False if this workgroup has nothing to do.
bool find_tile(out tile t)
{
    uint group = group_index();
    t.is_shared = GEMM_DIRECT != 0;
    t.expert = pc.experts;
    if (GEMM_DIRECT != 0) {
        const uint tiles = direct_tiles();
        t.first = group % tiles * pc.tile_rows;
        t.rows = min(pc.tokens - t.first, pc.tile_rows);
        group /= tiles;
        if (GEMM_HEADS > 1) {
            t.expert += group / pc.row_tiles;
            t.pair = (pc.first_row_tile + group % pc.row_tiles) * (BLOCKS / 2);
            return group / pc.row_tiles < GEMM_HEADS;
        }
        if (GEMM_SPLIT != 0) {
            t.pair = (pc.first_row_tile + group % pc.row_tiles) * (BLOCKS / 2);
            return first_unit() < pc.units;
        }
        t.pair = (pc.first_row_tile + group) * (BLOCKS / 2);
        return group < pc.row_tiles;
    }
    // Neighbours share a matrix tile: tiles of rows run fastest.
    uint first_tile = 0;
    uint tiles = load_u32(pc.plan, PLAN_TILES);
    if (group >= tiles * pc.row_tiles) {
        group -= tiles * pc.row_tiles;
        first_tile = tiles;
        tiles = load_u32(pc.plan, PLAN_SHARED_TILES);
        if (group >= tiles * pc.shared_row_tiles)
            return false;
        t.is_shared = true;
    }
    const uint at = PLAN_SIZE + 2 * (first_tile + group % tiles);
    t.first = load_u32(pc.plan, at);
    const uint packed = load_u32(pc.plan, at + 1);
    t.expert = packed >> 16;
    t.rows = packed & 0xffffu;
    t.pair = group / tiles * (BLOCKS / 2);
    return true;
}

U32x4 matrix_of(tile t)
{
    return U32x4(load_u32x2(pc.table, t.expert));
}

// The pair behind row `i` of a routed tile; i is clamped into the tile.
uint pair_of(tile t, uint i)
{
    return load_u32(pc.rows, t.first + min(i, t.rows - 1));
}

// Where in memory a token's row of the tile's matrix is, of a tile that knows no pairs.
uint row_of_token(tile t, uint token)
{
    return GEMM_HEADS > 1 ? token * GEMM_HEADS + t.expert - pc.experts : token;
}

// Where row `i` of the tile reads its input.
uint source_row(tile t, uint i)
{
    const uint row = t.first + min(i, t.rows - 1);
    if (t.is_shared)
        return row_of_token(t, row);
    if (GEMM_UP == 0)
        return row;
    return pair_of(t, i) / pc.k;
}

bool is_gated(tile t)
{
    return (t.is_shared ? GEMM_SHARED_GATED : GEMM_GATED) != 0;
}

float bias_of(tile t, uint block, uint r)
{
    if (GEMM_BIAS == 0 || (t.is_shared && GEMM_DIRECT == 0))
        return 0.0;
    return load_f32(pc.bias, t.expert * pc.bias_stride + block * 8 + r);
}

// The factor on a row's dot products.
float input_weight(tile t, uint i)
{
    if (GEMM_WEIGHT_INPUT == 0 || t.is_shared)
        return 1.0;
    return load_f32(pc.weights, pair_of(t, i));
}

// Whether rows become f16.
bool result_is_half(tile t)
{
    return (GEMM_RESULT_HALF & (t.is_shared && GEMM_DIRECT == 0 ? 2 : 1)) != 0;
}

// Where row `i` of the tile goes.
struct place {
    uvec2 result; // address
    uint at;      // its first element, or run of 16 bytes
    uint columns;
};

place place_of(tile t, uint i)
{
    if (t.is_shared && GEMM_DIRECT == 0) {
        const uint columns = pc.shared_result_columns;
        const uint stride = result_is_half(t) ? HALF_STRIDE(columns) : columns;
        return place(uvec2(pc.shared_result), (t.first + i) * stride, columns);
    }
    const uint row = t.is_shared ? row_of_token(t, t.first + i)
        : GEMM_UP != 0 && GEMM_TO_PAIRS == 0 ? t.first + i : pair_of(t, i);
    return place(uvec2(pc.result), row * pc.result_stride + part_of_k() * pc.result_columns,
        pc.result_columns);
}

// Block `b` of the workgroup's.
uint block_of(tile t, uint b)
{
    return first_of_pair(t.pair + b / 2) + b % 2 * PARTNER;
}

// Columns of results that the tile's matrix makes, with their padding where it is written.
uint result_columns_of(tile t)
{
    return t.is_shared && GEMM_DIRECT == 0 ? pc.shared_result_columns : pc.result_columns;
}

// True if rows of a pair of blocks become one column: gate and up projection.
bool merges(tile t)
{
    return GEMM_UP != 0 && is_gated(t);
}

// The column of row `r` of a pair's first block.
uint column_of(tile t, uint pair, uint r)
{
    return (merges(t) ? pair : first_of_pair(pair)) * 8 + r;
}

// From dot products of row `r` of both blocks of a pair to results: for column_of(), and, unless
// they merge, for the column PARTNER blocks further on.
void finish(tile t, uint pair, uint r, float scale, inout float first, inout float second)
{
    const uint block = first_of_pair(pair);
    first = first * scale + bias_of(t, block, r);
    second = second * scale + bias_of(t, block + PARTNER, r);
    if (GEMM_UP == 0)
        return;
    if (is_gated(t)) {
        first = activate(GEMM_ACTIVATION, first, second, GEMM_ALPHA, GEMM_LIMIT);
    } else {
        first = activate_one(GEMM_ACTIVATION, first, GEMM_LIMIT);
        second = activate_one(GEMM_ACTIVATION, second, GEMM_LIMIT);
    }
}

void store_one(place p, uint column, float x)
{
    if (column < p.columns)
        store_f32(F32Out(p.result), p.at + column, x);
}

void store_four(place p, uint column, vec4 x)
{
    if (GEMM_RESULT_PACKED != 0) {
        if (column < p.columns)
            store_f32x4(F32x4Out(p.result), (p.at + column) / 4, x);
        return;
    }
    [[unroll]] for (uint c = 0; c < 4; c++)
        store_one(p, column + c, x[c]);
}

// Finishes and stores rows r .. r + 3 of both blocks of a pair.
void store_rows(tile t, uint i, uint pair, uint r, float scale, vec4 first, vec4 second)
{
    if (i >= t.rows)
        return;
    [[unroll]] for (uint c = 0; c < 4; c++)
        finish(t, pair, r + c, scale, first[c], second[c]);
    place p = place_of(t, i);
    const uint column = column_of(t, pair, r);
    store_four(p, column, first);
    if (!merges(t))
        store_four(p, column + PARTNER * 8, second);
}

#endif
