// gemm_matrix_body.glsl - the GEMM body for matrix units, for tiles of WIDE SN token rows at most.
// Included once for each WIDE; defines BODY(). Loops with matrices in them are written out, but for
// that over slices (gemm_matrix_slices.glsl), as glslc unrolls innermost loops only.
//
// #defines: BODY, WIDE

#define LIVE_CHUNKS (WIDE * SN * CHUNKS) // of a slice
#define OWN ((LIVE_CHUNKS + GEMM_LANES - 1) / GEMM_LANES)
#define MOST_OWN 2
#define EACH_OWN(n) [[unroll]] for (uint n = 0; n < MOST_OWN; n++) if (n < OWN)
#define CHUNK(n) ((n) * GEMM_LANES + gl_LocalInvocationIndex)
#define HAS_CHUNK(n) (LIVE_CHUNKS % GEMM_LANES == 0 || CHUNK(n) < LIVE_CHUNKS)

// What does something with each tile of weights, and with each of x. Written out where weights are
// unpacked, whose module is not optimized; loops elsewhere, since of what is written out NVK's
// registers are moved about.
#if defined(FLEXIBLE)
#elif !defined(UNPACK)
#define EACH_HIGH(what, with) \
    [[unroll]] for (uint high = 0; high < HIGH; high++) { what(high, with) }
#define EACH_WIDE(what, with) \
    [[unroll]] for (uint wide = 0; wide < WIDE; wide++) { what(wide, with) }
#else
#if HIGH > 2
#define EACH_HIGH(what, with) what(0, with) what(1, with) what(2, with) what(3, with)
#else
#define EACH_HIGH(what, with) what(0, with) what(1, with)
#endif
#if WIDE == 1
#define EACH_WIDE(what, with) what(0, with)
#elif WIDE == 2
#define EACH_WIDE(what, with) what(0, with) what(1, with)
#elif WIDE == 3
#define EACH_WIDE(what, with) what(0, with) what(1, with) what(2, with)
#else
#define EACH_WIDE(what, with) what(0, with) what(1, with) what(2, with) what(3, with)
#endif
#endif

#ifdef FLEXIBLE
#define SUMS_COUNT 1
#define SUMS PART_MATRIX(float, PART_ROWS, ACROSS, Accumulator)
#define MULTIPLY(s) \
    { \
        PART_MATRIX(float16_t, PART_ROWS, SK, A) a; \
        PART_MATRIX(float16_t, SK, ACROSS, B) b; \
        coopMatLoad(a, staged, SLICES_SIZE + first_row * STRIDE + (s) / 8, STRIDE, \
            gl_CooperativeMatrixLayoutRowMajor); \
        coopMatLoad(b, staged, side + (s) / 8, STRIDE, gl_CooperativeMatrixLayoutColumnMajor); \
        sums[0] = coopMatMulAdd(a, b, sums[0]); \
    }
#else
#define SUMS_COUNT (HIGH * WIDE)
#define SUMS MATRIX(float, SM, SN, Accumulator)
// Of the slice's columns from `s` on: tile `j` of x, from `plane`; all tiles.
#define MULTIPLY_TILE(i, j) sums[i * WIDE + j] = coopMatMulAdd(a[i], b, sums[i * WIDE + j]);
#define MULTIPLY_PLANE(s, j, plane) \
    { \
        MATRIX(float16_t, SK, SN, B) b; \
        coopMatLoad(b, staged, side + (plane) + (j) * SN * STRIDE + (s) / 8, STRIDE, \
            gl_CooperativeMatrixLayoutColumnMajor); \
        EACH_HIGH(MULTIPLY_TILE, j) \
        MULTIPLY_LOW(j, plane) \
    }
#define MULTIPLY(s) \
    { \
        MATRIX(float16_t, SM, SK, A) a[HIGH]; \
        EACH_HIGH(LOAD_WEIGHTS, s) \
        LOAD_LOW(s) \
        MULTIPLY_PLANES(s) \
    }
