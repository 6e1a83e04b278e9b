#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "decode_down.h"
#include "lib/decode.glsl"

layout(local_size_x_id = 0) in;

#define NONE ~0u

// More than one token: pairs count from the tile's first token. A leader is the first pair
// with its expert; pair_at[leader][t] is the pair of token t that has the same. Where a
// caller names an expert twice for one token, the second naming has leaders of its own:
// expert_at is the expert + 65536 * (how often this token named it before).
shared uint expert_at[DECODE_TOKENS > 1 ? DECODE_MAX_PAIRS : 1]; // NONE: dropped
shared uint pair_at[DECODE_TOKENS > 1 ? DECODE_MAX_PAIRS * DECODE_TOKENS : 1];
shared bool leads[DECODE_TOKENS > 1 ? DECODE_MAX_PAIRS : 1];

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

// The factor on a pair's output.
float weight_of(uint pair)
{
    return DECODE_WEIGHT_INPUT != 0 ? 1.0 : load_f32(pc.weights, pair);
}

void add_bias(uint expert, uint first_block, operand rows[OPERANDS])
{
#ifdef COLUMNS
    [[unroll]] for (uint n = 0; n < SUMS; n++) {
        const float bias = load_f32(pc.bias, expert * pc.bias_stride + first_block * 8 + n);
        sums[n] += rows[0].live ? rows[0].scale * bias : 0.0;
    }
#else
    const uint r = gl_LocalInvocationIndex % 8;
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
        const float bias = load_f32(pc.bias, expert * pc.bias_stride + (first_block + b) * 8 + r);
        [[unroll]] for (uint t = 0; t < DECODE_TOKENS; t++)
            sums[t * DECODE_BLOCKS + b] += rows[t].live && stores() ? rows[t].scale * bias : 0.0;
    }
#endif
}

void multiply_expert(uint expert, uint first_block, operand rows[OPERANDS])
{
    U32x4 matrix = U32x4(load_u32x2(pc.table, expert));
    [[unroll]] for (uint i = 0; i < OPERANDS; i++)
        multiply(matrix, pc.h_columns / 8, first_block, true, pc.h, pc.h_columns, rows[i], i);
    if (DECODE_BIAS != 0)
        add_bias(expert, first_block, rows);
}

void add_one_token(uint token, uint first_block)
{
    for (uint slot = 0; slot < pc.k; slot++) {
        const uint pair = token * pc.k + slot;
        if (is_dropped(pc.weights, pair))
            continue;
        operand rows[OPERANDS];
        // Only the first is live; lavapipe 22.3 crashes over elements never written.
        [[unroll]] for (uint i = 0; i < OPERANDS; i++)
            rows[i] = operand(pair * pc.h_columns, weight_of(pair), operand_index(i) == 0);
        multiply_expert(expert_of(pc.ids, pc.experts, pair), first_block, rows);
    }
}

void add_experts(uint first_token, uint first_block)
{
    const uint first_pair = first_token * pc.k;
    const uint pairs = min(DECODE_TOKENS, pc.tokens - first_token) * pc.k;
    find_leaders(first_pair, pairs);
    for (uint leader = 0; leader < pairs; leader++) {
        if (!leads[leader])
            continue;
        operand rows[OPERANDS];
        [[unroll]] for (uint i = 0; i < OPERANDS; i++) {
            const uint t = operand_index(i);
            const uint p = t < DECODE_TOKENS ? pair_at[leader * DECODE_TOKENS + t] : NONE;
            const uint pair = first_pair + (p == NONE ? leader : p);
            rows[i] = operand(pair * pc.h_columns, weight_of(pair), p != NONE);
        }
        multiply_expert(expert_at[leader] % 65536, first_block, rows);
    }
}

void add_shared(uint first_token, uint first_block)
{
    U32x4 matrix = U32x4(load_u32x2(pc.table, pc.experts));
    [[unroll]] for (uint i = 0; i < OPERANDS; i++) {
        const uint t = operand_index(i);
        const uint token = min(first_token + t, pc.tokens - 1);
        const float scale = DECODE_SHARED == 2 ? load_f32(pc.shared_weights, token) : 1.0;
        const bool live = t < DECODE_TOKENS && first_token + t < pc.tokens;
        multiply(matrix, pc.shared_h_columns / 8, first_block, true, pc.shared_h,
            pc.shared_h_columns, operand(token * pc.shared_h_columns, scale, live), i);
    }
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
    const uint group = group_index();
    const uint first_token = group / pc.row_tiles * DECODE_TOKENS;
    if (first_token >= pc.tokens)
        return;
    const uint first_block = group % pc.row_tiles * DECODE_BLOCKS;
    clear_sums();
    if (DECODE_TOKENS == 1)
        add_one_token(first_token, first_block);
    else
        add_experts(first_token, first_block);
    if (DECODE_SHARED != 0)
        add_shared(first_token, first_block);

    [[unroll]] for (uint i = 0; i < OPERANDS; i++) {
        const uint t = operand_index(i);
        const bool live = t < DECODE_TOKENS && first_token + t < pc.tokens;
        [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
            [[unroll]] for (uint r = FIRST_ROW; r < END_ROW; r++) {
                const float y = sum_of(i, b, r);
                if (live && stores())
                    store(first_token + t, (first_block + b) * 8 + r, y);
            }
        }
    }
}
