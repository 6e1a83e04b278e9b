// tokenizer.c - see tokenizer.h.
//
// Special tokens cut a text into sections, each of which sentencepiece makes tokens of by itself.
// What a section begins with is as Hugging Face has it: with "legacy" in tokenizer_config.json
// true or absent, as in Mixtral's, a blank of the tokenizer's own is put before each; with
// "legacy" false only before a text that begins with a section. Back to text, that blank is left
// out again where it was put, so that a text is printed as it was written.
#include "tokenizer.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/content.h"
#include "base/value.h"
#include "bpe_json.h"
#include "checkpoint/checkpoint.h"
#include "tiktoken.h"

#define MAX_FILE ((uint64_t)1 << 30)

static const char replacement[] = "\xef\xbf\xbd"; // U+FFFD, for each byte that is no UTF-8

enum { MODEL, T5_MODEL, BPE };

// BPE last: where there are two, sentencepiece's is the one that the other was made from, and so
// is tiktoken's, but that says less.
static const char *const names[] = { "tokenizer.model", "spiece.model", "tokenizer.json",
    "tiktoken.model" };

// The first of a folder's files of tiktoken's form by their end; an empty name: there is none.
static void find_tiktoken(const char *checkpoint, char *name, size_t room)
{
    static const char tail[] = ".tiktoken";
    DIR *folder = opendir(checkpoint);
    const struct dirent *entry;
    *name = 0;
    while (folder && (entry = readdir(folder))) {
        const size_t size = strlen(entry->d_name), tail_size = sizeof tail - 1;
        if (size > tail_size && size < room && strcmp(entry->d_name + size - tail_size, tail) == 0
            && (!*name || strcmp(entry->d_name, name) < 0))
            strcpy(name, entry->d_name);
    }
    if (folder)
        closedir(folder);
}

enum { MAX_NAME = 256 };

// Which of them is there, readable or not; NULL: none. What has no name here gets it in `other`.
static const char *find_file(const char *checkpoint, char other[MAX_NAME])
{
    // The one that can be read, if only one can.
    if (!cli_pieces_are_built() && cli_bpe_is_built()
        && vkmoe_checkpoint_has_file(checkpoint, names[BPE]))
        return names[BPE];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (vkmoe_checkpoint_has_file(checkpoint, names[i]))
            return names[i];
    }
    find_tiktoken(checkpoint, other, MAX_NAME);
    return *other ? other : NULL;
}

bool cli_tokenizer_exists(const char *checkpoint)
{
    char other[MAX_NAME];
    return find_file(checkpoint, other);
}

static int open_pieces(struct cli_tokenizer *t, const struct blob *file)
{
    // A line for what sentencepiece would call damaged.
    const char *other = file->size == 0 ? "is empty" : vkmoe_content_other(file->data, file->size);
    if (other)
        return cli_fail("%s: %s", file->path, other);
    t->pieces = cli_pieces_open(file->data, file->size);
    if (!t->pieces)
        return cli_fail("%s: is damaged, or no sentencepiece model", file->path);
    if (cli_pieces_count(t->pieces) > t->vocabulary)
        return cli_fail("%s: has %u tokens, the model's vocabulary only %u", file->path,
            cli_pieces_count(t->pieces), t->vocabulary);
    t->unknown = -1;
    for (uint32_t i = 0; i < cli_pieces_count(t->pieces) && t->unknown < 0; i++)
        t->unknown = cli_pieces_kind(t->pieces, i) == CLI_PIECE_UNKNOWN ? (int64_t)i : -1;
    return 0;
}

// The files beside it.
static int read_settings(struct cli_tokenizer *t, const struct blob *file)
{
    const int status = cli_tokenizer_files_read(&t->files, t->checkpoint, t->pieces);
    if (t->files.begin >= t->vocabulary)
        t->files.begin = cli_pieces_begin(t->pieces);
    if (t->files.end >= t->vocabulary)
        t->files.end = cli_pieces_end(t->pieces);
    if (status == 0 && !t->files.legacy && !cli_pieces_forget_prefix(t->pieces))
        return cli_fail("%s: cannot be used without its prefix, as \"legacy\": false in "
                        "tokenizer_config.json has it",
            file->path);
    return status;
}

