// attention_selftest.h - what the files of attention_selftest have in common.
#ifndef VKMOE_TESTS_ATTENTION_SELFTEST_H
#define VKMOE_TESTS_ATTENTION_SELFTEST_H

#include <math.h>

#include "attention_reference.h"
#include "tap.h"

static inline bool near(const char *what, double actual, double expected)
{
    bool ok = fabs(actual - expected) <= 1e-12 * fmax(1.0, fabs(expected));
    if (!ok)
        tap_note("%s: %.15g, expected %.15g", what, actual, expected);
    return ok;
}

static inline bool same(const char *what, long actual, long expected)
{
    if (actual != expected)
        tap_note("%s: %ld, expected %ld", what, actual, expected);
    return actual == expected;
}

// Width 1: q = 1 whatever x is, k = v = x. So the scores are the x of the keys, and y is
// their mean weighed by e^x. The arrays are the tests'; there is nothing to finish.
static double zero[8], one[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };

static inline struct reference_attention scalar_attention(void)
{
    return (struct reference_attention){
        .hidden = 1,
        .head_size = 1,
        .heads = 1,
        .kv_heads = 1,
        .experts = 1,
        .experts_per_token = 1,
        .query = zero,
        .query_bias = one,
        .key = one,
        .value = one,
        .output = one,
    };
}

// As many tokens as y has, in one sequence from position 0 on.
static inline void attend(const struct reference_attention *a, uint32_t tokens, const float *x,
    const uint32_t *lengths, double *y)
{
    const uint32_t positions[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    struct reference_history history;
    reference_history_init(&history, a, 1, 8, VKMOE_DTYPE_F32);
    reference_attend(
        a, tokens, x, positions, NULL, lengths, &history, false, NULL, NULL, y, NULL, NULL, NULL);
    reference_history_finish(&history);
}

// attention_selftest_models.c
bool test_tiny_mixtral(void);
bool test_tiny_jetmoe(void);
bool test_traps(void);
bool test_logits(void);

// attention_selftest_routed.c
bool test_chosen_blocks(void);
bool test_tied_blocks(void);
bool test_blocks_of_each_head(void);
bool test_kv_heads_of_experts(void);
bool test_position_bias(void);
bool test_mixed_values(void);
bool test_mixed_outputs(void);
bool test_mixes_of_one(void);
bool test_two_levels(void);
bool test_stored(void);

#endif
