// sample.h - chooses the next token from logits.
//
// Always in this order: temperature, top-k, top-p, draw.
//
//   l = logits / temperature          temperature 0: the largest logit, and nothing else
//   the k largest l stay              0: all; of equal ones the lower ids first
//   p = softmax(l)                    over those that stayed
//   the fewest largest p whose sum reaches top_p stay
//   a token is drawn with a probability in proportion to its p
//
// The drawn numbers are splitmix64's (Steele, Lea, Flood: OOPSLA 2014): the same seed and
// the same logits give the same tokens.
#ifndef VKMOE_CLI_SAMPLE_H
#define VKMOE_CLI_SAMPLE_H

#include <stdint.h>

struct cli_sampler {
    double temperature;               // 0: the largest logit
    uint32_t top_k;                   // 0: all
    double top_p;                     // 0: the likeliest alone, 1: all
    uint64_t state;                   // the seed
    struct cli_candidate *candidates; // made by the first cli_sample(); free() it
};

// The next of splitmix64's numbers.
uint64_t cli_random(uint64_t *state);

// The token's id, or -1 if a logit is not finite.
int64_t cli_sample(struct cli_sampler *sampler, const float *logits, uint32_t count);

#endif
