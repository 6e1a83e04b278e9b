// tokenizer_files.h - what the JSON files next to a tokenizer.model say about it:
// tokenizer_config.json, added_tokens.json and special_tokens_map.json. Each may be absent.
#ifndef VKMOE_TOKENIZER_FILES_H
#define VKMOE_TOKENIZER_FILES_H

#include "tokenizer/sentencepiece.h"
#include "tokenizer/source.h"
#include "tokenizer/special.h"

struct tokenizer_files {
    bool is_t5;             // in: if no class is named; out: of the class of T5's
    int64_t begin, end;     // the tokens before and after every text; -1: none
    int64_t bos, eos;       // what is called so, be it put there or not; -1: none
    bool legacy;            // a text after a special token begins as one at the beginning does
    bool prefix;            // unless legacy: a text begins with a blank of the tokenizer's own
    uint32_t tokens;        // ids of pieces and added tokens are below
    struct special special; // ready for vkmoe_special_next()
};

// `special` is to be finished in any case.
enum vkmoe_status vkmoe_tokenizer_files_read(
    struct tokenizer_files *files, const struct source *source, const struct pieces *pieces);

#endif
