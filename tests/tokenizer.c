// tokenizer.c - text to tokens and back, as `vkmoe generate` does it. What the tokens should be
// was said by spm_encode.
#include <pthread.h>
#include <time.h>

#include "check.h"
#include "tokenizer_tools.h"

enum { VOCABULARY = 330, MAX_TEXT = 4096 };

// The directory as it is with a tokenizer.model of these bytes.
static int init(struct tools_tokenizer *t, const void *data, size_t size, uint32_t vocabulary)
{
    if (!tools_write("tokenizer.model", data, size))
        return -1;
    return tools_init(t, tools_directory, vocabulary, false);
}

static bool init_named(struct tools_tokenizer *t, const char *name)
{
    size_t size;
    char *data = tools_read_model(name, &size);
    return size && init(t, data, size, VOCABULARY) == 0;
}

// ------------------------------------------------------------------------------ encoding

static const struct {
    const char *text;
    uint32_t tokens[32]; // ends with 0
} encoded[] = {
    { "Permission is hereby granted",
        { 1, 287, 323, 280, 321, 267, 296, 291, 263, 287, 267, 287, 264, 268, 317, 325, 287, 320,
            301, 303, 298, 289, 290, 308 } },
    { "  two leading", { 1, 287, 287, 260, 318, 288, 287, 309, 290, 303, 308, 271, 320 } },
    { "trailing ", { 1, 260, 301, 303, 291, 309, 271, 320, 287 } },
    { "\u00fc\u2702\U0001d11e of",
        { 1, 287, 198, 191, 229, 159, 133, 243, 160, 135, 161, 287, 265 } },
    { " ", { 1, 287, 287 } },
    { "", { 1 } },
};

static bool test_encode(void)
{
    CHECK(init_named(&tools_tokenizer, "bytes.model"));
    CHECK(vkmoe_tokenizer_exists(tools_directory) && tools_tokenizer.tokenizer->files.begin == 1);
    for (size_t i = 0; i < sizeof encoded / sizeof *encoded; i++) {
        CHECK(tools_encode(encoded[i].text, false));
        for (uint32_t j = 0; j < tools_count; j++) {
            if (tools_tokens[j] != encoded[i].tokens[j])
                tap_note("'%s': [%u] is %u", encoded[i].text, j, tools_tokens[j]);
            CHECK(j < 32 && tools_tokens[j] == encoded[i].tokens[j]);
        }
        CHECK(encoded[i].tokens[tools_count] == 0);
    }
    return true;
fail:
    return false;
}

// ------------------------------------------------------------------------------ decoding

// What comes out if the tokens come `step` at a time.
static bool decode(struct tools_tokenizer *t, const uint32_t *tokens, uint32_t count, uint32_t step,
    const char *expected)
{
    char text[MAX_TEXT];
    size_t used = 0, size;
    tools_rewind(t);
    for (uint32_t i = step; i < count; i += step) {
        const char *part = tools_extend(t, tokens, i, false, &size);
        CHECK(used + size < sizeof text);
        memcpy(text + used, part, size);
        used += size;
        // Each part is as much as there can be: whole characters of what is expected.
        CHECK(used <= strlen(expected) && !memcmp(text, expected, used));
        CHECK(((unsigned char)expected[used] & 0xc0) != 0x80);
    }
    const char *rest = tools_extend(t, tokens, count, true, &size);
    CHECK(used + size < sizeof text);
    memcpy(text + used, rest, size);
    text[used + size] = '\0';
    if (strcmp(text, expected) != 0)
        tap_note("'%s' instead of '%s', %u at a time", text, expected, step);
    CHECK(!strcmp(text, expected));
    return true;
fail:
    return false;
}

