// bpe_json.c - see bpe_json.h. What is not understood is refused: a tokenizer that is nearly the
// right one makes a model worse without a word.
#include "bpe_json.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "bpe_text.h"
#include "checkpoint/gguf_tokenizer.h"
#include "cli.h"
#include "tiktoken.h"
#include "tokenizer_json.h"
#include "unigram.h"

enum { MAX_CONFIG = 16 << 20 };

static const char gpt2_pattern[] = "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"
                                   "\\s+(?!\\S)|\\s+";

struct reader {
    const char *path;
    const struct value *json, *model;
    struct cli_tokenizer_files *files;
    struct cli_bpe *bpe;
    uint32_t vocabulary;
    bool is_text;
};

static int refuse(const struct reader *r, const char *what, const char *text)
{
    char shown[64];
    return cli_fail("%s: %s \"%s\"", r->path, what, vkmoe_printable(text, shown, sizeof shown));
}

static int refuse_type(const struct reader *r, const char *what, const struct value *object)
{
    const char *type = value_text(cli_json_find(object, "type"));
    return refuse(r, what, type ? type : "");
}

// ------------------------------------------------------------------------------ model

static int add_merge(struct reader *r, const struct value *item)
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
        return cli_fail("%s: a merge is not of two tokens", r->path);
    // GGUF files may have merges of what is no token, and mean nothing by them.
    return cli_bpe_add_merge(r->bpe, left, size, right, strlen(right))
            || cli_json_is_true(r->model, "skip_merges")
        ? 0
        : refuse(r, "there is no such token, or none for what it becomes, as merges has it:", left);
}

static int read_integer(
    const struct reader *r, const struct value *item, const char *text, uint64_t *value)
{
    return vkmoe_value_integer(item, value) ? 0
                                            : refuse(r, "has no id, an integer from 0, for", text);
}

static int read_id(const struct reader *r, const struct value *item, const char *text, uint32_t *id)
{
    uint64_t value = 0;
    const int status = read_integer(r, item, text, &value);
    if (status == 0 && value >= r->vocabulary) {
        char shown[64];
        return cli_fail("%s: \"%s\" is token %llu, the model's vocabulary ends at %u", r->path,
            vkmoe_printable(text, shown, sizeof shown), (unsigned long long)value,
            r->vocabulary - 1);
    }
    *id = (uint32_t)value;
    return status;
}

static int add_token(struct reader *r, const char *text, uint32_t id)
{
    return cli_bpe_add_token(r->bpe, text, strlen(text), id)
        ? 0
        : refuse(r, "there is another token of the text, or the id, of", text);
}

static int open_model(struct reader *r, uint32_t merges)
{
    r->bpe = cli_bpe_open(r->vocabulary, merges, cli_json_is_true(r->model, "ignore_merges"));
    return r->is_text ? cli_bpe_read_text(r->path, r->json, r->bpe, r->files) : 0;
}

// By their ids, those of the vocabulary that no text becomes: the unknown one, and what is special.
static bool *find_unwritten(const struct reader *r, uint32_t count, const uint64_t *unknown)
{
    bool *unwritten = cli_alloc(count + (size_t)1);
    uint64_t id;
    VALUE_EACH(item, cli_json_find(r->json, "added_tokens"))
    {
        if (cli_json_is_true(item, "special") && vkmoe_value_integer(cli_json_find(item, "id"), &id)
            && id < count)
            unwritten[id] = true;
    }
    if (unknown)
        unwritten[*unknown] = true;
    return unwritten;
}

// [["<unk>", 0.0], ["a", -1.5], ...]: ids are the places.
static int add_pieces(struct reader *r, const struct value *vocabulary, const bool *unwritten,
    struct cli_unigram *unigram)
{
    uint32_t id = 0;
    VALUE_EACH(item, vocabulary)
    {
        const char *text =
            value_is(item, VALUE_LIST) && item->count == 2 ? value_text(&item->items[0]) : NULL;
        if (!text || !value_is(&item->items[1], VALUE_NUMBER)
            || strlen(text) > CLI_UNIGRAM_MAX_SIZE)
            return cli_fail("%s: token %u is not a text of at most %d bytes, and a score", r->path,
                id, CLI_UNIGRAM_MAX_SIZE);
        const int status = add_token(r, text, id);
        if (status != 0)
            return status;
        if (!unwritten[id] && !cli_bpe_is_byte(r->bpe, id))
            cli_unigram_add(unigram, text, strlen(text), id, item->items[1].number);
        id++;
    }
    cli_unigram_finish(unigram);
    return 0;
}

