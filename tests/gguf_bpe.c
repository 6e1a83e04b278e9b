// gguf_bpe.c - a GGUF file's vocabulary of byte-level BPE is the same tokenizer as the
// tokenizer.json that it was converted from, with what each name of its patterns stands for.
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/value.h"
#include "gguf_writer.h"
#include "tokenizer_tools.h"

enum { VOCABULARY = 512, MAX_MERGES = 512, MAX_PAIR = 64, LONG = 100000 };

// What a converter reads of a tokenizer.json.
struct vocabulary {
    struct value *json; // that the texts are of
    const char *tokens[VOCABULARY];
    uint32_t kinds[VOCABULARY];
    char pairs[MAX_MERGES][MAX_PAIR];
    const char *merges[MAX_MERGES];
    uint32_t merge_count;
};

static struct vocabulary vocabulary;

static void put_token(const struct value *id, const char *text, uint32_t kind)
{
    uint64_t index;
    if (vkmoe_value_integer(id, &index) && index < VOCABULARY) {
        vocabulary.tokens[index] = text;
        vocabulary.kinds[index] = kind;
    }
}

static bool read_vocabulary(const char *name)
{
    size_t size;
    const char *data = tools_read_bpe(name, "", &size);
    free(vocabulary.json);
    vocabulary = (struct vocabulary){ 0 };
    if (vkmoe_json_parse(name, data, size, NULL, &vocabulary.json) != VKMOE_OK)
        return false;
    for (uint32_t i = 0; i < VOCABULARY; i++) {
        vocabulary.tokens[i] = "";
        vocabulary.kinds[i] = 5;
    }
    const struct value *model = vkmoe_value_member(vocabulary.json, "model");
    VALUE_EACH(token, vkmoe_value_member(model, "vocab"))
    put_token(token, token->name, 1);
    VALUE_EACH(token, vkmoe_value_member(vocabulary.json, "added_tokens"))
    put_token(vkmoe_value_member(token, "id"), value_text(vkmoe_value_member(token, "content")),
        value_is_true(vkmoe_value_member(token, "special")) ? 3 : 4);
    VALUE_EACH(merge, vkmoe_value_member(model, "merges"))
    {
        const uint32_t i = vocabulary.merge_count++;
        snprintf(vocabulary.pairs[i], MAX_PAIR, "%s %s", value_text(&merge->items[0]),
            value_text(&merge->items[1]));
        vocabulary.merges[i] = vocabulary.pairs[i];
    }
    return vocabulary.merge_count > 0;
}

// What a test has otherwise than a converter.
struct change {
    const char *model, *pre;           // NULL: none
    const char *flag;                  // is true
    const char *number, *other_number; // keys, these being `value` and `other_value`
    uint32_t value, other_value;
};

static bool write_file(const struct change *change)
{
    struct gguf_writer writer = { 0 };
    gguf_key_text(&writer, "general.architecture", "llama");
    gguf_key_text(&writer, "tokenizer.ggml.model", change->model ? change->model : "gpt2");
    if (change->pre)
        gguf_key_text(&writer, "tokenizer.ggml.pre", change->pre);
    gguf_key_texts(&writer, "tokenizer.ggml.tokens", vocabulary.tokens, VOCABULARY);
    gguf_key_u32s(&writer, "tokenizer.ggml.token_type", vocabulary.kinds, VOCABULARY);
    gguf_key_texts(&writer, "tokenizer.ggml.merges", vocabulary.merges, vocabulary.merge_count);
    if (change->flag)
        gguf_key_bool(&writer, change->flag, true);
    if (change->number)
        gguf_key_u32(&writer, change->number, change->value);
    if (change->other_number)
        gguf_key_u32(&writer, change->other_number, change->other_value);
    return gguf_write(&writer, tools_path("m.gguf"));
}

static bool init(const struct change *change)
{
    static char path[128];
    tools_clean_up();
    if (!write_file(change))
        return false;
    snprintf(path, sizeof path, "%s", tools_path("m.gguf"));
    return tools_init(&tools_tokenizer, path, VOCABULARY, false) == 0;
}

