// attend_columns.glsl - attend's work on a block of keys where lanes own columns, for GPUs: what a
// wave loads at once lies together, and several loads of each lane are under way. Four lanes share
// a key's scores, of which they leave parts in shared memory; then some lanes own a query each, and
// make weights of its scores; then the lanes of a stream own four columns each of one value after
// the other. Streams are added up at the end.
#ifndef ATTEND_COLUMNS_GLSL
#define ATTEND_COLUMNS_GLSL

#include "lib/attend_splits.glsl"

// A power of two: the next one up to 32, or down to 4.
#define POWER_FROM(n) \
    ((n) <= 1 ? 1 : (n) <= 2 ? 2 : (n) <= 4 ? 4 : (n) <= 8 ? 8 : (n) <= 16 ? 16 : 32)
#define POWER_TO(n) ((n) < 8 ? 4 : (n) < 16 ? 8 : (n) < 32 ? 16 : 32)
#define LESS(a, b) ((a) < (b) ? (a) : (b))

// Scores: a chunk is 16 bytes of a key.
const uint CHUNK = ATTEND_CACHE == CACHE_Q8_0 ? 16 : ATTEND_CACHE == CACHE_F16 ? 8 : 4;
const uint CHUNKS = (PADDED + CHUNK - 1) / CHUNK;
const uint ROW_CHUNKS = ROW_SIZE / CHUNK; // from a row to the next
const uint CHUNK_TURNS = (CHUNKS + KEY_LANES - 1) / KEY_LANES; // of a lane
const uint TURNS_AT_ONCE = LESS(CHUNK_TURNS, ATTEND_LOADS);
const uint ALL_TURNS = (CHUNK_TURNS + TURNS_AT_ONCE - 1) / TURNS_AT_ONCE * TURNS_AT_ONCE;
const uint QUERY_FOURS = ALL_TURNS * KEY_LANES * CHUNK / 4; // columns, zeros after the last
const uint KEY_STEP = LANES / KEY_LANES;            // between a lane's keys
const uint KEY_LOADS = TURNS_AT_ONCE * KEYS_A_LANE; // under way

// Weights: so many lanes own a query, and have these turns.
const uint QUERY_LANES = POWER_TO(LANES / QUERIES);
const uint QUERIES_AT_ONCE = LANES / QUERY_LANES;
const uint QUERY_TURNS = (QUERIES + QUERIES_AT_ONCE - 1) / QUERIES_AT_ONCE;
const uint WEIGHT_TURNS = (BLOCK_KEYS + QUERY_LANES - 1) / QUERY_LANES;
const uint WEIGHTS = (QUERIES + 3) / 4; // of a key, in fours

// Values: a piece is four columns. Where all queries would take too many registers, waves share
// them, and load the same values.
const uint PIECES = PADDED_V / 4;
// At least 4 lanes: streams must not outnumber the keys of a block.
const uint PIECE_LANES = LESS(PIECES > 4 ? POWER_FROM(PIECES) : 4, LANES);
const uint PIECE_TURNS = (PIECES + PIECE_LANES - 1) / PIECE_LANES;
const uint ALL_SUMS = QUERIES * PIECE_TURNS * 4;
const uint SHARES = LESS(ALL_SUMS <= 32 ? 1 : ALL_SUMS <= 64 ? 2 : 4, LANES / PIECE_LANES);
const uint OWN_FOURS = (WEIGHTS + SHARES - 1) / SHARES;
const uint OWN_QUERIES = LESS(QUERIES, OWN_FOURS * 4);
const uint OWN_PIECES = OWN_QUERIES * PIECE_TURNS;
const uint STREAMS = LANES / PIECE_LANES / SHARES;
const uint VALUE_TURNS = (BLOCK_KEYS + STREAMS - 1) / STREAMS;
// Of q8_0 a load brings less, and one of a scale comes with it.
const uint SCALED_LOADS = ATTEND_LOADS == 1 ? 2 : 16;
const uint SCALED_TURNS = POWER_FROM(PIECE_TURNS); // what is loaded at once divides a block
const uint SCALED_VALUES =
    LESS(2 * ATTEND_LOADS, (SCALED_LOADS + SCALED_TURNS - 1) / SCALED_TURNS);
