// decode_columns.glsl - part of decode.glsl: lanes own columns, see columns.glsl.
#ifndef DECODE_COLUMNS_GLSL
#define DECODE_COLUMNS_GLSL

#include "lib/columns.glsl"

#define ROWS (DECODE_BLOCKS * 8)

float row_sums[DECODE_TOGETHER * ROWS]; // of this lane's columns

// Unit `i` of token t, or `last` if it is less.
unit x_unit(product p, uint t, uint i, uint last)
{
    return load_row_at(p.packed, p.source, operands[t], unit_at(min(i, last), 0, 0), p.columns);
}

// The square of this lane's column of unit `first` + n of token t. Of packed rows, units have one
// address and constants: to find each by itself costs several times what the load does.
float own_square(product p, uint t, uint first, uint n)
{
    U32x4 raw = U32x4(uvec2(p.raw));
    const uint at = operands[t] * 4 + first * 32;
    unit u;
    if (p.packed)
        u = unit(uintBitsToFloat(load_u32x4_at(raw, at, n * 32)),
            uintBitsToFloat(load_u32x4_at(raw, at, n * 32 + 16)));
    else
        u = load_row(false, p.raw, operands[t], first + n, p.columns);
    const float x = own_column(u.a, u.b);
    return x * x;
}

// This lane's share, as of the product, of all squares.
#define SQUARES_AT_ONCE 32
void add_squares(product p, uint c, uint step)
{
    [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++) {
        float sums_4[4] = { 0.0, 0.0, 0.0, 0.0 }; // so that few additions wait for each other
        uint i = c * SQUARES_AT_ONCE;
        if (i + SQUARES_AT_ONCE <= p.units) do { // not a `for`, see address.glsl
            [[unroll]] for (uint n = 0; n < SQUARES_AT_ONCE; n++)
                sums_4[n % 4] += own_square(p, t, i, n);
        } while ((i += step * SQUARES_AT_ONCE) + SQUARES_AT_ONCE <= p.units);
        if (i < p.units) do {
            sums_4[0] += own_square(p, t, i, 0);
        } while (++i < p.units);
        squares[t] += (sums_4[0] + sums_4[1]) + (sums_4[2] + sums_4[3]);
    }
}

#ifdef NARROW
#include "lib/decode_columns_narrow.glsl"
#else

uvec2 halves[DECODE_BLOCKS]; // addresses of the first record of each block

void find_halves(uint b, uvec2 strip, uint side)
{
    halves[b] = further(U32x4(strip), side * 256);
}

vec2 own_x(product p, uint t, uint record, uint last)
{
    const unit x = x_unit(p, t, record * RECORD_UNITS, ~0u);
    const unit y = x_unit(p, t, record * 2 + 1, last);
    return own_columns(x, y);
}

// Adds the products of so many records. A sum that outlives a turn of the loop is in memory, since
// lanes that have left the loop must keep theirs; so there are several records in a turn.
#define AT_ONCE 2
void multiply_records(product p, uint record, uint count, uint last)
{
    vec2 x[AT_ONCE * DECODE_TOGETHER];
    [[unroll]] for (uint n = 0; n < count; n++) {
        [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++)
            x[n * DECODE_TOGETHER + t] = own_x(p, t, record + n, last);
    }
    [[unroll]] for (uint i = 0; i < ROWS; i++) {
        [[unroll]] for (uint n = 0; n < count; n++) {
            const uint ahead = n * RECORD_BYTES + i % 8 * 32;
            const vec2 w = load_columns(halves[i / 8], record * RECORD_BYTES, ahead);
            [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++) {
                const vec2 own = x[n * DECODE_TOGETHER + t];
                row_sums[t * ROWS + i] = fma(w.x, own.x, row_sums[t * ROWS + i]);
                if (!IS(F32))
                    row_sums[t * ROWS + i] = fma(w.y, own.y, row_sums[t * ROWS + i]);
            }
        }
    }
}

#endif

// As in decode.glsl, but that lanes take turns at AT_ONCE records.
void multiply(product p, uint c, uint step)
{
    const uint records = (p.units + RECORD_UNITS - 1) / RECORD_UNITS;
    const uint whole = AT_ONCE > 1 ? p.units / RECORD_UNITS : records;
    [[unroll]] for (uint i = 0; i < DECODE_TOGETHER * ROWS; i++)
        row_sums[i] = 0.0;
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
        const uint block = block_of(p, b);
        find_halves(b, further(p.matrix, block / 2 * records * RECORD_BYTES), block % 2);
    }
    uint record = c * AT_ONCE;
    if (record + AT_ONCE <= whole) do { // not a `for`, see address.glsl
        multiply_records(p, record, AT_ONCE, AT_ONCE > 1 ? ~0u : p.units - 1);
    } while ((record += step * AT_ONCE) + AT_ONCE <= whole);
    // Of the last few records, which one lane of those that share a row meets, the rest.
    if (AT_ONCE > 1 && record < records) do {
        multiply_records(p, record, 1, p.units - 1);
    } while (++record < records);
    if (DECODE_NORM != 0)
        add_squares(p, c, step);
    [[unroll]] for (uint i = 0; i < DECODE_TOGETHER * DECODE_BLOCKS; i++) {
        float rows[8];
        [[unroll]] for (uint r = 0; r < 8; r++)
            rows[r] = row_sums[i * 8 + r];
        sums[i] += sum_lanes(rows);
    }
}

#endif
