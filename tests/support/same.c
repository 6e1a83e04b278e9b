// same.c - see same.h.
#include "same.h"

#include <math.h>

#include "tap.h"

bool same_number(const char *name, double expected, double actual)
{
    const bool same = fabs(expected - actual) <= 1e-7 * fabs(expected);
    if (!same)
        tap_note("%s is %.9g, expected %.9g", name, actual, expected);
    return same;
}

bool same_array(
    const char *name, const double *expected, const double *actual, size_t count, double tolerance)
{
    if (!expected || !actual) {
        if (expected || actual)
            tap_note("%s is %s", name, expected ? "missing" : "there, but should not be");
        return !expected && !actual;
    }
    for (size_t i = 0; i < count; i++) {
        if (!(fabs(expected[i] - actual[i]) <= tolerance * fabs(expected[i]))) {
            tap_note("%s[%zu] is %.9g, expected %.9g", name, i, actual[i], expected[i]);
            return false;
        }
    }
    return true;
}

bool same_rope(const struct vkmoe_rope *expected, const struct vkmoe_rope *actual)
{
    bool ok = true;
    SAME(kind);
    SAME(scaling);
    SAME(size);
    SAME(base);
    SAME(factor);
    SAME(original_positions);
    SAME(low_factor);
    SAME(high_factor);
    SAME(beta_fast);
    SAME(beta_slow);
    SAME(attention_factor);
    SAME(exact_range);
    return ok;
}
