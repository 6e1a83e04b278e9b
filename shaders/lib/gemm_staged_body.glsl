// gemm_staged_body.glsl - the GEMM body for GPUs: 128 threads make 64 matrix rows x
// 16 WIDE token rows from slices of 16 columns in shared memory; the next slice is
// loaded into registers while this one is multiplied. Included once for each WIDE;
// defines BODY(). Thread (q, s): 4 rows of each block of pair q / 2, and token rows
// s WIDE .. s WIDE + WIDE - 1, so that gate and up projection meet in one thread.
//
// #defines: BODY, WIDE

void BODY(tile t)
{
    const uint lane = gl_LocalInvocationIndex;
    const uint q = lane % 8, s = lane / 8;
    const uint pair_row = (q / 2) * 16 + (q % 2) * 4;
    U32x4 matrix = matrix_of(t);
    // What this thread loads: one unit of a matrix row, one unit of a token row.
    const uint load_block = block_of(t, lane % 64 / 8), load_r = lane % 8;
    const uint load_row_index = lane % 64, load_half = lane / 64;
    const bool loads_row = load_row_index < 16 * WIDE;
    const uint source = source_row(t, load_row_index) * pc.source_stride;
    vec4 low[WIDE], high[WIDE];
    [[unroll]] for (uint w = 0; w < WIDE; w++) {
        low[w] = vec4(0);
        high[w] = vec4(0);
    }

    uint i = first_unit();
    unit m = unit_zero(), x = unit_zero();
    // A last odd half slice has no unit: it reads the one before and counts it as zero.
    const uint last = end_unit() - 1;
    const uint first = min(i + load_half, last);
    m = load_weight(GEMM_TYPE, matrix, pc.units, load_block, first, load_r);
    if (loads_row)
        x = load_row(GEMM_PACKED != 0, pc.source, source, first, pc.source_columns);
    do {
        if (i + load_half > last)
            m = x = unit_zero();
        barrier();
        stage_matrix_unit(load_row_index, load_half * 8, m);
        if (loads_row)
            stage_row_unit(load_row_index, load_half * 8, x);
        barrier();
        i += 2;
        const uint next = min(i + load_half, last);
        m = load_weight(GEMM_TYPE, matrix, pc.units, load_block, next, load_r);
        if (loads_row)
            x = load_row(GEMM_PACKED != 0, pc.source, source, next, pc.source_columns);
        // Not unrolled: at 2 already Intel's compiler spills.
        [[dont_unroll]] for (uint k = 0; k < STAGED_K; k++) {
            const uint at = k * (STAGED_MATRIX_ROWS + STAGED_SKEW) + pair_row;
            const vec4 a = vec4(staged_matrix[at], staged_matrix[at + 1], staged_matrix[at + 2],
                staged_matrix[at + 3]);
            const vec4 b = vec4(staged_matrix[at + 8], staged_matrix[at + 9],
                staged_matrix[at + 10], staged_matrix[at + 11]);
            [[unroll]] for (uint w = 0; w < WIDE; w++) {
                const float y = staged_rows[k * (STAGED_ROWS + STAGED_SKEW) + s * WIDE + w];
                low[w] = fma(a, vec4(y), low[w]);
                high[w] = fma(b, vec4(y), high[w]);
            }
        }
    } while (i <= last);

    [[unroll]] for (uint w = 0; w < WIDE; w++) {
        const uint row = s * WIDE + w;
        store_rows(t, row, t.pair + q / 2, (q % 2) * 4, input_weight(t, row), low[w], high[w]);
    }
}
