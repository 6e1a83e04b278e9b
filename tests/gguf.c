// gguf.c - GGUF files: those made of a folder are the same model as the folder, computed in double
// from the views of both; those that are cut, corrupt or made to do harm are refused with one line
// (run under AddressSanitizer and UndefinedBehaviorSanitizer). No device is needed.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vkmoe/model.h>

#include "check.h"
#include "checkpoint/gguf_write.h"
#include "checkpoint/opened.h"
#include "folder.h"
#include "gguf_writer.h"
#include "random.h"
#include "same_logits.h"
#include "whole_checkpoints.h"

enum { CUTS = 200 };

// ------------------------------------------------------------------------ the same

static bool same_infos(vkmoe_checkpoint *a, vkmoe_checkpoint *b, uint32_t parts)
{
    struct vkmoe_checkpoint_info x = { VKMOE_INIT(vkmoe_checkpoint_info) }, y = x;
    struct vkmoe_frame f = { VKMOE_INIT(vkmoe_frame) }, g = f;
    vkmoe_checkpoint_get_info(a, &x);
    vkmoe_checkpoint_get_info(b, &y);
    CHECK_OK(vkmoe_checkpoint_get_frame(a, &f));
    CHECK_OK(vkmoe_checkpoint_get_frame(b, &g));
    // The keys of the latter say all that two families differ in.
    CHECK(strcmp(x.treated_as, y.treated_as) == 0 || !strcmp(y.family, "deepseek2")
        || !strcmp(y.family, "glm4moe") || !strcmp(y.family, "granitemoe"));
    CHECK(strcmp(y.family, gguf_architecture(x.treated_as)) == 0);
    CHECK(x.blocks == y.blocks && x.moe_blocks == y.moe_blocks);
    CHECK(x.hidden == y.hidden && x.inner == y.inner && x.vocabulary == y.vocabulary);
    CHECK(x.experts == y.experts && x.experts_per_token == y.experts_per_token && y.files == parts);
    CHECK(f.max_positions == g.max_positions && f.end_token_count == g.end_token_count);
    CHECK(!memcmp(f.end_tokens, g.end_tokens, f.end_token_count * sizeof *f.end_tokens));
    return true;
fail:
    return false;
}

// Of no parts: Gemma 4, which has a converter of its own.
static bool check_folder_same(const char *from, uint32_t parts, bool fused)
{
    vkmoe_checkpoint *first = NULL, *second = NULL;
    const char *path = folder_path(parts > 1 ? "m-00001-of-00003.gguf" : "m.gguf");
    bool ok = vkmoe_checkpoint_open(from, &printing_log, &first) == VKMOE_OK
        && (parts ? gguf_convert(first, path, parts, fused) : gguf_convert_gemma4(first, path))
        && vkmoe_checkpoint_open(path, &printing_log, &second) == VKMOE_OK
        && (!parts || same_infos(first, second, parts)) && same_logits(first, second, 0.0);
    vkmoe_checkpoint_destroy(&first);
    vkmoe_checkpoint_destroy(&second);
    folder_empty();
    return ok;
}

static bool check_same(const char *family, uint32_t parts, bool fused)
{
    struct whole_checkpoint whole;
    const bool ok =
        whole_checkpoint_write(family, 1, &whole) && check_folder_same(whole.path, parts, fused);
    whole_checkpoint_finish(&whole);
    return ok;
}

// Of a checkpoint as the library writes it, all in f32 or in the types that it has.
static enum vkmoe_status write_file(vkmoe_checkpoint *checkpoint, const char *path, bool f32)
{
    struct gguf_output output;
    enum vkmoe_status status = vkmoe_gguf_output_make(checkpoint, true, &output);
    FILE *file = status == VKMOE_OK ? fopen(path, "wb") : NULL;
    for (uint32_t i = 0; f32 && i < output.tensor_count; i++)
        output.tensors[i].dtype = VKMOE_DTYPE_F32;
    if (file)
        status = vkmoe_gguf_write(&output, &(struct gguf_write_params){ .file = file });
    if (file)
        fclose(file);
    vkmoe_gguf_output_finish(&output);
    return status;
}

