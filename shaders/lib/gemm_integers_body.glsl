// gemm_integers_body.glsl - the GEMM body for weights that are bytes, or fewer bits, times a scale,
// on devices with products of four bytes: 128 threads make 64 matrix rows x 16 WIDE token rows, as
// in gemm_staged_body.glsl, from slices of 32 columns. Included once for each WIDE; defines BODY().
// What is for few registers, as Xe-HPG has: rows of both blocks of a thread are multiplied one
// after the other in wide tiles, the two bytes of x always, and x is not loaded ahead.
//
// #defines: BODY, WIDE

#define BESIDE (WIDE > 2 ? 1 : 2) // blocks

void BODY(tile t)
{
    const uint lane = gl_LocalInvocationIndex;
    const uint q = lane % 8, first_row = lane / 8 * WIDE;
    const uint matrix_row = (q / 2) * 16 + (q % 2) * 4; // and 8 further on
    // What this thread stages: half a block of a matrix row, and of a token row.
    const uint own_row = lane % 64, own_side = lane / 64;
    const uint own_block = block_of(t, own_row / 8);
    weight_rows rows = weight_rows(matrix_of(t), own_block % 2, own_row % 8);
    const uint x_row = lane / 2, x_side = lane % 2;
    const bool stages_x = x_row < 16 * WIDE;
    const uint source = source_row(t, x_row) * pc.source_stride;
    vec4 sums[2 * WIDE]; // of the first block's rows with each token, of the second's
    [[unroll]] for (uint n = 0; n < 2 * WIDE; n++)
        sums[n] = vec4(0);

    if (lane == 0)
        staged_tile = t;
    uint block = first_unit() / (BLOCK / 8);
    const uint last = (end_unit() - 1) / (BLOCK / 8);
    integer_run m = load_half(rows, own_block / 2, block, own_side);
    do {
        x_run x = x_run(unit_zero(), unit_zero());
        if (stages_x) {
            x = load_x_run(source, block, x_side);
            stage_largest(x_row, x_side, x);
        }
        barrier();
        stage_run(own_row, own_side, m);
        if (stages_x)
            stage_x_run(x_row, x_side, x);
        barrier();
        block++;
        m = load_half(rows, own_block / 2, min(block, last), own_side);
        [[unroll]] for (uint i = 0; i < 2 / BESIDE * (WORDS / RUN_WORDS); i++) {
            const uint first_block = BESIDE == 2 ? 0 : i % 2, run = i / (2 / BESIDE);
            ivec4 dots[BESIDE * WIDE];
            [[unroll]] for (uint n = 0; n < BESIDE * WIDE; n++)
                dots[n] = ivec4(0);
            [[unroll]] for (uint plane = 0; plane < 2; plane++) {
                if (plane == 1)
                    [[unroll]] for (uint n = 0; n < BESIDE * WIDE; n++)
                        dots[n] *= 256;
                [[dont_unroll]] for (uint k = 0; k < RUN_WORDS; k += GEMM_STEP) {
                    [[unroll]] for (uint j = 0; j < GEMM_STEP; j++) {
                        const uint word = run * RUN_WORDS + k + j;
                        const uint at = (plane * WORDS + word) * ROWS_STRIDE + first_row;
                        uint y[WIDE];
                        [[unroll]] for (uint w = 0; w < WIDE; w++)
                            y[w] = staged_rows[at + w];
                        [[unroll]] for (uint b = 0; b < BESIDE; b++) {
                            const uvec4 a = matrix_words(word, matrix_row + (first_block + b) * 8);
                            [[unroll]] for (uint w = 0; w < WIDE; w++)
                                dots[b * WIDE + w] = dot_rows(a, y[w], dots[b * WIDE + w]);
                        }
                    }
                }
            }
            [[unroll]] for (uint b = 0; b < BESIDE; b++) {
                const vec4 scales = matrix_scales(run, matrix_row + (first_block + b) * 8);
                [[unroll]] for (uint w = 0; w < WIDE; w++) {
                    const uint n = (first_block + b) * WIDE + w;
                    sums[n] = fma(scales * staged_row_scale[first_row + w],
                        vec4(dots[b * WIDE + w]), sums[n]);
                }
            }
        }
        if (HAS_OFFSETS)
            [[unroll]] for (uint n = 0; n < 2 * WIDE; n++)
                sums[n] = fma(matrix_offsets(matrix_row + n / WIDE * 8),
                    vec4(row_sum(first_row + n % WIDE)), sums[n]);
    } while (block <= last);

    t = staged_tile;
    [[unroll]] for (uint w = 0; w < WIDE; w++) {
        const uint row = first_row + w;
        store_rows(t, row, t.pair + q / 2, (q % 2) * 4, input_weight(t, row), sums[w],
            sums[WIDE + w]);
    }
}
#undef BESIDE
