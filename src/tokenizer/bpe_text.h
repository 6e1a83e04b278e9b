// bpe_text.h - how a tokenizer.json that was made of sentencepiece's files treats a text.
#ifndef VKMOE_CLI_BPE_TEXT_H
#define VKMOE_CLI_BPE_TEXT_H

#include "base/value.h"
#include "bpe.h"
#include "tokenizer_files.h"

// Whether it is of that kind, and not of bytes.
bool cli_bpe_is_text(const struct value *json);

// Its normalizer, pre_tokenizer and decoder, for tokens that are yet to be added. Fails with a
// message.
int cli_bpe_read_text(const char *path, const struct value *json, struct cli_bpe *bpe,
    struct cli_tokenizer_files *files);

#endif
