// gguf_vocabulary_bpe.c - tokenizer.json of byte-level BPE. GGUF has a name for how texts are cut
// before they are merged, not the patterns: one that is not known here is refused.
#include "checkpoint/gguf_vocabulary.h"

#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"

#define CLITICS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define MARKS_AND_BLANKS " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(clitics, digits) \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" clitics "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER \
    "*" clitics "|\\p{N}" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define LETTERS(digits) CLITICS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" digits "|" MARKS_AND_BLANKS

enum { MAX_STEPS = 3 };

// Patterns one after the other. GPT2: ByteLevel's own; DIGITS: each by itself.
#define GPT2 "ByteLevel"
#define DIGITS "Digits"
static const struct {
    const char *pre, *steps[MAX_STEPS];
    bool nfc; // with this normalizer; without it the next name of the same patterns is meant
} names[] = {
    { "qwen2", { LETTERS("") } },
    { "llama-bpe", { LETTERS("{1,3}") } },
    { "gpt-4o", { CASED(CLITICS "?", "{1,3}") } },
    { "tekken", { CASED("", "") } },
    { "deepseek-v3",
        { "\\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
            "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
            "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
            "| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+" } },
    { "olmo", { GPT2 }, .nfc = true },
    { "gpt-2", { GPT2 } },
    { "refact", { DIGITS, GPT2 } },
};

static const struct value *find(const struct value *object, const char *key)
{
    return vkmoe_value_member(object, key);
}

static bool is_type(const struct value *object, const char *type)
{
    const char *text = value_text(find(object, "type"));
    return text && strcmp(text, type) == 0;
}

// -------------------------------------------------------------------------------- cuts

// The next character, the same whether it is written as it is or behind a backslash.
static int next_character(const char **at)
{
    const char *c = *at;
    if (c[0] != '\\' || !c[1]) {
        *at += *c != '\0';
        return (unsigned char)*c;
    }
    *at += 2;
    switch (c[1]) {
    case 'r': return '\r';
    case 'n': return '\n';
    case '"': return '"';
    default: return 256 | (unsigned char)c[1];
    }
}

static bool same_pattern(const char *a, const char *b)
{
    int x, y;
    do {
        x = next_character(&a);
        y = next_character(&b);
    } while (x == y && x != '\0');
    return x == y;
}

// What the table has for a step; "": none, and it cuts nothing; NULL: nothing it could have.
static const char *step_of(const struct value *step)
{
    const struct value *regex = find(step, "use_regex");
    const char *behavior = value_text(find(step, "behavior"));
    if (is_type(step, "ByteLevel") && !value_is_true(find(step, "add_prefix_space")))
        return !regex || value_is_true(regex) ? GPT2 : "";
    if (is_type(step, "Digits"))
        return value_is_true(find(step, "individual_digits")) ? DIGITS : NULL;
    if (is_type(step, "Split") && behavior && strcmp(behavior, "Isolated") == 0
        && !value_is_true(find(step, "invert")))
        return value_text(find(find(step, "pattern"), "Regex"));
    return NULL;
}

// The name of how a tokenizer cuts texts, or NULL.
static const char *find_name(const struct value *json)
{
    const struct value *all = find(json, "pre_tokenizer");
    const char *steps[MAX_STEPS] = { NULL };
    uint32_t count = 0;
    const bool sequence = is_type(all, "Sequence");
    const struct value *items = sequence ? find(all, "pretokenizers") : NULL;
    const struct value *first = sequence ? vkmoe_value_begin(items) : all;
    const struct value *end = sequence ? vkmoe_value_end(items) : all ? all + 1 : NULL;
    for (const struct value *item = first; item < end; item++) {
        const char *step = step_of(item);
        if (!step || (*step && count == MAX_STEPS))
            return NULL;
        if (*step)
            steps[count++] = step;
    }
    const bool nfc = is_type(find(json, "normalizer"), "NFC");
    for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
        bool same = count > 0 && (nfc || !names[n].nfc);
        for (uint32_t i = 0; same && i < MAX_STEPS; i++)
            same = steps[i] && names[n].steps[i] ? same_pattern(steps[i], names[n].steps[i])
                                                 : !steps[i] && !names[n].steps[i];
        if (same)
            return names[n].pre;
    }
    return NULL;
}

