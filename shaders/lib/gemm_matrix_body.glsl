// gemm_matrix_body.glsl - the GEMM body for matrix units, for tiles of WIDE SN token rows at most.
// Included once for each WIDE; defines BODY(). The loop over slices has no branches, at which
// compilers would lose sight of matrices in registers; and loops of others with matrices in them
// are written out, as glslc unrolls innermost loops only.
//
// #defines: BODY, WIDE

#define LIVE_CHUNKS (WIDE * SN * CHUNKS) // of a slice
#define OWN ((LIVE_CHUNKS + GEMM_LANES - 1) / GEMM_LANES)
#define MOST_OWN 2
#define EACH_OWN(n) [[unroll]] for (uint n = 0; n < MOST_OWN; n++) if (n < OWN)
#define CHUNK(n) ((n) * GEMM_LANES + gl_LocalInvocationIndex)
#define HAS_CHUNK(n) (LIVE_CHUNKS % GEMM_LANES == 0 || CHUNK(n) < LIVE_CHUNKS)
#define EACH_HIGH(i) [[unroll]] for (uint i = 0; i < HIGH; i++)

// Of the slice's columns from `s` on: tile `j` of x, from `plane`; all tiles.
#define MULTIPLY_PLANE(s, j, plane) \
    { \
        MATRIX(float16_t, SK, SN, B) b; \
        coopMatLoad(b, staged, side + (plane) + (j) * SN * STRIDE + (s) / 8, STRIDE, \
            gl_CooperativeMatrixLayoutColumnMajor); \
        EACH_HIGH(i) \
            sums[i * WIDE + j] = coopMatMulAdd(a[i], b, sums[i * WIDE + j]); \
    }
#define MULTIPLY(s) \
    { \
        MATRIX(float16_t, SM, SK, A) a[HIGH]; \
        EACH_HIGH(i) \
            LOAD_WEIGHTS(i, s) \
        MULTIPLY_PLANES(s) \
    }
#ifdef UNPACK
#define LOAD_WEIGHTS(i, s) \
    coopMatLoad(a[i], staged, SLICES_SIZE + (first_row + i * SM) * STRIDE + (s) / 8, STRIDE, \
        gl_CooperativeMatrixLayoutRowMajor);
#else
#define LOAD_WEIGHTS(i, s) \
    { \
        F16 at = F16(weights[i * SM / 16] \
            + uint64_t(i * SM % 16 * 32 + (s) / 16 * 512 + (s) % 16 * 2)); \
        coopMatLoad(a[i], at.v, 0, 16, gl_CooperativeMatrixLayoutRowMajor); \
    }
#endif
#ifdef ROLLED
#define MULTIPLY_PLANES(s) \
    uint plane = 0; \
    [[dont_unroll]] do { \
        [[unroll]] for (uint j = 0; j < WIDE; j++) \
            MULTIPLY_PLANE(s, j, plane) \
    } while ((plane += PLANE) < PLANES * PLANE);
#else
#define MULTIPLY_PLANES(s) \
    [[unroll]] for (uint j = 0; j < WIDE; j++) { \
        MULTIPLY_PLANE(s, j, 0) \
        if (GEMM_FAST == 0) \
            MULTIPLY_PLANE(s, j, PLANE) \
    }
#endif
#ifdef UNPACK
// Of the subgroup's weights in a slice, the chunks that this invocation brings.
#define MOST_UNPACKED 4
#define SUBGROUP_LANES (GEMM_LANES / TILE_LANES)
#define EACH_UNPACKED(n) \
    [[unroll]] for (uint n = 0; n < MOST_UNPACKED; n++) \
        if (n * SUBGROUP_LANES < HIGH * SM * CHUNKS)
#define UNPACKED(n) ((n) * SUBGROUP_LANES + gl_SubgroupInvocationID)
#define FETCH_WEIGHTS(column) \
    EACH_UNPACKED(n) { \
        const uint row = first_row + UNPACKED(n) / CHUNKS; \
        const uint strip = min(t.pair + row / 16, strips - 1); \
        weights[n] = load_weight(GEMM_TYPE, matrix_of(t), pc.units, strip * 2 + row % 16 / 8, \
            (column) / 8 + UNPACKED(n) % CHUNKS, row % 8); \
    }
#define STAGE_WEIGHTS() \
    EACH_UNPACKED(n) \
        staged[SLICES_SIZE + (first_row + UNPACKED(n) / CHUNKS) * STRIDE \
            + UNPACKED(n) % CHUNKS] = to_f16(weights[n]);
#endif
// Of chunk `n`: its row's place and scale, and the largest element so far.
#ifdef LEAN
#define SOURCE(n) staged_source[CHUNK(n) / CHUNKS]
#define SCALE(n) staged_scale[CHUNK(n) / CHUNKS]
#define TOP(n) staged_top[CHUNK(n)]
#else
#define SOURCE(n) source[n]
#define SCALE(n) scale[n]
#define TOP(n) top[n]
#endif
#define FETCH(column) \
    { \
        EACH_OWN(n) \
            if (HAS_CHUNK(n)) \
                x[n] = fetch_unit(SOURCE(n), (column) / 8 + CHUNK(n) % CHUNKS); \
    }