#ifdef UNPACK
#define LOAD_STAGED(to, i, s, plane) \
    coopMatLoad(to, staged, SLICES_SIZE + (plane) + (first_row + i * SM) * STRIDE + (s) / 8, \
        STRIDE, gl_CooperativeMatrixLayoutRowMajor);
#define LOAD_WEIGHTS(i, s) LOAD_STAGED(a[i], i, s, 0)
// Exactly, what f16 leaves of weights as well; with what it leaves of x it counts for nothing.
#define LOAD_LOW_WEIGHTS(i, s) LOAD_STAGED(low[i], i, s, WEIGHTS_PLANE)
#define LOAD_LOW(s) \
    MATRIX(float16_t, SM, SK, A) low[HIGH]; \
    if (GEMM_FAST == 0) { \
        EACH_HIGH(LOAD_LOW_WEIGHTS, s) \
    }
#define MULTIPLY_LOW_TILE(i, j) sums[i * WIDE + j] = coopMatMulAdd(low[i], b, sums[i * WIDE + j]);
#define MULTIPLY_LOW(j, plane) \
    if (GEMM_FAST == 0 && (plane) == 0) { \
        EACH_HIGH(MULTIPLY_LOW_TILE, j) \
    }
#else
#define LOAD_LOW(s)
#define MULTIPLY_LOW(j, plane)
#define LOAD_WEIGHTS(i, s) \
    { \
        F16 at = F16(weights[i * SM / 16] \
            + uint64_t(i * SM % 16 * 32 + (s) / 16 * 512 + (s) % 16 * 2)); \
        coopMatLoad(a[i], at.v, 0, 16, gl_CooperativeMatrixLayoutRowMajor); \
    }
#endif
#if defined(ROLLED) && !defined(UNPACK)
#define MULTIPLY_ROLLED(j, s) MULTIPLY_PLANE(s, j, plane)
#define MULTIPLY_PLANES(s) \
    uint plane = 0; \
    [[dont_unroll]] do { \
        EACH_WIDE(MULTIPLY_ROLLED, s) \
    } while ((plane += PLANE) < PLANES * PLANE);
#else
#define MULTIPLY_BOTH_PLANES(j, s) \
    MULTIPLY_PLANE(s, j, 0) \
    if (GEMM_FAST == 0) \
        MULTIPLY_PLANE(s, j, PLANE)
#define MULTIPLY_PLANES(s) EACH_WIDE(MULTIPLY_BOTH_PLANES, s)
#endif
#endif
#ifdef UNPACK
// Of the subgroup's weights in a slice, row `n` of those that this invocation brings, all chunks
// of it. Which of four chunks one is, compilers know where they can.
#ifdef FLEXIBLE
#define WEIGHTS_BARRIER barrier
#define BRINGERS GEMM_LANES
#define BROUGHT_ROWS (8 * BLOCKS)
#define MOST_LATE 128
#define WEIGHT_ROW(n) ((n) * GEMM_LANES + gl_LocalInvocationIndex)
#else
#define WEIGHTS_BARRIER subgroupBarrier
#define BRINGERS (GEMM_LANES / TILE_LANES)
#define BROUGHT_ROWS (HIGH * SM)
#define MOST_LATE 32
#define WEIGHT_ROW(n) (first_row + (n) * BRINGERS + gl_SubgroupInvocationID)
#endif
#define MOST_CHUNKS 4
#define EACH_WEIGHT_ROW(n) \
    [[unroll]] for (uint n = 0; n < 2; n++) if (n * BRINGERS < BROUGHT_ROWS)
