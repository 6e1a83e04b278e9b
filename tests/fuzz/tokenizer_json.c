// tokenizer_json.c - a tokenizer.json; what follows its first zero is tokenizer_config.json.
#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    const size_t first = zero ? (size_t)(zero - data) : size;
    folder_empty();
    fuzz_write("tokenizer.json", data, first, 0);
    if (zero)
        fuzz_write("tokenizer_config.json", zero + 1, size - first - 1, 0);
    fuzz_tokenizer();
    return 0;
}
