// tokenizer.h - a model's tokenizer.model, spiece.model, tokenizer.json or file of tiktoken's form:
// text to tokens, and back as they come.
#ifndef VKMOE_CLI_TOKENIZER_H
#define VKMOE_CLI_TOKENIZER_H

#include "bpe.h"
#include "cli.h"
#include "sentencepiece.h"
#include "tokenizer_files.h"

struct cli_tokenizer {
    const char *checkpoint;    // its folder
    struct cli_pieces *pieces; // NULL where there is `bpe`
    struct cli_bpe *bpe;
    struct cli_tokenizer_files files;
    uint32_t vocabulary;
    int64_t unknown; // the piece for what has no other; -1: none
    // Tokens of the text encoded last that nobody wrote: the first, and the one at `end_at`.
    bool begin_added, end_added;
    uint32_t end_at;

    // What cli_tokenizer_extend() has returned: all before token `first`, and of the text since
    // then `shown` bytes. Tokens before `seen` hold no boundary after `first`.
    uint32_t first, seen;
    size_t shown;
    bool inside; // the text since then goes on after a whole character; else:
    bool prefix; // it begins as one at the beginning does
    char *text;  // returned last
    size_t text_size, text_room;
};

// Whether a model has one, readable or not.
bool cli_tokenizer_exists(const char *checkpoint);

// `model` is kept. If the files name no class, the tokenizer is of T5's where `is_t5` or its file's
// name says so. Fails with a message. To be finished in any case.
int cli_tokenizer_init(
    struct cli_tokenizer *tokenizer, const char *checkpoint, uint32_t vocabulary, bool is_t5);
void cli_tokenizer_finish(struct cli_tokenizer *tokenizer);

// The text's tokens, those before and after every text included; free(). `plain`: special tokens
// in the text are text. Fails with a message.
int cli_tokenizer_encode(struct cli_tokenizer *tokenizer, const char *text, size_t size, bool plain,
    uint32_t **tokens, uint32_t *count);

// A text in which special tokens are looked for in these places only, in their order. Elsewhere
// what looks like one is text.
enum { CLI_MAX_MARKS = 4 };
struct cli_marked_text {
    const char *data;
    size_t size;
    struct {
        size_t begin, end;
    } marks[CLI_MAX_MARKS];
    uint32_t mark_count;
};

// The tokens of a text that begins a conversation, with the token before every text, or that goes
// on with one. No token comes after it. What cli_tokenizer_extend() is then given are the tokens
// that follow. free(); fails with a message.
int cli_tokenizer_encode_marked(struct cli_tokenizer *tokenizer, const struct cli_marked_text *text,
    bool first, uint32_t **tokens, uint32_t *count);

// What all tokens so far are as text, without what was returned before: valid until the next
// call, *size may be 0. Bytes at the end that may become a character are held back, unless
// these are the `last` tokens. Special tokens are as they are written, except those that
// cli_tokenizer_encode() added. It does not return if that fails.
const char *cli_tokenizer_extend(struct cli_tokenizer *tokenizer, const uint32_t *tokens,
    uint32_t count, bool last, size_t *size);

// The next call returns the text from its beginning.
void cli_tokenizer_rewind(struct cli_tokenizer *tokenizer);

#endif
