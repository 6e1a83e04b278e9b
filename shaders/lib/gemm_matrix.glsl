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
// scaled likewise. FAST: GEMM_FAST is never 0, for which there is no room. FLEXIBLE, with both of
// these: matrices are as large as the work, see lib/gemm_flexible.glsl.
//
// Fast, h goes from one product to the next in f16. Each run of HALF_COLUMNS of a row, which one
// workgroup makes, has a scale of its own. What multiplies it first looks for the least of a row.
// Where some differ it brings all runs to that as it stages them.
#ifndef GEMM_MATRIX_GLSL
#define GEMM_MATRIX_GLSL

#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_EXT_shader_16bit_storage : require

#if 4 * BLOCKS != HALF_COLUMNS
#error a workgroup makes HALF_COLUMNS of a gated h
#endif
#ifdef FLEXIBLE
#include "lib/gemm_flexible.glsl"
#else
#define SK GEMM_MATRIX_K
#define FIRST_ROW (gl_SubgroupID * (HIGH * SM)) // of the workgroup's, what the subgroup has
#define HIGH (8 * BLOCKS / (SM * TILE_LANES)) // matrices along the matrix rows of a subgroup
#define MATRIX(type, rows, columns, use) \
    coopmat<type, gl_ScopeSubgroup, rows, columns, gl_MatrixUse##use>
#define RUNS (HIGH * SM / 16) // strips of a subgroup
#endif

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
shared uint staged_scale[TILE_ROWS]; // bits of f32, of which larger ones are larger
shared uint staged_most[SN];         // likewise
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
    // Zeros alone have SCALE_OF_ZEROS, since whatever is multiplied by it may be left unscaled.
    const int most = floatBitsToUint(top) == 0 ? 253 : 252;
    return uintBitsToFloat(uint(clamp(268 - int(exponent), 1, most)) << 23);
}

// One that keeps USUAL_SCALE where that will do.
#define SCALE_OF_ZEROS 8.5070591730234616e37 // 2^126, what scale_for() makes of them
float half_scale_for(float top)
{
    return top >= USUAL_LEAST && top <= USUAL_MOST ? USUAL_SCALE : scale_for(top);
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

// The same of a row in f16.
uvec4 fetch_half(uint source, uint u)
{
    U32x4 rows = U32x4(uvec2(pc.source));
    if (GEMM_WHOLE != 0)
        return load_u32x4(rows, source + u);
    const uint last = (pc.source_columns - 1) / 8;
    const uvec4 x = load_u32x4(rows, source + min(u, last));
    return u > last ? uvec4(0) : x;
}

// The scale of run `run` of such a row, or of the last.
float fetch_half_scale(uint source, uint run)
{
    const uint last = (pc.source_columns - 1) / HALF_COLUMNS;
    return load_f32(pc.source, (source + pc.source_columns / 8) * 4 + min(run, last));
}

// Where chunk `chunk` of the slice that begins at `side` is staged.
uint place_of_chunk(uint side, uint chunk)
{
    return side + chunk / CHUNKS * STRIDE + chunk % CHUNKS;
}

uvec4 scale_half(uvec4 x, float16_t factor)
{
    [[unroll]] for (uint c = 0; c < 4; c++)
        x[c] = packFloat2x16(unpackFloat2x16(x[c]) * factor);
    return x;
}

void stage_unit(uint side, uint chunk, unit x, float scale)
{
    const uint at = place_of_chunk(side, chunk);
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
        staged_scale[row] = floatBitsToUint(scale_for(most));
        if (most > USUAL_MOST || (most > 0.0 && most < USUAL_LEAST))
            atomicOr(staged_again, 1);
    }
    barrier();
    return subgroupMax(staged_again) != 0; // by which compilers see that it is the same for all
}

float row_scale(uint row) { return uintBitsToFloat(staged_scale[row]); }

