// int4_32.c - blocks of 32: a scale in f32, a zero of 8 bits, codes of 4 bits.
#include "floats.h"

INT4_FORMAT(int4_32, 32, 21)
