// q4_0.c - blocks of 32: a scale of f16, and 4 bits less 8 that it multiplies.
#include "blocks.h"

static const struct places_32 places = { .nibbles = 2 };

SYMMETRIC_32(q4_0, 18, 2, places, 8)
