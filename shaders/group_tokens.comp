#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "group_tokens.h"
#define LANES GROUP_LANES
#include "lib/arrive.glsl"
#include "lib/grid.glsl"

#define DROPPED 0x80000000u // the bits of -0.0

layout(local_size_x_id = 0) in;

shared uint lane_counts[LANES];

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

// Experts that are cut alike.
struct size_class {
    uint plan; // its first word
    uint tile_rows, up_row_tiles, down_row_tiles;
};

size_class class_of(bool many)
{
    return many ? size_class(
                      pc.many_plan, pc.many_tile_rows, pc.many_up_row_tiles, pc.many_down_row_tiles)
                : size_class(0, pc.tile_rows, pc.up_row_tiles, pc.down_row_tiles);
}

void write_tile(uint at, uint first_row, uint expert, uint rows)
{
    pc.plan.v[at] = first_row;
    pc.plan.v[at + 1] = expert << 16 | rows;
}

void write_dispatch(uint at, uint groups)
{
    pc.plan.v[at] = min(groups, pc.max_groups);
    pc.plan.v[at + 1] = (groups + pc.max_groups - 1) / pc.max_groups;
    pc.plan.v[at + 2] = 1;
}

// Tiles of equal height up to 1, the fewest that hold `rows`.
void cut(size_class c, uint index, uint first_row, uint expert, uint rows, uint tiles)
{
    for (uint i = 0; i < tiles; i++) {
        const uint begin = i * c.tile_rows;
        write_tile(c.plan + PLAN_SIZE + 2 * (index + i), first_row + begin, expert,
            min(rows - begin, c.tile_rows));
    }
}

uint tiles_for(size_class c, uint rows)
{
    return (rows + c.tile_rows - 1) / c.tile_rows;
}

// Of an expert's rows, those that go by a class: by the second the first of them.
uint rows_of(uint rows, bool many)
{
    const uint few = FEW_ROWS(rows, pc.many, pc.many_rest, pc.many_tile_rows);
    return many ? rows - few : few;
}

// What a class has of routed experts, `tiles`, and of the shared one.
void write_head(size_class c, uint tiles, bool shared_too)
{
    const uint shared_row_tiles = shared_too ? pc.shared_up_row_tiles : 0;
    const uint shared_tiles = shared_row_tiles == 0 ? 0 : tiles_for(c, pc.tokens);
    cut(c, tiles, 0, pc.experts, pc.tokens, shared_tiles);
    pc.plan.v[c.plan + PLAN_TILES] = tiles;
    pc.plan.v[c.plan + PLAN_SHARED_TILES] = shared_tiles;
    write_dispatch(c.plan + PLAN_UP, tiles * c.up_row_tiles + shared_tiles * shared_row_tiles);
    write_dispatch(c.plan + PLAN_DOWN, tiles * c.down_row_tiles);
}

// What a class's plan says; by all lanes, when all counts are known.
void write_class(bool many)
{
    const size_class c = class_of(many);
    const uint run = (pc.experts + LANES - 1) / LANES;
    const uint begin = min(gl_LocalInvocationIndex * run, pc.experts);
    const uint end = min(begin + run, pc.experts);
    uint mine = 0;
    for (uint e = begin; e < end; e++)
        mine += tiles_for(c, rows_of(pc.counts.v[pc.experts + e], many));
    uint total;
    uint index = exclusive_sum(mine, total);
    for (uint e = begin; e < end; e++) {
        const uint all = pc.counts.v[pc.experts + e], rows = rows_of(all, many);
        const uint first = pc.counts.v[e] + (many ? 0 : all - rows);
        cut(c, index, first, e, rows, tiles_for(c, rows));
        index += tiles_for(c, rows);
    }
    if (gl_LocalInvocationIndex == 0)
        write_head(c, total, many || pc.many == ~0u);
}

// By the last workgroup alone. A loop, as both classes at once are too many scalars for AMD.
void write_plan()
{
    const uint classes = pc.many == ~0u ? 1 : 2;
    uint i = 0;
    [[dont_unroll]] do
        write_class(i != 0);
    while (++i < classes);
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
    }
    if (arrives_last(pc.counter, 0, pc.experts))
        write_plan();
}
