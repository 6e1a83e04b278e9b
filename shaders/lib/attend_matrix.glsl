// attend_matrix.glsl - attend's work on a block of keys with matrix units (cooperative matrices),
// for GPUs and many queries. A tile of TILE_ROWS queries has SM of them for each SHARE subgroups,
// which keep these in matrix registers, and columns each of what they add up. Keys and values of a
// block become f16 in shared memory, values transposed; scores and weights pass through it as well,
// as nobody knows which lane has what of a matrix. Sums are f32.
//
// f16 ends at 65504 and thins out below 6e-5. Queries are scaled, each by a power of two; keys and
// values of f32 and q8_0 by one for all. A block that does not suit it, or has a NaN that must
// not reach those who do not see it, is done by lanes, in f32.
//
// #defines: SM, SN: of the device's matrices, queries and keys, or columns of values.
#ifndef ATTEND_MATRIX_GLSL
#define ATTEND_MATRIX_GLSL

#include "lib/attend_splits.glsl"

#define SK ATTEND_MATRIX_K
#define SHARE (TILE_LANES * SM / TILE_ROWS)
#define MATRIX(type, rows, columns, use) \
    coopmat<type, gl_ScopeSubgroup, rows, columns, gl_MatrixUse##use>
#define MOST_COLUMNS 128 // of a head, a multiple of 16
#define SUBGROUP_LANES (LANES / TILE_LANES)
#define EACH(i, most, count) [[unroll]] for (uint i = 0; i < most; i++) if (i < (count))

// Shared memory, in runs of 16 bytes, of which rows are skewed by one.
const uint CHUNKS = D / 8; // of a key
const uint KEY_STRIDE = CHUNKS + 1;
const uint VALUE_STRIDE = BLOCK_KEYS / 8 + 1; // of a column of the values
const uint SCORE_STRIDE = BLOCK_KEYS / 4 + 1; // of scores; of weights in f16, then corrections
const uint CORRECTIONS = BLOCK_KEYS / 8;
const uint VALUES_AT = BLOCK_KEYS * KEY_STRIDE;
const uint QUERIES_SIZE = TILE_ROWS * KEY_STRIDE; // before all else
const uint SUMS_SIZE = TILE_LANES * SM * SN / 4;  // instead of keys and values
const uint BLOCK_SIZE = VALUES_AT + D * VALUE_STRIDE;
const uint SCORES_AT = BLOCK_SIZE > SUMS_SIZE ? BLOCK_SIZE : SUMS_SIZE;
const uint ALL_AT = SCORES_AT + TILE_ROWS * SCORE_STRIDE;
shared uvec4 staged[ALL_AT > QUERIES_SIZE ? ALL_AT : QUERIES_SIZE];
shared vec4 slot[LANES / 4];
shared float most[TILE_ROWS], total[TILE_ROWS];
// The last block of whose keys and values some are out of range, and some large enough.
shared uint odd_block, fine_keys, fine_values;

// Lanes that share a row of the tile, and of a block of keys as many each.
const uint ROW_LANES = LANES / TILE_ROWS;
const uint OWN_KEYS = BLOCK_KEYS / ROW_LANES;
#define ROW (LANE / ROW_LANES)
#define ROW_PART (LANE % ROW_LANES)
#define FIRST_ROW (gl_SubgroupID / SHARE * SM) // of the subgroup
#define SHARE_PART (gl_SubgroupID % SHARE)

const uint OWN_SCORES = BLOCK_KEYS / SN / SHARE; // matrices of a subgroup
const uint COLUMN_TILES = D / SN;
const uint OWN_TILES = (COLUMN_TILES + SHARE - 1) / SHARE;
#define MOST_TILES (MOST_COLUMNS / SN / SHARE)