// Keys that llama.cpp's loaders insist on, and their values; a tensor's name, its size and rank.
static const struct wanted_key {
    const char *family, *key;
    uint32_t value, rank;
} wanted_keys[] = {
    { "deepseek", "deepseek.expert_shared_count", 2 },
    { "dots1", "dots1.expert_shared_count", 2 },
    { "glm4_moe", "glm4moe.expert_shared_count", 1 },
    { "bailing_moe", "bailingmoe.expert_shared_count", 2 },
    { "bailing_moe", "bailingmoe.leading_dense_block_count", 0 },
    { "bailing_moe_v2", "bailingmoe2.expert_shared_count", 1 },
    { "ernie4_5_moe", "ernie4_5-moe.interleave_moe_layer_step", 1 },
    { "minimax_m2", "minimax-m2.expert_gating_func", 2 },
    { "llama4", "llama4.interleave_moe_layer_step", 2 },
    { "afmoe", "afmoe.leading_dense_block_count", 1 },
    { "hy_v3", "blk.1.exp_probs_b", 4, 1 },
    { "exaone_moe", "exaone-moe.leading_dense_block_count", 1 },
};

// That a file has these of its family: after a key come its type, 4, and the value.
static bool has_wanted_keys(const char *family, const char *path)
{
    static char bytes[1 << 16];
    bool ok = true;
    FILE *file = fopen(path, "rb");
    const size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    for (size_t i = 0; i < COUNT_OF(wanted_keys); i++) {
        const struct wanted_key *want = &wanted_keys[i];
        const uint32_t after[2] = { want->rank ? want->rank : 4, want->value };
        const size_t length = strlen(want->key);
        bool found = strcmp(want->family, family) != 0;
        for (size_t at = 0; !found && at + length + sizeof after <= size; at++)
            found = memcmp(bytes + at, want->key, length) == 0
                && memcmp(bytes + at + length, after, sizeof after) == 0;
        if (!found)
            tap_note("%s is not %u", want->key, want->value);
        ok = ok && found;
    }
    if (file)
        fclose(file);
    return ok;
}

// Written, and what was written once more; a family that GGUF has not is refused with one line.
static bool check_folder_written(const char *path, const char *family, bool f32, double part)
{
    struct record record = { 0 };
    const struct vkmoe_log log = log_to(&record);
    vkmoe_checkpoint *checkpoints[3] = { NULL };
    char paths[2][600];
    snprintf(paths[0], sizeof paths[0], "%s", folder_path("written.gguf"));
    snprintf(paths[1], sizeof paths[1], "%s", folder_path("again.gguf"));
    bool ok = vkmoe_checkpoint_open(path, &log, &checkpoints[0]) == VKMOE_OK;
    const bool one_epsilon = strcmp(family, "deepseek_v2") == 0;
    const bool refused = ok && !gguf_architecture(checkpoints[0]->info.treated_as);
    if (refused)
        ok = write_file(checkpoints[0], paths[0], f32) == VKMOE_ERROR_UNSUPPORTED
            && record.lines[VKMOE_LOG_ERROR] == 1 && strstr(record.last, "GGUF");
    for (int i = 0; ok && !refused && i < 2; i++)
        ok = write_file(checkpoints[i], paths[i], f32) == VKMOE_OK
            && vkmoe_checkpoint_open(paths[i], &printing_log, &checkpoints[i + 1]) == VKMOE_OK
            && same_infos(checkpoints[0], checkpoints[i + 1], 1)
            && ((one_epsilon && i == 0)
                || same_logits(checkpoints[one_epsilon ? i : 0], checkpoints[i + 1], part))
            && has_wanted_keys(family, paths[i]);
    const char *warning = gguf_warning(family);
    ok = ok && (record.lines[VKMOE_LOG_WARNING] != 0) == (warning != NULL)
        && (!warning || strstr(record.last, warning));
    if (!ok)
        tap_note("%s", record.last);
    for (int i = 0; i < 3; i++)
        vkmoe_checkpoint_destroy(&checkpoints[i]);
    folder_empty();
    return ok;
}

