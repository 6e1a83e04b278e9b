// nearest.h - formats whose codes are entries of a table.
#ifndef VKMOE_TESTS_NEAREST_H
#define VKMOE_TESTS_NEAREST_H

#include "blocks.h"

// What the nibbles of iq4_nl and iq4_xs mean.
static const double iq4_values[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53,
    69, 89, 113 };
// Floats of 4 bits.
static const double e2m1_values[16] = { 0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3,
    -4, -6 };

static inline int nearest(const double *table, double value, double scale)
{
    int best = 0;
    for (int i = 1; i < 16; i++) {
        if (fabs(table[i] * scale - value) < fabs(table[best] * scale - value))
            best = i;
    }
    return best;
}

#endif
