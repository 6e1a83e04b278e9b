// attend_shared.glsl - how attend's lanes load keys and values, and share queries and scores,
// through shared memory. attend_subgroup.glsl has the same functions.
#ifndef ATTEND_SHARED_GLSL
#define ATTEND_SHARED_GLSL

#define LANE gl_LocalInvocationIndex
#define SCORE_LOOP [[dont_unroll]] // Adreno would spill
#define QUERY_SCALE 1.0            // what query_four() leaves out

shared float query[QUERIES * PADDED];
shared float score[QUERIES * LANES];
shared float most[QUERIES], correction[QUERIES], total[QUERIES];

void wait_for_lanes() { barrier(); }

// Before the next block's scores.
void wait_for_scores() { barrier(); }

// All lanes load the queries.
void load_queries(task t)
{
    for (uint i = LANE; i < QUERIES * PADDED; i += LANES) {
        const uint q = i / PADDED, c = i % PADDED;
        const float x = load_f32_out(pc.query, query_row(t, q) + min(c, D - 1));
        query[i] = c < D ? x * ATTEND_SCALE : 0.0;
    }
    for (uint q = LANE; q < QUERIES; q += LANES)
        most[q] = LOWEST;
}

// Columns c .. c + 3 of query q.
vec4 query_four(uint q, uint c)
{
    const uint at = q * PADDED + c;
    return vec4(query[at], query[at + 1], query[at + 2], query[at + 3]);
}

// Columns c .. c + 3 of this lane's key.
vec4 load_key(key_block k, uint c)
{
    if (ATTEND_CACHE == CACHE_Q8_0)
        return load_q8_0(pc.keys, row_of(k, LANE), c);
    const uint at = (row_of(k, LANE) * PADDED + c) / 4;
    if (ATTEND_CACHE == CACHE_F16) {
        const uvec2 bits = load_u32x2(U32x2(uvec2(pc.keys)), at);
        return vec4(unpackHalf2x16(bits.x), unpackHalf2x16(bits.y));
    }
    return uintBitsToFloat(gather_u32x4(U32x4(uvec2(pc.keys)), at));
}

// The c-th of the elements of a row of the values that this lane owns.
float load_value(uint row, uint c)
{
    return load_cached(pc.values, row, min(LANE + c * LANES, PADDED_V - 1));
}

void keep_score(uint q, float x)
{
    score[q * LANES + LANE] = x;
}

// New maxima, and by how much the old sums shrink: scores become weights.
void update_maxima()
{
    barrier();
    for (uint q = LANE; q < QUERIES; q += LANES) {
        float m = most[q];
        for (uint i = 0; i < LANES; i++)
            m = max(m, score[q * LANES + i]);
        correction[q] = exp(most[q] - m);
        most[q] = m;
    }
    barrier();
    [[unroll]] for (uint q = 0; q < QUERIES; q++) {
        const uint at = q * LANES + LANE;
        const float p = score[at] < LOWEST ? 0.0 : exp(score[at] - most[q]);
        score[at] = p;
        sums[q] = fma(sums[q], correction[q], p);
        [[unroll]] for (uint c = 0; c < COLUMNS_A_LANE; c++)
            values[q * COLUMNS_A_LANE + c] *= correction[q];
    }
    barrier();
}

// Of query q for the block's key i.
float weight_of(uint q, uint i) { return score[q * LANES + i]; }

float most_of(uint q) { return most[q]; }

// The lanes' sums into `total`. Not query by query: a loop around a loop is not unrolled,
// and then sums[] and values[] lie in memory.
void add_up_lanes()
{
    barrier();
    [[unroll]] for (uint q = 0; q < QUERIES; q++)
        score[q * LANES + LANE] = sums[q];
    barrier();
    for (uint q = LANE; q < QUERIES; q += LANES) {
        float sum = 0.0;
        for (uint i = 0; i < LANES; i++)
            sum += score[q * LANES + i];
        total[q] = sum;
    }
    barrier();
}

float total_of(uint q) { return total[q]; }

#endif
