#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "mean_keys.h"
#include "lib/grid.glsl"
#define CACHE_TYPE MEAN_CACHE
#define CACHE_HEAD_SIZE MEAN_HEAD_SIZE
#include "lib/cache.glsl"

layout(local_size_x_id = 0) in;

#define PADDED ((MEAN_HEAD_SIZE + 7) / 8 * 8)
#define KEYS_A_TURN 4 // lavapipe 22.3 ends an invocation's loops after 65535 iterations

void main()
{
    const uint token = group_index() / pc.kv_heads, head = group_index() % pc.kv_heads;
    if (token >= pc.tokens)
        return;
    const uint p = MEAN_HAS_POSITIONS != 0 ? load_u32(pc.positions, token) : pc.first_token + token;
    const uint position = min(p, pc.capacity - 1);
    const uint begin = position + 1 - MEAN_BLOCK; // of the block that it ends, if it does
    if (position + 1 < MEAN_BLOCK || begin % MEAN_STRIDE != 0)
        return;
    const uint sequence =
        MEAN_HAS_SEQUENCES != 0 ? min(load_u32(pc.sequences, token), pc.sequence_count - 1) : 0;
    const uint stream = sequence * pc.kv_heads + head;
    AIM_AT_SCALES(pc.sequence_count * pc.kv_heads * pc.capacity);
    const uint first = stream * pc.capacity + begin;
    const uint blocks = (pc.capacity + MEAN_STRIDE - 1) / MEAN_STRIDE;
    for (uint c = gl_LocalInvocationIndex; c < PADDED; c += MEAN_LANES) {
        float sum = 0.0;
        [[dont_unroll]] for (uint i = 0; i < MEAN_BLOCK; i += KEYS_A_TURN) { // Intel would spill
            [[unroll]] for (uint n = 0; n < KEYS_A_TURN; n++) {
                const float x = load_cached(pc.keys, first + min(i + n, MEAN_BLOCK - 1), c);
                sum += i + n < MEAN_BLOCK ? x : 0.0;
            }
        }
        store_f32(pc.means, (stream * blocks + begin / MEAN_STRIDE) * PADDED + c,
            sum / float(MEAN_BLOCK));
    }
}
