// bpe.c - byte-level BPE: the tokens that Hugging Face's tokenizers made of awkward texts, back to
// text, a long piece, and files that are refused.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "check.h"
#include "tokenizer_tools.h"

enum { VOCABULARY = 512, LONG = 100000 };

static bool init(const char *data, size_t size)
{
    return tools_write("tokenizer.json", data, size)
        && tools_init(&tools_tokenizer, tools_directory, VOCABULARY, false) == 0;
}

static bool init_named(const char *name)
{
    size_t size;
    const char *data = tools_read_bpe(name, "", &size);
    return size && init(data, size);
}

static bool test_expected(void)
{
    for (size_t i = 0; i < TOOLS_BPE_NAMES; i++) {
        CHECK(init_named(tools_bpe_names[i]) && vkmoe_tokenizer_exists(tools_directory));
        CHECK(tools_encode_as_expected(tools_bpe_names[i]));
        tools_clean_up();
    }
    return true;
fail:
    return false;
}

// DeepSeek's.
static const char last_blanks[] =
    "{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
    "\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":\"\\\\s+$\"}},{\"type\":"
    "\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]},\"model\":{\"type\":"
    "\"BPE\",\"vocab\":{\"a\":0,\"\u0120\":1,\"a\u0120\":2},\"merges\":[\"a \u0120\"]}}";

// Quadratic, this would take minutes.
static bool test_long_piece(void)
{
    char *text = allocate(LONG + 1, 1);
    memset(text, 'a', LONG);
    text[LONG] = 0;
    CHECK(init_named("llama-bpe") && tools_encode(text, true));
    CHECK(tools_count > 0 && tools_count <= LONG);
    memset(text, ' ', LONG);
    CHECK(tools_encode(text, true) && tools_count <= LONG / 2);
    tools_clean_up();
    CHECK(init_named("spm-bare") && tools_encode(text, true) && tools_count <= LONG);
    memset(text, 'e', LONG);
    CHECK(tools_encode(text, true) && tools_count <= LONG);
    tools_clean_up();
    CHECK(init_named("unigram-bytes") && tools_encode(text, true) && tools_count <= LONG + 1);
    memset(text, ' ', LONG);
    CHECK(tools_encode(text, true) && tools_count <= LONG);
    tools_clean_up();
    CHECK(init(last_blanks, sizeof last_blanks - 1) && tools_encode("a  a  ", true));
    CHECK(tools_count == 5 && tools_tokens[0] == 2 && tools_tokens[2] == 0);
    text[LONG - 1] = 'a';
    CHECK(tools_encode(text, true) && tools_count == LONG);
    free(text);
    return true;
fail:
    free(text);
    return false;
}

#define BYTES "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"
#define MARKS \
    "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":" \
    "\"\u2581\"}"
#define AB "\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2}"

// What a pattern may take ends a text, and not the command.
static bool test_steps(void)
{
    static const char json[] =
        "{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
        "\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":\"(a|aa)+$\"}},{\"type\":"
        "\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]},\"model\":{" AB
        ",\"merges\":[]}}";
    CHECK(init(json, sizeof json - 1) && tools_encode("aaab", true) && tools_count == 4);
    tools_begin_listening();
    const bool done =
        tools_encode("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", true);
    CHECK(tools_end_listening() == 1 && !done);
    CHECK(strstr(tools_said, "bytes: a pattern that cuts it takes too many steps, or too much"));
    CHECK(tools_encode("b", true) && tools_count == 1);
    return true;
fail:
    return false;
}

