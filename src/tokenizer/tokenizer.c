// tokenizer.c - see vkmoe/tokenizer.h: which of the files that are there is taken, and what it has.
#include "tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/common.h"
#include "base/content.h"
#include "base/params.h"
#include "checkpoint/opened.h"
#include "tokenizer/bpe_json.h"
#include "tokenizer/tiktoken.h"

#define MAX_FILE ((uint64_t)1 << 30)

enum { MODEL, T5_MODEL, BPE, TIKTOKEN };

// BPE after them: where there are two, sentencepiece's is the one that the other was made from, and
// so is tiktoken's, but that says less.
static const char *const names[] = { "tokenizer.model", "spiece.model", "tokenizer.json",
    "tiktoken.model" };

enum { MAX_NAME = 256 };

// Which of them is there, readable or not; NULL: none. What has no name here gets it in `other`.
static const char *find_file(const struct source *source, char other[MAX_NAME])
{
    if (source->name)
        return source->name;
    // The one that can be read, if only one can.
    if (!vkmoe_pieces_are_built() && vkmoe_bpe_is_built() && vkmoe_source_has(source, names[BPE]))
        return names[BPE];
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (vkmoe_source_has(source, names[i]))
            return names[i];
    }
    vkmoe_source_find_end(source, ".tiktoken", other, MAX_NAME);
    return *other ? other : NULL;
}

bool vkmoe_tokenizer_exists(const char *path)
{
    char other[MAX_NAME];
    return path && *path && find_file(&(struct source){ .path = path }, other);
}

// ------------------------------------------------------------------------------ open

static enum vkmoe_status open_pieces(struct vkmoe_tokenizer *t, const struct blob *file)
{
    // A line for what sentencepiece would call damaged.
    const char *other = file->size == 0 ? "is empty" : vkmoe_content_other(file->data, file->size);
    if (other)
        return vkmoe_fail(&t->log, VKMOE_ERROR_INVALID, "%s: %s", file->path, other);
    t->pieces = vkmoe_pieces_open(file->data, file->size);
    if (!t->pieces)
        return vkmoe_fail(
            &t->log, VKMOE_ERROR_INVALID, "%s: is damaged, or no sentencepiece model", file->path);
    const uint32_t count = vkmoe_pieces_count(t->pieces);
    if (t->vocabulary && count > t->vocabulary)
        return vkmoe_fail(&t->log, VKMOE_ERROR_INVALID,
            "%s: has %u tokens, the model's vocabulary only %u", file->path, count, t->vocabulary);
    for (uint32_t i = 0; i < count && t->unknown < 0; i++)
        t->unknown = vkmoe_pieces_kind(t->pieces, i) == PIECE_UNKNOWN ? (int64_t)i : -1;
    return VKMOE_OK;
}

// The files beside it.
static enum vkmoe_status read_settings(
    struct vkmoe_tokenizer *t, const struct source *source, const struct blob *file)
{
    struct tokenizer_files *files = &t->files;
    TRY_RETURN(vkmoe_tokenizer_files_read(files, source, t->pieces));
    if (!t->vocabulary)
        t->vocabulary = files->tokens;
    if (files->begin >= t->vocabulary)
        files->begin = vkmoe_pieces_begin(t->pieces);
    if (files->end >= t->vocabulary)
        files->end = vkmoe_pieces_end(t->pieces);
    return files->legacy || vkmoe_pieces_forget_prefix(t->pieces)
        ? VKMOE_OK
        : vkmoe_fail(&t->log, VKMOE_ERROR_UNSUPPORTED,
            "%s: cannot be used without its prefix, as \"legacy\": false in "
            "tokenizer_config.json has it",
            file->path);
}

static bool ends_with(const char *name, const char *tail)
{
    const size_t size = strlen(name), tail_size = strlen(tail);
    return size >= tail_size && strcmp(name + size - tail_size, tail) == 0;
}

