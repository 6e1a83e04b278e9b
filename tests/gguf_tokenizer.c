// gguf_tokenizer.c - a GGUF file's vocabulary of sentencepiece's kind is the same tokenizer as the
// tokenizer.model that it was converted from.
#include <math.h>

#include "allocate.h"
#include "checkpoint/checkpoint.h"
#include "gguf_writer.h"
#include "tokenizer_tools.h"

enum { VOCABULARY = 330, MAX_TOKENS = 64, MAX_PIECES = 1024 };

// What a converter reads of a tokenizer.model.
struct pieces {
    const char *texts[MAX_PIECES];
    float scores[MAX_PIECES];
    uint32_t kinds[MAX_PIECES], count;
};

static uint64_t read_number(const unsigned char **at)
{
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 64; shift += 7) {
        value |= (uint64_t)(**at & 0x7f) << shift;
        if (!(*(*at)++ & 0x80))
            break;
    }
    return value;
}

// A message of a text, a score and a kind. The text is cut out of what follows it.
static void read_piece(const unsigned char *at, const unsigned char *end, struct pieces *out)
{
    uint32_t i = out->count++;
    out->kinds[i] = 1;
    while (at < end) {
        const uint64_t tag = read_number(&at);
        if (tag == (1 << 3 | 2)) {
            const uint64_t size = read_number(&at);
            char *text = allocate(size + 1, 1);
            memcpy(text, at, size);
            out->texts[i] = text;
            at += size;
        } else if (tag == (2 << 3 | 5)) {
            memcpy(&out->scores[i], at, sizeof(float));
            at += sizeof(float);
        } else {
            out->kinds[i] = (uint32_t)read_number(&at);
        }
    }
}

static void read_pieces(const char *data, size_t size, struct pieces *out)
{
    const unsigned char *at = (const unsigned char *)data, *end = at + size;
    *out = (struct pieces){ 0 };
    while (at < end) {
        const uint64_t tag = read_number(&at), length = read_number(&at);
        if (tag == (1 << 3 | 2) && out->count < MAX_PIECES)
            read_piece(at, at + length, out);
        at += length;
    }
}

static struct pieces pieces;
static uint32_t begin; // the token before a text

static void finish_pieces(void)
{
    for (uint32_t i = 0; i < pieces.count; i++)
        free((void *)(uintptr_t)pieces.texts[i]);
    pieces.count = 0;
}

// Those of bytes.model.
static bool load_pieces(void)
{
    size_t size;
    const char *data = tools_read_model("bytes.model", &size);
    finish_pieces();
    read_pieces(data, size, &pieces);
    begin = 1;
    return pieces.count == VOCABULARY && tools_write("tokenizer.model", data, size);
}

// With fewer scores than there are pieces, if `lost` of them are.
static bool write_vocabulary(uint32_t lost, bool prefix)
{
    struct gguf_writer writer = { 0 };
    gguf_key_text(&writer, "general.architecture", "llama");
    gguf_key_text(&writer, "tokenizer.ggml.model", "llama");
    gguf_key_texts(&writer, "tokenizer.ggml.tokens", pieces.texts, pieces.count);
    gguf_key_f32s(&writer, "tokenizer.ggml.scores", pieces.scores, pieces.count - lost);
    gguf_key_u32s(&writer, "tokenizer.ggml.token_type", pieces.kinds, pieces.count);
    gguf_key_u32(&writer, "tokenizer.ggml.bos_token_id", begin);
    if (!prefix)
        gguf_key_bool(&writer, "tokenizer.ggml.add_space_prefix", false);
    return gguf_write(&writer, tools_path("m.gguf"));
}

static bool init_gguf(struct tools_tokenizer *t)
{
    char path[128];
    snprintf(path, sizeof path, "%s", tools_path("m.gguf"));
    return tools_init(t, path, VOCABULARY, false) == 0;
}

static const char *const texts[] = { "Permission is hereby granted", "  two leading", "trailing ",
    "\u00fc\u2702\U0001d11e of", " ", "", "<s> </s> \u2581 <0x41>", "a<s>b", "12 + 34\n\n\tx" };

// As the folder has it, and back.
static bool test_same(void)
{
    size_t size, length;
    CHECK(load_pieces() && write_vocabulary(0, true));
    CHECK(vkmoe_tokenizer_exists(tools_path("m.gguf")));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint32_t tokens[MAX_TOKENS], count;
        CHECK(tools_init(&tools_tokenizer, tools_directory, VOCABULARY, false) == 0);
        CHECK(tools_encode(texts[i], false) && tools_count <= MAX_TOKENS);
        count = tools_count;
        memcpy(tokens, tools_tokens, count * sizeof *tokens);
        const char *text = tools_extend(&tools_tokenizer, tokens, count, true, &size);
        char shown[256];
        CHECK(size < sizeof shown);
        memcpy(shown, text, size);
        tools_finish(&tools_tokenizer);
        CHECK(init_gguf(&tools_tokenizer) && tools_encode(texts[i], false));
        CHECK(count == tools_count && !memcmp(tokens, tools_tokens, count * sizeof *tokens));
        text = tools_extend(&tools_tokenizer, tokens, count, true, &length);
        CHECK(length == size && memcmp(text, shown, size) == 0);
        tools_finish(&tools_tokenizer);
    }
    return true;
