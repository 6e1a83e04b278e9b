// q5_1.c - blocks of 32: a scale and a minimum, f16, and 5 bits.
#include "blocks.h"

static const struct places_32 places = { .nibbles = 8, .tops = 4 };

MINIMUM_32(q5_1, 24, 8, places, 31)
