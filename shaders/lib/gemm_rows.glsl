// gemm_rows.glsl - the plain body: lane r owns row r of each of the workgroup's blocks and
// meets ROWS token rows, which are read at addresses that all lanes share. No shared
// memory, no subgroup operations, but where lanes own columns while they add up (COLUMNS). Included
// once for each ROWS; defines BODY().
//
// #defines: BODY, ROWS

void BODY(tile t)
{
    const uint r = gl_LocalInvocationIndex;
    U32x4 matrix = matrix_of(t);
    uint source[ROWS];
    float sums[ROWS * BLOCKS];
    [[unroll]] for (uint i = 0; i < ROWS; i++)
        source[i] = source_row(t, i) * pc.source_stride;
    [[unroll]] for (uint n = 0; n < ROWS * BLOCKS; n++)
        sums[n] = 0.0;
#if defined(COLUMNS)
#include "lib/gemm_columns_body.glsl"
#elif defined(BROADCAST)
#include "lib/gemm_steps.glsl"
#else
    uint u = 0;
    do {
        unit m[BLOCKS];
        [[unroll]] for (uint b = 0; b < BLOCKS; b++)
            m[b] = load_weight(GEMM_TYPE, matrix, pc.units, block_of(t, b), u, r);
        [[unroll]] for (uint i = 0; i < ROWS; i++) {
            const unit x = load_row(GEMM_PACKED != 0, pc.source, source[i], u, pc.source_columns);
            [[unroll]] for (uint b = 0; b < BLOCKS; b++)
                sums[i * BLOCKS + b] = dot_unit(m[b], x, sums[i * BLOCKS + b]);
        }
    } while (++u < pc.units);
#endif
    [[unroll]] for (uint i = 0; i < ROWS; i++) {
        if (i >= t.rows)
            break;
        place p = place_of(t, i);
        const float scale = input_weight(t, i);
        [[unroll]] for (uint b = 0; b < BLOCKS; b += 2) {
            float first = sums[i * BLOCKS + b], second = sums[i * BLOCKS + b + 1];
            finish(t, t.pair + b / 2, r, scale, first, second);
            const uint column = column_of(t, t.pair + b / 2, r);
            store_one(p, column, first);
            if (!merges(t))
                store_one(p, column + PARTNER * 8, second);
        }
    }
}
