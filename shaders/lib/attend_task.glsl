// attend_task.glsl - which rows of queries, heads and keys' places a workgroup of attend or of
// choose_blocks works on. Needs TASK_ROWS, TASK_HEADS, TASK_MODE, TASK_TILED_KV,
// TASK_EXPERT_KV_HEADS, TASK_HAS_POSITIONS and TASK_HAS_SEQUENCES, and the push constants that
// these two kernels have in common.
#ifndef ATTEND_TASK_GLSL
#define ATTEND_TASK_GLSL

#include "lib/grid.glsl"
#include "pattern.h"
#include "plan.h"

uint k() { return pc.kk_heads >> 16; }
uint heads() { return pc.kk_heads & 0xffffu; }
uint experts() { return pc.experts_kv_heads >> 16; }
uint kv_heads() { return pc.experts_kv_heads & 0xffffu; } // in the cache
uint expert_kv_heads() { return TASK_EXPERT_KV_HEADS != 0 ? TASK_EXPERT_KV_HEADS : kv_heads(); }
uint splits() { return pc.splits_tile_rows >> 16; }
uint tile_rows() { return pc.splits_tile_rows & 0xffffu; }

// What this workgroup works on.
struct task {
    uint expert;
    uint first, rows;  // rows of `query` in memory
    uint kv_head;      // of the expert's
    uint group;        // of heads within those that share the kv head
    uint split;
};

// Heads that share one kv head.
uint heads_per_kv() { return heads() / expert_kv_heads(); }
uint head_groups() { return (heads_per_kv() + TASK_HEADS - 1) / TASK_HEADS; }

// Head of query q; may be past the last one of its group.
uint head_of(task t, uint q, out bool exists)
{
    const uint i = t.group * TASK_HEADS + q % TASK_HEADS;
    exists = i < heads_per_kv() && q / TASK_HEADS < t.rows;
    const uint j = min(i, heads_per_kv() - 1);
    return TASK_TILED_KV != 0 ? j * expert_kv_heads() + t.kv_head : t.kv_head * heads_per_kv() + j;
}

bool find_task(out task t)
{
    uint group = group_index();
    t.split = group % splits();
    group /= splits();
    t.group = group % head_groups();
    group /= head_groups();
    t.kv_head = group % expert_kv_heads();
    group /= expert_kv_heads();
    t.expert = 0;
    if (TASK_MODE == 1) {
        const uint parts = (tile_rows() + TASK_ROWS - 1) / TASK_ROWS;
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
    if (TASK_MODE == 2)
        t.expert = uint(clamp(int(load_u32(pc.rows, t.first)), 0, int(experts()) - 1));
    return true;
}

uint token_of(uint row)
{
    if (TASK_MODE == 0)
        return row;
    return (TASK_MODE == 1 ? load_u32(pc.rows, row) : row) / k();
}

uint pattern(task t, uint word)
{
    return load_u32(pc.patterns, t.expert * PATTERN_WORDS + word);
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
    return (sequence * kv_heads() + cache_head(t)) * pc.capacity;
}

#endif
