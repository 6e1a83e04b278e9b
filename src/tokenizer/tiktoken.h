// tiktoken.h - files of tiktoken's form: a token a line, in base64, and its rank, which is its id.
#ifndef VKMOE_TIKTOKEN_H
#define VKMOE_TIKTOKEN_H

#include "base/file.h"
#include "base/value.h"
#include "checkpoint/checkpoint.h"
#include "tokenizer/bpe.h"

// Whether it begins as one does.
bool vkmoe_tiktoken_is(const struct blob *file);

// All ranks are below.
uint64_t vkmoe_tiktoken_count(const struct blob *file);

// Its tokens, of ids below `room`, and merges, and the patterns that tokenizer_config.json, NULL if
// there is none, names: by itself, or by its class.
enum vkmoe_status vkmoe_tiktoken_read(const struct vkmoe_log *log, const struct blob *file,
    const struct value *config, uint32_t room, struct bpe **out);

#endif