const uint PLAIN_VALUES =
    ATTEND_CACHE != CACHE_F32 || ATTEND_LOADS == 1 ? 2 * ATTEND_LOADS : ATTEND_LOADS;
const uint MOST_VALUES = ATTEND_CACHE == CACHE_Q8_0 ? SCALED_VALUES : PLAIN_VALUES;
const uint VALUES_AT_ONCE = LESS(VALUE_TURNS, MOST_VALUES);
const uint VALUE_LOADS = VALUES_AT_ONCE * PIECE_TURNS; // under way
// All queries see whatever key is loaded, in this run or another.
#define SEE_ALIKE (ATTEND_ROWS == 1 && ATTEND_PICKED_WORDS == 0)

const uint PART_ROOM = QUERIES * BLOCK_KEYS;
const uint HALF_ROOM = OWN_PIECES * LANES / 2; // half of the streams, to be added to the others
const uint SCORE_ROOM = PART_ROOM > HALF_ROOM ? PART_ROOM : HALF_ROOM;
const uint SLOTS = QUERY_TURNS * LANES;
const uint OWN_SCORES = QUERIES * KEYS_A_LANE;
const uint OWN_WEIGHTS = QUERY_TURNS * WEIGHT_TURNS;

// Vectors, so that they are loaded as such.
shared vec4 query[QUERIES * QUERY_FOURS];
// First the lanes' parts of scores, [query][key]; then weights, [key][query / 4].
shared vec4 score[SCORE_ROOM];
shared vec4 slot[SLOTS / 4];
shared float most[QUERIES], correction[QUERIES], total[QUERIES];

float own_most[QUERY_TURNS], own_sum[QUERY_TURNS]; // of this lane's queries, and of its keys
vec4 values[OWN_PIECES];           // of its stream

void load_queries(task t)
{
    for (uint i = LANE; i < QUERIES * QUERY_FOURS; i += LANES) {
        const uint q = i / QUERY_FOURS, first = i % QUERY_FOURS * 4, row = query_row(t, q);
        vec4 x;
        [[unroll]] for (uint n = 0; n < 4; n++) {
            x[n] = load_f32_out(pc.query, row + min(first + n, D - 1));
            x[n] = first + n < D ? x[n] * ATTEND_SCALE : 0.0;
        }
        query[i] = x;
    }
}

void clear_sums()
{
    [[unroll]] for (uint i = 0; i < QUERY_TURNS; i++) {
        own_most[i] = LOWEST;
        own_sum[i] = 0.0;
    }
    [[unroll]] for (uint i = 0; i < OWN_PIECES; i++)
        values[i] = vec4(0.0);
}

// ------------------------------------------------------------------------------- scores

// Chunks of this lane's keys from turn `turn` on; of q8_0 with their scales.
void load_keys(key_block k, uint turn, out uvec4 own[KEY_LOADS], out uint scales[KEY_LOADS])
{
    U32x4 keys = U32x4(uvec2(pc.keys));
    [[unroll]] for (uint u = 0; u < KEYS_A_LANE; u++) {
        const uint row = row_of(k, LANE / KEY_LANES + u * KEY_STEP), at = row * ROW_CHUNKS;
        [[unroll]] for (uint n = 0; n < TURNS_AT_ONCE; n++) {
            const uint chunk = (turn + n) * KEY_LANES + LANE % KEY_LANES;
            own[n * KEYS_A_LANE + u] = load_u32x4(keys, at + min(chunk, CHUNKS - 1));
            scales[n * KEYS_A_LANE + u] = ATTEND_CACHE == CACHE_Q8_0
                ? load_scale(pc.keys, row, min(chunk, CHUNKS - 1) * CHUNK) : 0;
        }
    }
}

// Elements 4 * part .. of a chunk.
vec4 chunk_four(uvec4 chunk, uint scale, uint part)
{
    if (ATTEND_CACHE == CACHE_Q8_0)
        return bytes_times(chunk[part], scale);
    if (ATTEND_CACHE == CACHE_F32)
        return uintBitsToFloat(chunk);
    const uvec2 bits = part == 0 ? chunk.xy : chunk.zw;
    return vec4(unpackHalf2x16(bits.x), unpackHalf2x16(bits.y));
}

