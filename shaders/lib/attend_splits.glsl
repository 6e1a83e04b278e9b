// attend_splits.glsl - results of attend's forms for GPUs, and how those of splits are merged.
#ifndef ATTEND_SPLITS_GLSL
#define ATTEND_SPLITS_GLSL

const uint SPLIT_PIECES = 1 + (V + 3) / 4; // of a partial result: maximum and sum, then the values
const uint SPLITS_AT_ONCE = 2 * ATTEND_LOADS;

#include "lib/arrive.glsl"

// A piece of the result of query q, of which the keys' maximum and sum are given.
void store_piece(task t, uint q, uint piece, vec4 value, float m, float sum)
{
    bool exists;
    const uint head = head_of(t, q, exists);
    float shrink = 1.0;
    if (ATTEND_SINK_LOGITS != 0) {
        F32 sinks = pc.constants.v.sinks;
        const float sink = load_f32(sinks, head), all = max(m, sink);
        shrink = exp(m - all);
        sum = sum * shrink + exp(sink - all);
    }
    const float factor = sum > 0.0 ? shrink / sum : 0.0;
    const uint at = query_row(t, q) + piece * 4;
    [[unroll]] for (uint n = 0; n < 4; n++)
        if (exists && piece * 4 + n < V)
            store_f32(pc.query, at + n, value[n] * factor);
}

// Where query q's partial result begins, of the split `split` of those that share the workgroup's
// queries: in pieces.
uint partial_of(uint split, uint q)
{
    return ((group_index() / pc.splits * pc.splits + split) * QUERIES + q) * SPLIT_PIECES;
}

// Adds up what all splits left, in their order, whoever does it.
void merge_piece(task t, uint q, uint piece)
{
    F32x4Coherent partials = F32x4Coherent(uvec2(pc.partials));
    float m = LOWEST, sum = 0.0;
    vec4 value = vec4(0.0);
    uint s = 0;
    do {
        vec4 head[SPLITS_AT_ONCE], part[SPLITS_AT_ONCE];
        [[unroll]] for (uint i = 0; i < SPLITS_AT_ONCE; i++) {
            const uint at = partial_of(min(s + i, used_splits - 1), q);
            head[i] = load_f32x4_coherent(partials, at);
            part[i] = load_f32x4_coherent(partials, at + 1 + piece);
        }
        float higher = m;
        [[unroll]] for (uint i = 0; i < SPLITS_AT_ONCE; i++)
            higher = max(higher, head[i].x);
        const float shrink = exp(m - higher);
        m = higher;
        sum *= shrink;
        value *= shrink;
        [[unroll]] for (uint i = 0; i < SPLITS_AT_ONCE; i++) {
            const float weight = s + i < used_splits ? exp(head[i].x - m) : 0.0;
            sum = fma(weight, head[i].y, sum);
            value = fma(vec4(weight), part[i], value);
        }
        s += SPLITS_AT_ONCE;
    } while (s < used_splits);
    store_piece(t, q, piece, value, m, sum);
}

// The last split to end merges what all of them left.
void merge_splits(task t)
{
    if (!arrives_last(pc.counters, group_index() / pc.splits, used_splits))
        return;
    for (uint i = LANE; i < QUERIES * (SPLIT_PIECES - 1); i += LANES)
        merge_piece(t, i / (SPLIT_PIECES - 1), i % (SPLIT_PIECES - 1));
}

#endif
