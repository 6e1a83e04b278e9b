// gemm_tokens.glsl - lanes own token rows, the matrix is read at addresses that all lanes
// share: a CPU driver that notices turns those loads into scalars and broadcasts, and
// keeps the 32 sums in vector registers (floor-block in f32 on lavapipe 26.1, 2 cores of a Xeon
// at 2.8 GHz, 32 and 128 tokens: 25 and 33 GFLOP/s; rows_broadcast 23 and 31).
// Rows are read like that as well, all eight, see BROADCAST in weights.glsl.

// Unit `u` of row `i` of the eight that start at the elements `source`.
unit own_row(uint source[8], uint u, uint i)
{
    unit own = load_row(GEMM_PACKED != 0, pc.source, source[0], u, pc.source_columns);
    [[unroll]] for (uint n = 1; n < 8; n++) {
        const unit other = load_row(GEMM_PACKED != 0, pc.source, source[n], u, pc.source_columns);
        own.a = i == n ? other.a : own.a;
        own.b = i == n ? other.b : own.b;
    }
    return own;
}

void gemm_tokens(tile t)
{
    const uint i = gl_LocalInvocationIndex;
    U32x4 matrix = matrix_of(t);
    uint source[8];
    [[unroll]] for (uint n = 0; n < 8; n++)
        source[n] = source_row(t, n) * pc.source_stride;
    float sums[BLOCKS * 8];
    [[unroll]] for (uint n = 0; n < BLOCKS * 8; n++)
        sums[n] = 0.0;
    uint u = 0;
    do {
        const unit x = own_row(source, u, i);
        [[unroll]] for (uint n = 0; n < BLOCKS * 8; n++) {
            const unit m =
                load_shared_weight(GEMM_TYPE, matrix, pc.units, block_of(t, n / 8), u, n % 8);
            sums[n] = dot_unit(m, x, sums[n]);
        }
    } while (++u < pc.units);
    const float scale = input_weight(t, i);
    [[unroll]] for (uint b = 0; b < BLOCKS; b += 2) {
        [[unroll]] for (uint r = 0; r < 8; r += 4) {
            const uint n = b * 8 + r;
            store_rows(t, i, t.pair + b / 2, r, scale,
                vec4(sums[n], sums[n + 1], sums[n + 2], sums[n + 3]),
                vec4(sums[n + 8], sums[n + 9], sums[n + 10], sums[n + 11]));
        }
    }
}
