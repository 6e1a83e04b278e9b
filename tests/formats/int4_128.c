// int4_128.c - blocks of 128: a scale in f32, a zero of 8 bits, codes of 4 bits.
#include "floats.h"

INT4_FORMAT(int4_128, 128, 69)