static int open_file(struct cli_tokenizer *t, const struct blob *file, const char *name, bool bpe)
{
    // GLM-4's tokenizer.model is of tiktoken's form.
    const bool tiktoken = name != names[BPE] && (bpe || cli_tiktoken_is(file));
    bpe = bpe || tiktoken;
    if (bpe ? !cli_bpe_is_built() : !cli_pieces_are_built())
        return cli_fail("%s/%s: cannot be used, since vkmoe was built without %s; give "
                        "ids with --tokens instead of --prompt, and ids are printed",
            t->checkpoint, name, bpe ? "PCRE2 and utf8proc" : "sentencepiece");
    if (!bpe) {
        const int status = open_pieces(t, file);
        return status == 0 ? read_settings(t, file) : status;
    }
    const int status =
        cli_bpe_read(t->checkpoint, file, tiktoken, t->vocabulary, &t->files, &t->bpe);
    if (status == 0)
        t->unknown = cli_bpe_unknown(t->bpe);
    return status;
}

int cli_tokenizer_init(
    struct cli_tokenizer *t, const char *checkpoint, uint32_t vocabulary, bool is_t5)
{
    char other[MAX_NAME];
    const char *name = find_file(checkpoint, other);
    *t = (struct cli_tokenizer){ .checkpoint = checkpoint, .vocabulary = vocabulary };
    if (!name)
        name = names[MODEL];
    const bool bpe = name != names[MODEL] && name != names[T5_MODEL];
    t->files.is_t5 = is_t5 || name == names[T5_MODEL];
    t->unknown = -1;
    cli_tokenizer_rewind(t);
    struct blob file;
    int status = cli_result(
        vkmoe_checkpoint_read_file(checkpoint, name, MAX_FILE, &cli_log, &file), checkpoint);
    if (status == 0)
        status = open_file(t, &file, name, bpe);
    vkmoe_blob_finish(&file);
    return status;
}

void cli_tokenizer_finish(struct cli_tokenizer *t)
{
    if (t->pieces)
        cli_pieces_close(&t->pieces);
    cli_bpe_close(&t->bpe);
    cli_special_finish(&t->files.special);
    free(t->text);
    *t = (struct cli_tokenizer){ 0 };
}

// -------------------------------------------------------------------- text to tokens

struct list {
    uint32_t *tokens, count, room;
};

static void append(struct list *list, const uint32_t *tokens, uint32_t count)
{
    if (list->count + count > list->room) {
        list->room = 2 * (list->count + count);
        uint32_t *more = cli_alloc(list->room * sizeof *more);
        if (list->count)
            memcpy(more, list->tokens, list->count * sizeof *more);
        free(list->tokens);
        list->tokens = more;
    }
    if (count)
        memcpy(list->tokens + list->count, tokens, count * sizeof *tokens);
    list->count += count;
}

static int append_section(
    const struct cli_tokenizer *t, const char *text, size_t size, bool prefix, struct list *list)
{
    const char *why = "sentencepiece refuses it, or lacks memory";
    uint32_t count,
        *tokens = t->bpe ? cli_bpe_encode(t->bpe, text, size, prefix, &count, &why)
                         : cli_pieces_encode(t->pieces, text, size, prefix, &count);
    if (!tokens)
        return cli_fail("the tokenizer fails on a text of %zu bytes: %s", size, why);
    append(list, tokens, count);
    free(tokens);
    return 0;
}

static int append_special(
    const struct cli_tokenizer *t, const struct cli_special_token *token, struct list *list)
{
    char shown[64];
    if (token->id >= t->vocabulary)
        return cli_fail(
            "%s%s%s: \"%s\", which is in the prompt, is token %u, the model's vocabulary "
            "ends at %u; --no-special takes it as text",
            t->checkpoint, token->file ? "/" : "", token->file ? token->file : "",
            vkmoe_printable(token->text, shown, sizeof shown), token->id, t->vocabulary - 1);
    append(list, &token->id, 1);
    return 0;
}

