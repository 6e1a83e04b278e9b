// gemm_steps.glsl - the loop of gemm_rows.glsl for CPUs. A step is GEMM_STEP units. Their weights
// are unpacked once, and then multiplied with TOGETHER token rows at a time, whose sums are chains
// enough for a core to work at side by side. What a loop carries costs lavapipe a choice by mask,
// which long steps make rare.

#define TOGETHER (ROWS < 4 ? ROWS : 4)
    uint step = 0;
    do {
        unit m[4 * BLOCKS];
        [[unroll]] for (uint c = 0; c < GEMM_STEP; c++) {
            [[unroll]] for (uint b = 0; b < BLOCKS; b++)
                m[c * BLOCKS + b] = load_weight(
                    GEMM_TYPE, matrix, pc.units, block_of(t, b), step * GEMM_STEP + c, r);
        }
        [[unroll]] for (uint i = 0; i < ROWS; i += TOGETHER) {
            if (i < t.rows) {
                float products[TOGETHER * BLOCKS];
                [[unroll]] for (uint n = 0; n < TOGETHER * BLOCKS; n++)
                    products[n] = 0.0;
                [[unroll]] for (uint c = 0; c < GEMM_STEP; c++) {
                    unit x[TOGETHER];
                    [[unroll]] for (uint j = 0; j < TOGETHER; j++)
                        x[j] = load_row(GEMM_PACKED != 0, pc.source, source[i + j],
                            step * GEMM_STEP + c, pc.source_columns);
                    [[unroll]] for (uint k = 0; k < 8; k++) {
                        [[unroll]] for (uint n = 0; n < TOGETHER * BLOCKS; n++) {
                            const unit w = m[c * BLOCKS + n % BLOCKS];
                            const unit y = x[n / BLOCKS];
                            products[n] = k < 4 ? fma(w.a[k], y.a[k], products[n])
                                                : fma(w.b[k - 4], y.b[k - 4], products[n]);
                        }
                    }
                }
                [[unroll]] for (uint n = 0; n < TOGETHER * BLOCKS; n++)
                    sums[i * BLOCKS + n] += products[n];
            }
        }
        step++;
    } while (step * GEMM_STEP < pc.units);
#undef TOGETHER