// Bytes that are no UTF-8 are U+FFFD, in texts as in tokens; half a character is held back.
static bool test_bytes(void)
{
    size_t size;
    CHECK(init_named("llama-bpe") && tools_encode("\xc3\xbc", true));
    if (tools_count == 2) {
        tools_extend(&tools_tokenizer, tools_tokens, 1, false, &size);
        CHECK(size == 0);
        tools_extend(&tools_tokenizer, tools_tokens, 1, true, &size);
        CHECK(size == 3);
        tools_rewind(&tools_tokenizer);
    }
    CHECK(tools_count == 2 && tools_decode_to("\xc3\xbc"));
    free(tools_tokens);
    tools_tokens = NULL;
    CHECK(
        tools_encode_with(&tools_tokenizer, "\0\1\x7f", 3, true, &tools_tokens, &tools_count) == 0);
    CHECK(tools_count == 3 && tools_tokens[0] == 188 && tools_tokens[1] == 189);
    CHECK(tools_tokens[2] == 221);
    CHECK(tools_encode("a\xff\xe2\x82z", true) && tools_decode_to("a\xef\xbf\xbd\xef\xbf\xbdz"));
    return true;
fail:
    return false;
}

// Blanks of the tokenizer's own are left out again where they were put: before a text only, or
// before each of its sections.
static bool test_blanks(void)
{
    static const char *const names[] = { "spm-prepend", "spm-first", "spm-bare" };
    static const char *const texts[] = { "he<s>he", " he <s> he", "<s> <s>", "  ", " <s>" };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        CHECK(init_named(names[i]));
        for (size_t k = 0; k < COUNT_OF(texts); k++)
            // Metaspace has no second blank before one.
            CHECK(tools_encode(texts[k], false)
                && (tools_decode_to(texts[k]) || (i == 1 && *texts[k] == ' ')));
        tools_clean_up();
    }
    CHECK(init_named("spm-first") && tools_encode("<s>he", false));
    const uint32_t bare = tools_count;
    tools_clean_up();
    CHECK(init_named("spm-prepend") && tools_encode("<s>he", false) && tools_count > bare);
    tools_clean_up();
    // An added token that texts become as well is shown as their part.
    static const char runs[] =
        "{" MARKS ",\"added_tokens\":[{\"id\":3,\"content\":\"\u2581\u2581\","
        "\"special\":false}],\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,"
        "\"\u2581\":1,\"\u2581\u2581\":3},\"merges\":[\"\u2581 \u2581\"]}}";
    CHECK(init(runs, sizeof runs - 1) && tools_encode("a  a", false));
    CHECK(tools_count == 3 && tools_tokens[1] == 3 && tools_decode_to("a  a"));
    return true;
fail:
    return false;
}

// An added token that the model has no row for, as some have for padding: of no account until a
// text has it, or a text is to begin with it.
static bool test_far_added(void)
{
    static const char *const ids[] = { "512", "4294967296", "1e15" };
    char json[512];
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        const int size = snprintf(json, sizeof json,
            "{" BYTES ",\"added_tokens\":[{\"id\":%s,\"content\":\"[PAD]\",\"special\":true}],"
            "\"model\":{" AB ",\"merges\":[\"a b\"]}}",
            ids[i]);
        CHECK(tools_write(
            "tokenizer_config.json", "{\"add_bos_token\":true,\"bos_token\":\"[PAD]\"}", 42));
        CHECK(init(json, (size_t)size) && tools_encode("ab", false) && tools_count == 1);
        tools_begin_listening();
        const bool done = tools_encode("ab[PAD]", false);
        CHECK(tools_end_listening() == 1 && !done);
        CHECK(strstr(tools_said, "tokenizer.json: \"[PAD]\"") && strstr(tools_said, "ends at 511"));
        CHECK(tools_encode("ab[PAD]", true));
        tools_clean_up();
    }
    tools_remove("tokenizer_config.json");
    return true;
fail:
    tools_remove("tokenizer_config.json");
    return false;
}