static int read_unigram(struct reader *r)
{
    const struct value *vocabulary = cli_json_find(r->model, "vocab"),
                       *unknown = cli_json_find(r->model, "unk_id");
    uint64_t id = 0;
    if (!r->is_text)
        return cli_fail("%s: its pre_tokenizer or normalizer does not mark blanks", r->path);
    if (!value_is(vocabulary, VALUE_LIST) || vocabulary->count > r->vocabulary)
        return cli_fail("%s: its model has no vocab, a list, of at most the model's %u tokens",
            r->path, r->vocabulary);
    if (unknown && (!vkmoe_value_integer(unknown, &id) || id >= vocabulary->count))
        return cli_fail("%s: unk_id is none of its tokens", r->path);
    int status = open_model(r, 0);
    if (status != 0)
        return status;
    struct cli_unigram *unigram = cli_unigram_open(vocabulary->count);
    cli_bpe_use_unigram(r->bpe, unigram);
    cli_bpe_set_unknown(r->bpe, unknown ? (int64_t)id : -1);
    bool *unwritten = find_unwritten(r, vocabulary->count, unknown ? &id : NULL);
    status = add_pieces(r, vocabulary, unwritten, unigram);
    free(unwritten);
    return status;
}

static int read_bpe(struct reader *r)
{
    static const char *const strange[] = { "continuing_subword_prefix", "end_of_word_suffix" };
    const struct value *vocabulary = cli_json_find(r->model, "vocab"),
                       *merges = cli_json_find(r->model, "merges");
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        const char *text = value_text(cli_json_find(r->model, strange[i]));
        if (text && *text)
            return refuse(r, "cannot be used with", strange[i]);
    }
    if (!r->is_text && cli_json_is_true(r->model, "byte_fallback"))
        return refuse(r, "cannot be used with", "byte_fallback");
    if (!value_is(vocabulary, VALUE_OBJECT) || !value_is(merges, VALUE_LIST))
        return cli_fail("%s: its model has no vocab, an object, or no merges, a list", r->path);
    int status = open_model(r, merges->count);
    VALUE_EACH(item, vocabulary)
    {
        uint32_t id = 0;
        if (status == 0)
            status = read_id(r, item, item->name, &id);
        if (status == 0)
            status = add_token(r, item->name, id);
        if (status != 0)
            return status;
    }
    VALUE_EACH(item, merges)
    {
        status = add_merge(r, item);
        if (status != 0)
            return status;
    }
    const char *unknown = value_text(cli_json_find(r->model, "unk_token"));
    if (unknown)
        cli_bpe_set_unknown(r->bpe, cli_bpe_find(r->bpe, unknown, strlen(unknown)));
    return status;
}

static int read_model(struct reader *r)
{
    r->is_text = cli_bpe_is_text(r->json);
    if (cli_json_says(r->model, "type", "Unigram"))
        return read_unigram(r);
    if (!cli_json_says(r->model, "type", "BPE"))
        return refuse_type(r, "only tokenizers of type BPE or Unigram are read, not", r->model);
    return read_bpe(r);
}

// --------------------------------------------------------------------------- patterns

static int add_pattern(struct reader *r, const char *pattern)
{
    char why[128];
    return cli_split_add(cli_bpe_split(r->bpe), pattern, why, sizeof why)
        ? 0
        : cli_fail("%s: a pattern of its pre_tokenizer cannot be used: %s", r->path, why);
}

static int add_split(struct reader *r, const struct value *step)
{
    const char *pattern = value_text(cli_json_find(cli_json_find(step, "pattern"), "Regex"));
    const char *behavior = value_text(cli_json_find(step, "behavior"));
    if (!pattern)
        return cli_fail("%s: its pre_tokenizer splits by something other than a Regex", r->path);
    if (!behavior || strcmp(behavior, "Isolated") != 0 || cli_json_is_true(step, "invert"))
        return refuse(r, "splits only as \"Isolated\", not inverted, are done, not",
            behavior ? behavior : "");
    return add_pattern(r, strcmp(pattern, "\\s+$") == 0 ? GGUF_LAST_BLANKS : pattern);
}

