// tokenizer.c - of fuzz.h, what is done with a tokenizer.
#include "fuzz.h"
#include "vkmoe/tokenizer.h"

enum { VOCABULARY = 512, MAX_TOKENS = 64 };

// Words, digits, blanks, special tokens, a character of each length, and what is no UTF-8.
static const char text[] = "def f(x1):\n\n\t return  3456 <s> caf\u00e9 e\u0301 \u4f60\u597d "
                           "\U0001f600 [INST]<|im_end|>\xff\xc3 'll \u2581 \r\n";

static void decode(const vkmoe_tokenizer *tokenizer, const uint32_t *tokens, uint32_t count)
{
    vkmoe_decoder *decoder = NULL;
    const char *shown;
    size_t size;
    if (vkmoe_decoder_create(tokenizer, &decoder) == VKMOE_OK) {
        for (uint32_t i = 0; i < count; i += 3)
            vkmoe_decoder_put(decoder, tokens + i, count - i < 3 ? count - i : 3, &shown, &size);
        vkmoe_decoder_end(decoder, &shown, &size);
    }
    vkmoe_decoder_destroy(&decoder);
}

void fuzz_tokenizer(void)
{
    vkmoe_tokenizer *tokenizer = NULL;
    struct record record = { 0 };
    const enum vkmoe_status status =
        vkmoe_tokenizer_create(&(struct vkmoe_tokenizer_params){ VKMOE_INIT(vkmoe_tokenizer_params),
                                   .log = { record_line, &record, VKMOE_LOG_ERROR }, .path = folder,
                                   .vocabulary = VOCABULARY },
            &tokenizer);
    fuzz_expect(status, &record);
    for (uint32_t place = 0; status == VKMOE_OK && place < 2; place++) {
        uint32_t tokens[4 * sizeof text];
        struct vkmoe_encoding encoding = { VKMOE_INIT(vkmoe_encoding), .tokens = tokens,
            .room = sizeof tokens / sizeof *tokens };
        const struct vkmoe_encode_params params = { VKMOE_INIT(vkmoe_encode_params), .text = text,
            .size = sizeof text - 1,
            .special = place ? VKMOE_SPECIAL_TOKENS_EVERYWHERE : VKMOE_SPECIAL_TOKENS_NOWHERE };
        if (vkmoe_tokenizer_encode(tokenizer, &params, &encoding) == VKMOE_OK
            && encoding.count <= encoding.room)
            decode(tokenizer, tokens, encoding.count);
    }
    uint32_t strange[MAX_TOKENS];
    for (uint32_t i = 0; i < MAX_TOKENS; i++)
        strange[i] = i * 9;
    if (status == VKMOE_OK)
        decode(tokenizer, strange, MAX_TOKENS);
    vkmoe_tokenizer_destroy(&tokenizer);
}