fail:
    return false;
}

// Without the blank that is put before a text.
static bool test_prefix(void)
{
    CHECK(load_pieces() && write_vocabulary(0, true) && init_gguf(&tools_tokenizer));
    CHECK(tools_encode("a", false) && tools_count > 0);
    const uint32_t with = tools_tokens[1];
    tools_finish(&tools_tokenizer);
    CHECK(write_vocabulary(0, false) && init_gguf(&tools_tokenizer));
    CHECK(tools_encode("a", false) && tools_count == 2 && tools_tokens[1] != with);
    return true;
fail:
    return false;
}

// Which token begins a text is said by its id alone, whatever it is called and whatever its kind.
static bool test_begin(void)
{
    CHECK(load_pieces());
    for (begin = 2; begin < VOCABULARY; begin += 300) {
        CHECK(write_vocabulary(0, true) && init_gguf(&tools_tokenizer));
        CHECK(tools_encode("a", false) && tools_count > 1 && tools_tokens[0] == begin);
        tools_finish(&tools_tokenizer);
    }
    return true;
fail:
    return false;
}

// A mark that users defined is a special token, not text; blanks that they did are text.
static bool test_user_defined(void)
{
    enum { USER_DEFINED = 4, MARK = 266, BLANK = 287 };
    char *mark = allocate(16, 1);
    CHECK(load_pieces());
    free((void *)(uintptr_t)pieces.texts[MARK]);
    pieces.texts[MARK] = strcpy(mark, "<|im_end|>");
    pieces.kinds[MARK] = pieces.kinds[BLANK] = USER_DEFINED;
    CHECK(write_vocabulary(0, true) && init_gguf(&tools_tokenizer));
    CHECK(tools_encode("w <|im_end|>", true) && tools_count > 8 && tools_tokens[3] == BLANK);
    for (uint32_t i = 0; i < tools_count; i++)
        CHECK(tools_tokens[i] != MARK);
    CHECK(tools_decode_to("w <|im_end|>"));
    CHECK(tools_encode("w <|im_end|>", false) && tools_count == 5 && tools_tokens[4] == MARK);
    CHECK(tools_decode_to("w <|im_end|>"));
    // As cli_template_ends() asks.
    CHECK(vkmoe_special_find(&tools_tokenizer.tokenizer->files.special, mark, strlen(mark)));
    CHECK(!vkmoe_special_find(&tools_tokenizer.tokenizer->files.special, "\u2581", 3));
    return true;
fail:
    return false;
}

static bool is_refused(const char *name, const char *line)
{
    struct record record = { 0 };
    const struct vkmoe_log log = log_to(&record);
    struct blob blob;
    const enum vkmoe_status status =
        vkmoe_checkpoint_read_file(tools_path("m.gguf"), name, 1 << 20, &log, &blob);
    vkmoe_blob_finish(&blob);
    if (status == VKMOE_ERROR_INVALID && record.lines[VKMOE_LOG_ERROR] == 1
        && strstr(record.last, line))
        return true;
    tap_note("%u lines, the last \"%s\"", record.lines[VKMOE_LOG_ERROR], record.last);
    return false;
}

// What does not belong together.
static bool test_wrong(void)
{
    static const char model[] = "tokenizer.model";
    CHECK(load_pieces() && write_vocabulary(1, true));
    CHECK(is_refused(model, "scores is not one number for each of 330 tokens"));
    pieces.scores[7] = NAN;
    CHECK(write_vocabulary(0, true));
    CHECK(is_refused(model, "tokens: token 7 has a score that is no number"));
    pieces.scores[7] = 0;
    pieces.kinds[9] = 7;
    CHECK(write_vocabulary(0, true));
    CHECK(is_refused(model, "tokens: token 9 has an unknown type"));
    begin = VOCABULARY;
    CHECK(write_vocabulary(0, true));
    CHECK(is_refused("tokenizer_config.json", "bos_token_id is not one of its 330 tokens"));
    return true;
fail:
    return false;
}

int main(int argc, char **argv)
{
    TEST_TABLE(tests, { "same", test_same }, { "prefix", test_prefix }, { "begin", test_begin },
        { "user-defined", test_user_defined }, { "wrong", test_wrong });
    const int status = tools_main(argc, argv, NULL, tools_clean_up, tests, COUNT_OF(tests));
    finish_pieces();
    return status;
}
