#version 460
#extension GL_GOOGLE_include_directive : require
#define LANES ROUTE_LANES
#include "lib/address.glsl"
#include "route.h"
#include "lib/arrive.glsl"
#include "lib/grid.glsl"
#include "lib/weights.glsl"
#include "lib/select.glsl"
#include "lib/norm.glsl"

layout(local_size_x_id = 0) in;

// What a logit still needs after its dot product, and division by the root mean square of what
// the gate sees.
float finish_logit(float dot_product, uint e)
{
    float l = dot_product;
    if (ROUTE_LEVELS != 0 && e >= ROUTE_EXPERTS)
        return l;
    l += load_f32(pc.vectors, e);
    if (ROUTE_SOFT_CAP != 0.0)
        l = soft_cap(l, ROUTE_SOFT_CAP);
    return l;
}

// `scale`: 1 / rms.
void store_logit(uint token, uint row, float dot_product, float scale)
{
    if (token >= pc.tokens || row >= LOGITS + ROUTE_EXTRA_ROW)
        return;
    const bool is_extra = ROUTE_EXTRA_ROW != 0 && row == ROUTE_EXPERTS;
    if (ROUTE_FOLDED != 0 || (ROUTE_RMS_NORM != 0 && !is_extra))
        dot_product *= scale;
    if (is_extra) {
        store_f32(pc.shared_weights, token, sigmoid(dot_product));
        return;
    }
    const uint e = row < ROUTE_EXPERTS ? row : row - ROUTE_EXTRA_ROW;
    pc.logits.v[token * LOGITS + e] = finish_logit(dot_product, e);
}

float square(unit x)
{
    return dot(x.a, x.a) + dot(x.b, x.b);
}

// What matrix row `row` multiplies where the gate's own rows multiply x.
unit seen_by(uint row, uint x_row, uint i, unit x)
{
    if (ROUTE_SHARED_X == 0 || row != ROUTE_EXPERTS)
        return x;
    return load_row(ROUTE_PACKED != 0, pc.shared_x, x_row, i, pc.hidden);
}

#define STEP (LANES / 8)

float sums[ROUTE_BLOCKS * ROUTE_TOKENS];
float squares[ROUTE_TOKENS];

// 1 / rms of what the gate sees, or of what that was made from.
float scale_of(uint t)
{
    if (ROUTE_FOLDED != 0)
        return inverse_rms(squares[t], pc.hidden, ROUTE_RMS_EPSILON);
    if (ROUTE_RMS_NORM == 0)
        return 1.0;
    return inversesqrt(row_sum(squares[t]) / float(pc.hidden) + ROUTE_RMS_EPSILON);
}

// Adds ROUTE_UNROLL units from unit `i` on, STEP apart, of all blocks and tokens to the sums.
void add_units(uint first_block, uint row_of[ROUTE_TOKENS], uint i)
{
    const uint r = gl_LocalInvocationIndex % 8;
    unit w[ROUTE_UNROLL * ROUTE_BLOCKS];
    [[unroll]] for (uint n = 0; n < ROUTE_UNROLL; n++) {
        // Clamped, and counted as nothing below.
        const uint at = n == 0 ? i : min(i + n * STEP, pc.units - 1);
        [[unroll]] for (uint b = 0; b < ROUTE_BLOCKS; b++)
            w[n * ROUTE_BLOCKS + b] =
                load_weight(DTYPE_F32, pc.matrix, pc.units, first_block + b, at, r);
    }
    [[unroll]] for (uint t = 0; t < ROUTE_TOKENS; t++) {
        [[unroll]] for (uint n = 0; n < ROUTE_UNROLL; n++) {
            const uint at = i + n * STEP;
            if (n > 0 && at >= pc.units)
                break;
            const unit x = load_row(ROUTE_PACKED != 0, pc.x, row_of[t], at, pc.hidden);
            if (ROUTE_FOLDED != 0) {
                const float raw = load_raw(pc.raw, row_of[t], at, r, pc.hidden);
                squares[t] = fma(raw, raw, squares[t]);
            } else if (ROUTE_RMS_NORM != 0) {
                squares[t] += square(x);
            }
            [[unroll]] for (uint b = 0; b < ROUTE_BLOCKS; b++) {
                const unit seen = seen_by((first_block + b) * 8 + r, row_of[t], at, x);
                sums[t * ROUTE_BLOCKS + b] =
                    dot_unit(w[n * ROUTE_BLOCKS + b], seen, sums[t * ROUTE_BLOCKS + b]);
            }
        }
    }
}

// Lane r + 8 c owns row r of each block and every STEP-th unit from c on.
void compute_logits(uint first_block, uint first_token)
{
    const uint r = gl_LocalInvocationIndex % 8;
    const uint c = LANES == 8 ? 0 : gl_LocalInvocationIndex / 8; // shared, see BROADCAST
    uint row_of[ROUTE_TOKENS];
    [[unroll]] for (uint i = 0; i < ROUTE_BLOCKS * ROUTE_TOKENS; i++)
        sums[i] = 0.0;
    [[unroll]] for (uint t = 0; t < ROUTE_TOKENS; t++) {
        squares[t] = 0.0;
        row_of[t] = min(first_token + t, pc.tokens - 1) * pc.hidden;
    }
    uint i = c;
    if (i < pc.units) do { // not a `for`, see lib/address.glsl
        add_units(first_block, row_of, i);
    } while ((i += ROUTE_UNROLL * STEP) < pc.units);
    [[unroll]] for (uint t = 0; t < ROUTE_TOKENS; t++) {
        const float scale = scale_of(t);
        [[unroll]] for (uint b = 0; b < ROUTE_BLOCKS; b++) {
            const float sum = row_sum(sums[t * ROUTE_BLOCKS + b]);
            if (c == 0)
                store_logit(first_token + t, (first_block + b) * 8 + r, sum, scale);
        }
    }
}

void main()
{
    const uint group = group_index();
    const uint tile = group / pc.row_tiles;
    const uint first_token = tile * ROUTE_TOKENS;
    if (first_token >= pc.tokens)
        return;
    const uint first_block = group % pc.row_tiles * ROUTE_BLOCKS;
    compute_logits(first_block, first_token);

    if (!arrives_last(pc.counters, tile, pc.row_tiles))
        return;
    const uint end = min(first_token + ROUTE_TOKENS, pc.tokens);
    uint token = first_token;
    do { // not a `for`, see lib/address.glsl
        select_experts(token);
    } while (++token < end);
}
