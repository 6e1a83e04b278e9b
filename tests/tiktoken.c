// tiktoken.c - files of tiktoken's form: the same tokens as the tokenizer.json that one is made of,
// a long piece, and files that are refused.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "base/json.h"
#include "tokenizer_tools.h"

enum { VOCABULARY = 512, LONG = 100000 };

static const char glm[] = "{\"tokenizer_class\":\"ChatGLM4Tokenizer\",\"added_tokens_decoder\":{"
                          "\"508\":{\"content\":\"<|endoftext|>\"},"
                          "\"509\":{\"content\":\"<|im_start|>\"},"
                          "\"510\":{\"content\":\"<|im_end|>\"},\"511\":{\"content\":\"<tool>\"}}}";

static void put_base64(FILE *file, const unsigned char *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < size; at += 3) {
        const size_t left = size - at;
        const uint32_t bits = (uint32_t)bytes[at] << 16
            | (left > 1 ? (uint32_t)bytes[at + 1] << 8 : 0) | (left > 2 ? bytes[at + 2] : 0);
        fputc(digits[bits >> 18], file);
        fputc(digits[bits >> 12 & 63], file);
        fputc(left > 1 ? digits[bits >> 6 & 63] : '=', file);
        fputc(left > 2 ? digits[bits & 63] : '=', file);
    }
}

// The bytes of a token of tokenizer.json, all of which are of one or two bytes in UTF-8.
static size_t read_bytes(const char *text, unsigned char *bytes)
{
    unsigned char others[68];
    size_t count = 0, size = 0;
    for (unsigned byte = 0; byte < 256; byte++) {
        if (byte <= 32 || (byte >= 127 && byte <= 160) || byte == 173)
            others[count++] = (unsigned char)byte;
    }
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        unsigned code = *at;
        if (code >= 0x80)
            code = (code & 0x1f) << 6 | (*++at & 0x3f);
        bytes[size++] = code < 256 ? (unsigned char)code : others[code - 256];
    }
    return size;
}

static bool write_tokens(const char *name, const char *path)
{
    size_t size;
    struct value *json = NULL;
    const char *data = tools_read_bpe(name, "", &size);
    FILE *file = fopen(tools_path(path), "wb");
    bool ok = file && vkmoe_json_parse(name, data, size, NULL, &json) == VKMOE_OK;
    VALUE_EACH(token, vkmoe_value_member(vkmoe_value_member(json, "model"), "vocab"))
    {
        unsigned char bytes[64];
        put_base64(file, bytes, read_bytes(token->name, bytes));
        fprintf(file, " %.0f\n", token->number);
    }
    free(json);
    return file && fclose(file) == 0 && ok;
}

static bool init(const char *config)
{
    tools_clean_up();
    return tools_write("tokenizer_config.json", config, strlen(config))
        && tools_init(&tools_tokenizer, tools_directory, VOCABULARY, false) == 0;
}

static bool test_expected(void)
{
    static const char *const paths[] = { "tiktoken.model", "x.tiktoken", "tokenizer.model" };
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        CHECK(!vkmoe_tokenizer_exists(tools_directory));
        CHECK(write_tokens("llama-bpe", paths[i]) && vkmoe_tokenizer_exists(tools_directory));
        CHECK(init(glm) && tools_encode_as_expected("llama-bpe"));
        tools_remove(paths[i]);
    }
    return true;
fail:
    return false;
}

// A tokenizer.json says more than a tokenizer.model of this form beside it, and is taken, unless
// the other is asked for by its path.
static bool test_beside(void)
{
    struct tools_tokenizer t;
    size_t size;
    bool ok = false;
    CHECK(write_tokens("llama-bpe", "tokenizer.model"));
    const char *json = tools_read_bpe("llama-bpe", "", &size);
    CHECK(tools_write("tokenizer.json", json, size));
    CHECK(init("{}") && tools_encode_as_expected("llama-bpe"));
    tools_begin_listening();
    const int status = tools_init(&t, tools_path("tokenizer.model"), VOCABULARY, false);
    const uint32_t lines = tools_end_listening();
    tools_finish(&t);
    CHECK(status == 1 && lines == 1 && strstr(tools_said, "/tokenizer.model: no tokenizer_config"));
    ok = true;
fail:
    tools_remove("tokenizer.model");
    tools_remove("tokenizer.json");
    return ok;
}

