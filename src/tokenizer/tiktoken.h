// tiktoken.h - files of tiktoken's form: a token a line, in base64, and its rank, which is its id.
#ifndef VKMOE_CLI_TIKTOKEN_H
#define VKMOE_CLI_TIKTOKEN_H

#include "base/file.h"
#include "base/value.h"
#include "bpe.h"
#include "checkpoint/checkpoint.h"

// Whether it begins as one does.
bool cli_tiktoken_is(const struct blob *file);

// Its tokens and merges, and the patterns that tokenizer_config.json, NULL if there is none, names:
// by itself, or by its class. Fails with a message.
int cli_tiktoken_read(
    const struct blob *file, const struct value *config, uint32_t vocabulary, struct cli_bpe **out);

#endif