// Of the weights of keys, at most 1: in f16 one of 1e-8 is still a normal number. All that comes
// after one dominant key, a sink, may be as small.
#define WEIGHT_SCALE 32768.0
// Of keys and of values: what is in this range needs no more than this factor.
#define CACHE_SCALE (ATTEND_CACHE == CACHE_F16 ? 1.0 : 64.0)
#define MOST_USUAL 0x447a0000u  // 1000
#define LEAST_USUAL 0x3a800000u // 2^-10

MATRIX(float16_t, SM, SK, A) queries[MOST_COLUMNS / 8];
MATRIX(float, SM, SN, Accumulator) sums[MOST_TILES];
float own_most, own_sum; // of this lane's row, and of its keys
float own_unscale;       // what makes scores of products
uint blocks_done;
uint lowest_position, highest_position; // of the rows whose keys are walked over

// Where only lanes of the subgroups that share a row have to wait for each other.
void wait_for_share()
{
    if (SHARE > 1)
        barrier();
    else
        subgroupBarrier();
}

uint pack_pair(float a, float b)
{
    return packFloat2x16(f16vec2(a, b));
}

uvec4 pack_chunk(vec4 a, vec4 b)
{
    return uvec4(
        pack_pair(a.x, a.y), pack_pair(a.z, a.w), pack_pair(b.x, b.y), pack_pair(b.z, b.w));
}

void load_queries(task t)
{
    const uint row = query_row(t, min(ROW, QUERIES - 1));
    float top = 0.0;
    [[dont_unroll]] for (uint c = ROW_PART; c < D; c += ROW_LANES)
        top = max(top, abs(load_f32_out(pc.query, row + c) * ATTEND_SCALE));
    slot[LANE / 4][LANE % 4] = top;
    if (LANE == 0)
        odd_block = fine_keys = fine_values = 0;
    wait_for_share();
    [[unroll]] for (uint n = 0; n < ROW_LANES; n++) {
        const uint lane = ROW * ROW_LANES + n;
        top = max(top, slot[lane / 4][lane % 4]);
    }
    // The power of two that brings `top` to 2^14 or more, and below 2^15.
    const uint exponent = floatBitsToUint(top) >> 23;
    const float scale = uintBitsToFloat(uint(clamp(268 - int(exponent), 1, 250)) << 23);
    own_unscale = 1.0 / scale / CACHE_SCALE;
    [[dont_unroll]] for (uint chunk = ROW_PART; chunk < CHUNKS; chunk += ROW_LANES) {
        vec4 x[2];
        [[unroll]] for (uint n = 0; n < 8; n++)
            x[n / 4][n % 4] = load_f32_out(pc.query, row + chunk * 8 + n) * ATTEND_SCALE * scale;
        staged[ROW * KEY_STRIDE + chunk] = pack_chunk(x[0], x[1]);
    }
    wait_for_share();
    EACH(n, MOST_COLUMNS / 8, D / SK)
        coopMatLoad(queries[n], staged, FIRST_ROW * KEY_STRIDE + n * SK / 8, KEY_STRIDE,
            gl_CooperativeMatrixLayoutRowMajor);
}

void clear_sums()
{
    own_most = LOWEST;
    own_sum = 0.0;
    blocks_done = 0;
    EACH(i, MOST_TILES, OWN_TILES)
        sums[i] = MATRIX(float, SM, SN, Accumulator)(0.0);
}

uint find_key_askers(task t, uint first, uint end, uint begin, uint count)
{
    return 0xffffffffu; // which queries picked a key's block is asked of each score
}

// ------------------------------------------------------------------------------ staging

// row_of() of a key that is there for sure.
uint row_in(key_block k, uint n)
{
    return k.head_row + key_of(k, n);
}

// The bits of the largest magnitude; a NaN has more than any other.
uint largest_bits(uvec4 x)
{
    const uvec4 y = x & 0x7fffffffu;
    return max(max(y.x, y.y), max(y.z, y.w));
}

