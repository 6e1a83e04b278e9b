// pieces.glsl - what the files of formats with blocks are written with: loads of the row's pieces
// of a record (see weights.glsl), and eight small integers as floats.
#ifndef PIECES_GLSL
#define PIECES_GLSL

// Of the record's runs of `units` units, `count` in a cycle, which one the unit is in. Loads that
// depend on nothing else are the same for units that are loaded together.
uint run_of(record_at at, uint units, uint count)
{
    return at.part / units % count + at.further / units % count;
}

// Chunk `c` of the `chunks` of 16 bytes that a row's block begins with.
uvec4 load_chunk_of(weight_rows m, record_at at, uint chunks, uint c)
{
    return load_chunk(m, at.chunk + c / 2 * 32 + c % 2, c == chunks / 2 * 2 ? 1 : 2, at.ahead);
}

// The first or second 8 bytes of it.
uvec2 load_half_of(weight_rows m, record_at at, uint chunks, uint c, uint second)
{
    return load_half_chunk(
        m, at.chunk + c / 2 * 32 + c % 2, c == chunks / 2 * 2 ? 1 : 2, at.ahead, second);
}

// The pieces of 8, 4, 2 bytes and of one that begin at byte `first` of the row's block, after its
// chunks.
uvec2 load_8_of(weight_rows m, record_at at, uint first)
{
    U32x2 pairs = U32x2(uvec2(m.matrix));
    const uint begin = (at.chunk + first) * 2 + m.side * 8;
#ifdef BROADCAST
    uvec2 bits = load_u32x2_ahead(pairs, begin, at.ahead * 2);
    [[unroll]] for (uint n = 1; n < 8; n++) {
        const uvec2 other = load_u32x2_ahead(pairs, begin + n, at.ahead * 2);
        bits = m.r == n ? other : bits;
    }
    return bits;
#else
    return load_u32x2_ahead(pairs, begin + m.r, at.ahead * 2);
#endif
}

uint load_4_of(weight_rows m, record_at at, uint first)
{
#ifdef BROADCAST
    const uint begin = at.chunk + first + m.side * 2;
    const uvec4 low = load_u32x4_ahead(m.matrix, begin, at.ahead);
    const uvec4 high = load_u32x4_ahead(m.matrix, begin + 1, at.ahead);
    const uvec4 four = m.r < 4 ? low : high;
    return m.r % 4 < 2 ? (m.r % 2 == 0 ? four.x : four.y) : (m.r % 2 == 0 ? four.z : four.w);
#else
    return load_u32_ahead(
        U32(uvec2(m.matrix)), (at.chunk + first) * 4 + m.side * 8 + m.r, at.ahead * 4);
#endif
}

float load_f16_of(weight_rows m, record_at at, uint first)
{
    return load_f16(m, at.chunk + first, at.ahead);
}

uint load_2_of(weight_rows m, record_at at, uint first)
{
    return load_u16(m, at.chunk + first, at.ahead);
}

uint load_1_of(weight_rows m, record_at at, uint first)
{
    U32x2 pairs = U32x2(uvec2(m.matrix));
    const uvec2 rows = load_u32x2_ahead(pairs, (at.chunk + first) * 2 + m.side, at.ahead * 2);
    return (m.r < 4 ? rows.x : rows.y) >> m.r % 4 * 8 & 0xff;
}

uint byte_of(uvec4 bytes, uint i)
{
    const uvec2 two = i < 8 ? bytes.xy : bytes.zw;
    return (i % 8 < 4 ? two.x : two.y) >> i % 4 * 8 & 0xff;
}

// One bit of 8 for each of 8 bytes, at bit 0 of it.
uvec2 spread_bits(uint bits)
{
    return uvec2(bits & 0xf, bits >> 4 & 0xf) * 0x00204081u & 0x01010101u;
}

#ifdef INTEGER_TILE
uvec4 spread_16_bits(uint bits) { return uvec4(spread_bits(bits), spread_bits(bits >> 8)); }

// Lower nibbles, or upper ones.
uvec4 nibbles_of(uvec4 bytes, uint upper) { return bytes >> upper * 4 & 0x0f0f0f0fu; }

// Bytes below 128 less `n`, up to 128, as signed ones.
uvec4 less(uint n, uvec4 bytes) { return (bytes + (128 - n) * 0x01010101u) ^ 0x80808080u; }
#endif

vec4 to_floats(uint bytes)
{
    return vec4(bytes & 0xff, bytes >> 8 & 0xff, bytes >> 16 & 0xff, bytes >> 24);
}

// Eight bytes q as scale * q + offset. The products are exact in all formats that use it, so that
// it does not matter whether the device rounds them.
unit to_unit(uvec2 q, float scale, float offset)
{
    return unit(fma(to_floats(q.x), vec4(scale), vec4(offset)),
        fma(to_floats(q.y), vec4(scale), vec4(offset)));
}

#endif
