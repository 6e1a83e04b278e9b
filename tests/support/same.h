// same.h - what a model was found to be against what it is. Each function notes what differs.
#ifndef VKMOE_TESTS_SAME_H
#define VKMOE_TESTS_SAME_H

#include <stdbool.h>
#include <stddef.h>

#include <vkmoe/moe.h>

#include "reference.h"

// As far as a float can hold it.
bool same_number(const char *name, double expected, double actual);
// Both missing, or each element within this share of itself.
bool same_array(
    const char *name, const double *expected, const double *actual, size_t count, double tolerance);
bool same_layer(const struct reference_layer *expected, const struct reference_layer *actual);
bool same_rope(const struct vkmoe_rope *expected, const struct vkmoe_rope *actual);

// Of `expected` and `actual`, into `ok`.
#define SAME(field) ok = same_number(#field, (double)expected->field, (double)actual->field) && ok
#define SAME_ARRAY(field, count) \
    ok = same_array(#field, expected->field, actual->field, count, 0.0) && ok

#endif