#define EACH_WEIGHT_CHUNK(c) [[unroll]] for (uint c = 0; c < MOST_CHUNKS; c++) if (c < CHUNKS)
#define FETCH_WEIGHT_ROW(n, column) \
    EACH_WEIGHT_CHUNK(c) { \
        const uint row = WEIGHT_ROW(n); \
        const uint strip = min(t.pair + row / 16, strips - 1); \
        const uint before = CHUNKS < MOST_CHUNKS ? (column) / 8 % MOST_CHUNKS : 0; \
        unit w = load_weight_at(GEMM_TYPE, matrix_of(t), pc.units, strip * 2 + row % 16 / 8, \
            unit_at(before + c, 0, (column) / 32), row % 8); \
        if (GEMM_FAST == 0) { \
            weight_top[n] = max(weight_top[n], largest(w)); \
            w.a *= weight_scale[n]; \
            w.b *= weight_scale[n]; \
            const unit high = high_part(w); \
            low_weights[n * MOST_CHUNKS + c] = to_f16(unit(w.a - high.a, w.b - high.b)); \
            w = high; \
        } \
        weights[n * MOST_CHUNKS + c] = to_f16(w); \
    }
#define STAGE_WEIGHT_ROW(n) \
    EACH_WEIGHT_CHUNK(c) { \
        const uint at = SLICES_SIZE + WEIGHT_ROW(n) * STRIDE + c; \
        staged[at] = weights[n * MOST_CHUNKS + c]; \
        if (GEMM_FAST == 0) \
            staged[at + WEIGHTS_PLANE] = low_weights[n * MOST_CHUNKS + c]; \
    }
#define FIND_WEIGHT_SCALES() \
    if (GEMM_FAST == 0) { \
        EACH_WEIGHT_ROW(n) { \
            if (!is_usual_weight(weight_top[n])) \
                atomicOr(staged_again, 1); \
            weight_scale[n] = scale_for(weight_top[n]); \
            staged_weight_scale[WEIGHT_ROW(n)] = weight_scale[n]; \
        } \
    }
// Early, with matrices in registers beside them, where an invocation has one row. RADV's
// compiler crashes if this is a conjunction.
#define FETCHES_EARLY (BRINGERS > MOST_LATE)
#define FETCH_WEIGHTS(column) \
    if (FETCHES_EARLY) \
        FETCH_WEIGHT_ROW(0, column)
#define BRING_WEIGHTS(column) \
    EACH_WEIGHT_ROW(n) { \
        if (!FETCHES_EARLY) \
            FETCH_WEIGHT_ROW(n, column) \
        STAGE_WEIGHT_ROW(n) \
    }
#else
#define FETCH_WEIGHTS(column)
#define FIND_WEIGHT_SCALES()
#endif
// Of chunk `n`: its row's place and scale, and the largest element so far.
#ifdef LEAN
#define SOURCE(n) staged_source[CHUNK(n) / CHUNKS]
#define SCALE(n) row_scale(CHUNK(n) / CHUNKS)
#define TOP(n) staged_top[CHUNK(n)]
#else
#define SOURCE(n) source[n]
#define SCALE(n) scale[n]
#define TOP(n) top[n]
#endif
#define FETCH(column) \
    { \
        EACH_OWN(n) \
            if (HAS_CHUNK(n)) { \
                if (GEMM_HALF != 0) \
                    halves[n] = fetch_half(SOURCE(n), (column) / 8 + CHUNK(n) % CHUNKS); \
                else \
                    x[n] = fetch_unit(SOURCE(n), (column) / 8 + CHUNK(n) % CHUNKS); \
            } \
    }
// To `side`; rows in f16 as HALF(n) has them.
#define STAGE(side, most) \
    EACH_OWN(n) \
        if (HAS_CHUNK(n)) { \
            if (GEMM_HALF != 0) { \
                staged[place_of_chunk(side, CHUNK(n))] = HALF(n); \
            } else { \
                TOP(n) = max(most, largest(x[n])); \
                stage_unit(side, CHUNK(n), x[n], SCALE(n)); \
            } \
        }
