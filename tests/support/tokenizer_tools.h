// tokenizer_tools.h - a folder with a tokenizer's files, and what is said of them.
#ifndef VKMOE_TESTS_TOKENIZER_TOOLS_H
#define VKMOE_TESTS_TOKENIZER_TOOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check.h"
#include "tokenizer.h"

// All of a main(): rows(), if it is not NULL, and the tests, in a folder that is made for them and
// goes afterwards.
int tools_main(
    int argc, char **argv, void (*rows)(struct tap *tap), const struct test *tests, uint32_t count);

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

// The tokenizer under test, and the tokens that it made last.
extern struct cli_tokenizer tools_tokenizer;
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
