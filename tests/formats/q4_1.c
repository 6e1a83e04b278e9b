// q4_1.c - blocks of 32: a scale and a minimum, f16, and 4 bits.
#include "blocks.h"

static const struct places_32 places = { .nibbles = 4 };

MINIMUM_32(q4_1, 20, 4, places, 15)
