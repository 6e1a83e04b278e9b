// tokenizer_faults.c - each time that a tokenizer asks for host memory it gets none, once: it says
// so in one line and leaves nothing behind.
#include "sweep.h"
#include "tokenizer_tools.h"

enum { ROOM = 512 };

static struct record record;

static const char text[] = "na\u00efve \u4f60\u597d  Permission <|im_end|><s>\n\n\t123 \u2702";

// All that a program does with one.
static enum vkmoe_status work(const struct vkmoe_tokenizer_params *params)
{
    vkmoe_tokenizer *tokenizer = NULL;
    vkmoe_decoder *decoder = NULL;
    uint32_t tokens[ROOM];
    const char *shown;
    size_t size;
    struct vkmoe_encoding encoding = { VKMOE_INIT(vkmoe_encoding), .tokens = tokens, .room = ROOM };
    const struct vkmoe_encode_params encode = { VKMOE_INIT(vkmoe_encode_params), .text = text,
        .size = sizeof text - 1, .special = VKMOE_SPECIAL_TOKENS_EVERYWHERE };
    enum vkmoe_status status = vkmoe_tokenizer_create(params, &tokenizer);
    if (status == VKMOE_OK)
        status = vkmoe_tokenizer_encode(tokenizer, &encode, &encoding);
    if (status == VKMOE_OK)
        status = vkmoe_tokenizer_get_text(tokenizer, tokens[0], NULL, &(size_t){ 0 });
    if (status == VKMOE_OK)
        status = vkmoe_decoder_create(tokenizer, &decoder);
    if (status == VKMOE_OK)
        status = vkmoe_decoder_put(decoder, tokens, encoding.count, &shown, &size);
    if (status == VKMOE_OK)
        status = vkmoe_decoder_end(decoder, &shown, &size);
    vkmoe_decoder_destroy(&decoder);
    vkmoe_tokenizer_destroy(&tokenizer);
    return status;
}

static bool sweep(const struct vkmoe_tokenizer_params *params)
{
    uint32_t count, ignored;
    sweep_check_leaks(); // counts from here
    sweep_list();
    const enum vkmoe_status status = work(params);
    sweep_stop(&count);
    CHECK(status == VKMOE_OK && count > 10);
    for (uint32_t i = 0; i < count; i++) {
        record = (struct record){ 0 };
        sweep_fail(i, VK_ERROR_OUT_OF_HOST_MEMORY);
        const enum vkmoe_status got = work(params);
        sweep_stop(&ignored);
        const bool right = sweep_reached() && got == VKMOE_ERROR_OUT_OF_MEMORY
            && record.lines[VKMOE_LOG_ERROR] == 1;
        if (!right)
            tap_note("call %u: '%s', %u lines, the last: %s", i, vkmoe_status_name(got),
                record.lines[VKMOE_LOG_ERROR], record.last);
        CHECK(right);
    }
    tap_note("%u calls", count);
    CHECK(sweep_check_leaks());
    return true;
fail:
    return false;
}

static bool sweep_file(const char *name, const void *data, size_t size, const char *config)
{
    const struct vkmoe_tokenizer_file files[] = { { name, data, size },
        { "tokenizer_config.json", config, strlen(config) } };
    const struct vkmoe_tokenizer_params params = { VKMOE_INIT(vkmoe_tokenizer_params),
        .log = { record_line, &record, VKMOE_LOG_ERROR }, .files = files, .file_count = 2 };
    return size && sweep(&params);
}

static bool test_json(int index)
{
    size_t size;
    const char *data = tools_read_bpe(tools_bpe_names[index], "", &size);
    return sweep_file("tokenizer.json", data, size, "{\"bos_token\":\"<|im_end|>\"}");
}

static bool test_tiktoken(void)
{
    static const char file[] = "IQ== 0\nYQ== 1\nIWE= 2\n";
    return sweep_file("x.tiktoken", file, sizeof file - 1, "{\"pattern\":\"[a-z]+\"}");
}

static bool test_model(void)
{
    size_t size;
    const char *data = tools_read_model("bytes.model", &size);
    return !vkmoe_pieces_are_built()
        || sweep_file("tokenizer.model", data, size,
            "{\"legacy\":false,\"added_tokens_decoder\":{\"340\":{\"content\":\"<a>\"}}}");
}

// Of bytes without NFC, whose text would be utf8proc's; of texts; with scores.
TOOLS_MAIN(NULL, { "bytes", .run_with = test_json, .argument = 1 },
    { "texts", .run_with = test_json, .argument = 6 },
    { "unigram", .run_with = test_json, .argument = 10 }, { "tiktoken", test_tiktoken },
    { "model", test_model })