// Of so many rows in f16, leaves the scale that all of a row can do with. True if parts of one have
// others, zeros aside.
bool find_half_scales(tile t, uint rows)
{
    const uint row = gl_LocalInvocationIndex % rows, parts = GEMM_LANES / rows;
    uint run = gl_LocalInvocationIndex / rows;
    if (run == 0)
        staged_scale[row] = ~0u;
    barrier();
    uint least = ~0u, most = 0;
    do {
        const float scale = fetch_half_scale(source_row(t, row) * pc.source_stride, run);
        least = min(least, floatBitsToUint(scale));
        if (scale < SCALE_OF_ZEROS)
            most = max(most, floatBitsToUint(scale));
        run += parts;
    } while (run * HALF_COLUMNS < pc.source_columns);
    atomicMin(staged_scale[row], least);
    barrier();
    if (most > staged_scale[row])
        atomicOr(staged_again, 1);
    barrier();
    return subgroupMax(staged_again) != 0;
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

// Part `c` of the sums of SN token rows that `staged` has: of one of these, rows r .. r + 3 of both
// blocks of a pair of the workgroup's.
struct sums_part {
    uint token, pair, r;
    uint first, second; // where they are staged
};

sums_part part_of_sums(uint c)
{
    const uint token = c / BLOCKS, pair = c % BLOCKS / 2, r = c % 2 * 4;
    const uint at = token * SUMS_STRIDE + first_of_pair(pair) * 2 + r / 4;
    return sums_part(token, pair, r, at, at + PARTNER * 2);
}

// A tile may reach beyond the matrix.
bool is_in_tile(tile t, uint row, uint pair, uint r)
{
    return row < t.rows && column_of(t, pair, r) < result_columns_of(t);
}

// The sums themselves.
void take_sums(sums_part p, bool scaled, out vec4 first, out vec4 second)
{
    const uint row = first_of_pair(p.pair) * 8 + p.r;
    first = uintBitsToFloat(staged[p.first]) * weight_unscale(row, scaled);
    second = uintBitsToFloat(staged[p.second]) * weight_unscale(row + PARTNER * 8, scaled);
}

// What those of token row `row` are to be multiplied by.
float unscale_of(tile t, uint row, bool scaled)
{
    return input_weight(t, row) * (1.0 / (scaled ? row_scale(row) : USUAL_SCALE));
}

#ifdef FLEXIBLE
// For each element of a part's sums: stages it if it is of the SN token rows from `first` on.
float stage_sum(const in uint row, const in uint column, const in float x, const in uint first_row,
    const in uint first)
{
    const uint place = first_row + row;
    if (column - first < SN)
        staged[(column - first) * SUMS_STRIDE + place / 4][place % 4] = floatBitsToUint(x);
    return x;
}
#endif

// Finishes and stores those of the SN token rows from `first` on.
void store_sums(tile t, uint first, bool scaled)
{
    [[dont_unroll]] for (uint c = gl_LocalInvocationIndex; c < SN * BLOCKS; c += GEMM_LANES) {
        const sums_part p = part_of_sums(c);
        const uint row = first + p.token, pair = t.pair + p.pair;
        if (!is_in_tile(t, row, pair, p.r))
            continue;
        vec4 a, b;
        take_sums(p, scaled, a, b);
        store_rows(t, row, pair, p.r, unscale_of(t, row, scaled), a, b);
    }
}

uint largest_bits(vec4 x)
{
    const uvec4 y = floatBitsToUint(abs(x));
    return max(max(y.x, y.y), max(y.z, y.w));
}

// Finishes them where they are staged, and finds the largest of each row in `staged_most`.
void finish_half_sums(tile t, uint first, bool scaled)
{
    [[dont_unroll]] for (uint c = gl_LocalInvocationIndex; c < SN * BLOCKS; c += GEMM_LANES) {
        const sums_part p = part_of_sums(c);
        const uint row = first + p.token, pair = t.pair + p.pair;
        if (!is_in_tile(t, row, pair, p.r))
            continue;
        vec4 a, b;
        take_sums(p, scaled, a, b);
        const float unscale = unscale_of(t, row, scaled);
        [[unroll]] for (uint i = 0; i < 4; i++)
            finish(t, pair, p.r + i, unscale, a[i], b[i]);
        uint most = largest_bits(a);
        staged[p.first] = floatBitsToUint(a);
        if (!merges(t) && column_of(t, pair, p.r) + PARTNER * 8 < result_columns_of(t)) {
            most = max(most, largest_bits(b));
            staged[p.second] = floatBitsToUint(b);
        }
        atomicMax(staged_most[p.token], most);
    }
}

// Then stores them as f16, 8 columns at a time.
void store_half_sums(tile t, uint first)
{
    const uint chunks = merges(t) ? BLOCKS / 2 : BLOCKS;
    [[dont_unroll]] for (uint c = gl_LocalInvocationIndex; c < SN * chunks; c += GEMM_LANES) {
        const uint token = c / chunks, chunk = c % chunks, row = first + token;
        const uint column = column_of(t, t.pair, 0) + chunk * 8;
        if (row >= t.rows || column >= result_columns_of(t))
            continue;
        const uint at = token * SUMS_STRIDE + (merges(t) ? first_of_pair(chunk) : chunk) * 2;
        const float scale = half_scale_for(uintBitsToFloat(staged_most[token]));
        const place p = place_of(t, row);
        store_u32x4(U32x4Out(p.result), p.at + column / 8,
            to_f16(unit(uintBitsToFloat(staged[at]) * scale,
                uintBitsToFloat(staged[at + 1]) * scale)));
        if (column % HALF_COLUMNS == 0)
            store_f32(F32Out(p.result), (p.at + p.columns / 8) * 4 + column / HALF_COLUMNS, scale);
    }
}

#endif
