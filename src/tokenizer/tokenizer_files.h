// tokenizer_files.h - what the JSON files next to a tokenizer.model say about it:
// tokenizer_config.json, added_tokens.json and special_tokens_map.json. Each may be absent.
#ifndef VKMOE_CLI_TOKENIZER_FILES_H
#define VKMOE_CLI_TOKENIZER_FILES_H

#include "sentencepiece.h"
#include "special.h"

struct cli_tokenizer_files {
    bool is_t5;                 // in: if no class is named; out: of the class of T5's
    int64_t begin, end;         // the tokens before and after every text; -1: none
    bool legacy;                // a text after a special token begins as one at the beginning does
    bool prefix;                // unless legacy: a text begins with a blank of the tokenizer's own
    struct cli_special special; // ready for cli_special_next()
};

// Fails with a message. `special` is to be finished in any case.
int cli_tokenizer_files_read(
    struct cli_tokenizer_files *files, const char *checkpoint, const struct cli_pieces *pieces);

#endif
