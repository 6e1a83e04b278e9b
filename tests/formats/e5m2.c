// e5m2.c - floats of 8 bits that are the upper halves of f16.
#include "floats.h"

FLOATS_8_FORMAT(e5m2, 0x7b)
