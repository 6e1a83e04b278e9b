#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "experts_gemm.h"

// STAGED is for GPUs, COLUMNS for CPU drivers that broadcast shared loads, the plain form for
// everybody, with BROADCAST for such drivers where weights must be unpacked. A body makes a
// tile of as many rows as it has, or fewer; narrow ones are for few rows an expert, as many
// experts or short inputs have.
#if defined(STAGED)
#define BLOCKS GEMM_STAGED_BLOCKS
layout(local_size_x = 128) in;
#else
#define BLOCKS GEMM_PLAIN_BLOCKS // and GEMM_COLUMNS_BLOCKS
layout(local_size_x = 8) in;
#endif

#include "lib/gemm.glsl"

#if defined(STAGED)
#include "lib/gemm_staged.glsl"
#define BODY gemm_wide
#define WIDE 4
#include "lib/gemm_staged_body.glsl"
#undef BODY
#undef WIDE
#define BODY gemm_narrow
#define WIDE 1
#include "lib/gemm_staged_body.glsl"
#else
#if defined(COLUMNS)
#include "lib/gemm_columns.glsl"
#else
#define BODY gemm_most
#define ROWS GEMM_PLAIN_ROWS
#include "lib/gemm_rows.glsl"
#undef BODY
#undef ROWS
#define BODY gemm_8
#define ROWS 8
#include "lib/gemm_rows.glsl"
#undef BODY
#undef ROWS
#define BODY gemm_4
#define ROWS 4
#include "lib/gemm_rows.glsl"
#undef BODY
#undef ROWS
#endif
#define BODY gemm_2
#define ROWS 2
#include "lib/gemm_rows.glsl"
#endif

void main()
{
    tile t;
    if (!find_tile(t))
        return;
#if defined(STAGED)
    if (t.rows > 16)
        gemm_wide(t);
    else
        gemm_narrow(t);
#else
    if (t.rows <= 2)
        gemm_2(t);
#if defined(COLUMNS)
    else
        gemm_columns(t);
#else
    else if (t.rows <= 4)
        gemm_4(t);
    else if (t.rows <= 8)
        gemm_8(t);
    else
        gemm_most(t);
#endif
#endif
}