// What is special, unknown or a byte is a name in a vocabulary, and no text becomes it by that.
static bool test_unwritten(void)
{
    static const char json[] =
        "{" MARKS ",\"added_tokens\":[{\"id\":1,\"content\":\"</s>\",\"special\":true}],"
        "\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"byte_fallback\":%s,\"vocab\":"
        "[[\"<unk>\",0],[\"</s>\",0],[\"<\",-2],[\"/\",-2],[\"s\",-2],[\">\",-2],[\"a\",-2],"
        "[\"b\",-2],[\"<0x41>\",0],[\"<0x0A>\",0],[\"0\",-3],[\"x\",-3],[\"4\",-3],[\"1\",-3],"
        "[\"A\",-3],[\"u\",-3],[\"n\",-3],[\"k\",-3]]}}";
    char text[sizeof json + 8];
    for (int bytes = 0; bytes < 2; bytes++) {
        CHECK(init(text, (size_t)snprintf(text, sizeof text, json, bytes ? "true" : "false")));
        CHECK(tools_encode("</s>", true) && tools_count == 4 && tools_tokens[0] == 2);
        CHECK(tools_encode("</s>", false) && tools_count == 1 && tools_tokens[0] == 1);
        CHECK(tools_encode("<unk>", true) && tools_count == 5);
        CHECK(tools_encode("a<0x41><0x0A>b", true) && tools_count == (bytes ? 14 : 4));
        CHECK(tools_decode_to("a<0x41><0x0A>b"));
        tools_clean_up();
    }
    return true;
fail:
    return false;
}

// In NFC "e" and U+0301 are U+00E9.
static bool test_nfc(void)
{
    static const char head[] = "{\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":"
                               "\"ByteLevel\",\"add_prefix_space\":false},\"model\":{\"type\":"
                               "\"BPE\",\"vocab\":{\"e\":0,\"\u00c3\":1,\"\u00a9\":2},"
                               "\"merges\":[]}}";
    CHECK(init(head, sizeof head - 1) && tools_encode("e\u0301", true));
    CHECK(tools_count == 2 && tools_tokens[0] == 1 && tools_tokens[1] == 2);
    // No language has that many marks on a letter, and sorting them is quadratic.
    char *text = allocate(2 * LONG + 1, 1);
    for (size_t i = 0; i < LONG; i++)
        memcpy(text + 2 * i, i % 2 ? "\u0301" : "\u0323", 2);
    text[2 * LONG] = 0;
    tools_begin_listening();
    const bool refused = !tools_encode(text, true);
    free(text);
    CHECK(tools_end_listening() == 1 && refused);
    CHECK(strstr(tools_said, "200000 bytes: it has more than 1000 combining marks in a row"));
    return true;
fail:
    return false;
}

// BOS of the template, of tokenizer_config.json, and not twice.
static bool test_ends(void)
{
    static const char json[] =
        "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},\"added_tokens\":"
        "[{\"id\":9,\"content\":\"<s>\"}],\"post_processor\":{\"type\":\"TemplateProcessing\","
        "\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":\"A\"}}]},"
        "\"model\":{\"type\":\"BPE\",\"vocab\":{\"e\":0},\"merges\":[]}}";
    CHECK(init(json, sizeof json - 1) && tools_encode("e", false));
    CHECK(tools_count == 2 && tools_tokens[0] == 9 && tools_tokens[1] == 0);
    CHECK(tools_decode_to("e"));
    CHECK(tools_encode("<s>e", false) && tools_count == 2);
    tools_clean_up();
    CHECK(tools_write("tokenizer_config.json", "{\"add_bos_token\":false}", 23));
    CHECK(init(json, sizeof json - 1) && tools_encode("e", false));
    CHECK(tools_count == 1 && tools_tokens[0] == 0);
    tools_remove("tokenizer_config.json");
    return true;
fail:
    tools_remove("tokenizer_config.json");
    return false;
}

