#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "sum_rows.h"
#include "lib/grid.glsl"
#define WEIGHT_TYPE SUM_TYPE
#include "lib/weights.glsl"

layout(local_size_x_id = 0) in;

// Lanes own units of columns. A row is unpacked once for all tokens of the tile.
void main()
{
    load_code_book(pc.table, SUM_LANES);
    const uint tiles = (pc.tokens + SUM_TOKENS - 1) / SUM_TOKENS;
    const uint runs = (pc.units + SUM_LANES - 1) / SUM_LANES;
    const uint first = group_index() % tiles * SUM_TOKENS, run = group_index() / tiles;
    const uint head = run / runs, i = run % runs * SUM_LANES + gl_LocalInvocationIndex;
    if (head >= pc.heads)
        return;
    const uint own = min(i, pc.units - 1);
    U32x4 matrix = U32x4(load_u32x2(pc.table, head));
    unit sums[SUM_MAX_TOKENS];
    [[unroll]] for (uint t = 0; t < SUM_MAX_TOKENS; t++)
        sums[t] = unit_zero();
    uint row = 0;
    do { // not a `for`, see address.glsl
        const unit w = load_weight(SUM_TYPE, matrix, pc.units, row / 8, own, row % 8);
        [[unroll]] for (uint t = 0; t < SUM_MAX_TOKENS; t++) {
            if (t < SUM_TOKENS) {
                const uint token = min(first + t, pc.tokens - 1);
                const float x = load_f32(pc.x, (token * pc.heads + head) * pc.x_stride + row);
                sums[t].a = fma(vec4(x), w.a, sums[t].a);
                sums[t].b = fma(vec4(x), w.b, sums[t].b);
            }
        }
    } while (++row < pc.rows);
    [[unroll]] for (uint t = 0; t < SUM_MAX_TOKENS; t++) {
        const uint y = ((first + t) * pc.heads + head) * pc.y_stride;
        [[unroll]] for (uint c = 0; c < 8; c++) {
            const float sum = c < 4 ? sums[t].a[c % 4] : sums[t].b[c % 4];
            if (t < SUM_TOKENS && first + t < pc.tokens && i < pc.units && 8 * i + c < pc.columns)
                store_f32(pc.y, y + 8 * i + c, sum);
        }
    }
}
