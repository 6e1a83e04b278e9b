// bpe_json.c - see bpe_json.h. What is not understood is refused: a tokenizer that is nearly the
// right one makes a model worse without a word.
#include "tokenizer/bpe_json.h"

#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/json.h"
#include "base/try.h"
#include "checkpoint/gguf_tokenizer.h"
#include "tokenizer/bpe_text.h"
#include "tokenizer/tiktoken.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/unigram.h"

enum { MAX_IDS = 4 << 20 }; // of a vocabulary, whatever the model's is

static const char gpt2_pattern[] = "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"
                                   "\\s+(?!\\S)|\\s+";

struct reader {
    const struct vkmoe_log *log;
    const char *path;
    const struct value *json, *model;
    struct tokenizer_files *files;
    struct bpe *bpe;
    uint32_t vocabulary; // the model's
    uint32_t room;       // ids that the files name are below, and below that
    bool is_text;
};

// What there was no memory for may look as if the file lacked it.
static enum vkmoe_status check_memory(const struct reader *r)
{
    return (r->bpe && vkmoe_bpe_lacks_memory(r->bpe)) || r->files->special.lacks_memory
        ? vkmoe_fail(r->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: out of host memory", r->path)
        : VKMOE_OK;
}

static enum vkmoe_status refuse_as(
    const struct reader *r, enum vkmoe_status status, const char *what, const char *text)
{
    char shown[64];
    TRY_RETURN(check_memory(r));
    return vkmoe_fail(
        r->log, status, "%s: %s \"%s\"", r->path, what, vkmoe_printable(text, shown, sizeof shown));
}

static enum vkmoe_status refuse(const struct reader *r, const char *what, const char *text)
{
    return refuse_as(r, VKMOE_ERROR_INVALID, what, text);
}

// What is not done here.
static enum vkmoe_status refuse_use(const struct reader *r, const char *what)
{
    return refuse_as(r, VKMOE_ERROR_UNSUPPORTED, "cannot be used with", what);
}

static enum vkmoe_status refuse_type(
    const struct reader *r, const char *what, const struct value *object)
{
    const char *type = value_text(json_find(object, "type"));
    return refuse_as(r, VKMOE_ERROR_UNSUPPORTED, what, type ? type : "");
}

// ------------------------------------------------------------------------------ model

static enum vkmoe_status add_merge(struct reader *r, const struct value *item)
{
    const char *left = value_text(item), *right = NULL;
    size_t size = 0;
    if (left && *left && (right = strchr(left + 1, ' '))) {
        size = (size_t)(right++ - left);
    } else if (value_is(item, VALUE_LIST) && item->count == 2) {
        left = value_text(&item->items[0]);
        right = value_text(&item->items[1]);
        size = left ? strlen(left) : 0;
    }
    if (!left || !right)
        return vkmoe_fail(r->log, VKMOE_ERROR_INVALID, "%s: a merge is not of two tokens", r->path);
    // GGUF files may have merges of what is no token, and mean nothing by them.
    return vkmoe_bpe_add_merge(r->bpe, left, size, right, strlen(right))
            || json_is_true(r->model, "skip_merges")
        ? VKMOE_OK
        : refuse(r, "there is no such token, or none for what it becomes, as merges has it:", left);
}

static enum vkmoe_status read_integer(
    const struct reader *r, const struct value *item, const char *text, uint64_t *value)
{
    return vkmoe_value_integer(item, value) ? VKMOE_OK
                                            : refuse(r, "has no id, an integer from 0, for", text);
}

static enum vkmoe_status read_id(
    const struct reader *r, const struct value *item, const char *text, uint32_t *id)
{
    uint64_t value = 0;
    const enum vkmoe_status status = read_integer(r, item, text, &value);
    if (status == VKMOE_OK && value >= r->vocabulary) {
        char shown[64];
        return vkmoe_fail(r->log, VKMOE_ERROR_INVALID,
            "%s: \"%s\" is token %llu, the model's vocabulary ends at %u", r->path,
            vkmoe_printable(text, shown, sizeof shown), (unsigned long long)value,
            r->vocabulary - 1);
    }
    *id = (uint32_t)value;
    return status;
}

static enum vkmoe_status add_token(struct reader *r, const char *text, uint32_t id)
{
    if (id >= r->room)
        return refuse(r, "there are too many tokens, or the id is too large, at", text);
    return vkmoe_bpe_add_token(r->bpe, text, strlen(text), id)
        ? VKMOE_OK
        : refuse(r, "there is another token of the text, or the id, of", text);
}

static enum vkmoe_status lack_memory(const struct reader *r)
{
    return vkmoe_fail(r->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: out of host memory", r->path);
}

static enum vkmoe_status open_model(struct reader *r, uint32_t merges)
{
    r->bpe = vkmoe_bpe_open(r->room, merges, json_is_true(r->model, "ignore_merges"));
    if (!r->bpe)
        return lack_memory(r);
    return r->is_text ? vkmoe_bpe_read_text(r->log, r->path, r->json, r->bpe, r->files) : 0;
}

// By their ids, those of the vocabulary that no text becomes: the unknown one, and what is special.
// NULL: there is no memory.
static bool *find_unwritten(const struct reader *r, uint32_t count, const uint64_t *unknown)
{
    bool *unwritten = calloc(count + (size_t)1, sizeof *unwritten);
    uint64_t id;
    if (!unwritten)
        return NULL;
    VALUE_EACH(item, json_find(r->json, "added_tokens"))
    {
        if (json_is_true(item, "special") && vkmoe_value_integer(json_find(item, "id"), &id)
            && id < count)
            unwritten[id] = true;
    }
    if (unknown)
        unwritten[*unknown] = true;
    return unwritten;
}

// [["<unk>", 0.0], ["a", -1.5], ...]: ids are the places.
static enum vkmoe_status add_pieces(struct reader *r, const struct value *vocabulary,
    const bool *unwritten, struct unigram *unigram)
{
    uint32_t id = 0;
    VALUE_EACH(item, vocabulary)
    {
        const char *text =
            value_is(item, VALUE_LIST) && item->count == 2 ? value_text(&item->items[0]) : NULL;
        if (!text || !value_is(&item->items[1], VALUE_NUMBER) || strlen(text) > UNIGRAM_MAX_SIZE)
            return vkmoe_fail(r->log, VKMOE_ERROR_INVALID,
                "%s: token %u is not a text of at most %d bytes, and a score", r->path, id,
                UNIGRAM_MAX_SIZE);
        const enum vkmoe_status status = add_token(r, text, id);
        if (status != VKMOE_OK)
            return status;
        if (!unwritten[id] && !vkmoe_bpe_is_byte(r->bpe, id))
            vkmoe_unigram_add(unigram, text, strlen(text), id, item->items[1].number);
        id++;
    }
    return vkmoe_unigram_finish(unigram) ? VKMOE_OK : lack_memory(r);
}

static enum vkmoe_status read_unigram(struct reader *r)
{
    const struct value *vocabulary = json_find(r->model, "vocab"),
                       *unknown = json_find(r->model, "unk_id");
    uint64_t id = 0;
    if (!r->is_text)
        return vkmoe_fail(r->log, VKMOE_ERROR_INVALID,
            "%s: its pre_tokenizer or normalizer does not mark blanks", r->path);
    if (!value_is(vocabulary, VALUE_LIST) || vocabulary->count > r->vocabulary)
        return vkmoe_fail(r->log, VKMOE_ERROR_INVALID,
            "%s: its model has no vocab, a list, of at most the model's %u tokens", r->path,
            r->vocabulary);
    if (unknown && (!vkmoe_value_integer(unknown, &id) || id >= vocabulary->count))
        return vkmoe_fail(r->log, VKMOE_ERROR_INVALID, "%s: unk_id is none of its tokens", r->path);
    enum vkmoe_status status = open_model(r, 0);
    if (status != VKMOE_OK)
        return status;
    struct unigram *unigram = vkmoe_unigram_open(vocabulary->count);
    if (!unigram)
        return lack_memory(r);
    vkmoe_bpe_use_unigram(r->bpe, unigram);
    vkmoe_bpe_set_unknown(r->bpe, unknown ? (int64_t)id : -1);
    bool *unwritten = find_unwritten(r, vocabulary->count, unknown ? &id : NULL);
    status = unwritten ? add_pieces(r, vocabulary, unwritten, unigram) : lack_memory(r);
    free(unwritten);
    return status;
}

static enum vkmoe_status read_bpe(struct reader *r)
{
    static const char *const strange[] = { "continuing_subword_prefix", "end_of_word_suffix" };
    const struct value *vocabulary = json_find(r->model, "vocab"),
                       *merges = json_find(r->model, "merges");
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        const char *text = value_text(json_find(r->model, strange[i]));
        if (text && *text)
            return refuse_use(r, strange[i]);
    }
    if (!r->is_text && json_is_true(r->model, "byte_fallback"))
        return refuse_use(r, "byte_fallback");
    if (!value_is(vocabulary, VALUE_OBJECT) || !value_is(merges, VALUE_LIST))
        return vkmoe_fail(r->log, VKMOE_ERROR_INVALID,
            "%s: its model has no vocab, an object, or no merges, a list", r->path);
    enum vkmoe_status status = open_model(r, merges->count);
    VALUE_EACH(item, vocabulary)
    {
        uint32_t id = 0;
        if (status == VKMOE_OK)
            status = read_id(r, item, item->name, &id);
        if (status == VKMOE_OK)
            status = add_token(r, item->name, id);
        if (status != VKMOE_OK)
            return status;
    }
    VALUE_EACH(item, merges)
    {
        status = add_merge(r, item);
        if (status != VKMOE_OK)
            return status;
    }
    const char *unknown = value_text(json_find(r->model, "unk_token"));
    if (unknown)
        vkmoe_bpe_set_unknown(r->bpe, vkmoe_bpe_find(r->bpe, unknown, strlen(unknown)));
    return status;
}

static enum vkmoe_status read_model(struct reader *r)
{
    r->is_text = vkmoe_bpe_is_text(r->json);
    if (json_says(r->model, "type", "Unigram"))
        return read_unigram(r);
    if (!json_says(r->model, "type", "BPE"))
        return refuse_type(r, "only tokenizers of type BPE or Unigram are read, not", r->model);
    return read_bpe(r);
}

// --------------------------------------------------------------------------- patterns

static enum vkmoe_status add_pattern(struct reader *r, const char *pattern)
{
    char why[128];
    if (vkmoe_split_add(vkmoe_bpe_split(r->bpe), pattern, why, sizeof why))
        return VKMOE_OK;
    return !*why ? lack_memory(r)
                 : vkmoe_fail(r->log, VKMOE_ERROR_INVALID,
                     "%s: a pattern of its pre_tokenizer cannot be used: %s", r->path, why);
}

static enum vkmoe_status add_split(struct reader *r, const struct value *step)
{
    const char *pattern = value_text(json_find(json_find(step, "pattern"), "Regex"));
    const char *behavior = value_text(json_find(step, "behavior"));
    if (!pattern)
        return vkmoe_fail(r->log, VKMOE_ERROR_INVALID,
            "%s: its pre_tokenizer splits by something other than a Regex", r->path);
    if (!behavior || strcmp(behavior, "Isolated") != 0 || json_is_true(step, "invert"))
        return refuse(r, "splits only as \"Isolated\", not inverted, are done, not",
            behavior ? behavior : "");
    return add_pattern(r, strcmp(pattern, "\\s+$") == 0 ? GGUF_LAST_BLANKS : pattern);
}

// *bytes: ByteLevel was there; what would come after it does not see the text any more.
static enum vkmoe_status add_step(struct reader *r, const struct value *step, bool *bytes)
{
    if (*bytes)
        return refuse_type(r, "its pre_tokenizer goes on after ByteLevel with", step);
    if (json_says(step, "type", "Split"))
        return add_split(r, step);
    if (json_says(step, "type", "Digits"))
        return add_pattern(r, json_is_true(step, "individual_digits") ? "\\p{N}" : "\\p{N}+");
    if (!json_says(step, "type", "ByteLevel"))
        return refuse_type(r, "cannot be used with a pre_tokenizer of type", step);
    *bytes = true;
    if (json_is_true(step, "add_prefix_space"))
        return refuse_use(r, "add_prefix_space");
    const struct value *regex = json_find(step, "use_regex");
    return !regex || value_is_true(regex) ? add_pattern(r, gpt2_pattern) : 0;
}

static enum vkmoe_status read_patterns(struct reader *r)
{
    const struct value *all = json_find(r->json, "pre_tokenizer");
    bool bytes = false;
    if (!all)
        return refuse_type(r, "cannot be used with a pre_tokenizer of type", all);
    JSON_EACH(step, all, "pretokenizers")
    {
        const enum vkmoe_status status = add_step(r, step, &bytes);
        if (status != VKMOE_OK)
            return status;
    }
    return bytes
        ? VKMOE_OK
        : vkmoe_fail(r->log, VKMOE_ERROR_INVALID,
            "%s: only byte-level BPE is read, its pre_tokenizer has no ByteLevel", r->path);
}

static enum vkmoe_status read_normalizer(struct reader *r)
{
    const struct value *all = json_find(r->json, "normalizer");
    JSON_EACH(step, all, "normalizers")
    {
        if (!json_says(step, "type", "NFC"))
            return refuse_type(r, "cannot be used with a normalizer of type", step);
        vkmoe_split_use_nfc(vkmoe_bpe_split(r->bpe));
    }
    return VKMOE_OK;
}

// ------------------------------------------------------------------------ added tokens

static enum vkmoe_status add_added(
    struct reader *r, const struct value *item, const struct value *id, const char *file)
{
    struct special_token token = { .file = file, .has_flags = true };
    uint64_t number = 0;
    token.text = value_text(json_find(item, "content"));
    if (!token.text)
        return vkmoe_fail(
            r->log, VKMOE_ERROR_INVALID, "%s: an added token has no content", r->path);
    const enum vkmoe_status status = read_integer(r, id, token.text, &number);
    if (status != VKMOE_OK)
        return status;
    // One that the model has no row for is refused where a text has it.
    token.id = number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
    token.size = strlen(token.text);
    token.left_strip = json_is_true(item, "lstrip");
    token.right_strip = json_is_true(item, "rstrip");
    token.single_word = json_is_true(item, "single_word");
    token.is_blanks = !json_is_true(item, "special") && vkmoe_is_blanks(token.text, token.size);
    // Gemma's runs of blanks, which it has as U+2581.
    token.is_piece = r->is_text && !json_is_true(item, "special")
        && vkmoe_bpe_find(r->bpe, token.text, token.size) == token.id;
    vkmoe_special_add(&r->files->special, token);
    return VKMOE_OK;
}

static enum vkmoe_status sort_added(struct reader *r)
{
    const struct special_token *torn = vkmoe_special_sort(&r->files->special);
    return torn ? refuse(r, "there are two ids for", torn->text) : 0;
}

static enum vkmoe_status read_added(struct reader *r)
{
    enum vkmoe_status status = 0;
    VALUE_EACH(item, json_find(r->json, "added_tokens"))
    {
        if (status == VKMOE_OK)
            status = add_added(r, item, json_find(item, "id"), "tokenizer.json");
    }
    return status == VKMOE_OK ? sort_added(r) : status;
}

// {"163584": {"content": "[BOS]", ...}, ...}
static enum vkmoe_status read_decoder(struct reader *r, const struct value *config)
{
    enum vkmoe_status status = 0;
    VALUE_EACH(item, json_find(config, "added_tokens_decoder"))
    {
        char *end;
        const struct value id = { .kind = VALUE_NUMBER, .number = strtod(item->name, &end) };
        if (*end || end == item->name)
            return refuse(r, "added_tokens_decoder has no id in", item->name);
        if (status == VKMOE_OK)
            status = add_added(r, item, &id, "tokenizer_config.json");
    }
    return status == VKMOE_OK ? sort_added(r) : status;
}

static int64_t find_token(const struct reader *r, const struct value *item)
{
    const char *text =
        value_is(item, VALUE_OBJECT) ? value_text(json_find(item, "content")) : value_text(item);
    const size_t size = text ? strlen(text) : 0;
    const struct special_token *added =
        text ? vkmoe_special_find(&r->files->special, text, size) : NULL;
    return added && added->id < r->vocabulary ? added->id
        : text                                ? vkmoe_bpe_find(r->bpe, text, size)
                                              : -1;
}

// {"single": [{"SpecialToken": {"id": "<s>", ...}}, {"Sequence": ...}, {"SpecialToken": ...}]}
static enum vkmoe_status read_template(struct reader *r, const struct value *template)
{
    bool after = false;
    VALUE_EACH(item, json_find(template, "single"))
    {
        const struct value *token = json_find(item, "SpecialToken");
        int64_t *place = after ? &r->files->end : &r->files->begin;
        if (json_find(item, "Sequence")) {
            after = true;
            continue;
        }
        if (*place >= 0 || (*place = find_token(r, json_find(token, "id"))) < 0)
            return refuse_type(r, "puts more than one known token at an end of texts by", template);
    }
    return VKMOE_OK;
}

// Said in tokenizer_config.json, it is so whatever the template has.
static void read_end(const struct reader *r, const struct value *config, const char *flag,
    const char *name, int64_t *token, int64_t *named)
{
    const struct value *wanted = json_find(config, flag);
    *named = find_token(r, json_find(config, name));
    if (value_is(wanted, VALUE_BOOL))
        *token = value_is_true(wanted) ? *named : -1;
    else if (*named < 0)
        *named = *token;
}

static enum vkmoe_status read_ends(struct reader *r, const struct value *config)
{
    const struct value *all = json_find(r->json, "post_processor"), *one = all;
    enum vkmoe_status status = 0;
    if (json_says(all, "type", "Sequence")) {
        one = NULL;
        VALUE_EACH(item, json_find(all, "processors"))
        {
            if (json_says(item, "type", "TemplateProcessing"))
                one = item;
            else if (!json_says(item, "type", "ByteLevel"))
                return refuse_type(r, "cannot be used with a post_processor of type", item);
        }
    }
    if (json_says(one, "type", "TemplateProcessing"))
        status = read_template(r, one);
    else if (one && !json_says(one, "type", "ByteLevel"))
        return refuse_type(r, "cannot be used with a post_processor of type", one);
    read_end(r, config, "add_bos_token", "bos_token", &r->files->begin, &r->files->bos);
    read_end(r, config, "add_eos_token", "eos_token", &r->files->end, &r->files->eos);
    return status;
}

// ------------------------------------------------------------------------------- file

static void count_id(const struct value *id, uint64_t *count)
{
    uint64_t number;
    if (vkmoe_value_integer(id, &number) && number >= *count)
        *count = number + 1;
}

// All ids that the files name are below, unless they are absurd. Memory is taken for as many, and
// not for what a config calls the model's vocabulary.
static uint32_t count_ids(const struct reader *r, uint64_t count, const struct value *config)
{
    const struct value *vocabulary = json_find(r->model, "vocab");
    if (value_is(vocabulary, VALUE_LIST))
        count = vocabulary->count;
    VALUE_EACH(item, value_is(vocabulary, VALUE_OBJECT) ? vocabulary : NULL)
    count_id(item, &count);
    VALUE_EACH(item, json_find(r->json, "added_tokens"))
    count_id(json_find(item, "id"), &count);
    VALUE_EACH(item, r->json ? NULL : json_find(config, "added_tokens_decoder"))
    {
        const struct value id = { .kind = VALUE_NUMBER, .number = strtod(item->name, NULL) };
        count_id(&id, &count);
    }
    return count == 0 ? 1 : count < MAX_IDS ? (uint32_t)count : MAX_IDS;
}

static enum vkmoe_status read_json(struct reader *r)
{
    TRY_RETURN(read_model(r));
    if (!r->is_text)
        TRY_RETURN(read_normalizer(r));
    if (!r->is_text)
        TRY_RETURN(read_patterns(r));
    return read_added(r);
}

static enum vkmoe_status read_tiktoken(
    struct reader *r, const struct blob *file, const struct value *config)
{
    TRY_RETURN(vkmoe_tiktoken_read(r->log, file, config, r->room, &r->bpe));
    return read_decoder(r, config);
}

enum vkmoe_status vkmoe_bpe_read(const struct source *source, const struct blob *file,
    bool tiktoken, uint32_t *vocabulary, struct tokenizer_files *files, struct bpe **out)
{
    struct reader r = { .log = source->log, .path = file->path, .files = files };
    struct value *json = NULL, *config = NULL;
    enum vkmoe_status status;
    files->begin = files->end = files->bos = files->eos = -1;
    files->legacy = files->prefix = false; // of texts only
    TRY(vkmoe_source_read_json(source, "tokenizer_config.json", &config));
    if (!tiktoken)
        TRY(vkmoe_json_parse(file->path, file->data, file->size, r.log, &json));
    r.json = json;
    r.model = json_find(json, "model");
    r.room = count_ids(&r, tiktoken ? vkmoe_tiktoken_count(file) : 0, config);
    r.vocabulary = *vocabulary ? *vocabulary : r.room;
    r.room = MIN(r.room, r.vocabulary);
    TRY(tiktoken ? read_tiktoken(&r, file, config) : read_json(&r));
    TRY(read_ends(&r, config));
    TRY(check_memory(&r));
    *vocabulary = r.vocabulary;
fail:
    free(json);
    free(config);
    *out = r.bpe;
    return status;
}
