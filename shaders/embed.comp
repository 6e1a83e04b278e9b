#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "embed.h"
#include "lib/grid.glsl"
#define WEIGHT_TYPE EMBED_TYPE
#include "lib/weights.glsl"

layout(local_size_x_id = 0) in;

void main()
{
    load_code_book(pc.table, EMBED_LANES);
    const uint index = group_index() * EMBED_LANES + gl_LocalInvocationIndex;
    const uint token = index / pc.units, i = index % pc.units;
    if (token >= pc.tokens)
        return;
    const uint id = min(load_u32(pc.ids, token), pc.vocabulary - 1);
    const unit row = load_weight(EMBED_TYPE, pc.matrix, pc.units, id / 8, i, id % 8);
    [[unroll]] for (uint c = 0; c < 8; c++) {
        const float x = (c < 4 ? row.a[c % 4] : row.b[c % 4]) * EMBED_SCALE;
        if (8 * i + c >= pc.columns)
            break;
        store_f32(pc.x, token * pc.columns + 8 * i + c, x);
        if (EMBED_WEIGHTED != 0)
            store_f32(pc.weighted, token * pc.columns + 8 * i + c,
                x * load_f32(pc.weight, 8 * i + c));
    }
}
