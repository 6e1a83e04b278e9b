// zero_point.glsl - formats of unsigned integers q with a zero z and a scale s in f32: values are
// s (q - z), where only the product is rounded.
#ifndef ZERO_POINT_GLSL
#define ZERO_POINT_GLSL

unit from_zero(uvec2 q, uint zero, uint scale)
{
    const float z = float(zero), s = uintBitsToFloat(scale);
    return unit(s * (to_floats(q.x) - z), s * (to_floats(q.y) - z));
}

#endif
