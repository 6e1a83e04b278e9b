// bpe_json.h - a tokenizer.json, or a file of tiktoken's form, and what tokenizer_config.json adds.
#ifndef VKMOE_BPE_JSON_H
#define VKMOE_BPE_JSON_H

#include "tokenizer/bpe.h"
#include "tokenizer/source.h"
#include "tokenizer/tokenizer_files.h"

// `files` gets the added tokens and those before and after every text. *vocabulary
// 0: becomes how many ids there are. What of a tokenizer.json is not done here is refused. *out and
// files->special are to be finished in any case.
enum vkmoe_status vkmoe_bpe_read(const struct source *source, const struct blob *file,
    bool tiktoken, uint32_t *vocabulary, struct tokenizer_files *files, struct bpe **out);

#endif
