// nvfp4_scaled.glsl - as nvfp4, with a factor, f32, before the scales; only the product with it is
// rounded.
#include "lib/nvfp4.glsl"

unit unpack_nvfp4_scaled(weight_rows m, record_at at)
{
    const uvec2 scales = load_8_of(m, at, 32);
    const unit w = from_nvfp4(m, at, scales.y);
    const float factor = uintBitsToFloat(scales.x);
    return unit(factor * w.a, factor * w.b);
}