// *bytes: ByteLevel was there; what would come after it does not see the text any more.
static int add_step(struct reader *r, const struct value *step, bool *bytes)
{
    if (*bytes)
        return refuse_type(r, "its pre_tokenizer goes on after ByteLevel with", step);
    if (cli_json_says(step, "type", "Split"))
        return add_split(r, step);
    if (cli_json_says(step, "type", "Digits"))
        return add_pattern(r, cli_json_is_true(step, "individual_digits") ? "\\p{N}" : "\\p{N}+");
    if (!cli_json_says(step, "type", "ByteLevel"))
        return refuse_type(r, "cannot be used with a pre_tokenizer of type", step);
    *bytes = true;
    if (cli_json_is_true(step, "add_prefix_space"))
        return refuse(r, "cannot be used with", "add_prefix_space");
    const struct value *regex = cli_json_find(step, "use_regex");
    return !regex || value_is_true(regex) ? add_pattern(r, gpt2_pattern) : 0;
}

static int read_patterns(struct reader *r)
{
    const struct value *all = cli_json_find(r->json, "pre_tokenizer");
    bool bytes = false;
    if (!all)
        return refuse_type(r, "cannot be used with a pre_tokenizer of type", all);
    CLI_JSON_EACH(step, all, "pretokenizers")
    {
        const int status = add_step(r, step, &bytes);
        if (status != 0)
            return status;
    }
    return bytes
        ? 0
        : cli_fail("%s: only byte-level BPE is read, its pre_tokenizer has no ByteLevel", r->path);
}

static int read_normalizer(struct reader *r)
{
    const struct value *all = cli_json_find(r->json, "normalizer");
    CLI_JSON_EACH(step, all, "normalizers")
    {
        if (!cli_json_says(step, "type", "NFC"))
            return refuse_type(r, "cannot be used with a normalizer of type", step);
        cli_split_use_nfc(cli_bpe_split(r->bpe));
    }
    return 0;
}

// ------------------------------------------------------------------------ added tokens

static int add_added(
    struct reader *r, const struct value *item, const struct value *id, const char *file)
{
    struct cli_special_token token = { .file = file, .has_flags = true };
    uint64_t number = 0;
    token.text = value_text(cli_json_find(item, "content"));
    if (!token.text)
        return cli_fail("%s: an added token has no content", r->path);
    const int status = read_integer(r, id, token.text, &number);
    if (status != 0)
        return status;
    // One that the model has no row for is refused where a text has it.
    token.id = number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
    token.size = strlen(token.text);
    token.left_strip = cli_json_is_true(item, "lstrip");
    token.right_strip = cli_json_is_true(item, "rstrip");
    token.single_word = cli_json_is_true(item, "single_word");
    // Gemma's runs of blanks, which it has as U+2581.
    token.is_piece = r->is_text && !cli_json_is_true(item, "special")
        && cli_bpe_find(r->bpe, token.text, token.size) == token.id;
    cli_special_add(&r->files->special, token);
    return 0;
}

static int sort_added(struct reader *r)
{
    const struct cli_special_token *torn = cli_special_sort(&r->files->special);
    return torn ? refuse(r, "there are two ids for", torn->text) : 0;
}

static int read_added(struct reader *r)
{
    int status = 0;
    VALUE_EACH(item, cli_json_find(r->json, "added_tokens"))
    {
        if (status == 0)
            status = add_added(r, item, cli_json_find(item, "id"), "tokenizer.json");
    }
    return status == 0 ? sort_added(r) : status;
}

// {"163584": {"content": "[BOS]", ...}, ...}
static int read_decoder(struct reader *r, const struct value *config)
{
    int status = 0;
    VALUE_EACH(item, cli_json_find(config, "added_tokens_decoder"))
    {
        char *end;
        const struct value id = { .kind = VALUE_NUMBER, .number = strtod(item->name, &end) };
        if (*end || end == item->name)
            return refuse(r, "added_tokens_decoder has no id in", item->name);
        if (status == 0)
            status = add_added(r, item, &id, "tokenizer_config.json");
    }
    return status == 0 ? sort_added(r) : status;
}

static int64_t find_token(const struct reader *r, const struct value *item)
{
    const char *text = value_is(item, VALUE_OBJECT) ? value_text(cli_json_find(item, "content"))
                                                    : value_text(item);
    const size_t size = text ? strlen(text) : 0;
    const struct cli_special_token *added =
        text ? cli_special_find(&r->files->special, text, size) : NULL;
    return added && added->id < r->vocabulary ? added->id
        : text                                ? cli_bpe_find(r->bpe, text, size)
                                              : -1;
}