// The tiny tokenizers that are named after qwen2 and olmo leave out the NFC that these have; the
// names here are of the same patterns without it.
static bool test_expected(void)
{
    static const char *const names[TOOLS_BYTE_NAMES] = { "llama-bpe", "solar-open", "gpt-4o",
        "deepseek-v3", "gpt-2", "refact" };
    for (size_t i = 0; i < TOOLS_BYTE_NAMES; i++) {
        CHECK(read_vocabulary(tools_bpe_names[i]));
        CHECK(init(&(struct change){ .pre = names[i] }));
        CHECK(vkmoe_tokenizer_exists(tools_path("m.gguf")));
        CHECK(tools_encode_as_expected(tools_bpe_names[i]));
    }
    return true;
fail:
    return false;
}

// ------------------------------------------------------------------------- patterns

static char pieces[256];

static void add_piece(void *data, const char *piece, size_t size)
{
    size_t *used = data;
    if (*used + size + 1 < sizeof pieces) {
        memcpy(pieces + *used, piece, size);
        *used += size;
        pieces[(*used)++] = '|';
    }
    pieces[*used] = 0;
}

static bool cuts_to(const char *text, const char *expected)
{
    size_t used = 0;
    pieces[0] = 0;
    const bool ok = vkmoe_split_cut(
        vkmoe_bpe_split(tools_tokenizer.tokenizer->bpe), text, strlen(text), add_piece, &used);
    if (!ok || strcmp(pieces, expected) != 0)
        tap_note("'%s' is cut to '%s'", text, pieces);
    return ok && strcmp(pieces, expected) == 0;
}

// DeepSeek-V2 takes ASCII's letters for signs, too, and the later Greek ones for Asia's.
static const struct cut {
    const char *name, *text, *expected;
} cuts[] = {
    { "gpt-2", "It's  12345 (ok)\n x", "It|'s| | 12345| (|ok|)|\n| x|" },
    { "mpt", "it'S 1", "it|'|S| 1|" },
    { "starcoder", "a 12b", "a| |1|2|b|" },
    { "qwen2", "It'S 12.a\n\n x", "It|'S| |1|2|.a|\n\n| x|" },
    { "grok-2", "12", "1|2|" },
    { "qwen35", "e\u0301x \u0301!", "e\u0301x| \u0301|!|" },
    { "llama3", "12345!?\r\nA", "123|45|!?\r\n|A|" },
    { "dbrx", "12345", "123|45|" },
    { "glm4", "we'VE 12345", "we|'VE| |123|45|" },
    { "gpt-4o", "fooBar'S ABCd 12345 a/\n/b", "foo|Bar'S| ABCd| |123|45| a|/\n/|b|" },
    { "minimax-m2", "fooBar1234", "foo|Bar|123|4|" },
    { "tekken", "fooBar's 12 //\n", "foo|Bar|'s| |1|2| //\n|" },
    { "deepseek-v3", "1234\u4f60\u597d\u30a2.abc x\n", "123|4|\u4f60\u597d\u30a2|.abc| x|\n|" },
    { "deepseek-llm", "Hi \u00e9t\u00e9, 12345\n\u4f60\u597d  ",
        "Hi| \u00e9|t|\u00e9|,| |12345|\n|\u4f60\u597d|  |" },
    { "deepseek-llm", "\u03a9\u03b1 \u1f7c\u01bb", "\u03a9\u03b1| |\u1f7c|\u01bb|" },
    { "deepseek-coder", "Hi (there) 123\n", "Hi| (|there|)| |1|2|3|\n|" },
    { "kimi-k2", "ab\u4f60\u597dCd  \u4f60 1234/\n/",
        "ab|\u4f60\u597d|Cd| | |\u4f60| |123|4|/\n|/|" },
    { "afmoe", "ab  1234567 12\u4f60a.Cd x\n", "ab|  |1|234|567| |12|\u4f60|a|.Cd| x|\n|" },
    { "mellum2", "ab 123 c", "ab| |1|2|3| c|" },
    { "exaone-moe", "Hi the re 12a/\n\nb", "Hi the re| |1|2|a|/\n|\n|b|" },
    { "bailingmoe2", "don't 12 a\n\nb", "don|'t| |1|2| a|\n\n|b|" },
};

