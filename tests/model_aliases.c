// model_aliases.c - model types that have a known family's block under another name: each gives
// the layer that a checkpoint of the family gives, and look-alikes are refused. No device is
// needed. The names are typed here a second time, from config.json files as published.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vkmoe/vkmoe.h>

#include "checkpoints.h"
#include "check.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// Nothing replaced.
#define AS_IT_IS(alias, base, key, renormalize) \
    { \
        alias, base, key, key, renormalize \
    }

static const struct {
    const char *alias;
    const char *base;      // a checkpoint of tests/families
    const char *old, *new; // replaced in its config.json, besides model_type
    bool renormalize;      // always, whatever the base does
    bool same;             // the base by what else the settings say, attention and all
} aliases[] = {
    AS_IT_IS("kimi_k2", "deepseek_v3", "\"n_group\"", false),
    { "deepseek_v32", "deepseek_v3", "\"n_group\"", "\"index_topk\":2048,\"n_group\"", false },
    { "kimi_k2", "deepseek_v3", "\"vocab_size\"",
        "\"is_moe_layer\":[false,false,false,true,true],\"vocab_size\"", false },
    AS_IT_IS("glm4v_moe_text", "glm4_moe", "\"n_group\"", false),
    { "glm4_moe_lite", "deepseek_v3", "\"first_k_dense_replace\":3",
        "\"mlp_layer_types\":[\"dense\",\"dense\",\"dense\",\"sparse\",\"sparse\"]", false },
    AS_IT_IS("glm_moe_dsa", "glm4_moe", "\"n_group\"", false),
    { "qwen3_next", "qwen2_moe", "\"vocab_size\"", "\"norm_topk_prob\":false,\"vocab_size\"",
        false },
    AS_IT_IS("qwen3_5_moe_text", "qwen2_moe", "\"vocab_size\"", true),
    { "qwen3_vl_moe_text", "qwen3_moe", "\"norm_topk_prob\":true,", "", true },
    { "minimax", "minimax_m2", "\"vocab_size\"", "\"vocab_size\"", .same = true },
    { "bailing_moe", "bailing_moe_v2", "\"vocab_size\"", "\"vocab_size\"", .same = true },
    { "git", "grok", "\"residual_moe\"", "\"residual_moe\"", .same = true },
    AS_IT_IS("minimax", "mixtral", "\"vocab_size\"", false),
    { "minimax_text_01", "mixtral", "\"vocab_size\"",
        "\"shared_intermediate_size\":0,\"vocab_size\"", false },
};

static const struct {
    const char *alias, *base, *old, *new;
    const char *text; // in the line
} refused[] = {
    // What has to be there, since the family's preset is not the alias's.
    { "kimi_k2", "deepseek_v3", ",\"routed_scaling_factor\":2.5", "",
        "needs routed_scaling_factor" },
    { "kimi_k2", "deepseek_v3", "\"n_group\":8,", "", "needs n_group" },
    { "kimi_k2", "deepseek_v3", "\"first_k_dense_replace\":3,", "", "needs first_k_dense_replace" },
    { "qwen3_next", "qwen2_moe", "\"vocab_size\"", "\"vocab_size\"", "needs norm_topk_prob" },
    // What contradicts.
    { "kimi_k2", "deepseek_v3", "\"vocab_size\"",
        "\"is_moe_layer\":[false,false,true,true,true],\"vocab_size\"",
        "is_moe_layer does not say of block 2" },
    { "kimi_k2", "deepseek_v3", "\"sigmoid\"", "\"softmax\"", "scoring_func is \"softmax\"" },
    { "dots1", "dots1", "\"scoring_func\":\"noaux_tc\"", "\"scoring_func\":\"softmax\"",
        "scoring_func is \"softmax\"" },
    { "minimax_text_01", "mixtral", "\"vocab_size\"",
        "\"shared_intermediate_size\":9,\"vocab_size\"", "shared_intermediate_size is 9" },
    // What only looks like it.
    { "minimax_m3", "mixtral", "\"vocab_size\"", "\"vocab_size\"", "model_type is \"minimax_m3\"" },
    { "hunyuan", "qwen3_moe", "\"vocab_size\"", "\"vocab_size\"", "\"hunyuan\"" },
    { "mimo_v2", "deepseek_v3", "\"n_group\"", "\"n_group\"", "\"mimo_v2\"" },
    { "bailing_hybrid", "deepseek_v3", "\"n_group\"", "\"n_group\"", "\"bailing_hybrid\"" },
    { "deepseek_v4", "deepseek_v3", "\"n_group\"", "\"n_group\"", "\"deepseek_v4\"" },
    { "longcat_flash", "deepseek_v3", "\"n_group\"", "\"n_group\"", "\"longcat_flash\"" },
    { "grok-1", "mixtral", "\"vocab_size\"", "\"vocab_size\"", "\"grok-1\"" },
};

