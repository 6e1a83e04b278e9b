#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "decode_down.h"
#include "lib/decode.glsl"

layout(local_size_x_id = 0) in;

#define NONE ~0u

// Tokens of a workgroup. The plain form has one: tokens that share an expert share its
// rows through the cache, which costs less than the branches of doing them together.
#ifdef COLUMNS
#define TILE_TOKENS DECODE_TOKENS
#else
#define TILE_TOKENS 1
#endif

// The factor on a pair's output.
float weight_of(uint pair)
{
    return DECODE_WEIGHT_INPUT != 0 ? 1.0 : load_f32(pc.weights, pair);
}

// Adds w * bias to the sums; of the lanes that share a row, one does it.
void add_bias(uint expert, uint first_block, operand row)
{
    const uint at = expert * pc.bias_stride + first_block * 8;
    [[unroll]] for (uint n = 0; n < SUMS; n++) {
#ifdef COLUMNS
        const float bias = load_f32(pc.bias, at + n);
#else
        const float bias = load_f32(pc.bias, at + n * 8 + gl_LocalInvocationIndex % 8);
#endif
        sums[n] += row.live && stores() ? row.scale * bias : 0.0;
    }
}

void multiply_expert(uint expert, uint first_block, operand row)
{
    multiply(U32x4(load_u32x2(pc.table, expert)), pc.h_columns / 8, first_block, true, pc.h,
        pc.h_columns, row);
    if (DECODE_BIAS != 0)
        add_bias(expert, first_block, row);
}

#ifdef COLUMNS
// Pairs count from the tile's first token. A leader is the first pair
// with its expert; pair_at[leader][t] is the pair of token t that has the same. Where a
// caller names an expert twice for one token, the second naming has leaders of its own:
// expert_at is the expert + 65536 * (how often this token named it before).
shared uint expert_at[DECODE_MAX_PAIRS]; // NONE: dropped
shared uint pair_at[DECODE_MAX_PAIRS * DECODE_TOKENS];
shared bool leads[DECODE_MAX_PAIRS];

void find_leaders(uint first_pair, uint pairs)
{
    for (uint p = gl_LocalInvocationIndex; p < pairs; p += LANES) {
        const uint expert = expert_of(pc.ids, pc.experts, first_pair + p);
        uint named = 0;
        for (uint q = p / pc.k * pc.k; q < p; q++)
            named += uint(expert_of(pc.ids, pc.experts, first_pair + q) == expert);
        expert_at[p] = is_dropped(pc.weights, first_pair + p) ? NONE : expert + 65536 * named;
        for (uint t = 0; t < DECODE_TOKENS; t++)
            pair_at[p * DECODE_TOKENS + t] = NONE;
    }
    barrier();
    for (uint p = gl_LocalInvocationIndex; p < pairs; p += LANES) {
        uint leader = 0;
        while (expert_at[leader] != expert_at[p])
            leader++;
        leads[p] = leader == p && expert_at[p] != NONE;
        pair_at[leader * DECODE_TOKENS + p / pc.k] = p;
    }
    barrier();
}

void add_experts(uint first_token, uint first_block)
{
    const uint first_pair = first_token * pc.k, t = gl_LocalInvocationIndex;
    const uint pairs = min(DECODE_TOKENS, pc.tokens - first_token) * pc.k;
    if (DECODE_TOKENS > 1)
        find_leaders(first_pair, pairs);
    uint leader = 0;
    do {
        if (DECODE_TOKENS == 1) { // each slot leads, and only the first lane has a token
            const uint pair = first_pair + leader;
            if (!is_dropped(pc.weights, pair))
                multiply_expert(expert_of(pc.ids, pc.experts, pair), first_block,
                    operand(pair * pc.h_columns, weight_of(pair), t == 0));
        } else if (leads[leader]) {
            const uint p = pair_at[leader * DECODE_TOKENS + min(t, DECODE_TOKENS - 1)];
            const bool live = p != NONE && t < DECODE_TOKENS;
            const uint pair = first_pair + (live ? p : leader);
            multiply_expert(expert_at[leader] % 65536, first_block,
                operand(pair * pc.h_columns, weight_of(pair), live));
        }
    } while (++leader < pairs);
}
#else
void add_experts(uint token, uint first_block)
{
    uint slot = 0;
    do {
        const uint pair = token * pc.k + slot;
        if (!is_dropped(pc.weights, pair))
            multiply_expert(expert_of(pc.ids, pc.experts, pair), first_block,
                operand(pair * pc.h_columns, weight_of(pair), true));
    } while (++slot < pc.k);
}
#endif

// The lane's token.
uint token_of(uint first_token)
{
    return first_token + operand_index(0);
}

bool has_token(uint first_token)
{
    return operand_index(0) < TILE_TOKENS && token_of(first_token) < pc.tokens;
}

void add_shared(uint first_token, uint first_block)
{
    const uint token = min(token_of(first_token), pc.tokens - 1);
    const float scale = DECODE_SHARED == 2 ? load_f32(pc.shared_weights, token) : 1.0;
    multiply(U32x4(load_u32x2(pc.table, pc.experts)), pc.shared_h_columns / 8, first_block, true,
        pc.shared_h, pc.shared_h_columns,
        operand(token * pc.shared_h_columns, scale, has_token(first_token)));
}

void store(uint token, uint column, float y)
{
    if (column >= pc.columns)
        return;
    if (DECODE_OUTPUT_BIAS != 0)
        y += load_f32(pc.output_bias, column);
    store_f32(pc.y, token * pc.columns + column, y);
}

void main()
{
    // Tokens run fastest: those that share an expert meet its rows in the cache.
    const uint group = group_index();
    const uint token_tiles = (pc.tokens + TILE_TOKENS - 1) / TILE_TOKENS;
    const uint first_token = group % token_tiles * TILE_TOKENS;
    const uint first_block = group / token_tiles * DECODE_BLOCKS;
    if (group / token_tiles >= pc.row_tiles)
        return;
    clear_sums();
    add_experts(first_token, first_block);
    if (DECODE_SHARED != 0)
        add_shared(first_token, first_block);
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
        [[unroll]] for (uint r = FIRST_ROW; r < END_ROW; r++) {
            const float y = sum_of(b, r);
            if (has_token(first_token) && stores())
                store(token_of(first_token), (first_block + b) * 8 + r, y);
        }
    }
}