static bool test_cuts(void)
{
    size_t i = 0;
    CHECK(read_vocabulary("qwen2"));
    for (; i < COUNT_OF(cuts); i++) {
        CHECK(init(&(struct change){ .pre = cuts[i].name }));
        CHECK(cuts_to(cuts[i].text, cuts[i].expected));
    }
    return true;
fail:
    tap_note("as %s", cuts[i].name);
    return false;
}

// Quadratic, one of these would take minutes, or more steps than a match may take.
static bool test_long(void)
{
    static const char *const units[] = { "a", "A", "aA", " ", "\n", " \n", "1", "!", "a ",
        "\u4f60" };
    static char text[LONG + 2];
    CHECK(read_vocabulary("qwen2"));
    for (size_t i = 0; i < COUNT_OF(cuts); i++) {
        CHECK(init(&(struct change){ .pre = cuts[i].name }));
        for (size_t k = 0; k < COUNT_OF(units); k++) {
            const size_t size = strlen(units[k]);
            memset(text, 0, sizeof text);
            for (size_t at = 0; at + size <= LONG; at += size)
                memcpy(text + at, units[k], size);
            if (tools_encode(text, true) && tools_encode(strcat(text, "1"), true))
                continue;
            tap_note("%s of '%s'", cuts[i].name, units[k]);
            CHECK(false);
        }
    }
    return true;
fail:
    return false;
}

// In NFC where the model's own tokenizer has it, though GGUF has no word for that.
static bool test_nfc(void)
{
    static const struct {
        const char *name;
        bool nfc;
    } rows[] = { { "qwen2", true }, { "qwen35", true }, { "olmo", true }, { "llama-bpe", false },
        { "gpt-2", false }, { "glm4", false } };
    CHECK(read_vocabulary("qwen2"));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CHECK(init(&(struct change){ .pre = rows[i].name }) && tools_encode("\u00e9", true));
        const uint32_t count = tools_count;
        CHECK(tools_encode("e\u0301", true));
        CHECK((tools_count == count) == rows[i].nfc);
    }
    return true;
fail:
    return false;
}

// ----------------------------------------------------------------------------- ends

#define KEY(name) "tokenizer.ggml." name
enum { BEGIN = 508, END = 510 };

static bool test_ends(void)
{
    CHECK(read_vocabulary("llama-bpe"));
    // By the name alone, or said; without a token there is none.
    CHECK(init(&(struct change){ .pre = "llama-bpe" }) && tools_encode("!", false));
    CHECK(tools_count == 1);
    CHECK(init(
        &(struct change){ .pre = "llama-bpe", .number = KEY("bos_token_id"), .value = BEGIN }));
    CHECK(tools_encode("!", false) && tools_count == 2 && tools_tokens[0] == BEGIN);
    CHECK(tools_encode("<|endoftext|>!", false) && tools_count == 2);
    CHECK(tools_decode_to("<|endoftext|>!"));
    CHECK(init(&(struct change){ .pre = "qwen2", .number = KEY("bos_token_id"), .value = BEGIN }));
    CHECK(tools_encode("!", false) && tools_count == 1);
    CHECK(init(&(struct change){
        .pre = "qwen2", .flag = KEY("add_bos_token"), .number = KEY("bos_token_id"), .value = 3 }));
    CHECK(tools_encode("!", false) && tools_count == 2 && tools_tokens[0] == 3);
    CHECK(init(&(struct change){ .pre = "qwen2",
        .flag = KEY("add_eos_token"),
        .number = KEY("eos_token_id"),
        .value = END }));
    CHECK(tools_encode("!", false) && tools_count == 2 && tools_tokens[1] == END);
    return true;
fail:
    return false;
}

// Gemma 4's kind: tokens are texts, runs of blanks are users' and written as blanks.
static bool test_text(void)
{
    const struct change change = { .model = "gemma4" };
    CHECK(read_vocabulary("spm-bare"));
    CHECK(init(&change) && tools_encode_as_expected("spm-bare"));
    CHECK(tools_encode("  ", true) && tools_count == 2);
    vocabulary.tokens[400] = "  ";
    vocabulary.kinds[400] = 4;
    vocabulary.merges[vocabulary.merge_count++] = "\u2581 \u2581";
    CHECK(init(&change) && tools_encode("  ", true) && tools_count == 1);
    CHECK(tools_tokens[0] == 400 && tools_decode_to("  "));
    CHECK(init(&(struct change){ .model = "gemma4", .number = KEY("bos_token_id"), .value = 1 }));
    CHECK(tools_encode("e", true) && tools_count == 2 && tools_tokens[0] == 1);
    return true;
fail:
    return false;
}

