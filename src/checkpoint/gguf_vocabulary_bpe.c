// gguf_vocabulary_bpe.c - tokenizer.json of byte-level BPE. GGUF has a name for how texts are cut
// before they are merged, not the patterns: one that is not known here is refused.
#include "checkpoint/gguf_vocabulary.h"

#include <stdio.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "checkpoint/gguf_tokenizer.h"

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

// Whether a pattern is the next of a split's, and the one after it is then.
static bool take_pattern(const char *const **next, const char *pattern)
{
    return pattern && **next && same_pattern(pattern, *(*next)++);
}

// *last: ByteLevel was there, which is GPT-2's pattern or none.
static bool take_step(
    const struct value *step, const struct gguf_split *split, const char *const **next, bool *last)
{
    const struct value *regex = find(step, "use_regex");
    const char *behavior = value_text(find(step, "behavior"));
    if (*last)
        return false;
    *last = is_type(step, "ByteLevel");
    if (*last)
        return !value_is_true(find(step, "add_prefix_space"))
            && split->gpt2 == (!regex || value_is_true(regex));
    if (is_type(step, "Digits"))
        return value_is_true(find(step, "individual_digits")) && take_pattern(next, "\\p{N}");
    return is_type(step, "Split") && behavior && strcmp(behavior, "Isolated") == 0
        && !value_is_true(find(step, "invert"))
        && take_pattern(next, value_text(find(find(step, "pattern"), "Regex")));
}

static bool same_cuts(const struct value *json, const struct gguf_split *split)
{
    const struct value *all = find(json, "pre_tokenizer");
    const bool sequence = is_type(all, "Sequence");
    const struct value *items = sequence ? find(all, "pretokenizers") : NULL;
    const struct value *first = sequence ? vkmoe_value_begin(items) : all;
    const struct value *end = sequence ? vkmoe_value_end(items) : all ? all + 1 : NULL;
    const char *const *next = split->patterns;
    bool last = false, same = true;
    for (const struct value *item = first; same && item < end; item++)
        same = take_step(item, split, &next, &last);
    return same && last && !*next;
}

// Of two names for the same cuts the one that does the same before and after them.
static void put_name(struct vocabulary *v, const struct value *json)
{
    const bool nfc = is_type(find(json, "normalizer"), "NFC");
    const bool ignore_merges = value_is_true(find(find(json, "model"), "ignore_merges"));
    const struct gguf_split *other = NULL;
    char name[32];
    for (uint32_t i = 0; vkmoe_gguf_split_at(i); i++) {
        const struct gguf_split *split = vkmoe_gguf_split_at(i);
        if (!same_cuts(json, split))
            continue;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(split->names, " "), split->names);
        if (split->nfc == nfc && split->ignore_merges == ignore_merges) {
            vkmoe_gguf_put_text(v->out, "tokenizer.ggml.pre", name);
            return;
        }
        other = split;
    }
    if (other)
        VOCABULARY_FAIL(v, UNSUPPORTED,
            "%s: GGUF cannot say its pre_tokenizer %s NFC and %s ignore_merges; %s is another",
            v->path, nfc ? "with" : "without", ignore_merges ? "with" : "without", name);
    else
        VOCABULARY_FAIL(v, UNSUPPORTED,
            "%s: this version knows no name in GGUF for how its pre_tokenizer cuts texts", v->path);
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
    const struct value *steps = find(normalizer, "normalizers"), *vocab = find(model, "vocab");
    const bool plain = !normalizer || value_is(normalizer, VALUE_NULL) || is_type(normalizer, "NFC")
        || (is_type(normalizer, "Sequence") && value_is(steps, VALUE_LIST) && steps->count == 0);
    if (!is_type(model, "BPE") || value_is_true(find(model, "byte_fallback")))
        VOCABULARY_FAIL(
            v, UNSUPPORTED, "%s: only tokenizers of byte-level BPE are written", v->path);
    else if (!plain)
        VOCABULARY_FAIL(v, UNSUPPORTED, "%s: GGUF cannot say what its normalizer does", v->path);
    else if (!value_is(find(model, "merges"), VALUE_LIST) || !value_is(vocab, VALUE_OBJECT)
        || vocab->count == 0)
        VOCABULARY_FAIL(v, INVALID, "%s: has no tokens, or no list of merges", v->path);
    VALUE_EACH(item, vocab)
    {
        set_token(v, item, item->name, TOKEN_NORMAL);
    }
    VALUE_EACH(item, find(json, "added_tokens"))
    {
        const bool special = value_is_true(find(item, "special"));
        set_token(v, find(item, "id"), value_text(find(item, "content")),
            special ? TOKEN_CONTROL : TOKEN_USER_DEFINED);
        vkmoe_vocabulary_check(v, item);
    }
}

static void read_template(
    struct vocabulary *v, const struct value *template, struct text_ends *ends)
{
    int64_t *place = &ends->begin;
    if (find(template, "type") && !is_type(template, "ByteLevel")
        && !is_type(template, "TemplateProcessing"))
        VOCABULARY_FAIL(
            v, UNSUPPORTED, "%s: GGUF cannot say what its post_processor does", v->path);
    VALUE_EACH(item, find(template, "single"))
    {
        const char *text = value_text(find(find(item, "SpecialToken"), "id"));
        if (!text && find(item, "Sequence")) {
            place = &ends->end;
            continue;
        }
        const int64_t id = *place < 0 ? vkmoe_vocabulary_find(v, text) : -1;
        if (id < 0)
            VOCABULARY_FAIL(v, UNSUPPORTED,
                "%s: its post_processor puts more than one known token at an end of texts",
                v->path);
        *place = id;
    }
}

struct text_ends vkmoe_vocabulary_read_ends(struct vocabulary *v, const struct value *json)
{
    const struct value *all = find(json, "post_processor");
    const struct value *list = is_type(all, "Sequence") ? find(all, "processors") : NULL;
    struct text_ends ends = { .begin = -1, .end = -1 };
    if (!list)
        read_template(v, all, &ends);
    VALUE_EACH(item, list)
    {
        read_template(v, item, &ends);
    }
    return ends;
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
    put_name(v, json);
    vkmoe_gguf_put_array(v->out, "tokenizer.ggml.merges", GGUF_ITEMS_TEXT,
        value_is(merges, VALUE_LIST) ? merges->count : 0);
    VALUE_EACH(item, merges)
    {
        put_merge(v, item);
    }
}
