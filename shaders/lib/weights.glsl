// weights.glsl - matrices as src/weights/matrix.c packs them.
//
// A matrix is cut into strips of 16 rows. Along K a strip is a row of records, and a record has
// what the 16 rows have of 32 bytes along K (8 columns in f32, 16 in f16 and bf16) or, in formats
// with blocks, of a block; K is padded with zeros to whole records. What a row has in a record is
// cut into pieces of 32 bytes, and of 16, 8, 4, 2 and 1 as far as so much is left, which lie in
// the order
//     [strip][record along K][piece][row]
// so that a tile of 16 x 16 in f16 is 512 consecutive bytes with one stride from row to row, as
// cooperative matrices of any shape want it, and 8 lanes that own 8 rows read 256 consecutive
// bytes. The first `lead` bytes of a format's block (see formats.def) are cut last, after those at
// its end. All types are read as 32-bit words, so no device needs 16-bit storage; arithmetic is
// f32.
//
// Kernels work on blocks of 8 rows, halves of a strip, and on units of 8 columns. Where gate and
// up projection are one matrix, their strips take turns.
//
// In products lanes own rows of the matrix, but in lib/decode_columns.glsl; token rows are read at
// addresses that they share.
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

// Of formats whose weights are bytes with a scale, see decode_integer.glsl.
struct integer_rows { uvec2 bytes, scales; };      // addresses in the first record of 8 rows
struct integer_block { uvec4 a, b; float scale; }; // 32 signed bytes of a row, and their scale
// And of those that decode_nibbles.glsl multiplies: what of a row it needs at once.
struct nibbles { uvec4 a, b, high_a, high_b, scales; };
#ifdef INTEGER_DOT
// Upper nibbles, or 16 times that: bytes that no instruction takes for signed ones.
uint upper_nibbles(uint bytes)
{
    return DECODE_MIXED != 0 ? bytes & 0xf0f0f0f0u : bytes >> 4 & 0x0f0f0f0fu;
}
#endif

// And of those that gemm_integers.glsl does: 16 columns of a row, `scale` times signed bytes, and
// `offset`.
struct integer_run { uvec4 bytes; float scale, offset; };

// What formats are read by: row r of the block of 8 rows that is a half of a strip.
struct weight_rows {
    U32x4 matrix;
    uint side; // which half of the strip
    uint r;    // each lane's own
};

// Where in a row a unit is: unit first + 4 * (fours + ahead). A loop that steps over fours keeps
// its part of a record, and `ahead` is a constant in it.
struct unit_at {
    uint first, fours, ahead;
};

uint number_of(unit_at at) { return at.first + 4 * (at.fours + at.ahead); }

// The 16 bytes of the row's chunk, `ahead` chunks after it; `first` is that of the strip's first
// row, and the next rows' follow `stride` chunks apart.
uvec4 load_chunk(weight_rows m, uint first, uint stride, uint ahead)
{
    const uint block = first + m.side * 8 * stride;
#ifdef BROADCAST
    uvec4 bits = load_u32x4_ahead(m.matrix, block, ahead);
    [[unroll]] for (uint n = 1; n < 8; n++) {
        const uvec4 other = load_u32x4_ahead(m.matrix, block + n * stride, ahead);
        bits = m.r == n ? other : bits;
    }
    return bits;
#else
    return gather_u32x4_ahead(m.matrix, block + m.r * stride, ahead);
#endif
}

// The first or second 8 bytes, by `second`, of that chunk.
uvec2 load_half_chunk(weight_rows m, uint first, uint stride, uint ahead, uint second)
{
    U32x2 halves = U32x2(uvec2(m.matrix));
    const uint block = first + m.side * 8 * stride;
#ifdef BROADCAST
    uvec2 bits = load_u32x2_ahead(halves, block * 2 + second, ahead * 2);
    [[unroll]] for (uint n = 1; n < 8; n++) {
        const uvec2 other = load_u32x2_ahead(halves, (block + n * stride) * 2 + second, ahead * 2);
        bits = m.r == n ? other : bits;
    }
    return bits;
#else
    return load_u32x2_ahead(halves, (block + m.r * stride) * 2 + second, ahead * 2);
#endif
}

