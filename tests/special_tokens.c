// special_tokens.c - control pieces and added tokens in texts: what they become, how the text
// around them is cut, and how they are printed. What ids should be was worked out from Hugging
// Face's slow classes, PreTrainedTokenizer.tokenize() and LlamaTokenizer, by hand.
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "random.h"
#include "tokenizer_tools.h"

// bytes.model has <unk>, <s>, </s>, the bytes from BYTE on, and these pieces. No piece begins
// with a blank and w or o.
enum { PIECES = 330, BYTE = 3, BLANK = 287, W = 318, O = 288 };
// What is put behind them, and a model with room for more.
enum { INST = PIECES, END_INST, INST_CUT, USER, SPACED, ALL_PIECES, VOCABULARY = 440 };
#define UD BYTE + '<', 312, 308, BYTE + '>' // what <ud> is as text
enum { TEXT = 1, CONTROL = 3, USER_DEFINED = 4 };

static const struct {
    const char *text;
    int type;
} more_pieces[] = {
    { "[INST]", CONTROL },
    { "[/INST]", CONTROL },
    { "[INST", CONTROL },
    { "<ud>", USER_DEFINED },
    { "[A B]", CONTROL },
};

static bool write_model(const char *name)
{
    size_t size;
    char *data = tools_read_model("bytes.model", &size);
    for (size_t i = 0; i < sizeof more_pieces / sizeof *more_pieces; i++) {
        // ModelProto.pieces (1): { piece (1), score (2): 0, type (3) }
        const int length = (int)strlen(more_pieces[i].text);
        size += (size_t)sprintf(
            data + size, "\x0a%c\x0a%c%s\x15", length + 9, length, more_pieces[i].text);
        memcpy(data + size, "\0\0\0\0\x18", 5);
        data[size + 5] = (char)more_pieces[i].type;
        size += 6;
    }
    return tools_write(name, data, size);
}

#define ADDED "added_tokens.json"
#define CONFIG "tokenizer_config.json"
#define MAP "special_tokens_map.json"

static bool write_text(const char *name, const char *text)
{
    if (!text)
        tools_remove(name);
    return !text || tools_write(name, text, strlen(text));
}

static bool open_with(
    struct tools_tokenizer *t, const char *config, const char *added, const char *map)
{
    return write_text(CONFIG, config) && write_text(ADDED, added) && write_text(MAP, map)
        && tools_init(t, tools_directory, VOCABULARY, false) == 0;
}

// ------------------------------------------------------------------------------ encoding

#define DECODER(entries) "{\"added_tokens_decoder\":{" entries "}}"
#define STRIPS \
    DECODER("\"340\":{\"content\":\"<l>\",\"lstrip\":true,\"special\":true}," \
            "\"341\":{\"content\":\"<r>\",\"rstrip\":true}," \
            "\"343\":{\"content\":\"<x>\",\"single_word\":true}")
#define LEGACY_OFF "{\"legacy\":false}"
#define T5 "{\"tokenizer_class\":\"T5Tokenizer\"}"
#define AB "{\"<|a|>\":340,\"<|a|>b\":341,\"<|b|>\":439}"

