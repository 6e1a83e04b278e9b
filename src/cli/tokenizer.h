// tokenizer.h - a model's tokenizer.model: text to tokens, and back as they come.
#ifndef VKMOE_CLI_TOKENIZER_H
#define VKMOE_CLI_TOKENIZER_H

#include "cli.h"
#include "sentencepiece.h"

struct cli_tokenizer {
    struct cli_pieces *pieces;
    int64_t begin, end; // the tokens before and behind every text; -1: none
    char *text;    // decoded last
    size_t shown;  // bytes of it that cli_tokenizer_extend() has returned
};

// Whether a model has one, readable or not.
bool cli_tokenizer_exists(const char *model);

// Fails with a message. To be finished in any case.
int cli_tokenizer_init(struct cli_tokenizer *tokenizer, const char *model, uint32_t vocabulary);
void cli_tokenizer_finish(struct cli_tokenizer *tokenizer);

// The text's tokens, those before and behind it included; free(). It does not return if that fails.
uint32_t *cli_tokenizer_encode(const struct cli_tokenizer *tokenizer, const char *text,
    size_t size, uint32_t *count);

// What all tokens so far are as text, without what was returned before: valid until the next
// call, *size may be 0. Bytes at the end that may become a character are held back, unless
// these are the `last` tokens. It does not return if that fails.
const char *cli_tokenizer_extend(struct cli_tokenizer *tokenizer, const uint32_t *tokens,
    uint32_t count, bool last, size_t *size);

#endif