// The lowest rank first, whatever pair it is made of, and a whole piece at once.
static bool test_ranks(void)
{
    static const char tokens[] =
        "YQ== 0\nYg== 1\nYw== 2\nYmM= 3\nYWI= 4\nYWJj 5\nIA== 6\nYWJjIA== 7\r\n";
    CHECK(tools_write("tiktoken.model", tokens, sizeof tokens - 1));
    CHECK(init("{\"pattern\":\"[a-c]+\"}") && tools_encode("abcab", true));
    CHECK(tools_count == 2 && tools_tokens[0] == 5 && tools_tokens[1] == 4);
    CHECK(init("{\"pat_str\":\"[a-c]|.\"}") && tools_encode("abc", true) && tools_count == 3);
    CHECK(init("{\"pattern\":\".+\",\"add_bos_token\":true,\"bos_token\":\"ab\"}"));
    CHECK(tools_encode("abc ", true) && tools_count == 2 && tools_tokens[0] == 4);
    CHECK(tools_tokens[1] == 7);
    return true;
fail:
    return false;
}

static bool test_long_piece(void)
{
    char *text = allocate(LONG + 1, 1);
    bool ok = write_tokens("llama-bpe", "tiktoken.model") && init(glm);
    for (const char *letter = "a e"; ok && *letter; letter++) {
        memset(text, *letter, LONG);
        ok = tools_encode(text, true) && tools_count > 0 && tools_count <= LONG;
    }
    free(text);
    return ok;
}

static bool test_refused(void)
{
    static const char ab[] = "YQ== 0\nYg== 1\n", pattern[] = "{\"pattern\":\".\"}";
    static const struct {
        const char *tokens, *config, *said;
    } rows[] = {
        { ab, "{}", "no tokenizer_config.json says how a text is cut" },
        { ab, "{\"tokenizer_class\":\"X\"}", "of class \"X\" cuts a text is not known" },
        { ab, "{\"tokenizer_class\":\"TikTokenTokenizer\"}", "has no added_tokens_decoder" },
        { ab, "{\"pattern\":\"(\"}", "cannot be used: missing closing" },
        { ab, "{\"pattern\":\".\",\"added_tokens_decoder\":{\"x\":{\"content\":\"y\"}}}",
            "no id in \"x\"" },
        { ab, "{\"pattern\":\".\",\"added_tokens_decoder\":{\"-1\":{\"content\":\"y\"}}}",
            "has no id, an integer from 0, for \"y\"" },
        { ab, "{\"pattern\":\".\",\"added_tokens_decoder\":{\"5\":{}}}", "has no content" },
        { "YQ== 0\nYg= 1\n", pattern, "line 2 is not a token" },
        { "YQ== 0\nYg==1\n", pattern, "line 2 is not a token" },
        { "YQ== 0\nYg== \n", pattern, "line 2 is not a token" },
        { "YQ== 0\nYg== 99999999999999999999999\n", pattern, "line 2 is not a token" },
        { "YQ== 0\nY!== 1", pattern, "line 2 is not a token" },
        { "YQ== 0\n\nYg== 1", pattern, "line 2 is not a token" },
        { "YQ== 0\nYg== 512", pattern, "line 2 is token 512" },
        { "YQ== 0\nYg== 0", pattern, "line 2 is a token, or has a rank, that was there before" },
        { "YQ== 0\nYQ== 1", pattern, "line 2 is a token, or has a rank" },
        { "", pattern, "is empty" },
        { "{}", pattern, "line 1 is not a token" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CHECK(tools_write("tiktoken.model", rows[i].tokens, strlen(rows[i].tokens)));
        tools_begin_listening();
        const bool opened = init(rows[i].config);
        const uint32_t lines = tools_end_listening();
        if (opened || lines != 1 || !strstr(tools_said, rows[i].said))
            tap_note("row %zu, %u lines: %s", i, lines, tools_said);
        CHECK(!opened && lines == 1 && strstr(tools_said, rows[i].said));
    }
    return true;
fail:
    return false;
}

// Two classes' code puts a text into NFC first.
static bool test_nfc(void)
{
    static const struct {
        const char *class;
        uint32_t count; // of the tokens of "e" and U+0301, which are U+00E9 in NFC
    } rows[] = { { "HYTokenizer", 2 }, { "QWenTokenizer", 2 }, { "ChatGLM4Tokenizer", 3 } };
    char config[128];
    bool ok = tools_write("tiktoken.model", "ZQ== 0\nww== 1\nqQ== 2\nzA== 3\ngQ== 4\n", 35);
    for (size_t i = 0; ok && i < COUNT_OF(rows); i++) {
        snprintf(config, sizeof config, "{\"tokenizer_class\":\"%s\",\"added_tokens_decoder\":{}}",
            rows[i].class);
        ok = init(config) && tools_encode("e\u0301", true) && tools_count == rows[i].count;
    }
    return ok;
}

TOOLS_MAIN(NULL, { "expected tokens", test_expected },
    { "a tokenizer.json beside it", test_beside }, { "ranks", test_ranks },
    { "texts that are put into NFC first", test_nfc }, { "a long piece", test_long_piece },
    { "refused", test_refused })