// ------------------------------------------------------------------------------ tokens

static void set_token(
    struct vocabulary *v, const struct value *id, const char *text, enum token_kind kind)
{
    uint64_t number;
    if (!text || !vkmoe_value_integer(id, &number))
        VOCABULARY_FAIL(v, INVALID, "%s: a token has no text, or no id", v->path);
    else
        vkmoe_vocabulary_set(
            v, number, (struct token){ .text = text, .size = strlen(text), .kind = kind });
}

void vkmoe_vocabulary_read_bpe(struct vocabulary *v, const struct value *json)
{
    const struct value *model = find(json, "model"), *normalizer = find(json, "normalizer");
    const struct value *steps = find(normalizer, "normalizers");
    const bool plain = !normalizer || value_is(normalizer, VALUE_NULL) || is_type(normalizer, "NFC")
        || (is_type(normalizer, "Sequence") && value_is(steps, VALUE_LIST) && steps->count == 0);
    if (!is_type(model, "BPE") || value_is_true(find(model, "byte_fallback")))
        VOCABULARY_FAIL(
            v, UNSUPPORTED, "%s: only tokenizers of byte-level BPE are written", v->path);
    else if (!plain)
        VOCABULARY_FAIL(v, UNSUPPORTED, "%s: GGUF cannot say what its normalizer does", v->path);
    VALUE_EACH(item, find(model, "vocab"))
    {
        set_token(v, item, item->name, TOKEN_NORMAL);
    }
    VALUE_EACH(item, find(json, "added_tokens"))
    {
        const bool special = value_is_true(find(item, "special"));
        set_token(v, find(item, "id"), value_text(find(item, "content")),
            special ? TOKEN_CONTROL : TOKEN_USER_DEFINED);
    }
}

bool vkmoe_vocabulary_begins(const struct value *json)
{
    const struct value *all = find(json, "post_processor"), *template = all;
    if (is_type(all, "Sequence")) {
        VALUE_EACH(item, find(all, "processors"))
        {
            template = is_type(item, "TemplateProcessing") ? item : template;
        }
    }
    const struct value *first = vkmoe_value_begin(find(template, "single"));
    return first && find(first, "SpecialToken");
}

// As one string with a blank between the two.
static void put_merge(struct vocabulary *v, const struct value *item)
{
    const char *text = value_text(item);
    const struct value *pair = vkmoe_value_begin(item);
    if (text) {
        vkmoe_gguf_put_item(v->out, text, strlen(text));
        return;
    }
    const char *left = item->count == 2 ? value_text(&pair[0]) : NULL;
    const char *right = left ? value_text(&pair[1]) : NULL;
    if (!right) {
        VOCABULARY_FAIL(v, INVALID, "%s: a merge is not of two tokens", v->path);
        return;
    }
    const uint64_t size = strlen(left) + 1 + strlen(right);
    vkmoe_gguf_put_bytes(v->out, &size, sizeof size);
    vkmoe_gguf_put_bytes(v->out, left, strlen(left));
    vkmoe_gguf_put_bytes(v->out, " ", 1);
    vkmoe_gguf_put_bytes(v->out, right, strlen(right));
}

void vkmoe_vocabulary_put_bpe(struct vocabulary *v, const struct value *json)
{
    const struct value *merges = find(find(json, "model"), "merges");
    const char *pre = find_name(json);
    if (!pre) {
        VOCABULARY_FAIL(v, UNSUPPORTED,
            "%s: this version knows no name in GGUF for how its pre_tokenizer cuts texts", v->path);
        return;
    }
    vkmoe_gguf_put_text(v->out, "tokenizer.ggml.pre", pre);
    vkmoe_gguf_put_array(v->out, "tokenizer.ggml.merges", GGUF_ITEMS_TEXT,
        value_is(merges, VALUE_LIST) ? merges->count : 0);
    VALUE_EACH(item, merges)
    {
        put_merge(v, item);
    }
}