// {"single": [{"SpecialToken": {"id": "<s>", ...}}, {"Sequence": ...}, {"SpecialToken": ...}]}
static int read_template(struct reader *r, const struct value *template)
{
    bool after = false;
    VALUE_EACH(item, cli_json_find(template, "single"))
    {
        const struct value *token = cli_json_find(item, "SpecialToken");
        int64_t *place = after ? &r->files->end : &r->files->begin;
        if (cli_json_find(item, "Sequence")) {
            after = true;
            continue;
        }
        if (*place >= 0 || (*place = find_token(r, cli_json_find(token, "id"))) < 0)
            return refuse_type(r, "puts more than one known token at an end of texts by", template);
    }
    return 0;
}

// Said in tokenizer_config.json, it is so whatever the template has.
static void read_end(const struct reader *r, const struct value *config, const char *flag,
    const char *name, int64_t *token)
{
    const struct value *wanted = cli_json_find(config, flag);
    if (value_is(wanted, VALUE_BOOL))
        *token = value_is_true(wanted) ? find_token(r, cli_json_find(config, name)) : -1;
}

static int read_ends(struct reader *r, const struct value *config)
{
    const struct value *all = cli_json_find(r->json, "post_processor"), *one = all;
    int status = 0;
    if (cli_json_says(all, "type", "Sequence")) {
        one = NULL;
        VALUE_EACH(item, cli_json_find(all, "processors"))
        {
            if (cli_json_says(item, "type", "TemplateProcessing"))
                one = item;
            else if (!cli_json_says(item, "type", "ByteLevel"))
                return refuse_type(r, "cannot be used with a post_processor of type", item);
        }
    }
    if (cli_json_says(one, "type", "TemplateProcessing"))
        status = read_template(r, one);
    else if (one && !cli_json_says(one, "type", "ByteLevel"))
        return refuse_type(r, "cannot be used with a post_processor of type", one);
    read_end(r, config, "add_bos_token", "bos_token", &r->files->begin);
    read_end(r, config, "add_eos_token", "eos_token", &r->files->end);
    return status;
}

// ------------------------------------------------------------------------------- file

static int read_config(const char *checkpoint, struct value **out)
{
    struct blob file;
    enum vkmoe_status status = vkmoe_checkpoint_read_file(
        checkpoint, "tokenizer_config.json", MAX_CONFIG, &cli_log, &file);
    if (status == VKMOE_OK && file.data)
        status = vkmoe_json_parse(file.path, file.data, file.size, &cli_log, out);
    vkmoe_blob_finish(&file);
    return cli_result(status, checkpoint);
}

static int read_json(struct reader *r)
{
    int status = read_model(r);
    if (status == 0 && !r->is_text)
        status = read_normalizer(r);
    if (status == 0 && !r->is_text)
        status = read_patterns(r);
    return status == 0 ? read_added(r) : status;
}

static int read_tiktoken(struct reader *r, const struct blob *file, const struct value *config)
{
    const int status = cli_tiktoken_read(file, config, r->vocabulary, &r->bpe);
    return status == 0 ? read_decoder(r, config) : status;
}

int cli_bpe_read(const char *checkpoint, const struct blob *file, bool tiktoken,
    uint32_t vocabulary, struct cli_tokenizer_files *files, struct cli_bpe **out)
{
    struct value *json = NULL, *config = NULL;
    int status = tiktoken
        ? 0
        : cli_result(
            vkmoe_json_parse(file->path, file->data, file->size, &cli_log, &json), checkpoint);
    struct reader r = {
        .path = file->path, .json = json, .files = files, .vocabulary = vocabulary
    };
    r.model = cli_json_find(json, "model");
    files->begin = files->end = -1;
    files->legacy = files->prefix = false; // of texts only
    if (status == 0 && !tiktoken)
        status = read_json(&r);
    if (status == 0)
        status = read_config(checkpoint, &config);
    if (status == 0 && tiktoken)
        status = read_tiktoken(&r, file, config);
    if (status == 0)
        status = read_ends(&r, config);
    free(json);
    free(config);
    *out = r.bpe;
    return status;
}