static bool test_round_trip(void)
{
    static const char *const texts[] = { "a  b   c", "\n\n  deep\n\tdeeper \n", "12 + 34",
        "na\u00efve \u4f60\u597d, \u4e16\u754c! \U0001f600\U0001f600", "\u00e9", "\ufffd",
        "x\ufffd\ufffdy", "   ", "<s> </s> \u2581 <0x41>" };
    CHECK(init_named(&tools_tokenizer, "bytes.model"));
    for (size_t i = 0; i < sizeof encoded / sizeof *encoded + sizeof texts / sizeof *texts; i++) {
        const size_t known = sizeof encoded / sizeof *encoded;
        const char *text = i < known ? encoded[i].text : texts[i - known];
        // Its own mark for a blank cannot be told from one.
        const char *expected = strcmp(text, "<s> </s> \u2581 <0x41>") ? text : "<s> </s>   <0x41>";
        CHECK(tools_encode(text, false));
        for (uint32_t step = 1; step <= 5; step++)
            CHECK(decode(&tools_tokenizer, tools_tokens, tools_count, step, expected));
        CHECK(decode(&tools_tokenizer, tools_tokens, tools_count, tools_count, expected));
    }
    return true;
fail:
    return false;
}

// What no text becomes: parts of characters, control tokens, numbers beyond the last piece.
static bool test_strange_tokens(void)
{
    enum { BYTE = 3 }; // the token of the byte 0
    static const struct {
        uint32_t tokens[8], count;
        const char *text;
    } cases[] = {
        { { BYTE + 0xe2 }, 1, "\ufffd" },
        { { BYTE + 0xe2, BYTE + 0x9c }, 2, "\ufffd\ufffd" },
        { { BYTE + 0xe2, BYTE + 0x9c, BYTE + 0x82 }, 3, "\u2702" },
        { { BYTE + 0xff, BYTE + 0xe2, BYTE + 0x9c, BYTE + 0x82 }, 4, "\ufffd\u2702" },
        { { BYTE + 0xff, BYTE + 0xff, BYTE + 0xff, BYTE + 0xff, BYTE + 'a' }, 5,
            "\ufffd\ufffd\ufffd\ufffda" },
        { { BYTE + 0xe2, 287, BYTE + 0x9c }, 3, "\ufffd \ufffd" },
        { { 1, 287, 318, 2, 1, 287, 318 }, 7, "<s>w</s><s>w" },
        { { 318, 329, VOCABULARY, 1000000, UINT32_MAX }, 5, NULL }, // unknown: only without harm
        { { 0, 1, 2 }, 0, "" },
    };
    size_t size;
    CHECK(init_named(&tools_tokenizer, "bytes.model"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tools_rewind(&tools_tokenizer);
        if (cases[i].text)
            CHECK(decode(&tools_tokenizer, cases[i].tokens, cases[i].count, 1, cases[i].text));
        else
            CHECK(tools_extend(&tools_tokenizer, cases[i].tokens, cases[i].count, true, &size)
                && size);
    }
    // Bytes that are no text become tokens all the same.
    CHECK(tools_encode("\xff\xc3 \xe2\x9c", false) && tools_count > 1);
    return true;
fail:
    return false;
}

// Bytes that become no character come at once, or each would make them all anew.
static bool test_held_back(void)
{
    enum { BYTE = 3 };
    static const struct {
        uint32_t byte;
        const char *text;
    } steps[] = { { 0xff, "\ufffd" }, { 0xff, "\ufffd" }, { 0xff, "\ufffd" }, { 0xf0, "" },
        { 0x9f, "" }, { 0x98, "" }, { 0x80, "\U0001f600" }, { 0x80, "\ufffd" }, { 0xe4, "" },
        { 0xbd, "" }, { 0xf0, "\ufffd\ufffd" }, { 'a', "\ufffda" }, { 0xc3, "" } };
    const char *text;
    size_t size;
    CHECK(init_named(&tools_tokenizer, "bytes.model"));
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        const uint32_t id = BYTE + steps[i].byte;
        CHECK_OK(vkmoe_decoder_put(tools_tokenizer.decoder, &id, 1, &text, &size));
        if (strcmp(text, steps[i].text) != 0)
            tap_note("step %zu: '%s'", i, text);
        CHECK(strlen(text) == size && strcmp(text, steps[i].text) == 0);
    }
    CHECK_OK(vkmoe_decoder_end(tools_tokenizer.decoder, &text, &size));
    CHECK(strcmp(text, "\ufffd") == 0);
    return true;
fail:
    return false;
}