static bool check_written(const char *family, bool f32)
{
    struct whole_checkpoint whole;
    const bool ok = whole_checkpoint_write(family, 1, &whole)
        && check_folder_written(whole.path, family, f32, 0.0);
    whole_checkpoint_finish(&whole);
    return ok;
}

// Where all norms have the epsilon that a file says, it has the folder's logits.
static bool check_one_epsilon(void)
{
    struct whole_checkpoint whole;
    bool ok = whole_checkpoint_write("deepseek_v2", 1, &whole);
    folder_change_config(whole.path, "\"rms_norm_eps\":1e-3", "\"rms_norm_eps\":1e-6");
    ok = ok && check_folder_written(folder, "deepseek_v2-one-epsilon", true, 1e-5);
    whole_checkpoint_finish(&whole);
    return ok;
}

// ------------------------------------------------------------------------- refusal

// What it comes to, to look at a file and to open it; false after a note that it takes more than
// one line, or none.
static bool try_file(const char *path, enum vkmoe_status *looked, struct record *record)
{
    struct record second = { 0 };
    const struct vkmoe_log log = log_to(record), other = log_to(&second);
    vkmoe_inventory *inventory = NULL;
    vkmoe_checkpoint *checkpoint = NULL;
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    struct vkmoe_attention_params attention = { VKMOE_INIT(vkmoe_attention_params) };
    *looked = vkmoe_inventory_open(path, &log, &inventory);
    enum vkmoe_status opened = vkmoe_checkpoint_open(path, &other, &checkpoint);
    if (opened == VKMOE_OK)
        opened = vkmoe_checkpoint_get_frame(checkpoint, &frame);
    if (opened == VKMOE_OK)
        opened = vkmoe_checkpoint_get_attention(checkpoint, (struct vkmoe_block){ 0 }, &attention);
    vkmoe_inventory_destroy(&inventory);
    vkmoe_checkpoint_destroy(&checkpoint);
    const uint32_t lines[2] = { record->lines[VKMOE_LOG_ERROR], second.lines[VKMOE_LOG_ERROR] };
    const bool ok = lines[0] == (*looked != VKMOE_OK) && lines[1] == (opened != VKMOE_OK)
        && (opened != VKMOE_OK || *looked == VKMOE_OK);
    if (!ok)
        tap_note("%s: %u and %u lines, the last \"%s\"", path, lines[0], lines[1], second.last);
    if (*looked == VKMOE_OK)
        snprintf(record->last, sizeof record->last, "%s", second.last);
    return ok;
}

