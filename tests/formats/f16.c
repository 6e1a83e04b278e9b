// f16.c - IEEE 754 binary16.
#include "half.h"

HALF_FORMAT(f16)
