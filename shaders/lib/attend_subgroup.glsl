// attend_subgroup.glsl - as attend_shared.glsl, where the workgroup is one subgroup of 8 lanes
// and loads at shared addresses are cheap (lavapipe 26): scores stay in registers, queries in
// memory, and no block of keys needs a barrier. There one costs what is computed again behind
// it, with 16 divisions for gl_LocalInvocationIndex alone (a subgroup's costs no less), and
// an element of shared memory six instructions to check its index.
#ifndef ATTEND_SUBGROUP_GLSL
#define ATTEND_SUBGROUP_GLSL

#define LANE gl_SubgroupInvocationID
#define SCORE_LOOP [[unroll]]      // a loop's counter is a vector: no address of it is shared
#define QUERY_SCALE ATTEND_SCALE   // what query_four() leaves out

uint query_at[QUERIES];
float score[QUERIES]; // of this lane's key
float most[QUERIES];  // in all lanes alike

void wait_for_lanes() { subgroupBarrier(); }

void wait_for_scores() {} // each lane has its own

// Lane `lane` of x. Case by case, as not every device takes a lane that is no constant;
// callers' loops are unrolled, and one case remains.
float lane_of(float x, uint lane)
{
    switch (lane) {
    case 0: return subgroupBroadcast(x, 0);
    case 1: return subgroupBroadcast(x, 1);
    case 2: return subgroupBroadcast(x, 2);
    case 3: return subgroupBroadcast(x, 3);
    case 4: return subgroupBroadcast(x, 4);
    case 5: return subgroupBroadcast(x, 5);
    case 6: return subgroupBroadcast(x, 6);
    default: return subgroupBroadcast(x, 7);
    }
}

void load_queries(task t)
{
    [[unroll]] for (uint q = 0; q < QUERIES; q++) {
        query_at[q] = query_row(t, q);
        most[q] = LOWEST;
    }
}

// Columns c .. c + 3 of query q.
vec4 query_four(uint q, uint c)
{
    vec4 x;
    [[unroll]] for (uint n = 0; n < 4; n++) {
        x[n] = load_f32_out(pc.query, query_at[q] + min(c + n, D - 1));
        if (D % 8 != 0)
            x[n] = c + n < D ? x[n] : 0.0;
    }
    return x;
}

// Columns c .. c + 3 of a row of the cache, as they are stored; of q8_0 with their scale.
uvec4 load_four(U32 cache, uint row, uint c)
{
    if (ATTEND_CACHE == CACHE_Q8_0)
        return uvec4(load_u32(cache, row * ROW_WORDS + c / 4), load_scale(cache, row, c), 0, 0);
    const uint at = (row * PADDED + c) / 4;
    return ATTEND_CACHE == CACHE_F16 ? uvec4(load_u32x2(U32x2(uvec2(cache)), at), 0, 0)
        : load_u32x4(U32x4(uvec2(cache)), at);
}

// Columns c .. c + 3 of this lane's key: those of all eight keys, of which it keeps its own;
// see BROADCAST in weights.glsl.
vec4 load_key(key_block k, uint c)
{
    uvec4 own = load_four(pc.keys, row_of(k, 0), c);
    [[unroll]] for (uint n = 1; n < 8; n++) {
        const uvec4 other = load_four(pc.keys, row_of(k, n), c);
        own = LANE == n ? other : own;
    }
    if (ATTEND_CACHE == CACHE_Q8_0)
        return bytes_times(own.x, own.y);
    return ATTEND_CACHE == CACHE_F16 ? vec4(unpackHalf2x16(own.x), unpackHalf2x16(own.y))
        : uintBitsToFloat(own);
}

// The c-th of the elements of a row of the values that this lane owns.
float load_value(uint row, uint c)
{
    const uvec4 low = load_four(pc.values, row, c * 8), high = load_four(pc.values, row, c * 8 + 4);
    if (ATTEND_CACHE == CACHE_Q8_0) {
        const int own = int(LANE < 4 ? low.x : high.x);
        return unpackHalf2x16(low.y).x * float(own << (24 - LANE % 4 * 8) >> 24);
    }
    if (ATTEND_CACHE == CACHE_F16) {
        const uint own = LANE < 4 ? (LANE < 2 ? low.x : low.y) : (LANE < 6 ? high.x : high.y);
        const vec2 pair = unpackHalf2x16(own);
        return LANE % 2 == 0 ? pair.x : pair.y;
    }
    uint own = low.x;
    [[unroll]] for (uint n = 1; n < 8; n++)
        own = LANE == n ? (n < 4 ? low[n % 4] : high[n % 4]) : own;
    return uintBitsToFloat(own);
}

void keep_score(uint q, float x) { score[q] = x; }

// New maxima, and by how much the old sums shrink: scores become weights.
void update_maxima()
{
    [[unroll]] for (uint q = 0; q < QUERIES; q++) {
        float m = most[q];
        [[unroll]] for (uint i = 0; i < LANES; i++)
            m = max(m, lane_of(score[q], i));
        const float correction = exp(most[q] - m);
        most[q] = m;
        score[q] = score[q] < LOWEST ? 0.0 : exp(score[q] - m);
        sums[q] = fma(sums[q], correction, score[q]);
        [[unroll]] for (uint c = 0; c < COLUMNS_A_LANE; c++)
            values[q * COLUMNS_A_LANE + c] *= correction;
    }
}

// Of query q for the block's key i.
float weight_of(uint q, uint i) { return lane_of(score[q], i); }

float most_of(uint q) { return most[q]; }

void add_up_lanes()
{
    subgroupBarrier(); // all have read the queries, whose places the results take
    [[unroll]] for (uint q = 0; q < QUERIES; q++) {
        float sum = 0.0;
        [[unroll]] for (uint i = 0; i < LANES; i++)
            sum += lane_of(sums[q], i);
        sums[q] = sum;
    }
}

float total_of(uint q) { return sums[q]; }

#endif