void note_largest(uint top, bool keys)
{
    if (top > MOST_USUAL)
        odd_block = blocks_done;
    if (top >= LEAST_USUAL && keys)
        fine_keys = blocks_done;
    if (top >= LEAST_USUAL && !keys)
        fine_values = blocks_done;
}

// The bits of columns c .. c + 3 of a row that is not f16, as floats.
uvec4 load_bits(U32 cache, uint row, uint c)
{
    return ATTEND_CACHE == CACHE_Q8_0 ? floatBitsToUint(load_q8_0(cache, row, c))
        : load_u32x4(U32x4(uvec2(cache)), row * (D / 4) + c / 4);
}

void stage_keys(key_block k)
{
    U32x4 keys = U32x4(uvec2(pc.keys));
    [[unroll]] for (uint i = LANE; i < BLOCK_KEYS * CHUNKS; i += LANES) {
        const uint row = row_in(k, i / CHUNKS), at = row * CHUNKS + i % CHUNKS;
        const uint to = i / CHUNKS * KEY_STRIDE + i % CHUNKS;
        if (ATTEND_CACHE == CACHE_F16) {
            staged[to] = load_u32x4(keys, at);
        } else {
            const uvec4 a = load_bits(pc.keys, row, i % CHUNKS * 8);
            const uvec4 b = load_bits(pc.keys, row, i % CHUNKS * 8 + 4);
            note_largest(max(largest_bits(a), largest_bits(b)), true);
            staged[to] =
                pack_chunk(uintBitsToFloat(a) * CACHE_SCALE, uintBitsToFloat(b) * CACHE_SCALE);
        }
    }
}

// Two columns of eight keys at a time, which become rows.
void stage_values(key_block k)
{
    [[unroll]] for (uint i = LANE; i < BLOCK_KEYS / 8 * (D / 2); i += LANES) {
        const uint pair = i % (D / 2), first = i / (D / 2) * 8;
        const uint to = VALUES_AT + pair * 2 * VALUE_STRIDE + first / 8;
        uvec2 x[8];
        uvec4 low, high;
        uint top = 0;
        [[unroll]] for (uint n = 0; n < 8; n++) {
            const uint row = row_in(k, first + n), at = row * (D / 2) + pair;
            if (ATTEND_CACHE == CACHE_Q8_0)
                x[n] = floatBitsToUint(vec2(load_cached(pc.values, row, pair * 2),
                    load_cached(pc.values, row, pair * 2 + 1)));
            else if (ATTEND_CACHE == CACHE_F16)
                x[n] = uvec2(load_u32(U32(uvec2(pc.values)), at), 0);
            else
                x[n] = load_u32x2(U32x2(uvec2(pc.values)), at);
            top = ATTEND_CACHE == CACHE_F16
                ? max(top, max(x[n].x & 0x7fffu, x[n].x >> 16 & 0x7fffu))
                : max(top, max(x[n].x & 0x7fffffffu, x[n].y & 0x7fffffffu));
        }
        [[unroll]] for (uint n = 0; n < 4; n++) {
            const uvec2 a = x[2 * n], b = x[2 * n + 1];
            if (ATTEND_CACHE == CACHE_F16) {
                low[n] = (a.x & 0xffffu) | b.x << 16;
                high[n] = a.x >> 16 | (b.x & 0xffff0000u);
            } else {
                const vec2 c = uintBitsToFloat(a) * CACHE_SCALE;
                const vec2 d = uintBitsToFloat(b) * CACHE_SCALE;
                low[n] = pack_pair(c.x, d.x);
                high[n] = pack_pair(c.y, d.y);
            }
        }
        if (ATTEND_CACHE != CACHE_F16)
            note_largest(top, false);
        else if (top >= 0x7c00u) // an infinity or a NaN
            odd_block = blocks_done;
        staged[to] = low;
        staged[to + VALUE_STRIDE] = high;
    }
}

// ------------------------------------------------------------------------------- scores

