// dtype.c - see dtype.h.
#include "weights/dtype.h"

#include <string.h>

static float f16_to_f32(uint16_t bits)
{
    const uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    const uint32_t exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
    uint32_t result;
    if (exponent == 31) {
        result = sign | 0x7f800000 | fraction << 13;
    } else if (exponent > 0) {
        result = sign | (exponent + 112) << 23 | fraction << 13;
    } else { // zero or subnormal: fraction * 2^-24 is exact in f32
        const float magnitude = (float)fraction * 5.9604644775390625e-8f;
        memcpy(&result, &magnitude, sizeof result);
        result |= sign;
    }
    float value;
    memcpy(&value, &result, sizeof value);
    return value;
}

struct vkmoe_view vkmoe_view_resolve(const struct vkmoe_view *view, uint32_t columns)
{
    struct vkmoe_view resolved = *view;
    if (resolved.column_stride == 0)
        resolved.column_stride = 1;
    if (resolved.row_stride == 0)
        resolved.row_stride = columns;
    return resolved;
}

const unsigned char *vkmoe_view_at(const struct vkmoe_view *view, int64_t row, int64_t column)
{
    const int64_t element = row * view->row_stride + column * view->column_stride;
    return (const unsigned char *)view->data + element * (int64_t)dtype_size(view->dtype);
}

float vkmoe_view_get(const struct vkmoe_view *view, int64_t row, int64_t column)
{
    const unsigned char *at = vkmoe_view_at(view, row, column);
    if (view->dtype == VKMOE_DTYPE_F32) {
        float value;
        memcpy(&value, at, sizeof value);
        return value;
    }
    uint16_t bits;
    memcpy(&bits, at, sizeof bits);
    if (view->dtype == VKMOE_DTYPE_F16)
        return f16_to_f32(bits);
    const uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}