// Files of which a reader must beware; those that are right have no experts.
static const struct hostile {
    const char *name;
    const char *line; // in the line of the refusal; NULL: it can be looked at
    bool unsupported; // else it is invalid
} hostile[] = {
    { "ok_v3", NULL },
    { "ok_v2", NULL },
    { "ok_align64", NULL },
    { "ok_every_kv_type", NULL },
    { "ok_trailing_bytes", NULL },
    { "ok_no_tensors", NULL },
    { "name_63", NULL },
    { "no_architecture", NULL },
    { "empty", "is empty" },
    { "short_magic", "does not begin with GGUF" },
    { "bad_magic", "does not begin with GGUF" },
    { "ver0", "is GGUF 0, only versions 2 and 3", true },
    { "ver1", "is GGUF 1, only versions 2 and 3", true },
    { "ver4", "is GGUF 4, only versions 2 and 3", true },
    { "big_endian", "big-endian", true },
    { "huge_tensor_count", "the list of tensors at byte 69 would end beyond the end" },
    { "huge_kv_count", "the list of keys at byte 24 would end beyond the end" },
    { "negative_tensor_count", "the list of tensors" },
    { "kv_count_too_big", "would end beyond the end" },
    { "huge_key", "key at byte 32 would end beyond the end" },
    { "huge_string", "general.architecture at byte 64 would end beyond the end" },
    { "huge_array", "x at byte 94 would end beyond the end" },
    { "array_overflow", "x at byte 94 would end beyond the end" },
    { "array_of_arrays", "x has an array of arrays" },
    { "unknown_kv_type", "x has the unknown type 13" },
    { "duplicate_key", "general.architecture is there twice" },
    { "duplicate_tensor", "tensor a.weight is there twice" },
    { "align_zero", "general.alignment is no u32 that is a power of two" },
    { "align_odd", "general.alignment is no u32 that is a power of two" },
    { "align_wrong_type", "general.alignment is no u32 that is a power of two" },
    { "five_dims", "has 5 dimensions, expected 1 to 4" },
    { "dims_count_lies", "has 4294967295 dimensions" },
    { "dim_zero", "has a dimension of 0" },
    { "dim_negative", "has more elements than 63 bits" },
    { "dim_overflow", "has more elements than 63 bits" },
    { "dim_overflow3", "has more elements than 63 bits" },
    { "unknown_type", "has the type 200, which is unknown" },
    { "removed_type", "has the type 4, which was withdrawn" },
    { "row_not_multiple", "has rows of 33 elements, which are no whole blocks of Q8_0" },
    { "name_64", "the name of a tensor at byte 69 is too long" },
    { "offset_unaligned", "begins at data offset 4, expected 0" },
    { "offset_past_end", "begins at data offset 4096, expected 0" },
    { "offset_overflow", "expected 0" },
    { "offset_gap", "tensor b begins at data offset 512, expected 256" },
    { "offset_overlap", "tensor b begins at data offset 0, expected 256" },
    { "truncated_data", "tensor a.weight has 256 bytes, more than the whole file" },
    { "truncated_header", "would end beyond the end" },
    { "truncated_tensor_info", "the list of tensors at byte 69" },
    { "architecture_not_string", "general.architecture is no string" },
    { "name_not_utf8", "\"???\" at byte 69 is not printable UTF-8" },
    { "bool_two", "x is neither true nor false" },
    { "key_empty", "key at byte 69 is empty" },
    { "names_as_integers", "layer_types and attention.head_count_kv are not lists of names" },
    { "names_as_floats", "layer_types and attention.head_count_kv are not lists of names" },
};

static bool check_hostile(const struct hostile *row)
{
    char path[512];
    struct record record = { 0 };
    enum vkmoe_status status;
    snprintf(path, sizeof path, VKMOE_TEST_GGUF "/hostile/%s.gguf", row->name);
    CHECK(try_file(path, &status, &record));
    if (row->line) {
        CHECK(status == (row->unsupported ? VKMOE_ERROR_UNSUPPORTED : VKMOE_ERROR_INVALID));
        CHECK(strncmp(record.last, path, strlen(path)) == 0 && strstr(record.last, row->line));
    } else {
        CHECK(status == VKMOE_OK);
    }
    return true;
fail:
    tap_note("%s", record.last);
    return false;
}

// A model that opens, which is spoilt below.
struct model {
    char path[256];
    unsigned char *bytes;
    size_t size, header; // the header's own size, about
};

static bool make_model(struct model *out)
{
    struct whole_checkpoint whole;
    vkmoe_checkpoint *checkpoint = NULL;
    *out = (struct model){ 0 };
    snprintf(out->path, sizeof out->path, "%s", folder_path("spoilt.gguf"));
    const bool made = whole_checkpoint_write("mixtral", 1, &whole)
        && vkmoe_checkpoint_open(whole.path, &printing_log, &checkpoint) == VKMOE_OK
        && gguf_convert(checkpoint, out->path, 1, false);
    vkmoe_checkpoint_destroy(&checkpoint);
    whole_checkpoint_finish(&whole);
    FILE *file = made ? fopen(out->path, "rb") : NULL;
    if (!file)
        return false;
    fseek(file, 0, SEEK_END);
    out->size = (size_t)ftell(file);
    out->bytes = allocate(out->size, 1);
    rewind(file);
    const bool ok = fread(out->bytes, 1, out->size, file) == out->size;
    fclose(file);
    while (ok && out->header + 12 < out->size
        && memcmp(out->bytes + out->header, "output.weight", 12) != 0)
        out->header++;
    return ok;
}