static const struct encode_case {
    const char *name, *config, *added, *map;
    const char *text;
    uint32_t tokens[16], count; // 0: whatever, if it is no special token
    const char *printed;        // NULL: the text
    bool plain;
} encode_cases[] = {
    { "control", NULL, NULL, NULL, "w[INST]w", { 1, BLANK, W, INST, BLANK, W }, 6 },
    { "mixtral", NULL, NULL, NULL, "<s>[INST] w [/INST]",
        { 1, INST, BLANK, BLANK, W, BLANK, END_INST }, 7 },
    { "control-alone", NULL, NULL, NULL, "[INST]", { 1, INST }, 2 },
    { "control-in-a-row", NULL, NULL, NULL, "[INST][/INST][INST]", { 1, INST, END_INST, INST }, 4 },
    { "blank-between", NULL, NULL, NULL, "[INST] [INST]", { 1, INST, BLANK, BLANK, INST }, 5 },
    { "prefix-of-another", NULL, NULL, NULL, "[INSTw", { 1, INST_CUT, BLANK, W }, 4 },
    { "prefix-alone", NULL, NULL, NULL, "[INST", { 1, INST_CUT }, 2 },
    { "cut-off", NULL, NULL, NULL, "[INS", { 0 }, 0 },
    { "other-case", NULL, NULL, NULL, "[inst]", { 0 }, 0 },
    { "with-a-blank", NULL, NULL, NULL, "w[A B]", { 1, BLANK, W, SPACED }, 4 },
    { "begin-typed", NULL, NULL, NULL, "<s>w", { 1, BLANK, W }, 3 },
    { "begin-typed-twice", NULL, NULL, NULL, "<s><s>w", { 1, 1, BLANK, W }, 4 },
    { "begin-in-the-middle", NULL, NULL, NULL, "w<s>", { 1, BLANK, W, 1 }, 4 },
    { "end-typed", NULL, NULL, NULL, "w</s>", { 1, BLANK, W, 2 }, 4 },
    { "unknown-typed", NULL, NULL, NULL, "<unk>w", { 1, 0, BLANK, W }, 4 },
    { "byte-typed", NULL, NULL, NULL, "<0x41>", { 0 }, 0 },
    { "user-defined", NULL, NULL, NULL, "w<ud>w", { 1, BLANK, W, USER, BLANK, W }, 6 },
    { "plain", NULL, NULL, NULL, "<s>[INST]w</s>[A B]", { 0 }, 0, NULL, true },
    { "plain-added", NULL, AB, NULL, "<|a|>b", { 0 }, 0, NULL, true },
    { "plain-user-defined", NULL, NULL, NULL, "w<ud>w", { 1, BLANK, W, UD, W }, 8, NULL, true },
    { "plain-blanks", DECODER("\"340\":{\"content\":\"   \"}"), NULL, NULL, "w   w",
        { 1, BLANK, W, 340, BLANK, W }, 6, NULL, true },
    { "plain-special-blanks", DECODER("\"340\":{\"content\":\"   \",\"special\":true}"), NULL, NULL,
        "w   w", { 0 }, 0, NULL, true },
    { "added", NULL, AB, NULL, "w<|a|>w", { 1, BLANK, W, 340, BLANK, W }, 6 },
    { "added-longest", NULL, AB, NULL, "w<|a|>b", { 1, BLANK, W, 341 }, 4 },
    { "added-last-id", NULL, AB, NULL, "<|a|><|b|>", { 1, 340, 439 }, 3 },
    { "added-beside-decoder", DECODER("\"340\":{\"content\":\"<|c|>\"}"), "{\"<|d|>\":350}", NULL,
        "<|c|><|d|>", { 1, 340, 350 }, 3 },
    { "decoder-wins", DECODER("\"340\":{\"content\":\"<|c|>\"}"), "{\"<|c|>\":350}", NULL, "<|c|>",
        { 1, 340 }, 2 },
    { "added-pieces", NULL, "{\"<s>\":1,\"[INST]\":330}", NULL, "[INST]", { 1, INST }, 2 },
    { "added-renames-a-piece", NULL, "{\"<|new|>\":330}", NULL, "<|new|>[INST]", { 1, INST, INST },
        3, "<|new|><|new|>" },
    { "added-word", NULL, "{\"w\":340}", NULL, "owo", { 1, BLANK, O, 340, BLANK, O }, 6 },
    { "added-no-ascii", NULL, "{\"<\\uff5cw\\uff5c>\":340,\"\\u2581\":341}", NULL,
        "\u00e9<\uff5cw\uff5c>", { 1, BLANK, BYTE + 0xc3, BYTE + 0xa9, 340 }, 5 },
    { "byte-order-mark", NULL, "\xef\xbb\xbf{\"<|a|>\":340}", NULL, "<|a|>", { 1, 340 }, 2 },
    { "twice-the-same", NULL, "{\"<|a|>\":340,\"<|a|>\":340}", NULL, "<|a|>", { 1, 340 }, 2 },
    { "empty-names", DECODER("\"340\":{\"content\":\"\"}"), "{\"\":341}", NULL, "w",
        { 1, BLANK, W }, 3 },
    { "nulls",
        "{\"added_tokens_decoder\":null,\"extra_ids\":null,\"legacy\":null,"
        "\"additional_special_tokens\":null,\"pad_token\":null}",
        NULL, "{\"sep_token\":null}", "[INST]w", { 1, INST, BLANK, W }, 4 },
    { "far-but-unused", NULL, "{\"<|far|>\":440,\"<|farther|>\":1e15}", NULL, "w", { 1, BLANK, W },
        3 },
    // flags
    { "lstrip", STRIPS, NULL, NULL, "w <l> w", { 1, BLANK, W, 340, BLANK, BLANK, W }, 7, "w<l> w" },
    { "rstrip", STRIPS, NULL, NULL, "w <r> \u3000\n w", { 1, BLANK, W, BLANK, 341, BLANK, W }, 7,
        "w <r> w" },
    { "strip-all", STRIPS, NULL, NULL, "<r>  <l>", { 1, 341, 340 }, 3, "<r><l>" },
    { "single-word", STRIPS, NULL, NULL, "w <x> w", { 1, BLANK, W, BLANK, 343, BLANK, BLANK, W },
        8 },
    { "single-word-at-ends", STRIPS, NULL, NULL, "<x>", { 1, 343 }, 2 },
    { "no-single-word", STRIPS, NULL, NULL, "w<x>w", { 0 }, 0 },
    { "no-single-word-before", STRIPS, NULL, NULL, "<x>\u00e9", { 0 }, 0 },
    { "flags-of-the-map", NULL, AB, "{\"sep_token\":{\"content\":\"<|a|>\",\"rstrip\":true}}",
        "<|a|> w", { 1, 340, BLANK, W }, 4 },
    // what follows a special token
    { "new-behind", LEGACY_OFF, NULL, NULL, "w[INST]w", { 1, BLANK, W, INST, W }, 5 },
    { "new-blank-behind", LEGACY_OFF, NULL, NULL, "[INST] w", { 1, INST, BLANK, W }, 4 },
    { "new-first", LEGACY_OFF, NULL, NULL, "[INST]w w", { 1, INST, W, BLANK, W }, 5 },
    { "new-begin-typed", LEGACY_OFF, NULL, NULL, "<s>w", { 1, W }, 2 },
    { "new-text-alone", LEGACY_OFF, NULL, NULL, " w", { 1, BLANK, BLANK, W }, 4 },
    { "no-prefix", "{\"legacy\":false,\"add_prefix_space\":false}", NULL, NULL, "w", { 1, W }, 2 },
    { "no-prefix-blank", "{\"legacy\":false,\"add_prefix_space\":false}", NULL, NULL, " w[INST] w",
        { 1, BLANK, W, INST, BLANK, W }, 6 },
    // named without an id: a piece's, or the next
    { "named", NULL, NULL,
        "{\"additional_special_tokens\":[\"<|q|>\",\"[INST]\",{\"content\":\"<|p|>\"}],"
        "\"pad_token\":\"<pad>\"}",
        "<|q|><pad>[INST]<|p|>", { 1, 336, 335, INST, 337 }, 5 },
    { "named-behind-added", "{\"additional_special_tokens\":[\"<|q|>\",\"<|a|>\",\"<|q|>\"]}",
        "{\"<|a|>\":340}", NULL, "<|a|><|q|>", { 1, 340, 341 }, 3 },
    { "named-extra", "{\"extra_special_tokens\":{\"image_token\":\"<image>\"}}", NULL, NULL,
        "<image>", { 1, 335 }, 2 },
    // ends
    { "begin-named", "{\"bos_token\":\"[INST]\"}", NULL, NULL, "w", { INST, BLANK, W }, 3 },
    { "begin-named-typed", "{\"bos_token\":{\"content\":\"<|a|>\"}}", AB, NULL, "<|a|>w",
        { 340, BLANK, W }, 3 },
    { "begin-in-the-map", NULL, NULL, "{\"bos_token\":\"[INST]\"}", "w", { INST, BLANK, W }, 3 },
    { "begin-null", "{\"bos_token\":null}", NULL, NULL, "w", { BLANK, W }, 2 },
    { "begin-too-far", "{\"bos_token\":\"<|far|>\"}", "{\"<|far|>\":440}", NULL, "w",
        { 1, BLANK, W }, 3 },
    { "end-named", "{\"add_eos_token\":true,\"eos_token\":\"<|a|>\"}", AB, NULL, "w",
        { 1, BLANK, W, 340 }, 4 },
    { "end-typed-once", "{\"add_eos_token\":true}", NULL, NULL, "w</s>", { 1, BLANK, W, 2 }, 4 },
    { "nothing", NULL, NULL, NULL, "", { 1 }, 1 },
    { "nothing-at-all", "{\"add_bos_token\":false}", NULL, NULL, "", { 0 }, 0 },
    // T5's sentinels: 100 behind the pieces, the first as the last
    { "t5", T5, NULL, NULL, "w <extra_id_0> w", { BLANK, W, 434, BLANK, W, 2 }, 6,
        "w<extra_id_0> w" },
    { "t5-last", T5, NULL, NULL, "<extra_id_99><extra_id_9>", { 335, 425, 2 }, 3 },
    { "t5-no-more", T5, NULL, NULL, "<extra_id_100>", { 0 }, 0 },
    { "t5-two", "{\"tokenizer_class\":\"T5TokenizerFast\",\"extra_ids\":2}", NULL, NULL,
        "<extra_id_0><extra_id_1>", { 336, 335, 2 }, 3 },
    { "t5-none", "{\"tokenizer_class\":\"T5Tokenizer\",\"extra_ids\":0}", NULL, NULL,
        "<extra_id_0>", { 0 }, 0 },
    { "t5-listed",
        "{\"tokenizer_class\":\"T5Tokenizer\",\"extra_ids\":100,"
        "\"additional_special_tokens\":[\"<extra_id_0>\",\"<extra_id_1>\"]}",
        NULL, NULL, "<extra_id_1>", { 433, 2 }, 2 },
    { "t5-decoder",
        "{\"tokenizer_class\":\"T5Tokenizer\",\"added_tokens_decoder\":{"
        "\"400\":{\"content\":\"<extra_id_0>\"}}}",
        NULL, NULL, "<extra_id_0>", { 400, 2 }, 2 },
    { "t5-end-typed", T5, NULL, NULL, "w</s>", { BLANK, W, 2 }, 3 },
    { "t5-nothing", T5, NULL, NULL, "", { 2 }, 1, "" },
    { "no-t5", NULL, NULL, NULL, "<extra_id_0>", { 0 }, 0 },
};

