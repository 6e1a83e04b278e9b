// gemm_matrix.glsl - what the bodies of the GEMM for matrix units (cooperative matrices) share.
//
// Tiles of weights go straight from memory into matrix registers, each into those of one subgroup;
// subgroups stand along the matrix rows. Slices of GEMM_SLICE columns of the token rows become f16
// in shared memory, one while the other is multiplied, with one barrier a slice. Sums are f32.
//
// Exactly (GEMM_FAST is 0), what f16 leaves of an element is a second plane of the slice.
//
// Token rows are scaled by a power of two, since f16 ends at 65504 and thins out below 6e-5. The
// scale that nearly all rows can do with is tried first; the largest element of each is found on
// the way, and if that did not fit, all is done once more with scales that do.
//
// #defines: SM, SN: of the device's matrices, rows of weights and of tokens; LEAN: what a body
// keeps of its rows lies in shared memory; ROLLED: its columns are a loop. Both are for compilers
// that otherwise run out of registers. UNPACK: weights of any format, which become f16 in a part of
// shared memory that is their subgroup's alone; exactly in two planes as well, of rows that are
// scaled likewise. FAST: GEMM_FAST is never 0, for which there is no room.
#ifndef GEMM_MATRIX_GLSL
#define GEMM_MATRIX_GLSL

#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_EXT_shader_16bit_storage : require

#define SK GEMM_MATRIX_K
#define HIGH (8 * BLOCKS / (SM * TILE_LANES)) // matrices along the matrix rows of a subgroup
#define MATRIX(type, rows, columns, use) \
    coopmat<type, gl_ScopeSubgroup, rows, columns, gl_MatrixUse##use>
#define RUNS (HIGH * SM / 16) // strips of a subgroup

// Shared memory, in runs of 16 bytes: two slices, whose rows are skewed by one, and weights where
// they are unpacked; then sums.
#define CHUNKS (GEMM_SLICE / 8) // of a row of a slice
#define STRIDE (CHUNKS + 1)
#define PLANE (TILE_ROWS * STRIDE)
#ifdef FAST
#define PLANES 1
#else
#define PLANES (GEMM_FAST != 0 ? 1 : 2)
#endif
#define SUMS_STRIDE (BLOCKS * 2 + 1)
#define SLICES_SIZE (2 * PLANES * PLANE)
#ifdef UNPACK
#define WEIGHTS_PLANE (8 * BLOCKS * STRIDE)
#define INPUTS_SIZE (SLICES_SIZE + PLANES * WEIGHTS_PLANE)
#else
#define INPUTS_SIZE SLICES_SIZE
#endif
#define SUMS_SIZE (SN * SUMS_STRIDE)
shared uvec4 staged[INPUTS_SIZE > SUMS_SIZE ? INPUTS_SIZE : SUMS_SIZE];
shared float staged_top[TILE_ROWS * CHUNKS];
shared float staged_scale[TILE_ROWS];
shared uint staged_again;
#ifdef UNPACK
shared float staged_weight_scale[PLANES == 1 ? 1 : 8 * BLOCKS];
#endif
#ifdef LEAN
shared uint staged_source[TILE_ROWS];
shared tile staged_tile;
#endif

REFERENCE(16) readonly buffer F16 { float16_t v[]; };

// Rows whose largest element is within these bounds need no scale of their own.
#define USUAL_SCALE 64.0
#define USUAL_MOST 1000.0
#define USUAL_LEAST 0.125 // what f16 leaves of smaller ones is not normal in f16, and may be lost

// The same of a row of weights, of which f16 leaves less.
#define USUAL_WEIGHT_SCALE 1024.0
#define USUAL_MOST_WEIGHT 60.0
#define USUAL_LEAST_WEIGHT 1e-3

bool is_usual_weight(float most)
{
    return most <= USUAL_MOST_WEIGHT && (most >= USUAL_LEAST_WEIGHT || most == 0.0);
}

// The power of two that brings `top` to 2^14 or more, and below 2^15.
float scale_for(float top)
{
    const uint exponent = floatBitsToUint(top) >> 23;
    return uintBitsToFloat(uint(clamp(268 - int(exponent), 1, 253)) << 23);
}

