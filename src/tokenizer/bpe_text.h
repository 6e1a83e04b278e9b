// bpe_text.h - how a tokenizer.json that was made of sentencepiece's files treats a text.
#ifndef VKMOE_BPE_TEXT_H
#define VKMOE_BPE_TEXT_H

#include "base/log.h"
#include "base/value.h"
#include "tokenizer/bpe.h"
#include "tokenizer/tokenizer_files.h"

// Whether it is of that kind, and not of bytes.
bool vkmoe_bpe_is_text(const struct value *json);

// Its normalizer, pre_tokenizer and decoder, for tokens that are yet to be added. What is not done
// here is refused.
enum vkmoe_status vkmoe_bpe_read_text(const struct vkmoe_log *log, const char *path,
    const struct value *json, struct bpe *bpe, struct tokenizer_files *files);

#endif
