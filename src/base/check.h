// check.h - for functions that check what a `caller` was given, rule by rule.
#ifndef VKMOE_CHECK_H
#define VKMOE_CHECK_H

#include "base/log.h"

// INVALID, with a line, unless the condition holds.
#define CHECK(condition, ...) \
    do { \
        if (!(condition)) \
            return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, __VA_ARGS__); \
    } while (0)

// Of a struct's field `precision`.
#define CHECK_PRECISION(p) \
    CHECK((unsigned)(p)->precision <= VKMOE_PRECISION_FAST, \
        "precision is %d, must be EXACT or FAST", (int)(p)->precision)

#endif
