#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "choose_blocks.h"
#define LANES CHOOSE_LANES
#include "lib/reduce.glsl"
#define TASK_ROWS 1
#define TASK_HEADS 1
#define TASK_MODE CHOOSE_MODE
#define TASK_TILED_KV CHOOSE_TILED_KV
#define TASK_EXPERT_KV_HEADS CHOOSE_EXPERT_KV_HEADS
#define TASK_HAS_POSITIONS CHOOSE_HAS_POSITIONS
#define TASK_HAS_SEQUENCES CHOOSE_HAS_SEQUENCES
#define TASK_SPLITS 1
#include "lib/attend_task.glsl"

layout(local_size_x_id = 0) in;

#define D CHOOSE_HEAD_SIZE
#define PADDED ((D + 7) / 8 * 8)

shared float query[PADDED];
shared float score[CHOOSE_BLOCKS]; // -inf once it is chosen
#define BEST_BLOCKS CHOOSE_BLOCKS
#define BEST_SCORE score
#include "lib/best.glsl"

// Scores of the `count` blocks before the query's own.
void score_blocks(task t, uint row, uint head, uint sequence, uint count)
{
    for (uint c = gl_LocalInvocationIndex; c < PADDED; c += LANES)
        query[c] = c < D ? load_f32(pc.query, row * query_stride + head * D + min(c, D - 1)) : 0.0;
    barrier();
    const uint blocks = (pc.capacity + CHOOSE_BLOCK - 1) / CHOOSE_BLOCK;
    const uint first = (sequence * kv_heads + cache_head(t)) * blocks;
    for (uint b = gl_LocalInvocationIndex; b < count; b += LANES) {
        float sum = 0.0;
        // Few turns: see CHOOSE_MAX_TOP. Unrolled further, Adreno would spill.
        [[dont_unroll]] for (uint c = 0; c < PADDED; c += 4) {
            [[unroll]] for (uint i = 0; i < 4; i++)
                sum = fma(query[c + i], load_f32(pc.means, (first + b) * PADDED + c + i), sum);
        }
        score[b] = isnan(sum) ? NEGATIVE_INFINITY : sum;
    }
}

void main()
{
    task t;
    if (!find_task(t))
        return;
    const uint top = pattern(t, PATTERN_TOP);
    if (top == 0)
        return;
    bool exists;
    const uint head = head_of(t, 0, exists);
    const uint token = token_of(t.first);
    const uint own = position_of(token) / CHOOSE_BLOCK; // how many are before it
    const uint list = (t.first * heads + head) * CHOOSE_TOP;
    score_blocks(t, t.first, head, sequence_of(token), own);
    for (uint n = 0; n < CHOOSE_TOP; n++) {
        const uint block = n == 0 ? own : n < top ? choose_one(own) : CHOOSE_NOTHING;
        if (gl_LocalInvocationIndex == 0)
            store_u32(pc.choices, list + n, block);
    }
}
