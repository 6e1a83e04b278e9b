// nvfp4.glsl - blocks of 64: four scales, and the rest of lib/nvfp4.glsl.
#include "lib/nvfp4.glsl"

unit unpack_nvfp4(weight_rows m, record_at at)
{
    return from_nvfp4(m, at, load_4_of(m, at, 32));
}
