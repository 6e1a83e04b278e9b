#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "limit_experts.h"
#include "lib/grid.glsl"

#define DROPPED 0x80000000u // the bits of -0.0

layout(local_size_x_id = 0) in;

shared uint earlier; // pairs of the expert, before this one

uint pair_count()
{
    return pc.tokens * pc.k;
}

uint expert_of(uint pair)
{
    return uint(clamp(int(load_u32(pc.ids, pair)), 0, int(pc.experts) - 1));
}

bool is_dropped(uint pair)
{
    return floatBitsToUint(load_f32_out(pc.weights, pair)) == DROPPED;
}

uint position_of(uint token)
{
    const uint position = LIMIT_HAS_POSITIONS != 0 ? load_u32(pc.positions, token)
        : pc.first_token + token;
    return min(position, pc.capacity - 1);
}

// Where the choices of the token's sequence begin.
uint sequence_start(uint token)
{
    const uint sequence = LIMIT_HAS_SEQUENCES != 0 ? load_u32(pc.sequences, token) : 0;
    return min(sequence, pc.sequence_count - 1) * pc.capacity * pc.k;
}

void note()
{
    const uint pair = group_index() * LIMIT_LANES + gl_LocalInvocationIndex;
    if (pair >= pair_count())
        return;
    const uint token = pair / pc.k;
    const uint place = sequence_start(token) + position_of(token) * pc.k + pair % pc.k;
    store_u32(pc.choices, place, is_dropped(pair) ? 0 : expert_of(pair) + 1);
}

void drop()
{
    // Clamped, not left: lavapipe 26 loads what all lanes share even where none is active.
    const uint pair = min(group_index(), pair_count() - 1);
    const uint token = pair / pc.k;
    const uint first = sequence_start(token);
    const uint end = first + position_of(token) * pc.k + pair % pc.k;
    const uint wanted = expert_of(pair) + 1;
    uint mine = 0;
    for (uint i = first + gl_LocalInvocationIndex; i < end; i += LIMIT_LANES)
        mine += uint(load_u32_out(pc.choices, i) == wanted);
    if (gl_LocalInvocationIndex == 0)
        earlier = 0;
    barrier();
    atomicAdd(earlier, mine);
    barrier();
    if (group_index() == pair && gl_LocalInvocationIndex == 0 && earlier >= pc.limit)
        store_f32(pc.weights, pair, uintBitsToFloat(DROPPED));
}

void main()
{
    if (LIMIT_NOTE != 0)
        note();
    else
        drop();
}
