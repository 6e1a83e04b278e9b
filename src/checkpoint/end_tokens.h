// end_tokens.h - the tokens that end a text, as a model's files name them.
#ifndef VKMOE_MODEL_END_TOKENS_H
#define VKMOE_MODEL_END_TOKENS_H

#include "checkpoint/whole.h"

enum { VKMOE_MAX_END_TOKENS = 1024 };

struct vkmoe_end_tokens {
    uint32_t count;
    uint32_t tokens[VKMOE_MAX_END_TOKENS]; // no two alike
};

// Those of config.json, of the language model's part and of the model around it, then those of
// `directory`/generation_config.json; if neither names any, not even none, the family's. What is
// wrong in config.json is an error of `source->config`; a generation_config.json that cannot be
// read is not needed, and gets a warning. To be freed; NULL with the status set otherwise.
struct vkmoe_end_tokens *vkmoe_end_tokens_create(
    const struct vkmoe_whole_source *source, const char *directory);

#endif