// ---------------------------------------------------------------------------- config

static char *read_text(const char *path)
{
    static char text[4096];
    FILE *file = fopen(path, "rb");
    if (!file)
        exit(2);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

// Replaces the first `old` in `text`, which has room.
static void replace(char *text, const char *old, const char *new)
{
    char copy[4096];
    char *at = strstr(text, old);
    if (!at) {
        fprintf(stderr, "%s is not in %s\n", old, text);
        exit(2);
    }
    snprintf(copy, sizeof copy, "%s%s", new, at + strlen(old));
    strcpy(at, copy);
}

// Gives a checkpoint another model_type.
static void rename_family(const struct checkpoint *checkpoint, const char *base, const char *alias,
    const char *old, const char *new)
{
    char path[512], type[64];
    snprintf(path, sizeof path, "%s/config.json", checkpoint->path);
    char *text = read_text(path);
    replace(text, old, new);
    snprintf(type, sizeof type, "\"%s\"", base);
    char replacement[64];
    snprintf(replacement, sizeof replacement, "\"%s\"", alias);
    replace(text, type, replacement);
    FILE *file = fopen(path, "wb");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        exit(2);
}

static bool create(struct tap *tap, const char *base, const char *directory, struct checkpoint *out)
{
    for (uint32_t i = 0; i < checkpoint_count(); i++) {
        if (strcmp(checkpoint_name(i), base) == 0)
            return checkpoint_create(i, tap->seed, directory, out);
    }
    *out = (struct checkpoint){ 0 };
    return false;
}

// ---------------------------------------------------------------------------- layers

// Random weights: those that begin alike are the same. Each has 16 bytes at least.
static bool same_views(const struct vkmoe_view *a, const struct vkmoe_view *b)
{
    return a->dtype == b->dtype && a->row_stride == b->row_stride
        && (a->data ? b->data && memcmp(a->data, b->data, 16) == 0 : !b->data);
}

static bool same_layer(
    const struct vkmoe_moe_params *a, const struct vkmoe_moe_params *b, bool renormalize)
{
    bool ok = a->hidden == b->hidden && a->inner == b->inner && a->experts == b->experts
        && a->experts_per_token == b->experts_per_token && a->shared.inner == b->shared.inner
        && a->activation == b->activation && a->router.score == b->router.score
        && a->router.weigh == b->router.weigh && a->router.groups.count == b->router.groups.count
        && a->router.groups.kept == b->router.groups.kept && a->router.scale == b->router.scale
        && (a->router.renormalize.mode != VKMOE_RENORMALIZE_NONE)
            == (renormalize || b->router.renormalize.mode != VKMOE_RENORMALIZE_NONE)
        && same_views(&a->router.weight, &b->router.weight)
        && same_views(&a->router.correction_bias, &b->router.correction_bias)
        && same_views(&a->shared.down, &b->shared.down);
    for (uint32_t e = 0; ok && e < a->experts; e++)
        ok = same_views(&a->gate[e], &b->gate[e]) && same_views(&a->up[e], &b->up[e])
            && same_views(&a->down[e], &b->down[e]);
    return ok;
}

static bool check_alias(struct tap *tap, size_t i, const char *directory)
{
    struct checkpoint checkpoint;
    vkmoe_checkpoint *base = NULL, *alias = NULL;
    struct vkmoe_moe_params base_params = { VKMOE_INIT(vkmoe_moe_params) },
                            params = { VKMOE_INIT(vkmoe_moe_params) };
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    struct vkmoe_checkpoint_info info = { VKMOE_INIT(vkmoe_checkpoint_info) };
    bool ok = create(tap, aliases[i].base, directory, &checkpoint)
        && vkmoe_checkpoint_open(checkpoint.path, &printing_log, &base) == VKMOE_OK
        && vkmoe_checkpoint_get_moe(base, checkpoint.block, &base_params) == VKMOE_OK;
    if (ok)
        rename_family(
            &checkpoint, aliases[i].base, aliases[i].alias, aliases[i].old, aliases[i].new);
    ok = ok && vkmoe_checkpoint_open(checkpoint.path, &printing_log, &alias) == VKMOE_OK
        && vkmoe_checkpoint_get_moe(alias, checkpoint.block, &params) == VKMOE_OK;
    if (ok) {
        vkmoe_checkpoint_get_info(alias, &info);
        ok = same_layer(&params, &base_params, aliases[i].renormalize)
            && strcmp(info.family, aliases[i].alias) == 0
            && strcmp(info.treated_as, aliases[i].base) == 0
            && info.moe_blocks == checkpoint.info.moe_blocks;
    }
    vkmoe_checkpoint_destroy(&alias);
    // An alias promises nothing of the attention around the block, or not without its sizes.
    ok = ok && vkmoe_checkpoint_open(checkpoint.path, NULL, &alias) == VKMOE_OK
        && (aliases[i].same
            || vkmoe_checkpoint_get_frame(alias, &frame) == VKMOE_ERROR_UNSUPPORTED);
    vkmoe_checkpoint_destroy(&alias);
    vkmoe_checkpoint_destroy(&base);
    checkpoint_destroy(&checkpoint);
    return ok;
}

// --------------------------------------------------------------------------- refusal

static void keep_line(void *user, enum vkmoe_log_level level, const char *line)
{
    (void)level;
    snprintf(user, 1024, "%s", line);
}

static bool check_refused(struct tap *tap, size_t i, const char *directory)
{
    char line[1024] = "";
    const struct vkmoe_log log = { .write = keep_line, .user = line };
    struct checkpoint checkpoint;
    vkmoe_checkpoint *model;
    bool ok = create(tap, refused[i].base, directory, &checkpoint);
    if (ok) {
        rename_family(
            &checkpoint, refused[i].base, refused[i].alias, refused[i].old, refused[i].new);
        enum vkmoe_status status = vkmoe_checkpoint_open(checkpoint.path, &log, &model);
        ok = status == VKMOE_ERROR_UNSUPPORTED && strstr(line, refused[i].text);
        if (!ok)
            tap_note(
                "%s: %s; expected in it: %s", vkmoe_status_name(status), line, refused[i].text);
        vkmoe_checkpoint_destroy(&model);
    }
    checkpoint_destroy(&checkpoint);
    return ok;
}

int main(int argc, char **argv)
{
    struct tap tap;
    if (!tap_begin(&tap, argc, argv))
        return 2;
    char directory[] = "/tmp/vkmoe-aliases-XXXXXX", name[128];
    if (!mkdtemp(directory)) {
        perror(directory);
        return 2;
    }
    for (size_t i = 0; i < COUNT(aliases); i++) {
        snprintf(name, sizeof name, "alias/%s-%zu", aliases[i].alias, i);
        if (tap_wants(&tap, name))
            tap_result(&tap, check_alias(&tap, i, directory), name);
    }
    for (size_t i = 0; i < COUNT(refused); i++) {
        snprintf(name, sizeof name, "refused/%s-%zu", refused[i].alias, i);
        if (tap_wants(&tap, name))
            tap_result(&tap, check_refused(&tap, i, directory), name);
    }
    rmdir(directory);
    return tap_end(&tap);
}
