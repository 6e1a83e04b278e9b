#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "choose_tokens.h"
#define LANES TOKENS_LANES
#include "lib/activation.glsl"
#include "lib/grid.glsl"
#include "lib/reduce.glsl"

#define DROPPED 0x80000000u // the bits of -0.0

layout(local_size_x_id = 0) in;

shared float lane_ties[LANES];

uint head, first_pair; // of the sequence's first token

float logit_of(uint token)
{
    return load_f32(pc.logits, first_pair + min(token, pc.sequence_tokens - 1) * pc.heads);
}

// An integer that is larger where the logit is; of NaN the least.
uint rank_of(uint token)
{
    const float x = logit_of(token);
    const uint bits = floatBitsToUint(x);
    if (TOKENS_FIRST != 0 && token == 0)
        return 0xffffffffu;
    return isnan(x) ? 0 : (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
}

// How many of this lane's tokens begin .. end - 1 rank above `least`, or as high.
uint count_from(uint begin, uint end, uint least)
{
    uint count = 0;
    for (uint t = begin; t < end; t++)
        count += uint(rank_of(t) >= least);
    return count;
}

// Counts are at most 65536, which floats hold exactly.
uint sum_of(uint count)
{
    return uint(workgroup_sum(float(count)));
}

// The rank of the last one that is chosen: of all those that so many reach, the highest. Bit by
// bit, in 32 turns over a lane's tokens: 64 lanes have 1024 of 65536, and lavapipe 22.3 ends an
// invocation's loops after 65535 iterations.
uint find_last(uint begin, uint end)
{
    uint last = 0;
    [[dont_unroll]] for (uint bit = 0x80000000u; bit != 0; bit >>= 1) {
        if (sum_of(count_from(begin, end, last | bit)) >= pc.chosen)
            last |= bit;
    }
    return last;
}

// How many of the lanes before this one's tokens have exactly the rank of the last.
uint ties_before(uint ties)
{
    lane_ties[gl_LocalInvocationIndex] = float(ties);
    barrier();
    float before = 0.0;
    [[unroll]] for (uint i = 0; i < LANES; i++)
        before += i < gl_LocalInvocationIndex ? lane_ties[i] : 0.0;
    return uint(before);
}

void main()
{
    head = group_index() % pc.heads;
    const uint sequence = group_index() / pc.heads;
    if (sequence >= pc.sequences)
        return;
    first_pair = sequence * pc.sequence_tokens * pc.heads + head;
    const uint run = (pc.sequence_tokens + LANES - 1) / LANES;
    const uint begin = min(gl_LocalInvocationIndex * run, pc.sequence_tokens);
    const uint end = min(begin + run, pc.sequence_tokens);
    const uint last = find_last(begin, end);
    const bool is_highest = last == 0xffffffffu; // then no token ranks above it
    const uint above = is_highest ? 0 : count_from(begin, end, last + 1);
    const uint ties = count_from(begin, end, last) - above;
    const uint wanted = pc.chosen - sum_of(above); // of those that tie
    uint tie = ties_before(ties);
    for (uint t = begin; t < end; t++) {
        const uint rank = rank_of(t), pair = first_pair + t * pc.heads;
        bool is_chosen = rank > last;
        if (rank == last)
            is_chosen = tie++ < wanted;
        store_u32(pc.ids, pair, head);
        store_f32(pc.weights, pair,
            is_chosen ? sigmoid(logit_of(t)) : uintBitsToFloat(DROPPED));
    }
    const uint line = head * pc.sequences + sequence;
    for (uint n = gl_LocalInvocationIndex; n < pc.chosen; n += LANES) {
        store_u32(pc.places, line * pc.chosen + n, n);
        store_u32(pc.lines, line * pc.chosen + n, line);
    }
}
