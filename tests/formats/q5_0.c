// q5_0.c - blocks of 32: a scale of f16, and 5 bits less 16 that it multiplies.
#include "blocks.h"

static const struct places_32 places = { .nibbles = 6, .tops = 2 };

SYMMETRIC_32(q5_0, 22, 6, places, 16)