static bool write_model(const struct model *model, size_t size)
{
    FILE *file = fopen(model->path, "wb");
    const bool ok = file && fwrite(model->bytes, 1, size, file) == size;
    return file && fclose(file) == 0 && ok;
}

// The value of a key that is there, in the file's bytes.
static unsigned char *find_value(const struct model *model, const char *key)
{
    const size_t length = strlen(key);
    for (size_t i = 0; i + length < model->header; i++) {
        if (memcmp(model->bytes + i, key, length) == 0)
            return model->bytes + i + length + 4;
    }
    return NULL;
}

// Keys whose value makes no sense, or that the tensors contradict.
static const struct spoilt {
    const char *name, *key;
    uint32_t value;
    const char *line;
    bool missing; // the key, not its value, is spoilt
} spoilt[] = {
    { "heads-none", "llama.attention.head_count", 0, "attention.head_count is 0, expected" },
    { "blocks-many", "llama.block_count", 1u << 31, "block_count is 2147483648, expected" },
    { "blocks-none", "llama.block_count", 0, "block_count is 0, expected" },
    { "epsilon", "llama.attention.layer_norm_rms_epsilon", 0xbf800000u,
        "attention.layer_norm_rms_epsilon is -1, expected" },
    { "epsilon-missing", "llama.attention.layer_norm_rms_epsilon", 0,
        "needs attention.layer_norm_rms_epsilon", true },
    { "experts-none", "llama.expert_count", 0, "expert_count is 0, expected" },
    { "experts-taken", "llama.expert_used_count", 99, "expert_used_count is 99, expected" },
    { "experts-other", "llama.expert_count", 99, "blk.0.ffn_gate_inp.weight has the shape" },
    { "rope-odd", "llama.rope.dimension_count", 7, "rope.dimension_count is 7, expected an even" },
    { "rope-wide", "llama.rope.dimension_count", 1000, "rope.dimension_count is 1000, expected" },
    { "width", "llama.embedding_length", 47, "blk.0.ffn_gate_inp.weight has the shape" },
    { "inner", "llama.feed_forward_length", 3, "has the shape" },
    // Beside tensors that say otherwise.
    { "heads-uneven", "llama.attention.head_count_kv", 3, "do not share 3 key and value heads" },
    { "heads-shape", "llama.attention.head_count_kv", 1, "blk.0.attn_k.weight has the shape" },
    { "head-size", "llama.attention.value_length", 4, "keys and values differ in size" },
    { "vocabulary", "llama.vocab_size", 7, "tensor token_embd.weight has the shape" },
    { "blocks-missing", "llama.block_count", 0, "needs block_count", true },
    { "experts-missing", "llama.expert_count", 0, "needs expert_count", true },
    { "width-missing", "llama.embedding_length", 0, "needs embedding_length", true },
    { "heads-missing", "llama.attention.head_count", 0, "needs attention.head_count", true },
};

static bool check_spoilt(const struct spoilt *row)
{
    struct model model;
    struct record record = { 0 };
    enum vkmoe_status status;
    CHECK(make_model(&model));
    unsigned char *value = find_value(&model, row->key);
    CHECK(value);
    if (row->missing)
        value[-5] = '?'; // its last letter
    else
        memcpy(value, &row->value, sizeof row->value);
    CHECK(write_model(&model, model.size));
    CHECK(try_file(model.path, &status, &record));
    CHECK(status == VKMOE_OK && strstr(record.last, row->line));
    free(model.bytes);
    folder_empty();
    return true;
fail:
    tap_note("%s", record.last);
    free(model.bytes);
    return false;
}