// Adds what these chunks make of the scores.
void score_chunks(uint turn, uvec4 own[KEY_LOADS], uint scales[KEY_LOADS],
    inout float s[OWN_SCORES])
{
    [[unroll]] for (uint n = 0; n < TURNS_AT_ONCE; n++) {
        const uint first = ((turn + n) * KEY_LANES + LANE % KEY_LANES) * (CHUNK / 4);
        [[unroll]] for (uint h = 0; h < CHUNK / 4; h++) {
            vec4 key[KEYS_A_LANE];
            [[unroll]] for (uint u = 0; u < KEYS_A_LANE; u++)
                key[u] = chunk_four(own[n * KEYS_A_LANE + u], scales[n * KEYS_A_LANE + u], h);
            [[unroll]] for (uint q = 0; q < QUERIES; q++) {
                const vec4 x = query[q * QUERY_FOURS + first + h];
                [[unroll]] for (uint u = 0; u < KEYS_A_LANE; u++) {
                    [[unroll]] for (uint i = 0; i < 4; i++)
                        s[q * KEYS_A_LANE + u] = fma(x[i], key[u][i], s[q * KEYS_A_LANE + u]);
                }
            }
        }
    }
}

// The first turn's chunks are there.
void score_keys(key_block k, uvec4 own[KEY_LOADS], uint scales[KEY_LOADS])
{
    float s[OWN_SCORES];
    [[unroll]] for (uint i = 0; i < OWN_SCORES; i++)
        s[i] = 0.0;
    score_chunks(0, own, scales, s);
    [[dont_unroll]] for (uint turn = TURNS_AT_ONCE; turn < CHUNK_TURNS; turn += TURNS_AT_ONCE) {
        load_keys(k, turn, own, scales);
        score_chunks(turn, own, scales, s);
    }
    [[unroll]] for (uint q = 0; q < QUERIES; q++) {
        [[unroll]] for (uint u = 0; u < KEYS_A_LANE; u++)
            score[q * BLOCK_KEYS + u * KEY_STEP + LANE / KEY_LANES][LANE % KEY_LANES] =
                s[q * KEYS_A_LANE + u];
    }
}

// ------------------------------------------------------------------------------ weights

// This lane's query of turn i; there may be none.
uint own_query(uint i)
{
    return LANE / QUERY_LANES + i * QUERIES_AT_ONCE;
}

// Its key of turn n, likewise.
uint own_key(uint n)
{
    return LANE % QUERY_LANES + n * QUERY_LANES;
}

// Which queries picked a key's block is asked of each score, below.
uint find_key_askers(task t, uint first, uint end, uint begin, uint count)
{
    return 0xffffffffu;
}

// The mask of this lane's scores whose query picked the key's block; bit `turn`. All, unless keys
// were not found by block.
uint find_picked(task t, key_block k, uint run)
{
    if (run != 2 || !picks_blocks(t))
        return 0xffffffffu;
    uint picked = 0;
    [[dont_unroll]] for (uint turn = 0; turn < OWN_WEIGHTS; turn++) {
        const uint q = min(own_query(turn / WEIGHT_TURNS), QUERIES - 1);
        const uint block = key_of(k, own_key(turn % WEIGHT_TURNS)) / block_size(t);
        picked |= uint(is_picked_by(t, q, block)) << turn;
    }
    return picked;
}

float find_score(task t, uint first, uint end, bool picked, key_block k, uint run, uint length,
    uint q, uint n)
{
    const uint key = own_key(n), r = q / ATTEND_HEADS, j = key_of(k, key);
    const vec4 parts = score[q * BLOCK_KEYS + min(key, BLOCK_KEYS - 1)];
    const float x = finish_score(t, q, parts.x + parts.y + parts.z + parts.w, j);
    const bool visible = sees(t, r, j, key_mark(t, j), run, length, picked);
    return visible && key < k.count && r >= first && r < end ? x : 2.0 * LOWEST;
}