// A long answer takes no time by its square, which would be a minute here.
static bool test_long(void)
{
    enum { LONG = 50000 };
    static uint32_t tokens[LONG];
    size_t all, size, sum = 0;
    CHECK(init_named(&tools_tokenizer, "bytes.model"));
    CHECK(tools_encode("na\u00efve \u4f60 x  \U0001f600 and Permission", false));
    for (uint32_t i = 0; i < LONG; i++)
        tokens[i] = tools_tokens[1 + i % (tools_count - 1)];
    tools_extend(&tools_tokenizer, tokens, LONG, true, &all);
    tools_rewind(&tools_tokenizer);
    const clock_t began = clock();
    for (uint32_t i = 1; i <= LONG; i++, sum += size)
        tools_extend(&tools_tokenizer, tokens, i, i == LONG, &size);
    const double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
    tap_note("%.2f s", seconds);
    CHECK(sum == all && seconds < 5);
    return true;
fail:
    return false;
}

// Nor do the blanks that a text has as U+2581.
static bool test_marks(void)
{
    enum { MARKS = 300000 };
    static const char config[] = "{\"legacy\":false}";
    static char text[3 * MARKS + 1];
    bool ok = false;
    for (size_t i = 0; i < MARKS; i++)
        memcpy(text + 3 * i, "\u2581", 3);
    CHECK(tools_write("tokenizer_config.json", config, sizeof config - 1));
    CHECK(init_named(&tools_tokenizer, "bytes.model"));
    const clock_t began = clock();
    CHECK(tools_encode(text, false) && tools_count > 1);
    const double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
    tap_note("%.2f s", seconds);
    CHECK(seconds < 3);
    ok = true;
fail:
    tools_remove("tokenizer_config.json");
    return ok;
}

// -------------------------------------------------------------------------- configuration

static bool test_ends(void)
{
    bool ok = false;
    static const struct {
        const char *config;
        int64_t begin, end;
    } cases[] = {
        { "{}", 1, -1 },
        { "{\"add_bos_token\": true, \"tokenizer_class\": \"T5Tokenizer\"}", 1, 2 },
        { "{\"add_bos_token\": false, \"tokenizer_class\": \"LlamaTokenizer\"}", -1, -1 },
        { "{\"add_eos_token\": true, \"tokenizer_class\": \"LlamaTokenizer\"}", 1, 2 },
        { "{\"add_eos_token\": false, \"tokenizer_class\": \"T5TokenizerFast\"}", -1, -1 },
        { "{\"tokenizer_class\": \"LlamaTokenizer\"}", 1, -1 },
        { "{\"tokenizer_class\": \"T5Tokenizer\"}", -1, 2 },
        { "{\"add_bos_token\": null, \"tokenizer_class\": 5}", 1, -1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(tools_write("tokenizer_config.json", cases[i].config, strlen(cases[i].config)));
        CHECK(init_named(&tools_tokenizer, "bytes.model"));
        if (tools_tokenizer.tokenizer->files.begin != cases[i].begin
            || tools_tokenizer.tokenizer->files.end != cases[i].end)
            tap_note("%s", cases[i].config);
        CHECK(tools_tokenizer.tokenizer->files.begin == cases[i].begin
            && tools_tokenizer.tokenizer->files.end == cases[i].end);
        CHECK(tools_encode(" ", false));
        CHECK(tools_count
            == (tools_tokenizer.tokenizer->files.begin < 0 ? 2u : 3u)
                + (tools_tokenizer.tokenizer->files.end >= 0));
        CHECK(tools_tokens[0] == (tools_tokenizer.tokenizer->files.begin < 0 ? 287 : 1));
        CHECK(tools_tokenizer.tokenizer->files.end < 0 || tools_tokens[tools_count - 1] == 2);
        tools_finish(&tools_tokenizer);
    }
    CHECK(tools_write("tokenizer_config.json", "{\"add", 5));
    tools_begin_listening();
    const bool read = init_named(&tools_tokenizer, "bytes.model");
    const uint32_t lines = tools_end_listening();
    tools_finish(&tools_tokenizer);
    tools_remove("tokenizer_config.json");
    CHECK(!read && lines == 1 && strstr(tools_said, "tokenizer_config.json"));
    ok = true;
fail:
    tools_remove("tokenizer_config.json");
    return ok;
}

// ------------------------------------------------------------------------------- threads

// sentencepiece's, of the whole process, which no public header has.
extern int log_level(void) __asm__("_ZN13sentencepiece7logging14GetMinLogLevelEv")
    __attribute__((weak));

static void *open_and_close(void *failed)
{
    for (int i = 0; i < 300; i++) {
        struct tools_tokenizer t;
        *(bool *)failed |= tools_init(&t, tools_directory, VOCABULARY, false) != 0;
        tools_finish(&t);
    }
    return NULL;
}

// While files are read its errors are not written. Afterwards they are again.
static bool test_threads(void)
{
    pthread_t threads[2];
    bool failed[2] = { false, false };
    CHECK(init_named(&tools_tokenizer, "bytes.model"));
    const int before = log_level ? log_level() : 0;
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, open_and_close, &failed[i]) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    if (!log_level)
        tap_note("this sentencepiece has no such level");
    CHECK(!failed[0] && !failed[1]);
    CHECK(!log_level || log_level() == before);
    return true;
fail:
    return false;
}