// Tile `n` of the sums goes to shared memory if it is the one.
#define STAGE_SUMS(n) \
    if (j == n) { \
        EACH_HIGH(i) \
            coopMatStore(sums[i * WIDE + n], staged, (first_row + i * SM) / 4, SUMS_STRIDE, \
                gl_CooperativeMatrixLayoutColumnMajor); \
    }

void BODY(tile t)
{
    const uint first_row = gl_SubgroupID * (HIGH * SM); // of the workgroup's
    const uint columns = (pc.units + 1) / 2 * 16;
    if (gl_LocalInvocationIndex == 0)
        staged_again = 0;
#ifdef LEAN
    if (gl_LocalInvocationIndex == 0)
        staged_tile = t;
    if (gl_LocalInvocationIndex < WIDE * SN) {
        staged_source[gl_LocalInvocationIndex] =
            source_row(t, gl_LocalInvocationIndex) * pc.source_stride;
        staged_scale[gl_LocalInvocationIndex] = USUAL_SCALE;
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

    MATRIX(float, SM, SN, Accumulator) sums[HIGH * WIDE];
    bool again = false;
    do {
#ifdef LEAN
        t = staged_tile;
#endif
        const uint strips = (result_columns_of(t) + 15) / 16 * (merges(t) ? 2 : 1);
        unit x[MOST_OWN];
#ifdef UNPACK
        unit weights[MOST_UNPACKED];
        FETCH_WEIGHTS(0)
        STAGE_WEIGHTS()
#else
        const uint64_t base = packUint2x32(load_u32x2(pc.table, t.expert));
        uint64_t weights[RUNS];
        // Subgroups past the matrix have its last rows, and store nothing.
        [[unroll]] for (uint i = 0; i < RUNS; i++)
            weights[i] = base
                + uint64_t(min(t.pair + first_row / 16 + i, strips - 1) * (columns * 32));
#endif
        [[unroll]] for (uint i = 0; i < HIGH * WIDE; i++)
            sums[i] = MATRIX(float, SM, SN, Accumulator)(0.0);
        FETCH(0)
        EACH_OWN(n)
            if (HAS_CHUNK(n)) {
                TOP(n) = largest(x[n]);
                stage_unit(0, CHUNK(n), x[n], SCALE(n));
            }
        uint k = 0, side = 0;
        do {
            const uint next = min(k + GEMM_SLICE, columns - GEMM_SLICE);
#ifdef ROLLED
            barrier();
            uint s = 0;
            [[dont_unroll]] do
                MULTIPLY(s)
            while ((s += SK) < GEMM_SLICE);
            FETCH(next)
#else
            FETCH(next)
#ifdef UNPACK
            FETCH_WEIGHTS(next)
#endif
            barrier();
            MULTIPLY(0)
            if (GEMM_SLICE > SK)
                MULTIPLY(SK)
#endif
            side = PLANES * PLANE - side;
            EACH_OWN(n)
                if (HAS_CHUNK(n)) {
                    TOP(n) = max(TOP(n), largest(x[n]));
                    stage_unit(side, CHUNK(n), x[n], SCALE(n));
                }
#ifdef UNPACK
            subgroupBarrier(); // the weights before have been read
            STAGE_WEIGHTS()
#else
            [[unroll]] for (uint i = 0; i < RUNS; i++)
                weights[i] += uint64_t(GEMM_SLICE * 32);
#endif
            k += GEMM_SLICE;
        } while (k < columns);
        if (again)
            break;
#ifdef LEAN
        again = find_scales(WIDE * SN);
#else
        EACH_OWN(n)
            if (HAS_CHUNK(n))
                staged_top[CHUNK(n)] = top[n];
        again = find_scales(WIDE * SN);
        EACH_OWN(n)
            if (HAS_CHUNK(n))
                scale[n] = staged_scale[CHUNK(n) / CHUNKS];
#endif
    } while (again);

#ifdef LEAN
    t = staged_tile;
#endif
    // Not unrolled: what finishes sums is long.
    uint j = 0;
    [[dont_unroll]] do {
        barrier();
        STAGE_SUMS(0)
#if WIDE > 1
        STAGE_SUMS(1)
#endif
#if WIDE > 2
        STAGE_SUMS(2)
#endif
#if WIDE > 3
        STAGE_SUMS(3)
#endif
        barrier();
        store_sums(t, j * SN, again);
    } while (++j < WIDE);
}

#undef LIVE_CHUNKS
#undef OWN
#undef MOST_OWN
#undef EACH_OWN
#undef CHUNK
#undef HAS_CHUNK
#undef EACH_HIGH
#undef MULTIPLY_PLANE
#undef MULTIPLY
#undef MULTIPLY_PLANES
#undef LOAD_WEIGHTS
#undef MOST_UNPACKED
#undef SUBGROUP_LANES
#undef EACH_UNPACKED
#undef UNPACKED
#undef FETCH_WEIGHTS
#undef STAGE_WEIGHTS
#undef SOURCE
#undef SCALE
#undef TOP
#undef FETCH
#undef STAGE_SUMS