// Of rows in f16, what brings the run of each chunk to the scale of its row; and the scales of run
// `next`, which are on the way meanwhile.
#define FIND_FACTORS(next) \
    EACH_OWN(n) \
        if (HAS_CHUNK(n)) { \
            factor[n] = float16_t(row_scale(CHUNK(n) / CHUNKS) / run_scale[n]); \
            run_scale[n] = fetch_half_scale(SOURCE(n), next); \
        }
// Tile `n` of the sums goes to shared memory if it is the one.
#ifdef FLEXIBLE
#define STAGE_TILE(j) \
    coopMatPerElementNV(sums[0], sums[0], stage_sum, first_row, (j) * SN);
#else
#define STAGE_SUM(i, n) \
    coopMatStore(sums[i * WIDE + n], staged, (first_row + i * SM) / 4, SUMS_STRIDE, \
        gl_CooperativeMatrixLayoutColumnMajor);
#define STAGE_SUMS(n, j) \
    if (j == n) { \
        EACH_HIGH(STAGE_SUM, n) \
    }
#define STAGE_TILE(j) EACH_WIDE(STAGE_SUMS, j)
#endif

void BODY(tile t)
{
    const uint first_row = FIRST_ROW;
#ifdef FLEXIBLE
    const uint ACROSS = WIDE * SN;
#endif
    // Of the matrix, and of those the part that is this workgroup's.
    const uint columns = (pc.units * 8 + GEMM_SLICE - 1) / GEMM_SLICE * GEMM_SLICE;
    const uint first_column = first_unit() * 8;
    const uint end_column =
        GEMM_SPLIT != 0 ? min(first_column + pc.part_units * 8, columns) : columns;
    if (gl_LocalInvocationIndex == 0)
        staged_again = 0;
#ifdef LEAN
    if (gl_LocalInvocationIndex == 0)
        staged_tile = t;
    if (gl_LocalInvocationIndex < WIDE * SN) {
        staged_source[gl_LocalInvocationIndex] =
            source_row(t, gl_LocalInvocationIndex) * pc.source_stride;
        staged_scale[gl_LocalInvocationIndex] = floatBitsToUint(USUAL_SCALE);
    }
    barrier();
#else
    uint source[MOST_OWN];
    float top[MOST_OWN], scale[MOST_OWN];
    EACH_OWN(n) {
        source[n] = source_row(t, CHUNK(n) / CHUNKS) * pc.source_stride;
        scale[n] = USUAL_SCALE;
    }
#endif

    uvec4 halves[MOST_OWN];
    float run_scale[MOST_OWN];
    float16_t factor[MOST_OWN];
    bool uneven = false;
    if (GEMM_HALF != 0) {
        uneven = find_half_scales(t, WIDE * SN);
        EACH_OWN(n)
            if (HAS_CHUNK(n))
                run_scale[n] = fetch_half_scale(SOURCE(n), 0);
        FIND_FACTORS(0)
    }

#ifdef UNPACK
    float weight_top[2], weight_scale[2];
    EACH_WEIGHT_ROW(n) {
        weight_top[n] = 0.0;
        weight_scale[n] = USUAL_WEIGHT_SCALE;
    }
#endif

    SUMS sums[SUMS_COUNT];
    bool again = false;
    do {
#ifdef LEAN
        t = staged_tile;
#endif
        const uint strips = (result_columns_of(t) + 15) / 16 * (merges(t) ? 2 : 1);
        unit x[MOST_OWN];
#ifdef UNPACK
        uvec4 weights[2 * MOST_CHUNKS], low_weights[2 * MOST_CHUNKS];
        FETCH_WEIGHTS(first_column)
        BRING_WEIGHTS(first_column)
#else
        const uint64_t base = packUint2x32(load_u32x2(pc.table, t.expert));
        uint64_t weights[RUNS];
        // Subgroups past the matrix have its last rows, and store nothing.
        [[unroll]] for (uint i = 0; i < RUNS; i++)
            weights[i] = base
                + uint64_t(min(t.pair + first_row / 16 + i, strips - 1) * (columns * 32)
                    + first_column * 32);
#endif
        [[unroll]] for (uint i = 0; i < SUMS_COUNT; i++)
            sums[i] = SUMS(0.0);
        FETCH(first_column)
#define HALF(n) scale_half(halves[n], factor[n])
        STAGE(0, 0.0)
        uint k = first_column, side = 0;
        if (GEMM_HALF != 0 && uneven) { // first: NVK makes the other one better then
            do { // slices, whose next ones have one factor
                const uint run = (k + GEMM_SLICE) / HALF_COLUMNS;
                FIND_FACTORS(run + 1)
                const uint end = min((run + 1) * HALF_COLUMNS - GEMM_SLICE, end_column);
#define END end
#include "lib/gemm_matrix_slices.glsl"
            } while (k < end_column);
        } else {
#undef HALF
#undef END
#define HALF(n) halves[n]
#define END end_column
#include "lib/gemm_matrix_slices.glsl"
        }
#undef HALF
#undef END
        if (again || GEMM_HALF != 0)
            break;
        FIND_WEIGHT_SCALES()
#ifdef LEAN
        again = find_scales(WIDE * SN);
#else
        EACH_OWN(n)
            if (HAS_CHUNK(n))
                staged_top[CHUNK(n)] = top[n];
        again = find_scales(WIDE * SN);
        EACH_OWN(n)
            if (HAS_CHUNK(n))
                scale[n] = row_scale(CHUNK(n) / CHUNKS);
#endif
    } while (again);

#ifdef LEAN
    t = staged_tile;
#endif
    // Not unrolled: what finishes sums is long.
    const bool scaled = again || GEMM_HALF != 0;
    uint j = 0;
    [[dont_unroll]] do {
        barrier();
        STAGE_TILE(j)
        if (GEMM_RESULT_HALF != 0 && gl_LocalInvocationIndex < SN)
            staged_most[gl_LocalInvocationIndex] = 0;
        barrier();
        if (!result_is_half(t)) {
            store_sums(t, j * SN, scaled);
        } else {
            finish_half_sums(t, j * SN, scaled);
            barrier();
            store_half_sums(t, j * SN);
        }
    } while (++j < WIDE);
}