#define SCORE_MATRIX(n, j) \
    { \
        MATRIX(float16_t, SK, SN, B) key; \
        coopMatLoad(key, staged, (SHARE_PART * OWN_SCORES + (j)) * SN * KEY_STRIDE + (n) * SK / 8, \
            KEY_STRIDE, gl_CooperativeMatrixLayoutColumnMajor); \
        s[j] = coopMatMulAdd(queries[n], key, s[j]); \
    }
#define STORE_SCORES(j) \
    coopMatStore(s[j], staged, SCORES_AT + FIRST_ROW * SCORE_STRIDE \
            + (SHARE_PART * OWN_SCORES + (j)) * SN / 4, \
        SCORE_STRIDE, gl_CooperativeMatrixLayoutRowMajor);

void score_by_matrices()
{
    MATRIX(float, SM, SN, Accumulator) s[2];
    s[0] = s[1] = MATRIX(float, SM, SN, Accumulator)(0.0);
    EACH(n, MOST_COLUMNS / 8, D / SK) {
        SCORE_MATRIX(n, 0)
        if (OWN_SCORES > 1)
            SCORE_MATRIX(n, 1)
    }
    STORE_SCORES(0)
    if (OWN_SCORES > 1)
        STORE_SCORES(1)
}

// The same for a block that does not suit f16.
void score_by_lanes(task t, key_block k)
{
    const uint query = query_row(t, min(ROW, QUERIES - 1));
    [[dont_unroll]] for (uint n = 0; n < OWN_KEYS; n++) {
        const uint key = ROW_PART * OWN_KEYS + n, row = row_of(k, key);
        float x = 0.0;
        [[dont_unroll]] for (uint c = 0; c < D; c++)
            x = fma(load_f32_out(pc.query, query + c) * ATTEND_SCALE,
                load_cached(pc.keys, row, c), x);
        staged[SCORES_AT + ROW * SCORE_STRIDE + key / 4][key % 4] = floatBitsToUint(x);
    }
}

// ------------------------------------------------------------------------------ weights

// Scores become weights, in f16; beside them stands by how much old sums shrink.
void weigh_keys(task t, uint first, uint end, key_block k, uint run, uint length, float unscale)
{
    const uint q = min(ROW, QUERIES - 1), r = q / ATTEND_HEADS;
    const uint at = SCORES_AT + ROW * SCORE_STRIDE;
    const bool there = ROW < QUERIES && r >= first && r < end;
    float x[OWN_KEYS];
    [[unroll]] for (uint n = 0; n < OWN_KEYS; n++) {
        const uint j = key_of(k, ROW_PART * OWN_KEYS + n);
        const uint score = staged[at + ROW_PART * (OWN_KEYS / 4) + n / 4][n % 4];
        x[n] = finish_score(t, q, uintBitsToFloat(score) * unscale, j);
    }
    const bool whole = there && run == 1 && k.count == BLOCK_KEYS
        && all_see(t, lowest_position, highest_position, k.begin, k.begin + BLOCK_KEYS);
    if (!whole) {
        [[unroll]] for (uint n = 0; n < OWN_KEYS; n++) {
            const uint key = ROW_PART * OWN_KEYS + n, j = key_of(k, key);
            const bool visible = there && key < k.count
                && sees(t, r, j, key_mark(t, j), run, length, true);
            x[n] = visible ? x[n] : 2.0 * LOWEST;
        }
    }
    float m = LOWEST;
    [[unroll]] for (uint n = 0; n < OWN_KEYS; n++)
        m = max(m, x[n]);
    slot[LANE / 4][LANE % 4] = m;
    wait_for_share();
    m = own_most;
    [[unroll]] for (uint n = 0; n < ROW_LANES; n++) {
        const uint lane = ROW * ROW_LANES + n;
        m = max(m, slot[lane / 4][lane % 4]);
    }
    const float shrink = exp(own_most - m);
    own_most = m;
    own_sum *= shrink;
    [[unroll]] for (uint n = 0; n < OWN_KEYS; n++) {
        x[n] = x[n] < LOWEST ? 0.0 : exp(x[n] - m);
        own_sum += x[n];
    }
    [[unroll]] for (uint n = 0; n < OWN_KEYS / 8; n++)
        staged[at + ROW_PART * (OWN_KEYS / 8) + n] =
            pack_chunk(WEIGHT_SCALE * vec4(x[n * 8], x[n * 8 + 1], x[n * 8 + 2], x[n * 8 + 3]),
                WEIGHT_SCALE * vec4(x[n * 8 + 4], x[n * 8 + 5], x[n * 8 + 6], x[n * 8 + 7]));
    for (uint n = ROW_PART; n < SN / 4; n += ROW_LANES)
        staged[at + CORRECTIONS + n] = uvec4(floatBitsToUint(shrink));
}

