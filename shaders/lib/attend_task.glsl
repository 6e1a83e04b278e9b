// attend_task.glsl - which rows of queries, heads and keys' places a workgroup of attend or of
// choose_blocks works on. Needs TASK_ROWS, TASK_HEADS, TASK_MODE, TASK_TILED_KV,
// TASK_EXPERT_KV_HEADS, TASK_HAS_POSITIONS, TASK_HAS_SEQUENCES and TASK_SPLITS, and the push
// constants that these two kernels have in common.
#ifndef ATTEND_TASK_GLSL
#define ATTEND_TASK_GLSL

#include "lib/grid.glsl"
#include "pattern.h"
#include "plan.h"

// Of the attention's constants, which find_task() reads: nothing does so in a loop.
U32 patterns;
uint heads, kv_heads, query_stride, experts_per_token;
uint expert_kv_heads; // that one expert uses
uint heads_per_kv;    // heads that share one kv head

// What this workgroup works on.
struct task {
    uint expert;
    uint first, rows;  // rows of `query` in memory
    uint kv_head;      // of the expert's
    uint group;        // of heads within those that share the kv head
    uint split;
};

// Head of query q; may be past the last one of its group.
uint head_of(task t, uint q, out bool exists)
{
    const uint i = t.group * TASK_HEADS + q % TASK_HEADS;
    exists = i < heads_per_kv && q / TASK_HEADS < t.rows;
    const uint j = min(i, heads_per_kv - 1);
    return TASK_TILED_KV != 0 ? j * expert_kv_heads + t.kv_head : t.kv_head * heads_per_kv + j;
}

void read_constants()
{
    patterns = pc.constants.v.patterns;
    heads = pc.constants.v.heads;
    kv_heads = pc.constants.v.kv_heads;
    query_stride = pc.constants.v.query_stride;
    experts_per_token = pc.constants.v.experts_per_token;
    expert_kv_heads = TASK_EXPERT_KV_HEADS != 0 ? TASK_EXPERT_KV_HEADS : kv_heads;
    heads_per_kv = heads / expert_kv_heads;
}

bool find_task(out task t)
{
    read_constants();
    const uint head_groups = (heads_per_kv + TASK_HEADS - 1) / TASK_HEADS;
    uint group = group_index();
    t.split = group % TASK_SPLITS;
    group /= TASK_SPLITS;
    t.group = group % head_groups;
    group /= head_groups;
    t.kv_head = group % expert_kv_heads;
    group /= expert_kv_heads;
    t.expert = 0;
    if (TASK_MODE == ROWS_SORTED) {
        const uint parts = (pc.tile_rows + TASK_ROWS - 1) / TASK_ROWS;
        const uint index = group / parts;
        if (index >= load_u32(pc.plan, PLAN_TILES))
            return false;
        const uint packed = load_u32(pc.plan, PLAN_SIZE + 2 * index + 1);
        const uint begin = group % parts * TASK_ROWS, count = packed & 0xffffu;
        t.expert = packed >> 16;
        t.first = load_u32(pc.plan, PLAN_SIZE + 2 * index) + begin;
        t.rows = begin < count ? min(count - begin, TASK_ROWS) : 0;
        return t.rows > 0;
    }
    t.first = group * TASK_ROWS;
    if (t.first >= pc.row_count)
        return false;
    t.rows = min(pc.row_count - t.first, TASK_ROWS);
    if (TASK_MODE == ROWS_PAIRS)
        t.expert = uint(clamp(int(load_u32(pc.rows, t.first)), 0, int(pc.constants.v.experts) - 1));
    return true;
}

uint token_of(uint row)
{
    if (TASK_MODE == ROWS_TOKENS)
        return row;
    return (TASK_MODE == ROWS_SORTED ? load_u32(pc.rows, row) : row) / experts_per_token;
}

uint pattern(task t, uint word)
{
    return load_u32(patterns, t.expert * PATTERN_WORDS + word);
}

uint position_of(uint token)
{
    const uint p = TASK_HAS_POSITIONS != 0 ? load_u32(pc.positions, token) : pc.first_token + token;
    return min(p, pc.capacity - 1);
}

uint sequence_of(uint token)
{
    return TASK_HAS_SEQUENCES != 0 ? min(load_u32(pc.sequences, token), pc.sequence_count - 1) : 0;
}

// The task's kv head as the cache counts them.
uint cache_head(task t)
{
    return TASK_EXPERT_KV_HEADS != 0 ? pattern(t, PATTERN_KV_HEAD) + t.kv_head : t.kv_head;
}

// Where in the cache the keys of one sequence for the task's kv head begin: a row of it.
uint first_key(task t, uint sequence)
{
    return (sequence * kv_heads + cache_head(t)) * pc.capacity;
}

#endif
