// tokenizer_tools.h - a folder with a tokenizer's files, and what is said of them.
#ifndef VKMOE_TESTS_TOKENIZER_TOOLS_H
#define VKMOE_TESTS_TOKENIZER_TOOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check.h"
#include "tokenizer/tokenizer.h"

// All of a main(): rows(), if it is not NULL, and the tests, in a folder that is made for them and
// goes afterwards. `clean_up` runs after each test.
int tools_main(int argc, char **argv, void (*rows)(struct tap *tap), void (*clean_up)(void),
    const struct test *tests, uint32_t count);

#define TOOLS_MAIN(rows, ...) CLEAN_TOOLS_MAIN(rows, tools_clean_up, __VA_ARGS__)

#define CLEAN_TOOLS_MAIN(rows, clean_up, ...) TABLE_MAIN(tools_main, rows, clean_up, __VA_ARGS__)

extern char tools_directory[];
// Valid until the next call.
const char *tools_path(const char *name);

bool tools_write(const char *name, const void *data, size_t size);
void tools_remove(const char *name); // nothing if it is not there

// One of tests/models/tokenizers, with room for more, until the next call.
enum { TOOLS_MODEL_ROOM = 1 << 16 };
char *tools_read_model(const char *name, size_t *size);
// Likewise bpe/NAME.json, with `kind` before its end; of the names the first are of bytes.
enum { TOOLS_BYTE_NAMES = 6, TOOLS_BPE_NAMES = 13 };
extern const char *const tools_bpe_names[TOOLS_BPE_NAMES];
char *tools_read_bpe(const char *name, const char *kind, size_t *size);

// A tokenizer and one text.
struct tools_tokenizer {
    vkmoe_tokenizer *tokenizer;
    vkmoe_decoder *decoder;
    bool begin_added, end_added; // to what was encoded last
    uint32_t end_at;
    uint32_t seen; // tokens that the decoder was given
    char *text;    // that it made of them last
    size_t text_room;
};

// Of the folder or file. 0, or a line on standard error; to be finished in any case.
int tools_init(struct tools_tokenizer *t, const char *path, uint32_t vocabulary, bool is_t5);
void tools_finish(struct tools_tokenizer *t);
// With the tokens before and after it; `plain`: special tokens are text. free(*tokens).
int tools_encode_with(struct tools_tokenizer *t, const char *text, size_t size, bool plain,
    uint32_t **tokens, uint32_t *count);
int tools_encode_params(struct tools_tokenizer *t, const struct vkmoe_encode_params *params,
    uint32_t **tokens, uint32_t *count);
// What `count` tokens, of which the first were given before, have more as text.
const char *tools_extend(
    struct tools_tokenizer *t, const uint32_t *tokens, uint32_t count, bool last, size_t *size);
void tools_rewind(struct tools_tokenizer *t);

// The tokenizer under test, and the tokens that it made last.
extern struct tools_tokenizer tools_tokenizer;
extern uint32_t *tools_tokens, tools_count;
bool tools_encode(const char *text, bool plain);
// What comes out if the tokens that were made last come one at a time.
enum { TOOLS_MAX_TEXT = 4096 };
bool tools_decode_to(const char *expected);
// Whether all texts of bpe/NAME.expected.json become their tokens, and text again.
bool tools_encode_as_expected(const char *name);
// After each test.
void tools_clean_up(void);

// What stderr gets in between: errors are said there. Returns the number of lines.
enum { TOOLS_MAX_SAID = 4096 };
extern char tools_said[TOOLS_MAX_SAID];
void tools_begin_listening(void);
uint32_t tools_end_listening(void);

#endif
