#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "attend_compressed.h"
#define LANES COMPRESSED_LANES
#include "lib/grid.glsl"
#include "lib/reduce.glsl"

layout(local_size_x_id = 0) in;

#define D COMPRESSED_HEAD_SIZE
#define PADDED ((D + 7) / 8 * 8)
#define BLOCK_STRIDES (COMPRESSED_BLOCK / COMPRESSED_STRIDE)
#define MEAN_STRIDES (COMPRESSED_SIZE / COMPRESSED_STRIDE)
#define AT_ONCE 4 // lavapipe 22.3 ends an invocation's loops after 65535 iterations

shared float query[PADDED];
shared float weight[COMPRESSED_MEANS]; // of each mean, for one head: its score, then e to that
shared float score[COMPRESSED_BLOCKS]; // of each block, for all heads; -inf once it is chosen
#define BEST_BLOCKS COMPRESSED_BLOCKS
#define BEST_SCORE score
#include "lib/best.glsl"

// What one head looks at: `count` means from row `first` on.
struct means { uint first, count; };

means find_means(uint token, uint kv_head, uint kv_heads, uint position)
{
    const uint sequence = COMPRESSED_HAS_SEQUENCES != 0
        ? min(load_u32(pc.sequences, token), pc.sequence_count - 1) : 0;
    const uint held = (pc.capacity + COMPRESSED_STRIDE - 1) / COMPRESSED_STRIDE;
    const uint count = position + 1 < COMPRESSED_SIZE
        ? 0 : (position + 1 - COMPRESSED_SIZE) / COMPRESSED_STRIDE + 1;
    return means((sequence * kv_heads + kv_head) * held, min(count, COMPRESSED_MEANS));
}

// Leaves the head that begins at `from` in query[], and a copy.
void load_query(uint from, uint to)
{
    for (uint c = gl_LocalInvocationIndex; c < PADDED; c += LANES) {
        const float x = c < D ? load_f32(pc.query, from + min(c, D - 1)) : 0.0;
        query[c] = x;
        if (c < D)
            store_f32(pc.copy, to + c, x);
    }
    barrier();
}

// Leaves e^(score - largest score) of all means in weight[]; their sum.
float weigh_means(means m)
{
    float most = NEGATIVE_INFINITY;
    for (uint i = gl_LocalInvocationIndex; i < m.count; i += LANES) {
        float x = 0.0;
        [[dont_unroll]] for (uint c = 0; c < PADDED; c += AT_ONCE) {
            [[unroll]] for (uint n = 0; n < AT_ONCE; n++)
                x = fma(query[c + n], load_f32(pc.mean_keys, (m.first + i) * PADDED + c + n), x);
        }
        weight[i] = x * COMPRESSED_SCALE;
        most = max(most, weight[i]);
    }
    most = workgroup_max(most);
    float sum = 0.0;
    for (uint i = gl_LocalInvocationIndex; i < m.count; i += LANES) {
        weight[i] = exp(weight[i] - most);
        sum += weight[i];
    }
    return workgroup_sum(sum);
}

// Adds to score[] what this head finds in each of `count` blocks.
void score_blocks(means m, uint count, float factor)
{
    for (uint b = gl_LocalInvocationIndex; b < count; b += LANES) {
        const uint begin = b * BLOCK_STRIDES, end = begin + BLOCK_STRIDES;
        const uint first = begin + 1 - min(begin + 1, MEAN_STRIDES);
        const uint last = min(end, m.count);
        float sum = 0.0;
        [[dont_unroll]] for (uint i = first; i < last; i++) {
            const uint shared_strides = min(i + MEAN_STRIDES, end) - max(i, begin);
            sum = fma(float(shared_strides), weight[i], sum);
        }
        score[b] += sum * factor;
    }
}

void store_values(means m, uint to, float factor)
{
    for (uint c = gl_LocalInvocationIndex; c < D; c += LANES) {
        float value = 0.0;
        [[dont_unroll]] for (uint i = 0; i < m.count; i += AT_ONCE) {
            [[unroll]] for (uint n = 0; n < AT_ONCE; n++) {
                const uint at = min(i + n, m.count - 1);
                const float x = load_f32(pc.mean_values, (m.first + at) * PADDED + c);
                value = i + n < m.count ? fma(weight[at], x, value) : value;
            }
        }
        store_f32(pc.result, to + c, value * factor);
    }
}

void main()
{
    const uint heads = pc.constants.v.heads, kv_heads = pc.constants.v.kv_heads;
    const uint row = group_index() / kv_heads, kv_head = group_index() % kv_heads;
    if (row >= pc.row_count)
        return;
    const uint query_stride = pc.constants.v.query_stride, sharing = heads / kv_heads;
    const uint p =
        COMPRESSED_HAS_POSITIONS != 0 ? load_u32(pc.positions, row) : pc.first_token + row;
    const uint position = min(p, pc.capacity - 1);
    const means m = find_means(row, kv_head, kv_heads, position);
    const uint blocks = min(position / COMPRESSED_BLOCK + 1, COMPRESSED_BLOCKS);
    for (uint b = gl_LocalInvocationIndex; b < blocks; b += LANES)
        score[b] = 0.0;
    uint n = 0;
    do {
        const uint head = COMPRESSED_TILED_KV != 0 ? n * kv_heads + kv_head : kv_head * sharing + n;
        barrier();
        load_query(row * query_stride + head * D, (row * heads + head) * D);
        const float sum = weigh_means(m);
        const float factor = sum > 0.0 ? 1.0 / sum : 0.0;
        score_blocks(m, blocks, factor);
        store_values(m, (row * heads + head) * D, factor);
    } while (++n < sharing);
    for (uint b = gl_LocalInvocationIndex; b < blocks; b += LANES) {
        const bool is_forced = b < COMPRESSED_FIRST || b + COMPRESSED_LOCAL >= blocks;
        score[b] = is_forced ? -NEGATIVE_INFINITY : isnan(score[b]) ? NEGATIVE_INFINITY : score[b];
    }
    for (uint i = 0; i < COMPRESSED_TOP; i++) {
        const uint block = choose_one(blocks);
        for (uint h = gl_LocalInvocationIndex; h < sharing; h += LANES) {
            const uint head =
                COMPRESSED_TILED_KV != 0 ? h * kv_heads + kv_head : kv_head * sharing + h;
            store_u32(pc.choices, (row * heads + head) * COMPRESSED_TOP + i, block);
        }
    }
}
