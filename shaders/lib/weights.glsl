// weights.glsl - matrices as src/weights/matrix.c packs them.
//
// A matrix is cut into blocks of 8 rows. Along K such a block is a row of records, and a record
// has what the 8 rows have of a unit of 8 columns or, in formats with longer blocks, of a block (K
// is padded with zeros to whole units). A row's part is cut in chunks of 16 bytes, which lie in
// the order
//     [block of 8 rows][record along K][chunk][row]
// so that 8 lanes that own the 8 rows of a block read 128 consecutive bytes, and one lane that
// wants all 8 rows does too. (Row-major costs a CPU twice the time: rows a power of two apart
// share their cache sets.) What remains of a format's block beside whole chunks (its first `lead`
// bytes, see formats.def, and those at its end) lies at the end of the record, row after row,
// padded to 16 bytes. All types are read as 32-bit words, so no device needs 16-bit storage;
// arithmetic is f32.
//
// In any product lanes own rows of one operand and share the other, which is read at addresses
// that they share. Mostly they own matrix rows; in gemm_tokens.glsl they own token rows.
//
// BROADCAST (8 lanes): what lanes own is read at shared addresses too, all eight rows of it,
// and each lane keeps its own. lavapipe 26 makes a scalar load and a masked broadcast
// of each such load, and a gather, which is microcode in many CPUs, of an address a lane.
// (One token on a Xeon of 2.8 GHz, hidden 1024, inner 512, 4 experts: f16 5.6 GFLOP/s with
// gathers, 8.7 with this.)
#ifndef WEIGHTS_GLSL
#define WEIGHTS_GLSL

#include "lib/address.glsl"

struct unit { vec4 a, b; }; // 8 consecutive elements along K

unit unit_zero() { return unit(vec4(0), vec4(0)); }

// What formats are read by. `own`: each lane has an `r` of its own; otherwise all have the same.

// The 16 bytes of chunk `r` of the eight from `first` on.
uvec4 load_chunk(bool own, U32x4 base, uint first, uint r)
{
    uvec4 bits;
#ifdef BROADCAST
    bits = load_u32x4(base, own ? first : first + r);
    if (own) {
        [[unroll]] for (uint n = 1; n < 8; n++) {
            const uvec4 other = load_u32x4(base, first + n);
            bits = r == n ? other : bits;
        }
    }
#else
    if (own)
        bits = gather_u32x4(base, first + r);
    else
        bits = load_u32x4(base, first + r);
#endif
    return bits;
}

// The first or second 8 bytes, by `second`, of that chunk.
uvec2 load_half_chunk(bool own, U32x4 base, uint first, uint second, uint r)
{
    U32x2 halves = U32x2(uvec2(base));
    uvec2 bits;
#ifdef BROADCAST
    bits = load_u32x2(halves, (own ? first : first + r) * 2 + second);
    if (own) {
        [[unroll]] for (uint n = 1; n < 8; n++) {
            const uvec2 other = load_u32x2(halves, (first + n) * 2 + second);
            bits = r == n ? other : bits;
        }
    }
#else
    bits = load_u32x2(halves, (first + r) * 2 + second);
#endif
    return bits;
}

// Number `r` of the eight f16 in chunk `at`.
float load_f16(bool own, U32x4 base, uint at, uint r)
{
    uint bits;
#ifdef BROADCAST
    const uvec4 all = load_u32x4(base, at);
    bits = r < 4 ? (r < 2 ? all.x : all.y) : (r < 6 ? all.z : all.w);
#else
    bits = load_u32(U32(uvec2(base)), at * 4 + r / 2);
#endif
    return unpackHalf2x16(bits >> (r % 2 * 16)).x;
}

// Generated from src/weights/formats.def: DTYPE_*, and each format's file, which has
//     unit unpack_<name>(bool own, U32x4 base, uint at, uint r)
// for unit `at` of row r of a block of 8 rows, counted from the matrix's first unit on, and
//     unit unpack(uint type, bool own, U32x4 base, uint at, uint r)
// for any of them.
#include "formats.glsl"

// Unit `i` of row `r` of block `block`, in a matrix of `units` units a row. Each lane has an
// `r` of its own.
unit load_weight(uint type, U32x4 base, uint units, uint block, uint i, uint r)
{
    return unpack(type, true, base, block * units + i, r);
}

// The same where all lanes have the same `r`.
unit load_shared_weight(uint type, U32x4 base, uint units, uint block, uint i, uint r)
{
    return unpack(type, false, base, block * units + i, r);
}

// Unit `i` of the activation row that starts at element `row`. `packed`: rows start
// at multiples of 8 elements of a 16-byte aligned array. Otherwise each element is
// read by itself, and those from `columns` on are zero, as the weights' padding is.
unit load_row(bool packed, F32 base, uint row, uint i, uint columns)
{
    unit x;
    if (packed) {
        x.a = uintBitsToFloat(load_u32x4(U32x4(uvec2(base)), row / 4 + 2 * i));
        x.b = uintBitsToFloat(load_u32x4(U32x4(uvec2(base)), row / 4 + 2 * i + 1));
        return x;
    }
    [[unroll]] for (uint c = 0; c < 4; c++) {
        const uint k = 8 * i + c, l = k + 4;
        // Clamped, not guarded: a driver may load at a guarded address all the same.
        const float first = load_f32(base, row + min(k, columns - 1));
        const float second = load_f32(base, row + min(l, columns - 1));
        x.a[c] = k < columns ? first : 0.0;
        x.b[c] = l < columns ? second : 0.0;
    }
    return x;
}

// sum + w . x in one fixed order. The 8 products are summed by themselves first: that
// keeps the error of a sum over 10^4 columns within the tolerance of f32.
float dot_unit(unit w, unit x, float sum)
{
    float products = w.a[0] * x.a[0];
    [[unroll]] for (uint c = 1; c < 4; c++)
        products = fma(w.a[c], x.a[c], products);
    [[unroll]] for (uint c = 0; c < 4; c++)
        products = fma(w.b[c], x.b[c], products);
    return sum + products;
}

#endif