// Intel's compiler moves two f16s once more to make a word of them; AMD's takes the conversion into
// the operation before. SM is 8 on Intel, and on lavapipe.
#if SM == 8
#define PACK(x) packHalf2x16(x)
#else
#define PACK(x) packFloat2x16(f16vec2(x))
#endif
uvec4 to_f16(unit x)
{
    return uvec4(PACK(x.a.xy), PACK(x.a.zw), PACK(x.b.xy), PACK(x.b.zw));
}

// What f16 holds of x exactly. By its bits, as compilers may take a conversion to f16 and back for
// nothing.
vec4 high_part(vec4 x)
{
    return uintBitsToFloat(floatBitsToUint(x) & 0xffffe000u);
}

unit high_part(unit x) { return unit(high_part(x.a), high_part(x.b)); }

float largest(unit x)
{
    const vec4 y = max(abs(x.a), abs(x.b));
    return max(max(y.x, y.y), max(y.z, y.w));
}

// Unit `u` of a row of x, zeros past its end.
unit fetch_unit(uint source, uint u)
{
    if (GEMM_WHOLE != 0)
        return load_row(true, pc.source, source, u, pc.source_columns);
    const uint last = (pc.source_columns - 1) / 8;
    unit x = load_row(GEMM_PACKED != 0, pc.source, source, min(u, last), pc.source_columns);
    if (u > last)
        x = unit_zero();
    return x;
}

// Chunk `chunk` of the slice that begins at `side`.
void stage_unit(uint side, uint chunk, unit x, float scale)
{
    const uint at = side + chunk / CHUNKS * STRIDE + chunk % CHUNKS;
    x.a *= scale;
    x.b *= scale;
    if (GEMM_FAST != 0) {
        staged[at] = to_f16(x);
    } else {
        const unit high = high_part(x);
        staged[at] = to_f16(high);
        staged[at + PLANE] = to_f16(unit(x.a - high.a, x.b - high.b));
    }
}

// From the largest elements in `staged_top` of so many rows: true if one does not suit the usual
// scale. Leaves the scales that do.
bool find_scales(uint rows)
{
    barrier();
    const uint row = gl_LocalInvocationIndex;
    if (row < rows) {
        float most = staged_top[row * CHUNKS];
        [[unroll]] for (uint n = 1; n < CHUNKS; n++)
            most = max(most, staged_top[row * CHUNKS + n]);
        staged_scale[row] = scale_for(most);
        if (most > USUAL_MOST || (most > 0.0 && most < USUAL_LEAST))
            staged_again = 1;
    }
    barrier();
    return subgroupMax(staged_again) != 0; // by which compilers see that it is the same for all
}

#ifdef UNPACK
// What four rows of the workgroup's weights are to be multiplied by after sums, from `row` on.
vec4 weight_unscale(uint row, bool scaled)
{
    if (GEMM_FAST != 0)
        return vec4(1);
    if (!scaled)
        return vec4(1.0 / USUAL_WEIGHT_SCALE);
    return 1.0 / vec4(staged_weight_scale[row], staged_weight_scale[row + 1],
        staged_weight_scale[row + 2], staged_weight_scale[row + 3]);
}
#else
vec4 weight_unscale(uint row, bool scaled) { return vec4(1); }
#endif

// Finishes and stores what `staged` has of the sums of the SN token rows from `first` on. A tile
// may reach beyond the matrix.
void store_sums(tile t, uint first, bool scaled)
{
    [[dont_unroll]] for (uint c = gl_LocalInvocationIndex; c < SN * BLOCKS; c += GEMM_LANES) {
        const uint token = c / BLOCKS, pair = c % BLOCKS / 2, r = c % 2 * 4;
        const uint matrix_row = first_of_pair(pair) * 8 + r;
        const uint at = token * SUMS_STRIDE + matrix_row / 4;
        const uint row = first + token;
        if (row >= t.rows || column_of(t, t.pair + pair, r) >= result_columns_of(t))
            continue;
        const float unscale = 1.0 / (scaled ? staged_scale[row] : USUAL_SCALE);
        store_rows(t, row, t.pair + pair, r, input_weight(t, row) * unscale,
            uintBitsToFloat(staged[at]) * weight_unscale(matrix_row, scaled),
            uintBitsToFloat(staged[at + PARTNER * 2])
                * weight_unscale(matrix_row + PARTNER * 8, scaled));
    }
}

#endif
