#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "decode_up.h"
#include "lib/decode.glsl"

layout(local_size_x_id = 0) in;

#define NONE ~0u
#define HEADS max(DECODE_HEADS, 1)

shared uint experts_of[DECODE_MAX_PAIRS]; // of each pair; NONE if dropped
shared uint members[DECODE_TOKENS];       // pairs that this workgroup serves

// Chooses the pairs that share this workgroup's matrix: `pair` and the next ones of the
// same expert. Returns 0 if another workgroup serves `pair`.
uint find_members(uint pair)
{
    if (DECODE_TOKENS == 1)
        return is_dropped(pc.weights, pair) ? 0 : 1;
    const uint pairs = pc.tokens * pc.k;
    for (uint p = gl_LocalInvocationIndex; p < pairs; p += LANES)
        experts_of[p] = is_dropped(pc.weights, p) ? NONE : expert_of(pc.ids, pc.experts, p);
    barrier();
    const uint mine = experts_of[pair];
    uint before = 0;
    for (uint p = 0; p < pair; p++)
        before += uint(experts_of[p] == mine);
    if (mine == NONE || before % DECODE_TOKENS != 0)
        return 0;
    uint found = 0;
    for (uint p = pair; p < pairs && found < DECODE_TOKENS; p++) {
        if (experts_of[p] != mine)
            continue;
        if (gl_LocalInvocationIndex == 0)
            members[found] = p;
        found++;
    }
    barrier();
    return found;
}

// The one at `i` of what find_members() found for `pair`; of one token, `pair` without a barrier.
uint member(uint i, uint pair)
{
    return DECODE_TOKENS == 1 ? pair : members[i];
}

// Activates and stores row `r` of a pair of blocks; gated, they are the gate and the up
// projection of one column.
void store(F32Out h, uint row_at, uint columns, uint pair, uint r, float first, float second,
    bool gated, bool biased, uint bias_row)
{
    const uint block = first_of_pair(pair);
    if (biased) {
        first += load_f32(pc.bias, bias_row + block * 8 + r);
        second += load_f32(pc.bias, bias_row + (block + PARTNER) * 8 + r);
    }
    uint column = block * 8 + r;
    if (gated) {
        column = pair * 8 + r;
        first = activate(DECODE_ACTIVATION, first, second, DECODE_ALPHA, DECODE_LIMIT);
    } else {
        first = activate_one(DECODE_ACTIVATION, first, DECODE_LIMIT);
        second = activate_one(DECODE_ACTIVATION, second, DECODE_LIMIT);
    }
    if (column < columns)
        store_result(h, row_at + column, column, first);
    if (!gated && column + PARTNER * 8 < columns)
        store_result(h, row_at + column + PARTNER * 8, column + PARTNER * 8, second);
}

// Finishes and stores the sums of token `t` of those together, `scale` times, as the row of h that
// begins at `row_at`.
void finish(uint t, float scale, F32Out h, uint row_at, uint columns, uint first_pair, bool gated,
    bool biased, uint bias_row)
{
    if (DECODE_NORM != 0)
        scale *= inverse_rms(squares[t], pc.columns, DECODE_NORM_EPSILON);
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b += 2) {
        const float first = scale * row_sum(sums[t * DECODE_BLOCKS + b]),
                    second = scale * row_sum(sums[t * DECODE_BLOCKS + b + 1]);
        if (stores())
            store(h, row_at, columns, first_pair + b / 2, gl_LocalInvocationIndex, first, second,
                gated, biased, bias_row);
    }
}

// The factor on a pair's input.
float weight_of(uint pair)
{
    return DECODE_WEIGHT_INPUT != 0 ? load_f32(pc.weights, pair) : 1.0;
}

void routed(uint pair, uint row_tile)
{
    const uint count = find_members(pair);
    if (count == 0)
        return;
    const uint expert = expert_of(pc.ids, pc.experts, pair);
    const uint first_pair = row_tile * (DECODE_BLOCKS / 2);
    uint i = 0;
    do { // not a `for`, see lib/address.glsl
        [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++) {
            operands[t] = member(min(i + t, count - 1), pair) / pc.k * pc.x_stride;
        }
        clear_sums();
        multiply(product(U32x4(load_u32x2(pc.table, expert)), pc.units, true, first_pair, pc.x,
            DECODE_PACKED != 0, pc.columns, pc.raw), column_lane(), LANES / 8);
        [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++) {
            if (i + t < count) {
                const uint to = member(i + t, pair);
                finish(t, weight_of(to), pc.h, to * pc.h_columns, pc.h_columns, first_pair,
                    DECODE_GATED != 0, DECODE_BIAS != 0, expert * pc.bias_stride);
            }
        }
    } while ((i += DECODE_TOGETHER) < count);
}

// The shared expert, or a head's matrix.
void common_expert(uint first_token, uint row_tile, uint head)
{
    const uint stride = DECODE_HEADS > 0 ? DECODE_HEAD_STRIDE : pc.shared_h_columns;
    const uint first_pair = row_tile * (DECODE_BLOCKS / 2);
    const uint end = min(first_token + DECODE_TOKENS, pc.tokens);
    uint token = first_token;
    do {
        [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++)
            operands[t] = (min(token + t, end - 1) * HEADS + head) * pc.x_stride;
        clear_sums();
        multiply(product(U32x4(load_u32x2(pc.table, pc.experts + head)), pc.units, true,
            first_pair, pc.x, DECODE_PACKED != 0, pc.columns, pc.raw), column_lane(), LANES / 8);
        [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++) {
            if (token + t < end)
                finish(t, 1.0, pc.shared_h, ((token + t) * HEADS + head) * stride,
                    pc.shared_h_columns, first_pair, DECODE_SHARED_GATED != 0,
                    DECODE_SHARED_BIAS != 0, 0);
        }
    } while ((token += DECODE_TOGETHER) < end);
}

void main()
{
    load_code_book(pc.table, LANES);
    const uint group = group_index();
    const uint routed_groups = pc.tokens * pc.k * pc.row_tiles;
    if (group < routed_groups) {
        routed(group / pc.row_tiles, group % pc.row_tiles);
    } else if (pc.shared_row_tiles > 0 && pc.tokens > 0) {
        // Tokens run fastest: their workgroups meet the same rows of the matrix in the cache.
        const uint tiles = (pc.tokens + DECODE_TOKENS - 1) / DECODE_TOKENS;
        const uint first_token = (group - routed_groups) % tiles * DECODE_TOKENS;
        uint row_tile = (group - routed_groups) / tiles, head = 0;
        if (DECODE_HEADS > 0) {
            head = row_tile / pc.shared_row_tiles;
            row_tile %= pc.shared_row_tiles;
        }
        if (row_tile < pc.shared_row_tiles && head < HEADS)
            common_expert(first_token, pc.first_shared_row_tile + row_tile, head);
    }
}
