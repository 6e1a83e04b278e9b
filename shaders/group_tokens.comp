#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "group_tokens.h"
#define LANES GROUP_LANES
#include "lib/grid.glsl"

#define DROPPED 0x80000000u // the bits of -0.0

layout(local_size_x_id = 0) in;

shared uint lane_counts[LANES];
shared bool is_last;

// Sum of x over the lanes before this one; `total` over all of them.
uint exclusive_sum(uint x, out uint total)
{
    barrier();
    lane_counts[gl_LocalInvocationIndex] = x;
    barrier();
    uint before = 0;
    total = 0;
    // Unrolled: lavapipe 22.3 ends an invocation's loops after 65535 iterations together,
    // and this one runs for every sequence.
    [[unroll]] for (uint i = 0; i < LANES; i++) {
        before += i < gl_LocalInvocationIndex ? lane_counts[i] : 0;
        total += lane_counts[i];
    }
    return before;
}

uint expert_of(uint pair)
{
    return uint(clamp(int(load_u32(pc.ids, pair)), 0, int(pc.experts) - 1));
}

bool is_dropped(uint pair)
{
    return floatBitsToUint(load_f32_out(pc.weights, pair)) == DROPPED;
}

// Queue order within a sequence: first choices of all its tokens, then second ones.
// Without a limit the order does not matter, and memory order is the fastest.
uint pair_in_queue(uint first_token, uint tokens, uint position)
{
    if (pc.capacity == ~0u)
        return first_token * pc.k + position;
    return (first_token + position % tokens) * pc.k + position / tokens;
}

// Places one sequence's pairs of `expert` behind `row`; returns how many it took.
// Each lane handles one run of the queue, so its place is known after one sum.
uint place_sequence(uint expert, uint row, uint first_token, uint tokens)
{
    const uint pairs = tokens * pc.k;
    const uint run = (pairs + LANES - 1) / LANES;
    const uint begin = min(gl_LocalInvocationIndex * run, pairs);
    const uint end = min(begin + run, pairs);
    uint mine = 0;
    for (uint i = begin; i < end; i++) {
        const uint pair = pair_in_queue(first_token, tokens, i);
        mine += uint(expert_of(pair) == expert && !is_dropped(pair));
    }
    uint total;
    uint place = exclusive_sum(mine, total);
    for (uint i = begin; i < end; i++) {
        const uint pair = pair_in_queue(first_token, tokens, i);
        if (expert_of(pair) != expert || is_dropped(pair))
            continue;
        if (place < pc.capacity)
            store_u32(pc.rows, row + place, pair);
        else
            store_f32(pc.weights, pair, uintBitsToFloat(DROPPED));
        place++;
    }
    return min(total, pc.capacity);
}

// Pairs of all experts below this one: where its rows begin.
uint count_lower(uint expert)
{
    uint lower = 0;
    for (uint pair = gl_LocalInvocationIndex; pair < pc.tokens * pc.k; pair += LANES)
        lower += uint(expert_of(pair) < expert && (GROUP_TIGHT == 0 || !is_dropped(pair)));
    uint total;
    exclusive_sum(lower, total);
    return total;
}

void write_tile(uint index, uint first_row, uint expert, uint rows)
{
    pc.plan.v[PLAN_SIZE + 2 * index] = first_row;
    pc.plan.v[PLAN_SIZE + 2 * index + 1] = expert << 16 | rows;
}

void write_dispatch(uint at, uint groups)
{
    pc.plan.v[at] = min(groups, pc.max_groups);
    pc.plan.v[at + 1] = (groups + pc.max_groups - 1) / pc.max_groups;
    pc.plan.v[at + 2] = 1;
}

// Tiles of equal height up to 1, the fewest that hold `rows`.
void cut(uint index, uint first_row, uint expert, uint rows, uint tiles)
{
    for (uint i = 0; i < tiles; i++) {
        const uint begin = i * pc.tile_rows;
        write_tile(index + i, first_row + begin, expert, min(rows - begin, pc.tile_rows));
    }
}

uint tiles_for(uint rows)
{
    return (rows + pc.tile_rows - 1) / pc.tile_rows;
}

// By the last workgroup alone, when all counts are known.
void write_plan()
{
    const uint run = (pc.experts + LANES - 1) / LANES;
    const uint begin = min(gl_LocalInvocationIndex * run, pc.experts);
    const uint end = min(begin + run, pc.experts);
    uint mine = 0;
    for (uint e = begin; e < end; e++)
        mine += tiles_for(pc.counts.v[pc.experts + e]);
    uint total;
    uint index = exclusive_sum(mine, total);
    for (uint e = begin; e < end; e++) {
        const uint rows = pc.counts.v[pc.experts + e];
        cut(index, pc.counts.v[e], e, rows, tiles_for(rows));
        index += tiles_for(rows);
    }
    if (gl_LocalInvocationIndex == 0) {
        const uint shared_tiles = pc.shared_up_row_tiles == 0 ? 0 : tiles_for(pc.tokens);
        cut(total, 0, pc.experts, pc.tokens, shared_tiles);
        pc.plan.v[PLAN_TILES] = total;
        pc.plan.v[PLAN_SHARED_TILES] = shared_tiles;
        write_dispatch(PLAN_UP, total * pc.up_row_tiles + shared_tiles * pc.shared_up_row_tiles);
        write_dispatch(PLAN_DOWN, total * pc.down_row_tiles);
    }
}

void main()
{
    const uint expert = group_index();
    if (expert >= pc.experts)
        return;
    const uint first = count_lower(expert);
    uint rows = 0;
    for (uint token = 0; token < pc.tokens; token += pc.sequence_tokens) {
        const uint tokens = min(pc.sequence_tokens, pc.tokens - token);
        rows += place_sequence(expert, first + rows, token, tokens);
    }

    if (gl_LocalInvocationIndex == 0) {
        pc.counts.v[expert] = first;
        pc.counts.v[pc.experts + expert] = rows;
        memoryBarrierBuffer();
        is_last = atomicAdd(pc.counter.v[0], 1) == pc.experts - 1;
        if (is_last)
            atomicExchange(pc.counter.v[0], 0);
    }
    barrier();
    if (is_last) {
        memoryBarrierBuffer();
        write_plan();
    }
}
