// recorded.h - the tiny models of tests/models and what was recorded with them. Tensors are
// read here once more, apart from src/checkpoint, so that each checks the other.
#ifndef VKMOE_TESTS_RECORDED_H
#define VKMOE_TESTS_RECORDED_H

#include <stddef.h>
#include <stdint.h>

#include <vkmoe/model.h>

#include "attention_reference.h"
#include "tap.h"

enum {
    RECORDED_TOKENS = 160,
    RECORDED_HIDDEN = 128,
    RECORDED_VOCABULARY = 256,
    RECORDED_BLOCKS = 4,
    RECORDED_PROMPT = 48,
    RECORDED_GREEDY = 144
};

// models/<model>/recorded/<file>.npy, which must have `count` elements of that type; NULL
// after a note. free() it.
float *recorded_floats(const char *model, const char *file, size_t count);
int32_t *recorded_ids(const char *model, const char *file, size_t count);

// The same of "layer<block>_moe_<what>".
float *recorded_moe_floats(const char *model, uint32_t block, const char *what, size_t count);
int32_t *recorded_moe_ids(const char *model, uint32_t block, const char *what, size_t count);

// The largest difference, as a share of the rms of `expected`.
double rms_error(const float *expected, const double *actual, size_t count);

// The attention of one block of tiny-mixtral or tiny-jetmoe; false after a note.
// reference_attention_finish() in any case.
bool recorded_attention(const char *model, uint32_t block, struct reference_attention *out);

// For the test "recorded/NAME": its name, and the model, or NULL after a note if it does not open.
// False: it is not wanted.
bool recorded_test(struct tap *tap, const char *name, char test[128], vkmoe_checkpoint **out);

#endif
