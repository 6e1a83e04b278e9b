// norm.glsl - RMS norms that are folded into the products after them: what made x has left x times
// the norm's weight as well, that is what is multiplied, and each workgroup divides its results by
// the root mean square of x, which it finds beside its product. Of the 8 lanes that share a unit
// of x, lane r squares element r.
#ifndef NORM_GLSL
#define NORM_GLSL

// Element r of unit `i` of the row that starts at element `row`; 0 past `columns`.
float load_raw(F32 raw, uint row, uint i, uint r, uint columns)
{
    const uint c = 8 * i + r;
    const float x = load_f32(raw, row + min(c, columns - 1)); // clamped, as in load_row()
    return c < columns ? x : 0.0;
}

// The sum of what all lanes have squared. Of one subgroup by shuffles: lavapipe keeps in memory
// what lives across a barrier.
float all_squares(float x)
{
#ifdef COLUMNS
    if (LANES == 8) {
        x += subgroupShuffleXor(x, 1);
        x += subgroupShuffleXor(x, 2);
        return x + subgroupShuffleXor(x, 4);
    }
#endif
    return workgroup_sum(x);
}

// 1 / rms(x) of that.
float inverse_rms(float squares, uint columns, float epsilon)
{
    return inversesqrt(all_squares(squares) / float(columns) + epsilon);
}

#endif