// Scores become weights; `correction` has by how much old sums shrink.
void weigh_keys(task t, uint first, uint end, uint askers, key_block k, uint run, uint length)
{
    float x[OWN_WEIGHTS];
    const uint own_picked = find_picked(t, k, run);
    barrier();
    [[unroll]] for (uint i = 0; i < QUERY_TURNS; i++) {
        const uint q = min(own_query(i), QUERIES - 1);
        float m = LOWEST;
        [[unroll]] for (uint n = 0; n < WEIGHT_TURNS; n++) {
            const uint turn = i * WEIGHT_TURNS + n;
            const bool picked = (askers >> q & own_picked >> turn & 1) != 0;
            x[turn] = find_score(t, first, end, picked, k, run, length, q, n);
            m = max(m, x[turn]);
        }
        slot[(i * LANES + LANE) / 4][LANE % 4] = m;
    }
    barrier();
    [[unroll]] for (uint i = 0; i < QUERY_TURNS; i++) {
        const uint q = own_query(i), begin = i * LANES + LANE / QUERY_LANES * QUERY_LANES;
        if (q >= QUERIES)
            continue;
        float m = own_most[i];
        [[unroll]] for (uint n = 0; n < QUERY_LANES / 4; n++) {
            const vec4 some = slot[begin / 4 + n];
            m = max(max(m, some.x), max(some.y, max(some.z, some.w)));
        }
        const float shrink = exp(own_most[i] - m);
        own_most[i] = m;
        own_sum[i] *= shrink;
        [[unroll]] for (uint n = 0; n < WEIGHT_TURNS; n++) {
            const float p = x[i * WEIGHT_TURNS + n] < LOWEST ? 0.0
                : exp(x[i * WEIGHT_TURNS + n] - m);
            own_sum[i] += p;
            if (own_key(n) < BLOCK_KEYS)
                score[own_key(n) * WEIGHTS + q / 4][q % 4] = p;
        }
        if (LANE % QUERY_LANES == 0)
            correction[q] = shrink;
    }
    barrier();
}

// ------------------------------------------------------------------------------- values

#define STREAM (LANE / PIECE_LANES / SHARES)
#define FIRST_QUERY (LANE / PIECE_LANES % SHARES * OWN_FOURS * 4)

// Pieces of this lane's values from its n-th on.
void load_values(key_block k, uint n, out uvec4 own[VALUE_LOADS])
{
    [[unroll]] for (uint v = 0; v < VALUES_AT_ONCE; v++) {
        const uint row = row_of(k, STREAM + (n + v) * STREAMS);
        [[unroll]] for (uint c = 0; c < PIECE_TURNS; c++) {
            const uint piece = min(LANE % PIECE_LANES + c * PIECE_LANES, PIECES - 1);
            const uint at = row * (ROW_SIZE / 4) + piece;
            own[v * PIECE_TURNS + c] = ATTEND_CACHE == CACHE_Q8_0
                ? uvec4(load_u32(pc.values, at), load_scale(pc.values, row, piece * 4), 0, 0)
                : ATTEND_CACHE == CACHE_F16 ? uvec4(load_u32x2(U32x2(uvec2(pc.values)), at), 0, 0)
                                            : load_u32x4(U32x4(uvec2(pc.values)), at);
        }
    }
}

// Adds them, as much as they weigh. A NaN or infinity that a query does not see stays unseen: that
// is more than a factor of 0 does.
void add_values(uint n, uvec4 own[VALUE_LOADS])
{
    [[unroll]] for (uint v = 0; v < VALUES_AT_ONCE; v++) {
        const uint key = min(STREAM + (n + v) * STREAMS, BLOCK_KEYS - 1);
        float p[OWN_QUERIES];
        [[unroll]] for (uint q = 0; q < OWN_QUERIES; q++) {
            const float weight = score[key * WEIGHTS + FIRST_QUERY / 4 + q / 4][q % 4];
            p[q] = FIRST_QUERY + q < QUERIES ? weight : 0.0;
        }
        [[unroll]] for (uint c = 0; c < PIECE_TURNS; c++) {
            const uvec4 bits = own[v * PIECE_TURNS + c];
            const vec4 x = chunk_four(bits, bits.y, 0);
            [[unroll]] for (uint q = 0; q < OWN_QUERIES; q++) {
                const uint at = q * PIECE_TURNS + c;
                if (SEE_ALIKE)
                    values[at] = fma(vec4(p[q]), x, values[at]);
                else
                    values[at] = p[q] == 0.0 ? values[at] : fma(vec4(p[q]), x, values[at]);
            }
        }
    }
}

