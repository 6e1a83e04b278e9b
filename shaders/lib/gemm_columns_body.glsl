// gemm_columns_body.glsl - the loop of gemm_rows.glsl where lanes own columns, see columns.glsl:
// each has sums of its own columns, which are added up at the end. A step is two records, if units
// allow it, as a sum that outlives a step costs lavapipe a choice by mask; with four it was slower.
// Blocks are whole strips, so that a core reads one line after the other: halves of strips took
// 1.4 times as long. A row adds up in one order, however many share the loop.

#define RECORDS max(GEMM_STEP / 2, 1)
    float own_sums[ROWS * BLOCKS * 8];
    uvec2 halves[BLOCKS]; // addresses of the first record of each block
    const uint records = (pc.units + RECORD_UNITS - 1) / RECORD_UNITS;
    [[unroll]] for (uint n = 0; n < ROWS * BLOCKS * 8; n++)
        own_sums[n] = 0.0;
    [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
        const uint block = block_of(t, b);
        halves[b] = further(matrix, block / 2 * records * RECORD_BYTES + block % 2 * 256);
    }
    uint record = 0;
    do {
        vec2 x[2 * ROWS];
        [[unroll]] for (uint n = 0; n < RECORDS; n++) {
            [[unroll]] for (uint i = 0; i < ROWS; i++)
                x[n * ROWS + i] = own_x(source[i], record + n);
        }
        [[unroll]] for (uint m = 0; m < BLOCKS * 8; m++) {
            [[unroll]] for (uint n = 0; n < RECORDS; n++) {
                const vec2 w = load_columns(
                    halves[m / 8], record * RECORD_BYTES, n * RECORD_BYTES + m % 8 * 32);
                [[unroll]] for (uint i = 0; i < ROWS; i++) {
                    const uint at = i * BLOCKS * 8 + m;
                    own_sums[at] = fma(w.x, x[n * ROWS + i].x, own_sums[at]);
                    if (!IS(F32))
                        own_sums[at] = fma(w.y, x[n * ROWS + i].y, own_sums[at]);
                }
            }
        }
        record += RECORDS;
    } while (record < records);
    [[unroll]] for (uint n = 0; n < ROWS * BLOCKS; n++) {
        float rows[8];
        [[unroll]] for (uint c = 0; c < 8; c++)
            rows[c] = own_sums[n * 8 + c];
        sums[n] = sum_lanes(rows);
    }
#undef RECORDS