// A merge of what is no token is passed over, and an empty token is none.
static bool test_odd(void)
{
    CHECK(read_vocabulary("qwen2"));
    memmove(vocabulary.merges + 1, vocabulary.merges, (MAX_MERGES - 1) * sizeof *vocabulary.merges);
    vocabulary.merges[0] = "zz zz";
    vocabulary.merge_count++;
    CHECK(init(&(struct change){ .pre = "grok-2" }) && tools_encode_as_expected("qwen2"));
    vocabulary.tokens[506] = vocabulary.tokens[507] = "";
    CHECK(init(&(struct change){ .pre = "qwen2" }) && tools_encode("!", true) && tools_count == 1);
    return true;
fail:
    return false;
}

// -------------------------------------------------------------------------- refusals

static bool is_refused(const struct change *change, const char *said)
{
    tools_begin_listening();
    const bool opened = init(change);
    const uint32_t lines = tools_end_listening();
    if (!opened && lines == 1 && strstr(tools_said, said))
        return true;
    tap_note("expected '%s', got %u lines: %s", said, lines, tools_said);
    return false;
}

static bool test_refused(void)
{
    static const struct {
        struct change change;
        const char *said;
    } rows[] = {
        { { .pre = "gpt-3" }, "tokenizer.ggml.pre is \"gpt-3\", and how that cuts" },
        { { .pre = "gpt" }, "tokenizer.ggml.pre is \"gpt\"" },
        { { .pre = "" }, "tokenizer.ggml.pre is \"\"" },
        { { 0 }, "tokenizer.ggml.pre is not there" },
        { { .model = "bert" }, "tokenizer.ggml.model is \"bert\", only llama, gpt2 and" },
        { { .pre = "qwen2", .number = KEY("add_bos_token"), .value = 1 },
            "add_bos_token is neither true nor false" },
        { { .pre = "qwen2",
              .flag = KEY("add_eos_token"),
              .number = KEY("eos_token_id"),
              .value = VOCABULARY },
            "eos_token_id is not one of its 512 tokens" },
        { { .pre = "llama-bpe", .flag = KEY("bos_token_id") },
            "bos_token_id is not one of its 512 tokens" },
        { { .pre = "qwen2", .flag = KEY("add_bos_token") },
            "add_bos_token is true, but there is no bos_token_id" },
    };
    CHECK(read_vocabulary("qwen2"));
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CHECK(is_refused(&rows[i].change, rows[i].said));
    return true;
fail:
    return false;
}

// One thing of each that is not as it has to be.
static bool test_broken(void)
{
    static const struct {
        uint32_t kind;
        const char *token, *merge, *said;
    } rows[] = {
        { .kind = 9, .said = "tokens: token 5 has an unknown type" },
        { .token = "\xff", .said = "tokens: token 5 is no UTF-8" },
        { .token = "!", .said = "there is another token of the text" },
        { .merge = "ab", .said = "merges: the one at 5 is not of two tokens" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CHECK(read_vocabulary("qwen2"));
        if (rows[i].kind)
            vocabulary.kinds[5] = rows[i].kind;
        if (rows[i].token)
            vocabulary.tokens[5] = rows[i].token;
        if (rows[i].merge)
            vocabulary.merges[5] = rows[i].merge;
        CHECK(is_refused(&(struct change){ .pre = "qwen2" }, rows[i].said));
    }
    return true;
fail:
    return false;
}

TOOLS_MAIN(NULL, { "expected tokens", test_expected }, { "patterns", test_cuts },
    { "long pieces", test_long }, { "NFC", test_nfc }, { "before and after texts", test_ends },
    { "texts", test_text }, { "odd", test_odd }, { "refused", test_refused },
    { "broken", test_broken })