// The first special token from `from` on that lies where such are looked for.
static const struct cli_special_token *next_special(
    const struct cli_tokenizer *t, const struct cli_marked_text *text, size_t from, size_t *at)
{
    const struct cli_special_token *token = NULL;
    for (uint32_t i = 0; i < text->mark_count && !token; i++) {
        const size_t begin = text->marks[i].begin > from ? text->marks[i].begin : from;
        const size_t end = text->marks[i].end;
        if (begin < end)
            token = cli_special_next(&t->files.special, text->data, end, begin, at);
    }
    return token;
}

// `first`: the text is the beginning of all that there is.
static int append_sections(const struct cli_tokenizer *t, const struct cli_marked_text *marked,
    bool first, struct list *list)
{
    const struct cli_special_token *before = NULL, *token;
    const char *text = marked->data;
    const size_t size = marked->size;
    size_t at = 0, next = size;
    int status = 0;
    do {
        token = next_special(t, marked, at, &next);
        const size_t stop = token ? next : size;
        const size_t begin = before && before->right_strip ? cli_skip_blanks(text, at, stop) : at;
        const size_t end = token && token->left_strip ? cli_trim_blanks(text, begin, stop) : stop;
        if (begin < end)
            status = append_section(t, text + begin, end - begin,
                t->files.legacy || (first && !before && t->files.prefix), list);
        if (status == 0 && token)
            status = append_special(t, token, list);
        at = token ? next + token->size : size;
        before = token;
    } while (status == 0 && token);
    return status;
}

int cli_tokenizer_encode(struct cli_tokenizer *t, const char *text, size_t size, bool plain,
    uint32_t **tokens, uint32_t *count)
{
    const struct cli_tokenizer_files *files = &t->files;
    const struct cli_marked_text marked = {
        .data = text, .size = size, .marks = { { 0, size } }, .mark_count = plain ? 0 : 1
    };
    struct list list = { 0 }, inner = { 0 };
    const int status = append_sections(t, &marked, true, &inner);
    // Prompts made from a chat template begin with it already, and may end with it.
    t->begin_added =
        files->begin >= 0 && (plain || inner.count == 0 || inner.tokens[0] != files->begin);
    t->end_added = files->end >= 0
        && (plain || inner.count == 0 || inner.tokens[inner.count - 1] != files->end);
    if (t->begin_added)
        append(&list, &(uint32_t){ (uint32_t)files->begin }, 1);
    append(&list, inner.tokens, inner.count);
    t->end_at = list.count;
    if (t->end_added)
        append(&list, &(uint32_t){ (uint32_t)files->end }, 1);
    free(inner.tokens);
    *tokens = list.tokens;
    *count = list.count;
    cli_tokenizer_rewind(t);
    return status;
}

int cli_tokenizer_encode_marked(struct cli_tokenizer *t, const struct cli_marked_text *text,
    bool first, uint32_t **tokens, uint32_t *count)
{
    const int64_t begin = t->files.begin;
    struct list list = { 0 };
    if (first && begin >= 0)
        append(&list, &(uint32_t){ (uint32_t)begin }, 1);
    const uint32_t added = list.count;
    const int status = append_sections(t, text, first, &list);
    // A template that begins with it is not given it twice.
    if (added && list.count > added && list.tokens[added] == list.tokens[0])
        memmove(list.tokens, list.tokens + added, --list.count * sizeof *list.tokens);
    t->begin_added = t->end_added = false;
    *tokens = list.tokens;
    *count = list.count;
    cli_tokenizer_rewind(t);
    return status;
}

// -------------------------------------------------------------------- tokens to text

void cli_tokenizer_rewind(struct cli_tokenizer *t)
{
    t->first = t->seen = 0;
    t->shown = 0;
    t->inside = false;
    t->prefix = t->files.legacy || t->files.prefix;
}

