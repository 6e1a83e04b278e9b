// text.c - a text, continued: what a program does with the public headers alone.
#include <vkmoe/tokenizer.h>

#include "check.h"

#define MODEL VKMOE_TEST_MODELS "/tiny-mixtral"

enum { COUNT = 8, ROOM = 256 };

// tiny-mixtral's tokens are bytes: a file of tiktoken's form, made here, says so.
static size_t write_bytes(char *file)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t size = 0;
    for (int byte = 0; byte < 256; byte++)
        size += (size_t)sprintf(
            file + size, "%c%c== %d\n", digits[byte >> 2], digits[(byte & 3) << 4], byte);
    return size;
}

// Begins here: what it takes to make `made` of a text.
static bool continue_text(const char *text, char made[ROOM])
{
    static char tokens_file[256 * 16];
    static const char config_file[] = "{\"pattern\": \"(?s).\"}";
    const struct vkmoe_tokenizer_file files[] = {
        { "tiktoken.model", tokens_file, write_bytes(tokens_file) },
        { "tokenizer_config.json", config_file, sizeof config_file - 1 },
    };
    struct vkmoe_device_params device_params = { VKMOE_INIT(vkmoe_device_params),
        .select = device_under_test() };
    struct vkmoe_model_params model_params = { VKMOE_INIT(vkmoe_model_params), .capacity = ROOM };
    struct vkmoe_tokenizer_params params = { VKMOE_INIT(vkmoe_tokenizer_params), .files = files,
        .file_count = 2, .vocabulary = 256 };
    struct vkmoe_encode_params encode = { VKMOE_INIT(vkmoe_encode_params), .text = text,
        .size = strlen(text) };
    uint32_t tokens[ROOM];
    struct vkmoe_encoding encoding = { VKMOE_INIT(vkmoe_encoding), .tokens = tokens, .room = ROOM };
    float logits[256];
    uint32_t positions[ROOM], first = 0, run;
    vkmoe_checkpoint *checkpoint = NULL;
    vkmoe_tokenizer *tokenizer = NULL;
    vkmoe_decoder *decoder = NULL;
    vkmoe_device *device = NULL;
    vkmoe_model *model = NULL;
    vkmoe_stream *stream = NULL;
    vkmoe_buffer *ids = NULL, *places = NULL, *out = NULL;
    bool ok = false;
    CHECK_OK(vkmoe_checkpoint_open(MODEL, NULL, &checkpoint));
    CHECK_OK(vkmoe_tokenizer_create(&params, &tokenizer));
    CHECK_OK(vkmoe_tokenizer_encode(tokenizer, &encode, &encoding));
    CHECK_OK(vkmoe_decoder_create(tokenizer, &decoder));
    CHECK_OK(vkmoe_device_create(&device_params, &device));
    CHECK_OK(vkmoe_model_create(device, checkpoint, &model_params, &model));
    CHECK_OK(vkmoe_stream_create(device, &stream));
    CHECK_OK(vkmoe_buffer_create(device, sizeof tokens, &ids));
    CHECK_OK(vkmoe_buffer_create(device, sizeof positions, &places));
    CHECK_OK(vkmoe_buffer_create(device, sizeof logits, &out));
    *made = '\0';
    for (uint32_t i = 0; i < COUNT; i++, first = run) {
        const char *more;
        size_t size;
        run = encoding.count;
        for (uint32_t j = first; j < run; j++)
            positions[j] = j;
        CHECK_OK(vkmoe_buffer_upload(ids, 0, tokens + first, (run - first) * sizeof *tokens));
        CHECK_OK(vkmoe_buffer_upload(places, 0, positions + first, (run - first) * sizeof *tokens));
        struct vkmoe_model_forward_params forward = { VKMOE_INIT(vkmoe_model_forward_params),
            .tokens = run - first, .ids = { ids, 0 }, .positions = { places, 0 }, .longest = run,
            .logits = { out, 0 }, .logits_count = 1 };
        CHECK_OK(vkmoe_model_forward(stream, model, &forward));
        CHECK_OK(vkmoe_stream_submit(stream, NULL));
        CHECK_OK(vkmoe_stream_wait(stream, UINT64_MAX));
        CHECK_OK(vkmoe_buffer_download(out, 0, logits, sizeof logits));
        uint32_t best = 0;
        for (uint32_t id = 1; id < 256; id++)
            best = logits[id] > logits[best] ? id : best;
        tokens[encoding.count++] = best;
        CHECK_OK(vkmoe_decoder_put(decoder, &best, 1, &more, &size));
        strcat(made, more); // ends with a zero as long as the text has none
    }
    ok = true;
fail:
    vkmoe_buffer_destroy(&ids);
    vkmoe_buffer_destroy(&places);
    vkmoe_buffer_destroy(&out);
    vkmoe_stream_destroy(&stream);
    vkmoe_model_destroy(&model);
    vkmoe_device_destroy(&device);
    vkmoe_decoder_destroy(&decoder);
    vkmoe_tokenizer_destroy(&tokenizer);
    vkmoe_checkpoint_destroy(&checkpoint);
    return ok;
}

static bool test_continue(void)
{
    char made[ROOM];
    CHECK(continue_text("Permission is hereby grant", made));
    tap_note("goes on with '%s'", made);
    CHECK(strcmp(made, "eed to t") == 0);
    return true;
fail:
    return false;
}

int main(int argc, char **argv)
{
    TEST_TABLE(tests, { "continue", test_continue });
    return tests_main(argc, argv, ON_DEVICE, NULL, tests, COUNT_OF(tests));
}
