// attention_selftest.h - what the files of attention_selftest have in common.
#ifndef VKMOE_TESTS_ATTENTION_SELFTEST_H
#define VKMOE_TESTS_ATTENTION_SELFTEST_H

#include <math.h>

#include "attention_reference.h"
#include "compare.h"
#include "tap.h"

// One expert, and no matrices yet.
static inline struct reference_attention dense_attention(
    uint32_t hidden, uint32_t head_size, uint32_t heads, uint32_t kv_heads)
{
    return (struct reference_attention){ .hidden = hidden,
        .head_size = head_size,
        .heads = heads,
        .kv_heads = kv_heads,
        .experts = 1,
        .experts_per_token = 1 };
}

// Width 1: q = 1 whatever x is, k = v = x. So the scores are the x of the keys, and y is
// their mean weighed by e^x. The arrays are the tests'; there is nothing to finish.
static double zero[8], one[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };

static inline struct reference_attention scalar_attention(void)
{
    struct reference_attention a = dense_attention(1, 1, 1, 1);
    a.query = zero;
    a.query_bias = one;
    a.key = a.value = a.output = one;
    return a;
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

// As attend(): whether y is `expected` for that one of the tokens, at width 1.
static inline bool attends(const char *what, const struct reference_attention *a, uint32_t tokens,
    const float *x, uint32_t token, double expected)
{
    double y[8];
    attend(a, tokens, x, NULL, y);
    return near(what, y[token], expected);
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
