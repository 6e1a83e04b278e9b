// bpe_json.h - a tokenizer.json, or a file of tiktoken's form, and what tokenizer_config.json adds.
#ifndef VKMOE_CLI_BPE_JSON_H
#define VKMOE_CLI_BPE_JSON_H

#include "bpe.h"
#include "checkpoint/checkpoint.h"
#include "tokenizer_files.h"

// `files` gets the added tokens and those before and after every text. Fails with a message, for
// instance for what of a tokenizer.json is not done here. *out and files->special are to be
// finished in any case.
int cli_bpe_read(const char *checkpoint, const struct blob *file, bool tiktoken,
    uint32_t vocabulary, struct cli_tokenizer_files *files, struct cli_bpe **out);

#endif
