// gemm_staged.glsl - shared memory of the staged GEMM: a slice of 16 columns of the
// matrix tile (64 rows) and of the row tile, both transposed, so that a thread reads
// neighbouring rows with one load.
#ifndef GEMM_STAGED_GLSL
#define GEMM_STAGED_GLSL

#define STAGED_ROWS TILE_ROWS
#define STAGED_K 16                     // two units
#define STAGED_MATRIX_ROWS (8 * BLOCKS)
#define STAGED_SKEW 4                   // keeps runs of 4 aligned, spreads the banks

shared float staged_matrix[STAGED_K * (STAGED_MATRIX_ROWS + STAGED_SKEW)];
shared float staged_rows[STAGED_K * (STAGED_ROWS + STAGED_SKEW)];

void stage_matrix_unit(uint row, uint first_k, unit m)
{
    [[unroll]] for (uint c = 0; c < 4; c++) {
        staged_matrix[(first_k + c) * (STAGED_MATRIX_ROWS + STAGED_SKEW) + row] = m.a[c];
        staged_matrix[(first_k + 4 + c) * (STAGED_MATRIX_ROWS + STAGED_SKEW) + row] = m.b[c];
    }
}

void stage_row_unit(uint row, uint first_k, unit x)
{
    [[unroll]] for (uint c = 0; c < 4; c++) {
        staged_rows[(first_k + c) * (STAGED_ROWS + STAGED_SKEW) + row] = x.a[c];
        staged_rows[(first_k + 4 + c) * (STAGED_ROWS + STAGED_SKEW) + row] = x.b[c];
    }
}

#endif
