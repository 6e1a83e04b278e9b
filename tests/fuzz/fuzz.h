// fuzz.h - what the fuzzers share. Each hands libFuzzer's bytes to one reader as a file, and ends
// with a crash, by which libFuzzer keeps them, where a sanitizer finds something or a promise is
// broken: a refusal is one line that can be printed, and what opens can be read.
#ifndef VKMOE_FUZZ_H
#define VKMOE_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "check.h"
#include "folder.h"

// libFuzzer's two entries. The first makes the folder of folder.h, which goes when the program
// ends; the second is each fuzzer's own.
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A file in it, with `hole` zeros after its bytes. Its path, until the next call.
const char *fuzz_write(const char *name, const uint8_t *data, size_t size, size_t hole);

// Ends the program, after a message.
void fuzz_fail(const char *what, const char *line);

// That what a call logged is what it should be; empties the record.
void fuzz_expect(enum vkmoe_status status, struct record *record);

// Opens a checkpoint, for a look and for use, and reads what it has.
void fuzz_checkpoint(const char *path);

// Opens the folder's tokenizer, makes tokens of a text, and text of tokens.
void fuzz_tokenizer(void);

// Small models of every family that runs whole, in memory.
struct fuzz_model {
    char *config;
    size_t config_size;
    uint8_t *tensors; // a .safetensors file
    size_t tensors_size, header_size;
};
// How many there are.
uint32_t fuzz_models(const struct fuzz_model **out);

#endif
