// table_16.glsl - what iq4_nl and iq4_xs have in common: nibbles that choose one of 16 numbers.
#ifndef TABLE_16_GLSL
#define TABLE_16_GLSL

// -127 -104 -83 -65 -49 -35 -22 -10 1 13 25 38 53 69 89 113
float from_table_16(uint q)
{
    const uvec2 two = q < 8 ? uvec2(0xbfad9881u, 0xf6eaddcfu) : uvec2(0x26190d01u, 0x71594535u);
    const uint four = q % 8 < 4 ? two.x : two.y;
    return float(int(four << (24 - q % 4 * 8)) >> 24);
}

// Eight of them, by bytes below 16, times `scale`.
unit from_table_16(uvec2 q, float scale)
{
    unit w;
    [[unroll]] for (uint c = 0; c < 4; c++) {
        w.a[c] = scale * from_table_16(q.x >> c * 8 & 15);
        w.b[c] = scale * from_table_16(q.y >> c * 8 & 15);
    }
    return w;
}

#endif