// ------------------------------------------------------------------------------- values

// This subgroup's matrix i of the sums; there may be none.
uint column_tile(uint i)
{
    return SHARE_PART * OWN_TILES + i;
}

void shrink_sums()
{
    MATRIX(float, SM, SN, Accumulator) shrink;
    coopMatLoad(shrink, staged, SCORES_AT + FIRST_ROW * SCORE_STRIDE + CORRECTIONS, SCORE_STRIDE,
        gl_CooperativeMatrixLayoutRowMajor);
    EACH(i, MOST_TILES, OWN_TILES)
        sums[i] = sums[i] * shrink;
}

#define ADD_VALUES(n) \
    { \
        MATRIX(float16_t, SM, SK, A) weight; \
        coopMatLoad(weight, staged, SCORES_AT + FIRST_ROW * SCORE_STRIDE + (n) * SK / 8, \
            SCORE_STRIDE, gl_CooperativeMatrixLayoutRowMajor); \
        EACH(i, MOST_TILES, OWN_TILES) { \
            MATRIX(float16_t, SK, SN, B) value; \
            coopMatLoad(value, staged, VALUES_AT \
                    + min(column_tile(i), COLUMN_TILES - 1) * SN * VALUE_STRIDE + (n) * SK / 8, \
                VALUE_STRIDE, gl_CooperativeMatrixLayoutColumnMajor); \
            sums[i] = coopMatMulAdd(weight, value, sums[i]); \
        } \
    }

void add_by_matrices()
{
    ADD_VALUES(0)
    ADD_VALUES(1)
    if (BLOCK_KEYS / SK > 2) {
        ADD_VALUES(2)
        ADD_VALUES(3)
    }
}

// A place in shared memory for a matrix of the subgroup, once keys and values are done with.
#define MATRIX_AT (gl_SubgroupID * (SM * SN / 4))
#define EACH_PIECE(e) \
    [[dont_unroll]] for (uint e = gl_SubgroupInvocationID; e < SM * SN / 4; e += SUBGROUP_LANES)
// The sums' matrices one after the other, which have to be named.
#define EACH_TILE(DO) \
    DO(0) DO(1) DO(2) DO(3) \
    EACH_TILE_FROM_4(DO)
#if MOST_COLUMNS / SN * TILE_ROWS > 4 * TILE_LANES * SM
#define EACH_TILE_FROM_4(DO) DO(4) DO(5) DO(6) DO(7)
#else
#define EACH_TILE_FROM_4(DO)
#endif

// Four columns of what a row's weights make of the values; a NaN that it does not see stays unseen.
vec4 weigh_values(key_block k, uint row, uint column)
{
    vec4 sum = vec4(0.0);
    [[dont_unroll]] for (uint n = 0; n < BLOCK_KEYS; n++) {
        const uint bits = staged[SCORES_AT + row * SCORE_STRIDE + n / 8][n / 2 % 4];
        const float weight = unpackHalf2x16(bits)[n % 2];
        const uint cached = row_of(k, n);
        [[unroll]] for (uint c = 0; c < 4; c++) {
            const float value = load_cached(pc.values, cached, column + c) * CACHE_SCALE;
            sum[c] = weight == 0.0 ? sum[c] : fma(weight, value, sum[c]);
        }
    }
    return sum;
}