// What comes out if the tokens come `step` at a time, behind the first `step`.
static bool prints(struct tools_tokenizer *t, const uint32_t *tokens, uint32_t count, uint32_t step,
    const char *expected)
{
    char text[256] = "";
    size_t size;
    tools_rewind(t);
    for (uint32_t i = step; i < count + step; i += step) {
        const uint32_t some = i < count ? i : count;
        const char *part = tools_extend(t, tokens, some, some == count, &size);
        strncat(text, part, size);
    }
    if (strcmp(text, expected) != 0)
        tap_note("printed '%s', expected '%s', %u at a time", text, expected, step);
    return strcmp(text, expected) == 0;
}

static bool check_encode(const struct encode_case *c)
{
    tools_clean_up(); // after the row before
    CHECK(write_model("tokenizer.model"));
    CHECK(open_with(&tools_tokenizer, c->config, c->added, c->map));
    CHECK(tools_encode(c->text, c->plain));
    for (uint32_t i = 0; i < tools_count; i++) {
        const bool ours = (tools_tokenizer.begin_added && i == 0)
            || (tools_tokenizer.end_added && i == tools_tokenizer.end_at);
        if (c->count && (i >= c->count || tools_tokens[i] != c->tokens[i]))
            tap_note(
                "[%u] is %u, expected %u", i, tools_tokens[i], i < c->count ? c->tokens[i] : 0);
        CHECK(c->count ? i < c->count && tools_tokens[i] == c->tokens[i]
                       : ours || (tools_tokens[i] >= BYTE && tools_tokens[i] < PIECES));
    }
    CHECK(!c->count || tools_count == c->count);
    for (uint32_t step = 1; step <= 4; step++)
        CHECK(prints(
            &tools_tokenizer, tools_tokens, tools_count, step, c->printed ? c->printed : c->text));
    return true;
fail:
    return false;
}

