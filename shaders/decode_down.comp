#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "decode_down.h"
#include "lib/decode.glsl"

layout(local_size_x_id = 0) in;

// The factor on a pair's output.
float weight_of(uint pair)
{
    return DECODE_WEIGHT_INPUT != 0 ? 1.0 : load_f32(pc.weights, pair);
}

#define LANES_OF_SLOT (LANES / 8 / DECODE_SLOTS) // that own the same row

float totals[DECODE_BLOCKS];

// Of the lanes that share a slot and a row, the first adds the bias.
void add_bias(uint expert, uint first_block, bool is_first)
{
    const uint at = expert * pc.bias_stride + first_block * 8 + gl_LocalInvocationIndex % 8;
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
        const float bias = load_f32(pc.bias, at + b * 8);
        sums[b] += is_first ? bias : 0.0;
    }
}

// Adds `scale` times the sums to the totals. Where they do not count they may be NaNs.
void add_sums(float scale, bool counts)
{
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
        totals[b] = mix(totals[b], fma(scale, sums[b], totals[b]), counts);
}

#ifndef INTEGER_DOT
#define NO_LANE ~0u // does not come here
#endif

// Adds the share of lane c of those of the slot.
void add_expert(uint pair, uint first_block, uint c)
{
    const uint expert = expert_of(pc.ids, pc.experts, pair);
    operands[0] = pair * pc.h_columns;
    clear_sums();
    multiply(product(U32x4(load_u32x2(pc.table, expert)), pc.h_columns / 8, false, first_block,
        pc.h, true, pc.h_columns, pc.h), c, LANES_OF_SLOT);
    if (DECODE_BIAS != 0)
        add_bias(expert, first_block, c == 0);
    add_sums(weight_of(pair), c != NO_LANE);
}

void add_experts(uint token, uint first_block)
{
    const uint c = column_lane() % LANES_OF_SLOT;
#ifdef INTEGER_DOT
    // The same in all lanes of a subgroup, as compilers shall know; and no lane misses a barrier.
    const uint own = subgroupShuffle(column_lane() / LANES_OF_SLOT, 0);
    uint slot = 0; // the first of the turn
    if (pc.k > 0) do {
        const uint pair = token * pc.k + min(slot + own, pc.k - 1);
        const bool counts = slot + own < pc.k && !is_dropped(pc.weights, pair);
        add_expert(pair, first_block, counts ? c : NO_LANE);
    } while ((slot += DECODE_SLOTS) < pc.k);
#else
    uint slot = column_lane() / LANES_OF_SLOT;
    if (slot < pc.k) do {
        const uint pair = token * pc.k + slot;
        if (!is_dropped(pc.weights, pair))
            add_expert(pair, first_block, c);
    } while ((slot += DECODE_SLOTS) < pc.k);
#endif
}

void add_shared(uint token, uint first_block)
{
    operands[0] = token * pc.shared_h_columns;
    clear_sums();
    multiply(product(U32x4(load_u32x2(pc.table, pc.experts)), pc.shared_h_columns / 8, false,
        first_block, pc.shared_h, true, pc.shared_h_columns, pc.h), column_lane(), LANES / 8);
    add_sums(DECODE_SHARED == 2 ? load_f32(pc.shared_weights, token) : 1.0, true);
}

void store(uint token, uint column, float y)
{
    if (column >= pc.columns)
        return;
    if (DECODE_OUTPUT_BIAS != 0)
        y += load_f32(pc.output_bias, column);
    store_result(pc.y, token * pc.columns + column, column, y);
}

void main()
{
    load_code_book(pc.table, LANES);
    // Tokens run fastest: those that share an expert meet its rows in the cache, which costs
    // less than the branches of doing them together.
    const uint group = group_index();
    const uint token = group % pc.tokens;
    const uint first_block = group / pc.tokens * DECODE_BLOCKS;
    if (group / pc.tokens >= pc.row_tiles)
        return;
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
        totals[b] = 0.0;
    add_experts(token, first_block);
    if (DECODE_SHARED != 0)
        add_shared(token, first_block);
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
        const float y = row_sum(totals[b]);
        if (stores())
            store(token, (first_block + b) * 8 + gl_LocalInvocationIndex, y);
    }
}