// What is named by its architecture: one that nobody knows, and one of which layers run alone.
static bool check_architecture(void)
{
    struct model model;
    struct record record = { 0 };
    enum vkmoe_status status;
    vkmoe_checkpoint *checkpoint = NULL;
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) };
    CHECK(make_model(&model));
    unsigned char *name = find_value(&model, "general.architecture");
    CHECK(name);
    memcpy(name + 8, "lamma", 5);
    CHECK(write_model(&model, model.size) && try_file(model.path, &status, &record));
    CHECK(strstr(record.last, "general.architecture is \"lamma\", which this version does not"));
    for (size_t i = 0; i < model.header; i++) {
        if (memcmp(model.bytes + i, "llama.", 6) == 0 || memcmp(model.bytes + i, "lamma", 5) == 0)
            memcpy(model.bytes + i, "jamba", 5);
    }
    CHECK(write_model(&model, model.size));
    const struct vkmoe_log log = log_to(&record);
    CHECK_OK(vkmoe_checkpoint_open(model.path, &log, &checkpoint));
    CHECK_OK(vkmoe_checkpoint_get_moe(checkpoint, (struct vkmoe_block){ 0 }, &params));
    CHECK_STATUS(VKMOE_ERROR_UNSUPPORTED, vkmoe_checkpoint_get_frame(checkpoint, &frame));
    CHECK(strstr(record.last, "jamba this version reads the experts only: the architecture has b"));
    vkmoe_checkpoint_destroy(&checkpoint);
    free(model.bytes);
    return true;
fail:
    tap_note("%s", record.last);
    vkmoe_checkpoint_destroy(&checkpoint);
    free(model.bytes);
    return false;
}

// Cut anywhere, and with any byte of the header another: it opens or is refused with one line.
static bool check_any(uint64_t seed)
{
    struct model model;
    enum vkmoe_status status;
    struct rng rng = rng_for(seed, "any");
    bool ok = make_model(&model);
    for (size_t i = 0; ok && i < CUTS; i++) {
        struct record record = { 0 };
        const size_t size = i * model.header / CUTS;
        ok = write_model(&model, size) && try_file(model.path, &status, &record)
            && status != VKMOE_OK;
    }
    for (size_t i = 0; ok && i < 2 * CUTS; i++) {
        struct record record = { 0 };
        unsigned char *byte = model.bytes + rng_below(&rng, (uint32_t)model.header), was = *byte;
        *byte = (unsigned char)rng_below(&rng, 256);
        ok = write_model(&model, model.size) && try_file(model.path, &status, &record);
        *byte = was;
    }
    free(model.bytes);
    folder_empty();
    return ok;
}

// Parts that are missing, or given out of turn.
static bool check_parts(void)
{
    struct whole_checkpoint whole;
    vkmoe_checkpoint *checkpoint = NULL;
    struct record record = { 0 };
    enum vkmoe_status status;
    char second[600], other[600];
    const bool made = whole_checkpoint_write("mixtral", 1, &whole)
        && vkmoe_checkpoint_open(whole.path, &printing_log, &checkpoint) == VKMOE_OK
        && gguf_convert(checkpoint, folder_path("m-00001-of-00003.gguf"), 3, false);
    CHECK(made);
    snprintf(second, sizeof second, "%s", folder_path("m-00002-of-00003.gguf"));
    CHECK(try_file(second, &status, &record) && status == VKMOE_ERROR_INVALID);
    CHECK(strstr(record.last, "is part 2 of 3; give the first, ")
        && strstr(record.last, "/m-00001-of-00003.gguf"));
    snprintf(other, sizeof other, "%s", folder_path("n-00001-of-00003.gguf"));
    CHECK(rename(second, other) == 0);
    record = (struct record){ 0 };
    CHECK(try_file(folder_path("m-00001-of-00003.gguf"), &status, &record));
    CHECK(status == VKMOE_ERROR_NOT_FOUND && strstr(record.last, "m-00002-of-00003.gguf"));
    record = (struct record){ 0 };
    CHECK(try_file(other, &status, &record) && status == VKMOE_ERROR_INVALID);
    CHECK(rename(folder_path("m-00001-of-00003.gguf"), second) == 0);
    record = (struct record){ 0 };
    CHECK(try_file(second, &status, &record) && status == VKMOE_ERROR_INVALID);
    CHECK(strstr(record.last, "its name does not end in -00001-of-00003.gguf"));
    vkmoe_checkpoint_destroy(&checkpoint);
    whole_checkpoint_finish(&whole);
    folder_empty();
    return true;
fail:
    tap_note("%s", record.last);
    vkmoe_checkpoint_destroy(&checkpoint);
    whole_checkpoint_finish(&whole);
    return false;
}