static const struct {
    const char *json, *said;
} broken[] = {
    { "", "is not JSON" },
    { "{}", "only tokenizers of type BPE" },
    { "{\"model\":{\"type\":\"WordPiece\"}}", "not \"WordPiece\"" },
    { "{\"model\":{\"type\":\"Unigram\"}}", "does not mark blanks" },
    { "{" MARKS ",\"model\":{\"type\":\"Unigram\"}}", "has no vocab, a list" },
    { "{" MARKS ",\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0],[\"b\"]]}}",
        "token 1 is not a text" },
    { "{" MARKS ",\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0],[\"a\",0]]}}",
        "another token" },
    { "{" MARKS ",\"model\":{\"type\":\"Unigram\",\"unk_id\":1,\"vocab\":[[\"a\",0]]}}",
        "unk_id is none of its tokens" },
    { "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Precompiled\","
      "\"precompiled_charsmap\":\"AAA\"}]},\"pre_tokenizer\":{\"type\":\"Metaspace\","
      "\"replacement\":"
      "\"\u2581\"},\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}",
        "normalizer of type \"Precompiled\", or what" },
    { "{\"model\":{\"type\":\"BPE\"}}", "has no vocab" },
    { "{\"model\":{" AB "}}", "or no merges" },
    { "{\"model\":{" AB ",\"merges\":[\"a c\"]}}", "no such token" },
    { "{\"model\":{" AB ",\"merges\":[[\"b\",\"a\"]]}}", "no such token" },
    { "{\"model\":{" AB ",\"merges\":[\"ab\"]}}", "not of two tokens" },
    { "{\"model\":{" AB ",\"merges\":[[\"a\"]]}}", "not of two tokens" },
    { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}", "another token" },
    { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"a\":1},\"merges\":[]}}", "another token" },
    { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}", "has no id" },
    { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":512},\"merges\":[]}}", "ends at 511" },
    { "{\"model\":{" AB ",\"byte_fallback\":true,\"merges\":[]}}", "byte_fallback" },
    { "{\"model\":{" AB ",\"merges\":[]}}", "pre_tokenizer of type \"\"" },
    { "{\"pre_tokenizer\":{\"type\":\"Metaspace\"},\"model\":{" AB ",\"merges\":[]}}",
        "Metaspace" },
    { "{\"pre_tokenizer\":{\"type\":\"Whitespace\"},\"model\":{" AB ",\"merges\":[]}}",
        "\"Whitespace\"" },
    { "{" MARKS ",\"pre_tokenizer\":{\"type\":\"Digits\"},\"model\":{" AB ",\"merges\":[]}}",
        "pre_tokenizer of type \"Digits\"" },
    { "{" MARKS ",\"decoder\":{\"type\":\"CTC\"},\"model\":{" AB ",\"merges\":[]}}",
        "decoder of type \"CTC\"" },
    { "{\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"\u2581\"},\"model\":{" AB
      ",\"merges\":[]}}",
        "does not mark blanks" },
    { "{\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"x\"},\"model\":{" AB ",\"merges\":[]}}",
        "normalizer of type \"Prepend\", or what" },
    { "{\"pre_tokenizer\":{\"type\":\"Digits\"},\"model\":{" AB ",\"merges\":[]}}",
        "no ByteLevel" },
    { "{\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":"
      "\"(\"}},\"model\":{" AB ",\"merges\":[]}}",
        "cannot be used: missing closing parenthesis" },
    { "{\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":"
      "\"\\\\C\"}},\"model\":{" AB ",\"merges\":[]}}",
        "cannot be used: using \\C" },
    { "{\"normalizer\":{\"type\":\"NFKC\"}," BYTES ",\"model\":{" AB ",\"merges\":[]}}", "NFKC" },
    { "{" BYTES ",\"added_tokens\":[{\"id\":3}],\"model\":{" AB ",\"merges\":[]}}", "no content" },
    { "{" BYTES ",\"post_processor\":{\"type\":\"X\"},\"model\":{" AB ",\"merges\":[]}}", "\"X\"" },
};

static bool test_broken(void)
{
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        tools_begin_listening();
        const bool opened = init(broken[i].json, strlen(broken[i].json));
        const uint32_t lines = tools_end_listening();
        if (opened || lines != 1 || !strstr(tools_said, broken[i].said))
            tap_note("%s: %u lines: %s", broken[i].json, lines, tools_said);
        CHECK(!opened && lines == 1 && strstr(tools_said, broken[i].said));
        tools_clean_up();
    }
    return true;
fail:
    return false;
}

TOOLS_MAIN(NULL, { "expected tokens", test_expected }, { "a long piece", test_long_piece },
    { "steps", test_steps }, { "bytes", test_bytes }, { "blanks", test_blanks },
    { "added tokens beyond the vocabulary", test_far_added },
    { "names that no text becomes", test_unwritten }, { "NFC", test_nfc },
    { "before and after texts", test_ends }, { "broken files", test_broken })