// What a model makes up, which no text becomes.
static bool test_output(void)
{
    static const struct {
        const char *config;
        uint32_t tokens[8], count;
        const char *text;
    } cases[] = {
        { NULL, { BLANK, W, 330, BLANK, O, 331 }, 6, "w[INST]o[/INST]" },
        { LEGACY_OFF, { BLANK, W, 330, BLANK, O, 331 }, 6, "w[INST] o[/INST]" },
        { NULL, { 1, 1, W }, 3, "<s><s>w" },
        { NULL, { BYTE + 0xe2, 330, BYTE + 0x82 }, 3, "\ufffd[INST]\ufffd" },
        { NULL, { W, 339, 439, W, 440 }, 5, "w<unk><unk>w<unk>" }, // ids without a name
        { T5, { 434, BLANK, W, BLANK, O, 433, BLANK, W }, 8, "<extra_id_0> w o<extra_id_1> w" },
        { T5, { 0, 439, 335 }, 3, "<unk><unk><extra_id_99>" },
    };
    CHECK(write_model("tokenizer.model"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(open_with(&tools_tokenizer, cases[i].config, NULL, NULL));
        for (uint32_t step = 1; step <= 3; step++)
            CHECK(prints(&tools_tokenizer, cases[i].tokens, cases[i].count, step, cases[i].text));
        tools_finish(&tools_tokenizer);
    }
    return true;
fail:
    return false;
}

// What a tokenizer without bytes does not know is part of a text: blanks around it stay.
static bool test_unknown(void)
{
    static const char text[] = "THE \u00fc\u00fc IS \u00fc";
    size_t size;
    char *data = tools_read_model("plain.model", &size);
    CHECK(tools_write("tokenizer.model", data, size)
        && open_with(&tools_tokenizer, NULL, NULL, NULL));
    CHECK(tools_encode(text, false));
    for (uint32_t step = 1; step <= 4; step++)
        CHECK(prints(&tools_tokenizer, tools_tokens, tools_count, step, "THE <unk> IS <unk>"));
    return true;
fail:
    return false;
}

// T5's file has another name, and without a class to be read it is T5's.
static bool test_spiece(void)
{
    tools_remove("tokenizer.model");
    CHECK(!vkmoe_tokenizer_exists(tools_directory));
    CHECK(write_model("spiece.model") && vkmoe_tokenizer_exists(tools_directory));
    CHECK(open_with(&tools_tokenizer, "{}", NULL, NULL));
    CHECK(tools_tokenizer.tokenizer->files.is_t5 && tools_tokenizer.tokenizer->files.begin == -1
        && tools_tokenizer.tokenizer->files.end == 2);
    tools_finish(&tools_tokenizer);
    CHECK(open_with(&tools_tokenizer, "{\"tokenizer_class\":\"LlamaTokenizer\"}", NULL, NULL));
    CHECK(!tools_tokenizer.tokenizer->files.is_t5 && tools_tokenizer.tokenizer->files.begin == 1
        && tools_tokenizer.tokenizer->files.end == -1);
    tools_finish(&tools_tokenizer);
    tools_remove("spiece.model");
    // An encoder-decoder's is T5's by any name.
    CHECK(write_model("tokenizer.model") && write_text(CONFIG, NULL));
    CHECK(tools_init(&tools_tokenizer, tools_directory, VOCABULARY, true) == 0);
    CHECK(tools_tokenizer.tokenizer->files.is_t5 && tools_tokenizer.tokenizer->files.begin == -1
        && tools_tokenizer.tokenizer->files.end == 2);
    tools_finish(&tools_tokenizer);
    return true;
fail:
    tools_remove("spiece.model");
    return false;
}

// --------------------------------------------------------------------------- wrong files

static const struct refused_case {
    const char *name, *file, *text; // NULL: it is a folder
    const char *said;
} refused_cases[] = {
    { "string-id", ADDED, "{\"<|a|>\":\"340\"}", "has no id, an integer from 0, for \"<|a|>\"" },
    { "negative-id", ADDED, "{\"<|a|>\":-1}", "has no id" },
    { "fraction-id", ADDED, "{\"<|a|>\":1.5}", "has no id" },
    { "null-id", ADDED, "{\"<|a\\u0007|>\":null}", "for \"<|a?|>\"" },
    { "two-ids", ADDED, "{\"<|a|>\":340,\"b\":1,\"<|a|>\":341}",
        "there are two ids for \"<|a|>\"" },
    { "array", ADDED, "[\"<|a|>\"]", "is not an object" },
    { "cut", ADDED, "{\"<|a|>\":34", "is not JSON at byte" },
    { "empty", ADDED, "", "is not JSON at byte" },
    { "no-utf-8", ADDED, "{\"<|\xff|>\":340}", "is not UTF-8" },
    { "folder", ADDED, NULL, "is not a regular file" },
    { "decoder-array", CONFIG, "{\"added_tokens_decoder\":[1]}", "is not an object" },
    { "decoder-key", CONFIG, DECODER("\"x\":{\"content\":\"a\"}"), "no token for \"x\"" },
    { "decoder-no-content", CONFIG, DECODER("\"340\":{}"), "no token for \"340\"" },
    { "decoder-string", CONFIG, DECODER("\"340\":\"a\""), "no token for \"340\"" },
    { "decoder-two-ids", CONFIG, DECODER("\"340\":{\"content\":\"a\"},\"341\":{\"content\":\"a\"}"),
        "two ids for \"a\"" },
    { "extra-ids-negative", CONFIG, "{\"extra_ids\":-1}", "extra_ids is not an integer" },
    { "extra-ids-huge", CONFIG, "{\"extra_ids\":1e9}", "extra_ids is not an integer" },
    { "begin-number", CONFIG, "{\"bos_token\":1}", "no token is given by \"bos_token\"" },
    { "special-string", CONFIG, "{\"additional_special_tokens\":\"<|a|>\"}", "is not a list" },
    { "special-number", MAP, "{\"additional_special_tokens\":[\"a\",7]}", "no token is given by" },
    { "map-cut", MAP, "{\"bos_token", "is not JSON at byte" },
};

static bool check_refused(const struct refused_case *c)
{
    bool ok = false;
    struct tools_tokenizer t;
    const char *files[] = { ADDED, CONFIG, MAP };
    CHECK(write_model("tokenizer.model"));
    for (int i = 0; i < 3; i++)
        tools_remove(files[i]);
    CHECK(c->text ? tools_write(c->file, c->text, strlen(c->text))
                  : mkdir(tools_path(c->file), 0700) == 0);
    tools_begin_listening();
    const int status = tools_init(&t, tools_directory, VOCABULARY, false);
    const uint32_t lines = tools_end_listening();
    tools_finish(&t);
    if (lines != 1 || !strstr(tools_said, c->said) || !strstr(tools_said, c->file))
        tap_note("said: %s", tools_said);
    CHECK(status == 1 && lines == 1 && strstr(tools_said, c->said) && strstr(tools_said, c->file));
    ok = true;
fail:
    tools_remove(c->file);
    return ok;
}

// Files that are no use to read: too large, or a pipe to wait at.
static bool test_huge_and_pipe(void)
{
    bool ok = false;
    struct tools_tokenizer t;
    CHECK(write_model("tokenizer.model") && write_text(CONFIG, NULL) && write_text(MAP, NULL));
    for (int pipe = 0; pipe < 2; pipe++) {
        tools_remove(ADDED);
        CHECK(pipe ? mkfifo(tools_path(ADDED), 0600) == 0
                   : write_text(ADDED, "{}") && truncate(tools_path(ADDED), (16 << 20) + 1) == 0);
        tools_begin_listening();
        const int status = tools_init(&t, tools_directory, VOCABULARY, false);
        const uint32_t lines = tools_end_listening();
        tools_finish(&t);
        CHECK(status == 1 && lines == 1 && strstr(tools_said, ADDED));
        CHECK(strstr(tools_said, pipe ? "is not a regular file" : "has more than 16 MiB"));
    }
    ok = true;
fail:
    tools_remove(ADDED);
    return ok;
}

// A token that the model has no row for is an error where it is wanted, and only there.
static bool test_far_token(void)
{
    static const char text[] = "w<|far|>";
    static const char *const ids[] = { "440", "4294967296", "1e15" };
    char added[64];
    CHECK(write_model("tokenizer.model"));
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        snprintf(added, sizeof added, "{\"<|far|>\":%s}", ids[i]);
        CHECK(open_with(&tools_tokenizer, NULL, added, NULL));
        tools_begin_listening();
        const bool done = tools_encode(text, false);
        CHECK(tools_end_listening() == 1 && !done);
        CHECK(strstr(tools_said, ADDED) && strstr(tools_said, "ends at 439"));
        CHECK(tools_encode(text, true));
        tools_finish(&tools_tokenizer);
    }
    CHECK(write_text(ADDED, NULL) && !tools_init(&tools_tokenizer, tools_directory, 434, true));
    tools_begin_listening();
    const bool done = tools_encode("<extra_id_0>", false);
    CHECK(tools_end_listening() == 1 && !done && strstr(tools_said, "is token 434"));
    CHECK(tools_encode("<extra_id_1>", false) && *tools_tokens == 433);
    tools_finish(&tools_tokenizer);
    return true;
fail:
    return false;
}