// -------------------------------------------------------------------------------- damage

// Refused with one line, which is ours, or taken.
static bool survives(const char *data, size_t size, bool *taken)
{
    bool ok = false;
    struct tools_tokenizer t;
    uint32_t count;
    size_t shown;
    tools_begin_listening();
    *taken = init(&t, data, size, VOCABULARY) == 0;
    if (*taken) {
        uint32_t *tokens = NULL;
        tools_encode_with(&t, "Permission \u2702", 14, false, &tokens, &count);
        tools_extend(&t, tokens, count, true, &shown);
        free(tokens);
    }
    tools_finish(&t);
    const uint32_t lines = tools_end_listening();
    CHECK(lines == !*taken && (*taken || !strncmp(tools_said, "vkmoe: ", 7)));
    ok = true;
fail:
    if (!ok)
        tap_note("%zu bytes: %s", size, tools_said);
    return ok;
}

static bool test_damaged(void)
{
    size_t size;
    static char changed[TOOLS_MODEL_ROOM + 1];
    char *data = tools_read_model("bytes.model", &size);
    bool taken;
    CHECK(size > 1000);
    CHECK(survives(data, size, &taken) && taken);
    CHECK(survives("", 0, &taken) && !taken);
    CHECK(survives("no such thing", 13, &taken) && !taken);
    for (size_t cut = 1; cut < size; cut += size / 97)
        CHECK(survives(data, cut, &taken));
    for (size_t at = 0; at < size; at += size / 197) {
        memcpy(changed, data, size);
        changed[at] ^= (char)(1 << at % 8);
        CHECK(survives(changed, size, &taken));
    }
    // It tests itself, and writes down what is wrong.
    memcpy(changed, data, size);
    for (size_t at = 0; at + 17 < size; at++) {
        if (!memcmp(changed + at, "C O P Y R I G H T", 17))
            changed[at] = 'X';
    }
    CHECK(memcmp(changed, data, size));
    CHECK(survives(changed, size, &taken) && !taken);
    return true;
fail:
    return false;
}

static bool test_unfit(void)
{
    size_t size;
    char *data = tools_read_model("bytes.model", &size);
    struct tools_tokenizer t;
    CHECK(size);
    tools_begin_listening();
    const int status = init(&t, data, size, VOCABULARY - 1);
    const uint32_t lines = tools_end_listening();
    tools_finish(&t);
    CHECK(status == 1 && lines == 1 && strstr(tools_said, "330 tokens"));
    tools_remove("tokenizer.model");
    CHECK(!vkmoe_tokenizer_exists(tools_directory));
    tools_begin_listening();
    const int missing = tools_init(&t, tools_directory, VOCABULARY, false);
    CHECK(tools_end_listening() == 1 && missing == 1 && strstr(tools_said, "tokenizer.model"));
    tools_finish(&t);
    return true;
fail:
    return false;
}

TOOLS_MAIN(NULL, { "encode", test_encode }, { "round-trip", test_round_trip },
    { "strange-tokens", test_strange_tokens }, { "held-back", test_held_back },
    { "long", test_long }, { "marks", test_marks }, { "ends", test_ends },
    { "threads", test_threads }, { "damaged", test_damaged }, { "unfit", test_unfit })