static enum vkmoe_status open_file(struct vkmoe_tokenizer *t, const struct source *source,
    const char *name, const struct blob *file)
{
    const bool json = ends_with(name, ".json");
    const bool model = ends_with(name, ".model") && strcmp(name, names[TIKTOKEN]) != 0;
    // GLM-4's tokenizer.model is of tiktoken's form.
    const bool tiktoken = !json && (!model || vkmoe_tiktoken_is(file));
    const bool bpe = json || tiktoken;
    if (bpe ? !vkmoe_bpe_is_built() : !vkmoe_pieces_are_built())
        return vkmoe_fail(&t->log, VKMOE_ERROR_UNSUPPORTED,
            "%s/%s: cannot be used, since vkmoe was built without %s", t->path, name,
            bpe ? "PCRE2 and utf8proc" : "sentencepiece");
    if (!bpe) {
        TRY_RETURN(open_pieces(t, file));
        return read_settings(t, source, file);
    }
    TRY_RETURN(vkmoe_bpe_read(source, file, tiktoken, &t->vocabulary, &t->files, &t->bpe));
    t->unknown = vkmoe_bpe_unknown(t->bpe);
    return VKMOE_OK;
}

// Its bytes, to be finished in any case.
static enum vkmoe_status read_named(
    struct vkmoe_tokenizer *t, const struct source *source, const char *name, struct blob *file)
{
    TRY_RETURN(vkmoe_source_read(source, name, MAX_FILE, file));
    return file->data
        ? VKMOE_OK
        : vkmoe_fail(&t->log, VKMOE_ERROR_NOT_FOUND, "%s/%s: is not there", t->path, name);
}

static enum vkmoe_status read_source(
    struct vkmoe_tokenizer *t, const struct source *source, bool is_t5)
{
    char other[MAX_NAME];
    const char *name = find_file(source, other);
    struct blob file;
    if (!name)
        return vkmoe_fail(&t->log, VKMOE_ERROR_NOT_FOUND,
            "%s: there is no tokenizer.model, spiece.model or tokenizer.json", t->path);
    t->files.is_t5 = is_t5 || strcmp(name, names[T5_MODEL]) == 0;
    enum vkmoe_status status = read_named(t, source, name, &file);
    // A tokenizer.json says more than a file of tiktoken's form.
    if (status == VKMOE_OK && !source->name && name == names[MODEL] && vkmoe_tiktoken_is(&file)
        && vkmoe_source_has(source, names[BPE])) {
        vkmoe_blob_finish(&file);
        name = names[BPE];
        status = read_named(t, source, name, &file);
    }
    if (status == VKMOE_OK)
        status = open_file(t, source, name, &file);
    vkmoe_blob_finish(&file);
    return status;
}