// -------------------------------------------------------------------------------- search

static const struct special_token *next_in(
    const struct special *set, const char *text, size_t size, size_t from, size_t *at)
{
    const struct special_token *token = NULL;
    for (*at = from; *at < size && !token; *at += !token)
        token = vkmoe_special_at(set, text, size, *at, false);
    return token;
}

// Against the plain loop, with tokens that begin with each other.
static bool test_search(void)
{
    bool ok = false;
    struct rng rng = rng_for(1, "special tokens");
    char texts[24][8], text[64];
    struct special set = { 0 };
    for (uint32_t round = 0; round < 500; round++) {
        const uint32_t count = rng_below(&rng, 24);
        for (uint32_t i = 0; i < count; i++) {
            const uint32_t size = rng_below(&rng, 7);
            for (uint32_t j = 0; j < size; j++)
                texts[i][j] = "ab\xc3"[rng_below(&rng, 3)];
            texts[i][size] = '\0';
            vkmoe_special_add(
                &set, (struct special_token){ .text = texts[i], .size = size, .id = i });
        }
        CHECK(vkmoe_special_sort(&set) == NULL);
        const uint32_t size = rng_below(&rng, 64);
        for (uint32_t i = 0; i < size; i++)
            text[i] = "ab\xc3"[rng_below(&rng, 3)];
        for (size_t from = 0; from <= size; from++) {
            uint32_t best = UINT32_MAX;
            size_t at = from, longest = 0, found;
            for (; at < size && best == UINT32_MAX; at += best == UINT32_MAX) {
                for (uint32_t i = 0; i < count; i++) {
                    const size_t length = strlen(texts[i]);
                    if (length > longest && length <= size - at
                        && !memcmp(text + at, texts[i], length)) {
                        best = i;
                        longest = length;
                    }
                }
            }
            const struct special_token *token = next_in(&set, text, size, from, &found);
            CHECK(!token == (best == UINT32_MAX));
            CHECK(!token || (found == at && token->id == best && token->size == longest));
            CHECK(!token || vkmoe_special_name(&set, token->id) == token);
            CHECK(!token || vkmoe_special_find(&set, texts[best], longest) == token);
        }
        CHECK(!vkmoe_special_name(&set, 24) && !vkmoe_special_find(&set, "c", 1));
        vkmoe_special_finish(&set);
    }
    ok = true;
fail:
    vkmoe_special_finish(&set);
    return ok;
}

