#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "decode_heads.h"
#include "lib/arrive.glsl"
#include "lib/decode.glsl"
#define SOURCE F32Coherent
#define load_source load_f32_coherent
#include "lib/store_heads.glsl"

layout(local_size_x_id = 0) in;

// Stores rows of pair `pair` of blocks for a token, whose row of y begins at `row_at`.
void store(uint row_at, uint pair, float first, float second)
{
    const uint row = first_of_pair(pair) * 8 + gl_LocalInvocationIndex;
    if (DECODE_SHARED_BIAS != 0) {
        first += load_f32(pc.bias, row);
        second += load_f32(pc.bias, row + PARTNER * 8);
    }
    store_f32_coherent(pc.y, row_at + row, first);
    store_f32_coherent(pc.y, row_at + row + PARTNER * 8, second);
}

// As decode_up does with one matrix for all tokens.
void project(uint first_token, uint end, uint stride, uint row_tile)
{
    const uint first_pair = row_tile * (DECODE_BLOCKS / 2);
    uint token = first_token;
    do {
        [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++)
            operands[t] = min(token + t, end - 1) * pc.columns;
        clear_sums();
        multiply(product(U32x4(load_u32x2(pc.table, 0)), pc.units, true, first_pair, pc.x,
            DECODE_PACKED != 0, pc.columns, pc.raw), column_lane(), LANES / 8);
        [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++) {
            if (token + t >= end)
                break;
            float scale = 1.0;
            if (DECODE_NORM != 0)
                scale = inverse_rms(squares[t], pc.columns, DECODE_NORM_EPSILON);
            [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b += 2) {
                const float first = scale * row_sum(sums[t * DECODE_BLOCKS + b]),
                            second = scale * row_sum(sums[t * DECODE_BLOCKS + b + 1]);
                if (stores())
                    store((token + t) * stride, first_pair + b / 2, first, second);
            }
        }
    } while ((token += DECODE_TOGETHER) < end);
}

// Whether all of a head is there, of which `counter` is.
bool head_is_whole(uint counter)
{
    return arrives_last(pc.counters, counter, D / (8 * DECODE_BLOCKS));
}

// The head number `head` among all, which begins at element `first` of y.
void finish_token(uint token, uint head, uint first)
{
    const uint heads = pc.constants.v.heads, kv_heads = pc.constants.v.kv_heads;
    const uint position = position_of(token);
    if (head < heads) {
        F32 norm = pc.constants.v.query_norm;
        const float factor = query_factor(position);
        finish_head(pc.y, first, 1.0, STORE_QUERY_NORM, norm, head, position);
        for (uint i = gl_LocalInvocationIndex; i < D; i += LANES)
            store_f32_coherent(pc.y, first + i, factor * finished[i]);
        return;
    }
    const bool is_key = head < heads + kv_heads;
    const uint own = head - heads - (is_key ? 0 : kv_heads);
    AIM_AT_SCALES(pc.sequence_count * kv_heads * pc.capacity);
    F32 norm = pc.constants.v.key_norm;
    if (is_key)
        finish_head(pc.y, first, 1.0, STORE_KEY_NORM, norm, own, position);
    else
        finish_value(pc.y, first);
    write_cache(is_key, (sequence_of(token) * kv_heads + own) * pc.capacity + position);
}

void main()
{
    load_code_book(pc.table, LANES);
    const uint tiles = (pc.tokens + DECODE_TOKENS - 1) / DECODE_TOKENS;
    const uint group = group_index();
    if (pc.tokens == 0 || group / tiles >= pc.row_tiles)
        return;
    // Tokens run fastest, as in decode_up.
    const uint tile = group % tiles, row_tile = group / tiles;
    const uint first_token = tile * DECODE_TOKENS;
    const uint end = min(first_token + DECODE_TOKENS, pc.tokens);
    const uint heads = pc.constants.v.heads;
    const uint stride =
        pc.first_head < heads ? pc.constants.v.query_stride : pc.constants.v.kv_stride;
    project(first_token, end, stride, row_tile);

    const uint own = row_tile * DECODE_BLOCKS * 8 / D; // of the matrix's heads
    const uint head = pc.first_head + own;
    if (!head_is_whole(tile * (heads + 2 * pc.constants.v.kv_heads) + head))
        return;
    uint token = first_token;
    do { // not a `for`, see lib/address.glsl
        finish_token(token, head, token * stride + own * D);
        barrier(); // `finished` is free again
    } while (++token < end);
}
