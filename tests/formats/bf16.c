// bf16.c - the upper half of an f32.
#include "half.h"

HALF_FORMAT(bf16)