enum vkmoe_status vkmoe_tokenizer_open(
    const struct source *source, uint32_t vocabulary, bool is_t5, vkmoe_tokenizer **out)
{
    const size_t size = strlen(source->path);
    enum vkmoe_status status = VKMOE_OK;
    *out = NULL;
    NEW_OR_RETURN(vkmoe_tokenizer, t, source->log, "tokenizer: ");
    t->log = source->log ? *source->log : (struct vkmoe_log){ 0 };
    t->vocabulary = vocabulary;
    t->unknown = -1;
    t->path = calloc(size + 1, 1);
    if (!t->path)
        TRY(vkmoe_fail(
            source->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: out of host memory", source->path));
    memcpy(t->path, source->path, size);
    TRY(read_source(t, source, is_t5));
    *out = t;
    return VKMOE_OK;
fail:
    vkmoe_tokenizer_destroy(&t);
    return status;
}

// --------------------------------------------------------------------------- params

// Cuts a path to a file of a tokenizer's in two, in place: `folder` and the name that is returned;
// NULL: it is no such path.
static const char *cut_path(char *folder)
{
    struct stat info;
    char *cut = strrchr(folder, '/');
    if (strcmp(vkmoe_opener_find(folder)->name, "huggingface") != 0 || stat(folder, &info) != 0
        || !S_ISREG(info.st_mode))
        return NULL;
    if (cut)
        *cut = '\0';
    return cut ? cut + 1 : folder;
}

static enum vkmoe_status open_path(
    const struct source *source, uint32_t vocabulary, vkmoe_tokenizer **out)
{
    struct source whole = *source;
    char *folder = calloc(strlen(source->path) + 2, 1);
    if (!folder)
        return vkmoe_fail(
            source->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: out of host memory", source->path);
    strcpy(folder, source->path);
    whole.name = cut_path(folder);
    if (whole.name)
        whole.path = whole.name == folder ? "." : *folder ? folder : "/";
    const enum vkmoe_status status = vkmoe_tokenizer_open(&whole, vocabulary, false, out);
    free(folder);
    return status;
}

static enum vkmoe_status check_files(
    const struct caller *caller, const struct vkmoe_tokenizer_params *params)
{
    for (uint32_t i = 0; i < params->file_count; i++) {
        const struct vkmoe_tokenizer_file *file = &params->files[i];
        if (!file->name || (!file->data && file->size))
            return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "files[%u].%s is NULL", i,
                file->name ? "data" : "name");
    }
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_tokenizer_create(
    const struct vkmoe_tokenizer_params *params, vkmoe_tokenizer **out)
{
    VKMOE_NEED(params ? &params->log : NULL, out, "out");
    *out = NULL;
    VKMOE_NEED(NULL, params, "params");
    PARAMS_WHOLE(&params->log, vkmoe_tokenizer_params, params);
    const struct caller caller = { &params->log, __func__ };
    struct source source = { .log = &params->log, .path = params->path };
    const vkmoe_checkpoint *checkpoint = params->checkpoint;
    if ((checkpoint != NULL) + (params->path != NULL) + (params->files != NULL) != 1)
        return vkmoe_refuse(&caller, VKMOE_ERROR_INVALID,
            "expected one of checkpoint, path and files, and no other of them");
    if (checkpoint) {
        const uint32_t vocabulary =
            params->vocabulary ? params->vocabulary : checkpoint->info.vocabulary;
        source.path = checkpoint->container.path;
        return vkmoe_tokenizer_open(&source, vocabulary, checkpoint->info.decoder_blocks > 0, out);
    }
    if (params->path) {
        TRY_RETURN(vkmoe_path_check(&caller, params->path));
        return open_path(&source, params->vocabulary, out);
    }
    TRY_RETURN(check_files(&caller, params));
    source.path = "memory";
    source.files = params->files;
    source.file_count = params->file_count;
    return vkmoe_tokenizer_open(&source, params->vocabulary, false, out);
}

void vkmoe_tokenizer_destroy(vkmoe_tokenizer **tokenizer)
{
    TAKE_OR_RETURN(vkmoe_tokenizer, t, tokenizer);
    if (t->pieces)
        vkmoe_pieces_close(&t->pieces);
    vkmoe_bpe_close(&t->bpe);
    vkmoe_special_finish(&t->files.special);
    free(t->path);
    free(t);
}

// --------------------------------------------------------------------------- tokens

// End tokens of published models. What gpt-oss calls <|end|> ends a part of an answer only.
static const char *const ends[] = { "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>",
    "<|endoftext|>", "<end_of_turn>", "<|eom_id|>", "<EOT>", "[EOT]", "[EOS]", "</s>",
    "<|end_of_text|>", "<｜end▁of▁sentence｜>", "[e~[" };

_Static_assert(ARRAY_SIZE(ends) <= 32, "as the header has it");

static uint32_t find_ends(const vkmoe_tokenizer *t, uint32_t ids[ARRAY_SIZE(ends)])
{
    const bool is_part = vkmoe_special_find(&t->files.special, "<|return|>", 10)
        && vkmoe_special_find(&t->files.special, "<|call|>", 8);
    uint32_t count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        const struct special_token *token =
            vkmoe_special_find(&t->files.special, ends[i], strlen(ends[i]));
        if (token && !(is_part && strcmp(ends[i], "<|end|>") == 0))
            ids[count++] = token->id;
    }
    return count;
}

enum vkmoe_status vkmoe_tokenizer_get_ends(
    const vkmoe_tokenizer *tokenizer, uint32_t *ids, uint32_t *count)
{
    uint32_t found[ARRAY_SIZE(ends)];
    VKMOE_NEED(tokenizer ? &tokenizer->log : NULL, count, "count");
    VKMOE_NEED(NULL, tokenizer, "tokenizer");
    VKMOE_NEED(&tokenizer->log, ids || *count == 0, "ids");
    const uint32_t there = find_ends(tokenizer, found);
    for (uint32_t i = 0; i < *count && i < there; i++)
        ids[i] = found[i];
    *count = there;
    return VKMOE_OK;
}

void vkmoe_tokenizer_get_info(const vkmoe_tokenizer *tokenizer, struct vkmoe_tokenizer_info *info)
{
    const struct caller caller = { tokenizer ? &tokenizer->log : NULL, __func__ };
    struct vkmoe_tokenizer_info all = { 0 };
    uint32_t ids[ARRAY_SIZE(ends)];
    if (tokenizer) {
        const struct tokenizer_files *files = &tokenizer->files;
        all = (struct vkmoe_tokenizer_info){ .vocabulary = tokenizer->vocabulary,
            .begin = files->begin,
            .end = files->end,
            .bos = files->bos,
            .eos = files->eos,
            .unknown = tokenizer->unknown,
            .end_of_turn = files->eos };
        const uint32_t count = find_ends(tokenizer, ids);
        for (uint32_t i = count; i-- > 0;)
            all.end_of_turn = ids[i] == files->eos ? all.end_of_turn : (int64_t)ids[i];
    }
    vkmoe_info_get(&caller, PARAMS_TYPE(vkmoe_tokenizer_info), tokenizer ? &all : NULL, info);
}

// The special token of an id that no other way leads to.
static const struct special_token *find_id(const vkmoe_tokenizer *t, uint32_t id)
{
    const struct special_token *token = vkmoe_special_name(&t->files.special, id);
    return token && !token->is_piece && !token->is_blanks ? token : NULL;
}

int64_t vkmoe_tokenizer_find_special(
    const vkmoe_tokenizer *tokenizer, const char *text, size_t size)
{
    const struct special_token *token =
        tokenizer && text ? vkmoe_special_find(&tokenizer->files.special, text, size) : NULL;
    return token && !token->is_piece && !token->is_blanks ? (int64_t)token->id : -1;
}

bool vkmoe_tokenizer_is_special(const vkmoe_tokenizer *tokenizer, uint32_t id)
{
    return tokenizer && find_id(tokenizer, id);
}

static enum vkmoe_status copy_text(const char *from, size_t from_size, char *text, size_t *size)
{
    if (from_size && from_size <= *size)
        memcpy(text, from, from_size);
    *size = from_size;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_tokenizer_get_text(
    const vkmoe_tokenizer *tokenizer, uint32_t id, char *text, size_t *size)
{
    const vkmoe_tokenizer *t = tokenizer;
    VKMOE_NEED(t ? &t->log : NULL, size, "size");
    VKMOE_NEED(NULL, t, "tokenizer");
    VKMOE_NEED(&t->log, text || *size == 0, "text");
    const struct special_token *special = vkmoe_special_name(&t->files.special, id);
    if (special && !special->is_piece)
        return copy_text(special->text, special->size, text, size);
    if (t->bpe ? !vkmoe_bpe_has(t->bpe, id) : id >= vkmoe_pieces_count(t->pieces))
        return vkmoe_fail(&t->log, VKMOE_ERROR_NOT_FOUND, "%s: there is no token %u", t->path, id);
    size_t made;
    char *bytes =
        t->bpe ? vkmoe_bpe_text(t->bpe, id, &made) : vkmoe_pieces_bytes(t->pieces, id, &made);
    if (!bytes)
        return vkmoe_fail(&t->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: out of host memory", t->path);
    copy_text(bytes, made, text, size);
    free(bytes);
    return VKMOE_OK;
}
