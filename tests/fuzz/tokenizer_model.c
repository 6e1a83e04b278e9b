// tokenizer_model.c - a tokenizer.model, which the first byte of the input has used with or without
// a blank of the tokenizer's own. The library that reads it is the distribution's and has no
// sanitizers in it, except for what it asks of the C library.
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    fuzz_write("tokenizer.model", data + 1, size - 1, 0);
    folder_write_text(
        "tokenizer_config.json", data[0] % 2 ? "{\"legacy\":false}" : "{\"legacy\":true}");
    fuzz_tokenizer();
    return 0;
}