// SmallThinker's list of blocks with RoPE, and that of those with windows.
#define THREE(a, b, c) ": [\n    " a ",\n    " b ",\n    " c
#define LAYOUT(turned, windows) \
    "rope_layout\"" turned "\n  ],\n  \"rope_scaling\": null,\n  \"rope_theta\": 500.0,\n" \
    "  \"sliding_window_layout\"" windows

// Of golden models, some with another setting, since a file cannot say all.
static const struct golden {
    const char *family, *old, *new;
} goldens[] = {
    { "gemma4" },
    { "solar_open" },
    { "hy_v3" },
    { "exaone_moe", "full_attention", "sliding_attention" }, // only block 3 may see all
    { "mistral4" },
    { "arctic" },
    { "mellum" },
    { "mimo_v2_flash" },
    { "step3p5" },
    { "laguna", "softcapping\": 2.0", "softcapping\": 0.0" },
    { "cohere2_moe" },
    { "smallthinker", LAYOUT(THREE("1", "0", "1"), THREE("1", "0", "0")),
        LAYOUT(THREE("0", "1", "1"), THREE("0", "1", "1")) },
};

static void check_families(struct tap *tap)
{
    const char *family;
    for (uint32_t i = 0; (family = whole_checkpoint_family(i)); i++) {
        char name[128], model_type[64];
        snprintf(model_type, sizeof model_type, "%.*s", (int)strcspn(family, "-"), family);
        snprintf(name, sizeof name, "same/%s", family);
        if (gguf_converts(model_type))
            TAP_TEST(tap, name, check_same(family, 1, false));
        snprintf(name, sizeof name, "written/%s", family);
        TAP_TEST(tap, name, check_written(family, true));
        snprintf(name, sizeof name, "written/%s-as-it-is", family);
        TAP_TEST(tap, name, check_written(family, false));
    }
    TAP_TEST(tap, "same/gemma4", check_folder_same(VKMOE_TEST_GOLDEN "/gemma4", 0, false));
    for (size_t i = 0; i < COUNT_OF(goldens); i++) {
        char name[64], path[512];
        snprintf(name, sizeof name, "written/%s", goldens[i].family);
        snprintf(path, sizeof path, VKMOE_TEST_GOLDEN "/%s", goldens[i].family);
        if (goldens[i].old)
            folder_change_config(path, goldens[i].old, goldens[i].new);
        TAP_TEST(tap, name,
            check_folder_written(goldens[i].old ? folder : path, goldens[i].family, true, 0.0));
    }
    TAP_TEST(tap, "written/deepseek_v2-one-epsilon", check_one_epsilon());
    TAP_TEST(tap, "same/in-parts", check_same("mixtral", 3, false));
    TAP_TEST(tap, "same/fused", check_same("mixtral", 1, true));
    TAP_TEST(tap, "same/fused-experts-biases", check_same("gpt_oss", 1, true));
    TAP_TEST(tap, "same/fused-biases", check_same("qwen3_moe", 1, true));
    TAP_TEST(tap, "same/deepseek-old", check_same("deepseek_v3", 1, true));
}

int main(int argc, char **argv)
{
    struct tap tap;
    if (!tap_begin(&tap, argc, argv) || !folder_begin("gguf"))
        return 2;
    check_families(&tap);
    TAP_ROWS(&tap, "hostile", hostile, COUNT_OF(hostile), check_hostile);
    TAP_ROWS(&tap, "key", spoilt, COUNT_OF(spoilt), check_spoilt);
    TAP_TEST(&tap, "architecture", check_architecture());
    TAP_TEST(&tap, "parts", check_parts());
    TAP_TEST(&tap, "any", check_any(tap.seed));
    folder_finish();
    return tap_end(&tap);
}
