// end_tokens.h - the tokens that end a text, as a model's files name them.
#ifndef VKMOE_END_TOKENS_H
#define VKMOE_END_TOKENS_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/whole.h"

enum { MAX_END_TOKENS = 1024 };

struct end_tokens {
    uint32_t count;
    uint32_t tokens[MAX_END_TOKENS]; // no two alike
};

// Those of the settings, of the language model's part and of the model around it, then those of
// generation_config.json; if neither names any, not even none, the family's. What is wrong in the
// settings is an error of `source->settings`; a generation_config.json that cannot be read is not
// needed, and gets a warning. To be freed; NULL with the status set otherwise.
struct end_tokens *vkmoe_end_tokens_create(
    const struct whole_source *source, const struct container *container);

#endif