void shrink_values()
{
    [[unroll]] for (uint q = 0; q < OWN_QUERIES; q++) {
        const float shrink = correction[min(FIRST_QUERY + q, QUERIES - 1)];
        [[unroll]] for (uint c = 0; c < PIECE_TURNS; c++)
            values[q * PIECE_TURNS + c] *= shrink;
    }
}

void add_block(task t, uint first, uint end, uint askers, key_block k, uint run, uint length)
{
    uvec4 keys[KEY_LOADS], some[VALUE_LOADS];
    uint scales[KEY_LOADS];
    load_keys(k, 0, keys, scales);
    load_values(k, 0, some); // they come while scores become weights
    score_keys(k, keys, scales);
    weigh_keys(t, first, end, askers, k, run, length);
    shrink_values();
    add_values(0, some);
    uint n = VALUES_AT_ONCE;
    if (n < VALUE_TURNS && n * STREAMS < k.count) do {
        load_values(k, n, some);
        add_values(n, some);
        n += VALUES_AT_ONCE;
    } while (n < VALUE_TURNS && n * STREAMS < k.count);
}

// ------------------------------------------------------------------------------ results

// Adds the streams up, in pairs, and the lanes' sums. The first stream has the values then.
void add_up_streams()
{
    [[unroll]] for (uint i = 0; i < QUERY_TURNS; i++)
        slot[(i * LANES + LANE) / 4][LANE % 4] = own_sum[i];
    [[unroll]] for (uint i = 0; i < QUERY_TURNS; i++) {
        if (own_query(i) < QUERIES && LANE % QUERY_LANES == 0)
            most[own_query(i)] = own_most[i];
    }
    [[unroll]] for (uint half_ = STREAMS / 2; half_ > 0; half_ /= 2) {
        const uint lanes = half_ * SHARES * PIECE_LANES;
        barrier();
        if (LANE >= lanes && LANE < 2 * lanes) {
            [[unroll]] for (uint i = 0; i < OWN_PIECES; i++)
                score[i * lanes + LANE - lanes] = values[i];
        }
        barrier();
        if (LANE < lanes) {
            [[unroll]] for (uint i = 0; i < OWN_PIECES; i++)
                values[i] += score[i * lanes + LANE];
        }
    }
    barrier();
    for (uint q = LANE; q < QUERIES; q += LANES) {
        const uint begin =
            q / QUERIES_AT_ONCE * LANES + q % QUERIES_AT_ONCE * QUERY_LANES;
        float sum = 0.0;
        [[unroll]] for (uint n = 0; n < QUERY_LANES / 4; n++) {
            const vec4 some = slot[begin / 4 + n];
            sum += some.x + some.y + some.z + some.w;
        }
        total[q] = sum;
    }
    barrier();
}

void store_partials(task t)
{
    F32x4Coherent partials = F32x4Coherent(uvec2(pc.partials));
    for (uint q = LANE; q < QUERIES; q += LANES)
        store_f32x4_coherent(partials, partial_of(t.split, q), vec4(most[q], total[q], 0.0, 0.0));
    [[unroll]] for (uint i = 0; i < OWN_PIECES; i++) {
        const uint q = FIRST_QUERY + i / PIECE_TURNS;
        const uint piece = LANE % PIECE_LANES + i % PIECE_TURNS * PIECE_LANES;
        if (STREAM == 0 && q < QUERIES && piece < SPLIT_PIECES - 1)
            store_f32x4_coherent(partials, partial_of(t.split, q) + 1 + piece, values[i]);
    }
}

void finish(task t)
{
    if (t.split >= used_splits)
        return;
    add_up_streams();
    if (used_splits > 1) {
        store_partials(t);
        merge_splits(t);
        return;
    }
    [[unroll]] for (uint i = 0; i < OWN_PIECES; i++) {
        const uint q = FIRST_QUERY + i / PIECE_TURNS;
        const uint piece = LANE % PIECE_LANES + i % PIECE_TURNS * PIECE_LANES;
        if (STREAM == 0 && q < QUERIES && piece < SPLIT_PIECES - 1)
            store_piece(t, q, piece, values[i], most[q], total[q]);
    }
}

#endif