#define ADD_TILE(n) \
    if (i == n) \
        sums[n] = sums[n] + more;

void add_by_lanes(key_block k)
{
    uint i = 0;
    [[dont_unroll]] do {
        MATRIX(float, SM, SN, Accumulator) more;
        const uint column = min(column_tile(i), COLUMN_TILES - 1) * SN;
        subgroupBarrier();
        EACH_PIECE(e) {
            const uint row = FIRST_ROW + e / (SN / 4);
            staged[MATRIX_AT + e] =
                floatBitsToUint(weigh_values(k, row, column + e % (SN / 4) * 4));
        }
        subgroupBarrier();
        coopMatLoad(more, staged, MATRIX_AT, SN / 4, gl_CooperativeMatrixLayoutRowMajor);
        EACH_TILE(ADD_TILE)
    } while (++i < OWN_TILES);
}

void add_block(task t, uint first, uint end, uint askers, key_block k, uint run, uint length)
{
    blocks_done++;
    barrier(); // the block before has been read
    stage_keys(k);
    stage_values(k);
    barrier();
    const bool fine = ATTEND_CACHE == CACHE_F16
        || (fine_keys == blocks_done && fine_values == blocks_done);
    // By which compilers see that it is the same for all.
    const bool usual = subgroupMax(uint(!fine || odd_block == blocks_done)) == 0;
    if (usual)
        score_by_matrices();
    else
        score_by_lanes(t, k);
    wait_for_share();
    weigh_keys(t, first, end, k, run, length, usual ? own_unscale : 1.0);
    wait_for_share();
    shrink_sums();
    if (usual)
        add_by_matrices();
    else
        add_by_lanes(k);
}

// ------------------------------------------------------------------------------ results

#define STAGE_TILE(n) \
    if (i == n) \
        coopMatStore(sums[n], staged, MATRIX_AT, SN / 4, gl_CooperativeMatrixLayoutRowMajor);

void store_tiles(task t, bool partial)
{
    F32x4Coherent partials = F32x4Coherent(uvec2(pc.partials));
    uint i = 0;
    [[dont_unroll]] do {
        subgroupBarrier();
        EACH_TILE(STAGE_TILE)
        subgroupBarrier();
        EACH_PIECE(e) {
            const uint q = FIRST_ROW + e / (SN / 4);
            const uint piece = column_tile(i) * (SN / 4) + e % (SN / 4);
            const vec4 value =
                uintBitsToFloat(staged[MATRIX_AT + e]) / (CACHE_SCALE * WEIGHT_SCALE);
            if (q >= QUERIES || column_tile(i) >= COLUMN_TILES)
                continue;
            if (partial)
                store_f32x4_coherent(partials, partial_of(t.split, q) + 1 + piece, value);
            else
                store_piece(t, q, piece, value, most[q], total[q]);
        }
    } while (++i < OWN_TILES);
}

void finish(task t)
{
    if (t.split >= used_splits)
        return;
    slot[LANE / 4][LANE % 4] = own_sum;
    barrier(); // keys and values have been read, too
    if (ROW_PART == 0) {
        float sum = 0.0;
        [[unroll]] for (uint n = 0; n < ROW_LANES; n++)
            sum += slot[(LANE + n) / 4][(LANE + n) % 4];
        most[ROW] = own_most;
        total[ROW] = sum;
    }
    wait_for_share();
    store_tiles(t, used_splits > 1);
    if (used_splits <= 1)
        return;
    F32x4Coherent partials = F32x4Coherent(uvec2(pc.partials));
    if (ROW_PART == 0 && ROW < QUERIES)
        store_f32x4_coherent(
            partials, partial_of(t.split, ROW), vec4(own_most, total[ROW], 0.0, 0.0));
    merge_splits(t);
}

#endif
