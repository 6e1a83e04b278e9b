// tokenizer.c - of fuzz.h, what is done with a tokenizer.
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { VOCABULARY = 512, MAX_TOKENS = 64 };

// Words, digits, blanks, special tokens, a character of each length, and what is no UTF-8.
static const char text[] = "def f(x1):\n\n\t return  3456 <s> caf\u00e9 e\u0301 \u4f60\u597d "
                           "\U0001f600 [INST]<|im_end|>\xff\xc3 'll \u2581 \r\n";

static void decode(struct cli_tokenizer *tokenizer, const uint32_t *tokens, uint32_t count)
{
    size_t size;
    cli_tokenizer_rewind(tokenizer);
    for (uint32_t i = 0; i <= count; i += 3)
        cli_tokenizer_extend(tokenizer, tokens, i, false, &size);
    cli_tokenizer_extend(tokenizer, tokens, count, true, &size);
}

void fuzz_tokenizer(void)
{
    struct cli_tokenizer tokenizer;
    char said[1024];
    cli_capture(said, sizeof said);
    int status = cli_tokenizer_init(&tokenizer, folder, VOCABULARY, false);
    if ((status != 0) != (*said != '\0'))
        fuzz_fail("a line too many, or none", said);
    for (uint32_t plain = 0; status == 0 && plain < 2; plain++) {
        uint32_t *tokens = NULL, count = 0;
        if (cli_tokenizer_encode(&tokenizer, text, sizeof text - 1, plain, &tokens, &count) == 0)
            decode(&tokenizer, tokens, count);
        free(tokens);
    }
    uint32_t strange[MAX_TOKENS];
    for (uint32_t i = 0; i < MAX_TOKENS; i++)
        strange[i] = i * 9;
    if (status == 0)
        decode(&tokenizer, strange, MAX_TOKENS);
    cli_tokenizer_finish(&tokenizer);
}