#undef LIVE_CHUNKS
#undef OWN
#undef MOST_OWN
#undef EACH_OWN
#undef CHUNK
#undef HAS_CHUNK
#undef EACH_HIGH
#undef EACH_WIDE
#undef SUMS_COUNT
#undef SUMS
#undef MULTIPLY_TILE
#undef MULTIPLY_PLANE
#undef MULTIPLY
#undef LOAD_STAGED
#undef LOAD_WEIGHTS
#undef LOAD_LOW_WEIGHTS
#undef LOAD_LOW
#undef MULTIPLY_LOW_TILE
#undef MULTIPLY_LOW
#undef MULTIPLY_ROLLED
#undef MULTIPLY_BOTH_PLANES
#undef MULTIPLY_PLANES
#undef WEIGHTS_BARRIER
#undef BRINGERS
#undef BROUGHT_ROWS
#undef MOST_LATE
#undef MOST_CHUNKS
#undef EACH_WEIGHT_ROW
#undef EACH_WEIGHT_CHUNK
#undef WEIGHT_ROW
#undef FETCH_WEIGHT_ROW
#undef STAGE_WEIGHT_ROW
#undef FIND_WEIGHT_SCALES
#undef FETCHES_EARLY
#undef FETCH_WEIGHTS
#undef BRING_WEIGHTS
#undef SOURCE
#undef SCALE
#undef TOP
#undef FETCH
#undef STAGE
#undef FIND_FACTORS
#undef STAGE_SUM
#undef STAGE_SUMS
#undef STAGE_TILE
