#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "experts_gemm.h"

// Which form this is, kernels.def says, and its tile; rows in lanes, if nothing is defined. A
// body makes a tile of as many rows as it has, or fewer; narrow ones are for few rows an expert,
// as many experts or short inputs have.
#define BLOCKS TILE_BLOCKS
#if defined(SM)
layout(local_size_x_id = 13) in; // GEMM_LANES
#else
layout(local_size_x = TILE_LANES) in;
#endif

#include "lib/gemm.glsl"

#if defined(SM)
#include "lib/gemm_matrix.glsl"
#define BODY gemm_1
#define WIDE 1
#include "lib/gemm_matrix_body.glsl"
#undef BODY
#undef WIDE
#ifdef FLEXIBLE
#define BODY gemm_wide
#define WIDE (GEMM_WIDE_ROWS / SN)
#include "lib/gemm_matrix_body.glsl"
#undef BODY
#undef WIDE
#else
#if TILE_ROWS > SN
#define BODY gemm_2
#define WIDE 2
#include "lib/gemm_matrix_body.glsl"
#undef BODY
#undef WIDE
#endif
#if TILE_ROWS > 2 * SN
#define BODY gemm_3
#define WIDE 3
#include "lib/gemm_matrix_body.glsl"
#undef BODY
#undef WIDE
#endif
#if TILE_ROWS > 3 * SN
#define BODY gemm_4
#define WIDE 4
#include "lib/gemm_matrix_body.glsl"
#undef BODY
#undef WIDE
#endif
#endif
#elif defined(SHARED_TILE)
#include "lib/gemm_staged.glsl"
#define BODY gemm_wide
#define WIDE (TILE_ROWS / 16)
#include "lib/gemm_staged_body.glsl"
#undef BODY
#undef WIDE
#define BODY gemm_narrow
#define WIDE 1
#include "lib/gemm_staged_body.glsl"
#elif defined(INTEGER_TILE)
#include "lib/gemm_integers.glsl"
#define BODY gemm_wide
#define WIDE (TILE_ROWS / 16)
#include "lib/gemm_integers_body.glsl"
#undef BODY
#undef WIDE
#define BODY gemm_narrow
#define WIDE 1
#include "lib/gemm_integers_body.glsl"
#elif defined(COLUMNS)
#include "lib/gemm_columns.glsl"
#define BODY gemm_2
#define ROWS 2
#include "lib/gemm_rows.glsl"
#undef BODY
#undef ROWS
#define BODY gemm_1
#define ROWS 1
#include "lib/gemm_rows.glsl"
#else
#define BODY gemm_most
#define ROWS TILE_ROWS
#include "lib/gemm_rows.glsl"
#undef BODY
#undef ROWS
#define BODY gemm_2
#define ROWS 2
#include "lib/gemm_rows.glsl"
#endif

void main()
{
    tile t;
#ifdef COLUMNS
    find_lane();
#endif
    if (!find_tile(t))
        return;
    load_code_book(pc.table, gl_WorkGroupSize.x);
#if defined(FLEXIBLE)
    const uint end = t.first + t.rows;
    do { // not a `for`, see address.glsl
        t.rows = min(end - t.first, GEMM_WIDE_ROWS);
        if (GEMM_WIDE_ROWS == SN || t.rows <= SN)
            gemm_1(t);
        else
            gemm_wide(t);
        barrier(); // what it staged last has been read
        t.first += GEMM_WIDE_ROWS;
    } while (t.first < end);
#elif defined(SM)
    if (t.rows <= SN)
        gemm_1(t);
#if TILE_ROWS > SN
    else if (t.rows <= 2 * SN)
        gemm_2(t);
#endif
#if TILE_ROWS > 2 * SN
    else if (t.rows <= 3 * SN)
        gemm_3(t);
#endif
#if TILE_ROWS > 3 * SN
    else
        gemm_4(t);
#endif
#elif defined(SHARED_TILE) || defined(INTEGER_TILE)
    if (t.rows > 16)
        gemm_wide(t);
    else
        gemm_narrow(t);
#elif defined(COLUMNS)
    if (t.rows > 1) do { // not a `for`, see address.glsl
        gemm_2(t);
        t.first += 2;
        t.rows -= 2;
    } while (t.rows > 1);
    if (t.rows > 0)
        gemm_1(t);
#else
    if (t.rows <= 2)
        gemm_2(t);
    else
        gemm_most(t);
#endif
}
