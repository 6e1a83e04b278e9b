// e4m3.c - floats of 8 bits, without infinity.
#include "floats.h"

FLOATS_8_FORMAT(e4m3, 126)