// ------------------------------------------------------------------- in some places only

// Texts in which [ and ] of MARKS stand where special tokens are looked for, both included.
static const struct marked_case {
    const char *name, *config, *text, *marks;
    bool later; // it follows another text
    uint32_t tokens[16], count;
} marked_cases[] = {
    { "all", NULL, "w[INST]w", "[      ]", false, { 1, BLANK, W, INST, BLANK, W }, 6 },
    { "first", NULL, "[INST]w</s>", "[    ]", false, { 1, INST }, 0 },
    { "around", NULL, "[INST]w<ud>w[/INST]", "[    ]      [     ]", false,
        { 1, INST, BLANK, W, UD, W, END_INST }, 10 },
    { "between", NULL, "[INST]</s>ww", "[    ]    []", false, { 1, INST }, 0 },
    { "shorter", NULL, "[INST]w[/INST]", "[   ]", false, { 1, INST_CUT }, 0 },
    { "begin", NULL, "<s>[INST]w", "[       ]", false, { 1, INST, BLANK, W }, 4 },
    { "later", NULL, "</s>[INST]w", "[        ]", true, { 2, INST, BLANK, W }, 4 },
    { "later-text", NULL, "w[INST]w", "[      ]", true, { BLANK, W, INST, BLANK, W }, 5 },
    { "later-begin", NULL, "<s>w", "[ ]", true, { 1, BLANK, W }, 3 },
    { "new", LEGACY_OFF, "w[INST]w", "[      ]", false, { 1, BLANK, W, INST, W }, 5 },
    { "new-later", LEGACY_OFF, "w[INST]w", "[      ]", true, { W, INST, W }, 3 },
    { "no-end", "{\"add_eos_token\":true}", "[INST]w", "[    ]", false, { 1, INST, BLANK, W }, 4 },
    { "no-begin", "{\"add_bos_token\":false}", "[INST]w", "[    ]", false, { INST, BLANK, W }, 3 },
    { "nothing", NULL, "", "", false, { 1 }, 1 },
    { "nothing-later", NULL, "", "", true, { 0 }, 0 },
};

