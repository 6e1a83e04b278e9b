// nvfp4.c - see nvfp4.h; no factor.
#include "nvfp4.h"

FUNCTIONS(encode_nvfp4(values, 1.0, block), decode_nvfp4(block, 1.0, values))
BLOCK_FORMAT(nvfp4, 64, 36, 4)