// The row's of the strip's sixteen numbers of 2 bytes that begin `ahead` chunks after chunk
// `first`, in the lower half; the upper is another row's.
uint load_u16(weight_rows m, uint first, uint ahead)
{
    const uint at = first + m.side;
    uint bits;
#ifdef BROADCAST
    const uvec4 all = load_u32x4_ahead(m.matrix, at, ahead);
    bits = m.r < 4 ? (m.r < 2 ? all.x : all.y) : (m.r < 6 ? all.z : all.w);
#else
    bits = load_u32_ahead(U32(uvec2(m.matrix)), at * 4 + m.r / 2, ahead * 4);
#endif
    return bits >> (m.r % 2 * 16);
}

// The same as an f16.
float load_f16(weight_rows m, uint first, uint ahead)
{
    return unpackHalf2x16(load_u16(m, first, ahead)).x;
}

// Of a strip of `units` units a row, the unit: `size` is how many a record has, `chunks` of how
// many chunks it is made.
struct record_at {
    uint chunk;   // the first of the record
    uint ahead;   // in chunks
    uint part;    // of the record, in units
    uint further; // units after `part`: its bits and those of `part` are different ones
};

// In records of more than four units `at.ahead` adds to `at.fours` without a carry, as loops step
// over whole powers of two.
record_at record_of(uint size, uint chunks, uint strip, uint units, unit_at at)
{
    const uint record = strip * ((units + size - 1) / size);
    if (size > 4) {
        const uint before = at.first + 4 * at.fours;
        return record_at((record + before / size) * chunks, 4 * at.ahead / size * chunks,
            before % size, 4 * at.ahead % size);
    }
    return record_at((record + at.first / size) * chunks + at.fours * (4 / size * chunks),
        at.ahead * (4 / size * chunks), at.first % size, 0);
}

#include "lib/pieces.glsl"

// Generated from src/weights/formats.def: DTYPE_*, and each format's file, which has
//     unit unpack_<name>(weight_rows m, record_at at)
// for a unit of the rows, and
//     unit unpack(uint type, weight_rows m, uint strip, uint units, unit_at at)
// for a unit of `units` of the rows' strip, of any of them. With INTEGER_TILE some formats have
//     integer_run run_<name>(weight_rows m, record_at at)
// likewise for a unit, an even one, and the next: load_run().
#include "formats.glsl"
#ifndef CODE_BOOK_GLSL
void load_code_book(U32x2 table, uint lanes) { } // see lib/code_book.glsl
#endif

// Unit `i` of row `r` of block `block`, in a matrix of `units` units a row. Each lane has an
// `r` of its own.
unit load_weight(uint type, U32x4 base, uint units, uint block, uint i, uint r)
{
    return unpack(type, weight_rows(base, block % 2, r), block / 2, units, unit_at(i, 0, 0));
}

unit load_weight_at(uint type, U32x4 base, uint units, uint block, unit_at at, uint r)
{
    return unpack(type, weight_rows(base, block % 2, r), block / 2, units, at);
}

// Blocks of rows whose results meet: of the pair, the block that is returned and the one
// PARTNER further on. In a gated matrix they are the gate and the up projection of 8 columns.
#define PARTNER 2
uint first_of_pair(uint pair)
{
    return pair / 2 * 4 + pair % 2;
}

// A unit of the activation row that starts at element `row`. `packed`: rows start at multiples of 8
// elements of a 16-byte aligned array. Otherwise each element is read by itself, and those from
// `columns` on are zero, as the weights' padding is.
unit load_row_at(bool packed, F32 base, uint row, unit_at at, uint columns)
{
    unit x;
    if (packed) {
        const uint chunk = row / 4 + 2 * at.first + 8 * at.fours;
        U32x4 chunks = U32x4(uvec2(base));
        x.a = uintBitsToFloat(load_u32x4_ahead(chunks, chunk, 8 * at.ahead));
        x.b = uintBitsToFloat(load_u32x4_ahead(chunks, chunk, 8 * at.ahead + 1));
        return x;
    }
    [[unroll]] for (uint c = 0; c < 4; c++) {
        const uint k = 8 * number_of(at) + c, l = k + 4;
        // Clamped, not guarded: a driver may load at a guarded address all the same.
        const float first = load_f32(base, row + min(k, columns - 1));
        const float second = load_f32(base, row + min(l, columns - 1));
        x.a[c] = k < columns ? first : 0.0;
        x.b[c] = l < columns ? second : 0.0;
    }
    return x;
}

// Unit `i` of it.
unit load_row(bool packed, F32 base, uint row, uint i, uint columns)
{
    return load_row_at(packed, base, row, unit_at(i, 0, 0), columns);
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