// Without a count only what the tokens begin with, and that none of the rest is special.
static bool check_marked(const struct marked_case *c)
{
    struct vkmoe_text_range marks[4] = { { 0 } };
    struct vkmoe_encode_params params = { VKMOE_INIT(vkmoe_encode_params), .text = c->text,
        .size = strlen(c->text), .special = VKMOE_SPECIAL_TOKENS_RANGES, .ranges = marks,
        .goes_on = c->later, .no_end = true };
    bool within = false;
    for (size_t i = 0; c->marks[i]; i++) {
        if (c->marks[i] == '[')
            marks[params.range_count].begin = i;
        if (c->marks[i] == ']')
            marks[params.range_count++].end = i + 1;
    }
    tools_clean_up();
    CHECK(write_model("tokenizer.model") && open_with(&tools_tokenizer, c->config, NULL, NULL));
    CHECK(tools_encode("w", false)); // whose first token is not shown
    free(tools_tokens);
    tools_tokens = NULL;
    CHECK(tools_encode_params(&tools_tokenizer, &params, &tools_tokens, &tools_count) == 0);
    tools_tokenizer.begin_added = false;
    const uint32_t count = c->count ? c->count : c->text[0] ? 2 : 0;
    CHECK(tools_count >= count && (tools_count == count || !c->count));
    CHECK(count == 0 || memcmp(tools_tokens, c->tokens, count * sizeof *c->tokens) == 0);
    for (uint32_t i = count; i < tools_count; i++)
        within = within || tools_tokens[i] <= 2 || tools_tokens[i] >= PIECES;
    CHECK(!within);
    // What is shown next are the tokens that follow, from their first one on.
    size_t size;
    const char *shown = tools_extend(&tools_tokenizer, &(uint32_t){ 1 }, 1, true, &size);
    CHECK(size == 3 && memcmp(shown, "<s>", 3) == 0);
    tools_clean_up();
    return true;
fail:
    return false;
}

static void check_rows(struct tap *tap)
{
    TAP_ROWS(tap, "encode", encode_cases, COUNT_OF(encode_cases), check_encode);
    TAP_ROWS(tap, "marked", marked_cases, COUNT_OF(marked_cases), check_marked);
    TAP_ROWS(tap, "refused", refused_cases, COUNT_OF(refused_cases), check_refused);
}

TOOLS_MAIN(check_rows, { "output", test_output }, { "unknown", test_unknown },
    { "spiece", test_spiece }, { "huge-and-pipe", test_huge_and_pipe },
    { "far-token", test_far_token }, { "search", test_search })