static void put(struct cli_tokenizer *t, const char *text, size_t size)
{
    if (t->text_size + size > t->text_room) {
        t->text_room = 2 * (t->text_size + size);
        char *more = cli_alloc(t->text_room);
        if (t->text_size)
            memcpy(more, t->text, t->text_size);
        free(t->text);
        t->text = more;
    }
    if (size)
        memcpy(t->text + t->text_size, text, size);
    t->text_size += size;
}

// Tokens of a section; does not return if that fails.
static char *decode(
    const struct cli_tokenizer *t, const uint32_t *tokens, uint32_t count, size_t *size)
{
    char *text = t->bpe ? cli_bpe_decode(t->bpe, tokens, count, t->prefix && !t->inside, size)
        : t->inside     ? cli_pieces_decode_inside(t->pieces, tokens, count, size)
                        : cli_pieces_decode(t->pieces, tokens, count, t->prefix, size);
    if (!text)
        exit(cli_fail("the tokenizer fails on %u tokens", count));
    return text;
}

// The section from t->first on, as far as it is not yet shown. What was shown to the last byte is
// not looked at again, or a long answer would take time by its square.
static void put_section(struct cli_tokenizer *t, const uint32_t *tokens, uint32_t end, bool last)
{
    const size_t length = sizeof replacement - 1;
    size_t size, whole;
    if (end == t->first)
        return;
    char *text = decode(t, tokens + t->first, end - t->first, &size);
    whole = size;
    // A character of n bytes lacks one at least: up to n - 1 replacements may be it.
    for (int i = 0; !last && i < 3 && size >= length; i++) {
        if (memcmp(text + size - length, replacement, length) == 0)
            size -= length;
    }
    if (size > t->shown) {
        put(t, text + t->shown, size - t->shown);
        t->shown = size;
    }
    free(text);
    if (t->shown == whole && (t->bpe || cli_pieces_go_on(t->pieces))) {
        t->first = end;
        t->shown = 0;
        t->inside = true;
    }
}

// NULL: the token is text. Ids beyond the pieces that no file names are as the unknown piece.
static const struct cli_special_token *find_name(const struct cli_tokenizer *t, uint32_t id)
{
    const struct cli_special_token *token = cli_special_name(&t->files.special, id);
    if (token)
        return token->is_piece ? NULL : token;
    return t->pieces && t->unknown >= 0 && id >= cli_pieces_count(t->pieces)
        ? cli_special_name(&t->files.special, (uint32_t)t->unknown)
        : NULL;
}

// Whether what follows this token begins as a text does. T5's sentinels, and others that strip on
// their right, ate the blank that is shown there; what a text has of unknown characters is within
// a section, unless every byte is known.
static bool restarts(const struct cli_tokenizer *t, const struct cli_special_token *name)
{
    if (!t->files.legacy || t->files.is_t5 || (name && name->right_strip))
        return false;
    return !name || name->id != t->unknown
        || (t->pieces && cli_pieces_find(t->pieces, "<0x00>", 6) >= 0);
}

const char *cli_tokenizer_extend(
    struct cli_tokenizer *t, const uint32_t *tokens, uint32_t count, bool last, size_t *size)
{
    t->text_size = 0;
    put(t, "", 1); // is never NULL
    t->text_size = 0;
    for (; t->seen < count; t->seen++) {
        const bool begins = t->begin_added && t->seen == 0;
        const bool hidden = begins || (t->end_added && t->seen == t->end_at);
        const struct cli_special_token *name = hidden ? NULL : find_name(t, tokens[t->seen]);
        if (!hidden && !name)
            continue;
        put_section(t, tokens, t->seen, true);
        if (name)
            put(t, name->text, name->size);
        t->first = t->seen + 1;
        t->shown = 0;
        t->inside = false;
        if (!begins)
            t->prefix = restarts(t, name);
    }
    put_section(t, tokens, count, last);
    *size = t->text_size;
    return t->text;
}
