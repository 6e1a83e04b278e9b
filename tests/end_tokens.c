// end_tokens.c - which tokens end a text: the published forms of eos_token_id in config.json and
// in generation_config.json, and what neither may do to a model. No device is needed.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vkmoe/model.h>

#include "check.h"
#include "whole_checkpoints.h"

struct lines {
    uint32_t errors, warnings;
    char last[1024];
};

static void keep_line(void *user, enum vkmoe_log_level level, const char *line)
{
    struct lines *lines = user;
    lines->errors += level == VKMOE_LOG_ERROR;
    lines->warnings += level == VKMOE_LOG_WARNING;
    snprintf(lines->last, sizeof lines->last, "%s", line);
}

#define NOT_TOKENS "eos_token_id is neither a token nor a list"

struct end_case {
    const char *name;
    const char *config; // settings of the model's config, each with a comma behind it
    const char *around; // of a config around it, in which it is text_config; NULL: there is none
    const char *generation; // generation_config.json; NULL: there is none, "/": it is a directory,
                            // ">": a broken link
    uint32_t tokens[8], count;
    const char *warning; // of generation_config.json
    const char *error;   // of config.json
};

#define EOS(value) "\"eos_token_id\":" value ","

static const struct end_case cases[] = {
    { "one", EOS("9"), NULL, NULL, { 9 }, 1 },
    { "list", EOS("[9,8]"), NULL, NULL, { 9, 8 }, 2 },
    { "list-of-alike", EOS("[9,8,9,9]"), NULL, NULL, { 9, 8 }, 2 },
    { "null", EOS("null"), NULL, NULL, { 0 }, 0 },
    { "empty-list", EOS("[]"), NULL, NULL, { 0 }, 0 },
    { "of-the-class", "", NULL, NULL, { 2 }, 1 },
    { "beyond-the-vocabulary", EOS("[5,2147483647]"), NULL, NULL, { 5, 2147483647 }, 2 },
    // as Qwen3-30B-A3B, gpt-oss-20b and Llama-3-8B-Instruct have them
    { "qwen3", EOS("151645"), NULL,
        "{\"bos_token_id\":151643,\"do_sample\":true,"
        "\"eos_token_id\":[151645,151643],\"top_k\":20}",
        { 151645, 151643 }, 2 },
    { "gpt-oss", EOS("200002"), NULL, "{\"eos_token_id\":[200002,199999,200012]}",
        { 200002, 199999, 200012 }, 3 },
    { "llama-3", EOS("128001"), NULL, "{\"eos_token_id\":[128001,128009]}", { 128001, 128009 }, 2 },
    { "only-in-generation", "", NULL, "{\"eos_token_id\":[7,6]}", { 7, 6 }, 2 },
    { "null-and-generation", EOS("null"), NULL, "{\"eos_token_id\":7}", { 7 }, 1 },
    { "they-differ", EOS("3"), NULL, "{\"eos_token_id\":7}", { 3, 7 }, 2 },
    { "generation-null", EOS("3"), NULL, "{\"eos_token_id\":null}", { 3 }, 1 },
    { "generation-silent", EOS("3"), NULL, "{\"temperature\":0.6}", { 3 }, 1 },
    { "both-silent", "", NULL, "{\"temperature\":0.6}", { 2 }, 1 },
    { "generation-says-none", "", NULL, "{\"eos_token_id\":[]}", { 0 }, 0 },
    { "nested", EOS("[4,5]"), "", NULL, { 4, 5 }, 2 },
    { "nested-and-around", EOS("4"), EOS("[1,4,6]"), "{\"eos_token_id\":8}", { 4, 1, 6, 8 }, 4 },
    { "around", "", EOS("[1,6]"), NULL, { 1, 6 }, 2 },
    { "nested-null-and-around", EOS("null"), EOS("6"), NULL, { 6 }, 1 },
    { "nested-nowhere", "", "", NULL, { 2 }, 1 },
    // A generation_config.json gone wrong leaves a model as it would be without.
    { "generation-string", EOS("3"), NULL, "{\"eos_token_id\":\"x\"}", { 3 }, 1, NOT_TOKENS },
    { "generation-negative", EOS("3"), NULL, "{\"eos_token_id\":-1}", { 3 }, 1, NOT_TOKENS },
    { "generation-list-with-null", EOS("3"), NULL, "{\"eos_token_id\":[7,null]}", { 3 }, 1,
        NOT_TOKENS },
    { "generation-huge", "", NULL, "{\"eos_token_id\":[7,1e300]}", { 2 }, 1, NOT_TOKENS },
    { "generation-cut", EOS("3"), NULL, "{\"eos_token_id\":[7", { 3 }, 1, "is not JSON at byte" },
    { "generation-empty", EOS("3"), NULL, "", { 3 }, 1, "is empty" },
    { "generation-array", EOS("3"), NULL, "[7]", { 3 }, 1, "is not an object" },
    { "generation-directory", EOS("3"), NULL, "/", { 3 }, 1, "is not a regular file" },
    { "generation-broken-link", EOS("3"), NULL, ">", { 3 }, 1,
        "is a symbolic link to a file that is not there; download it anew; the file is ignored" },
    // What config.json has wrong is an error, whatever else there is.
    { "string", EOS("\"x\""), NULL, NULL, { 0 }, 0, NULL, NOT_TOKENS },
    { "negative", EOS("-1"), NULL, NULL, { 0 }, 0, NULL, NOT_TOKENS },
    { "fraction", EOS("[1,2.5]"), NULL, "{\"eos_token_id\":7}", { 0 }, 0, NULL, NOT_TOKENS },
    { "true", EOS("true"), NULL, NULL, { 0 }, 0, NULL, NOT_TOKENS },
    { "list-in-list", EOS("[[1]]"), NULL, NULL, { 0 }, 0, NULL, NOT_TOKENS },
    { "around-string", EOS("1"), EOS("\"x\""), NULL, { 0 }, 0, NULL, NOT_TOKENS },
    { "around-twice", EOS("1"), EOS("2") EOS("3"), NULL, { 0 }, 0, NULL, "is there twice" },
};

static const char *path_of(const struct whole_checkpoint *checkpoint)
{
    static char path[sizeof checkpoint->path + 32];
    snprintf(path, sizeof path, "%s/generation_config.json", checkpoint->path);
    return path;
}

static bool write_generation(const struct whole_checkpoint *checkpoint, const char *text)
{
    if (!text)
        return true;
    if (*text == '/')
        return mkdir(path_of(checkpoint), 0700) == 0;
    if (*text == '>')
        return symlink("../../blobs/0123", path_of(checkpoint)) == 0;
    FILE *file = fopen(path_of(checkpoint), "w");
    return file && fputs(text, file) >= 0 && fclose(file) == 0;
}

// tests/support/whole_checkpoints.c has no eos_token_id for Mixtral.
static bool write_config(
    const struct whole_checkpoint *checkpoint, const char *settings, const char *around)
{
    static char text[1 << 18];
    const char *config = whole_checkpoint_config("mixtral");
    const int length = snprintf(text, sizeof text, "%s%s%s{%s%s%s",
        around ? "{\"model_type\":\"llava\"," : "", around ? around : "",
        around ? "\"text_config\":" : "", settings, config + 1, around ? "}" : "");
    return length > 0 && length < (int)sizeof text
        && whole_checkpoint_rewrite_config(checkpoint, text);
}

static bool check(const struct end_case *c)
{
    struct lines lines = { 0 };
    const struct vkmoe_log log = { .write = keep_line, .user = &lines, .level = VKMOE_LOG_WARNING };
    struct whole_checkpoint checkpoint;
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) }, again = { VKMOE_INIT(vkmoe_frame) };
    vkmoe_checkpoint *model = NULL;
    CHECK(whole_checkpoint_write("mixtral", 1, &checkpoint));
    CHECK(write_config(&checkpoint, c->config, c->around));
    CHECK(write_generation(&checkpoint, c->generation));
    CHECK(vkmoe_checkpoint_open(checkpoint.path, &log, &model) == VKMOE_OK);
    CHECK(lines.errors == 0 && lines.warnings == 0);
    enum vkmoe_status status = vkmoe_checkpoint_get_frame(model, &frame);
    CHECK(lines.errors == !!c->error && lines.warnings == !!c->warning);
    CHECK(!c->error || (strstr(lines.last, c->error) && strstr(lines.last, "/config.json")));
    CHECK(!c->warning || strstr(lines.last, c->warning));
    CHECK(!c->warning || strstr(lines.last, "/generation_config.json"));
    CHECK(status == (c->error ? VKMOE_ERROR_INVALID : VKMOE_OK));
    if (!c->error) {
        CHECK(frame.end_token_count == c->count);
        for (uint32_t i = 0; i < c->count; i++)
            CHECK(frame.end_tokens[i] == c->tokens[i]);
        CHECK(vkmoe_checkpoint_get_frame(model, &again) == VKMOE_OK);
        CHECK(again.end_tokens == frame.end_tokens && lines.warnings == !!c->warning);
    }
    vkmoe_checkpoint_destroy(&model);
    remove(path_of(&checkpoint));
    whole_checkpoint_finish(&checkpoint);
    return true;
fail:
    if (lines.last[0])
        tap_note("log: %s", lines.last);
    vkmoe_checkpoint_destroy(&model);
    remove(path_of(&checkpoint));
    whole_checkpoint_finish(&checkpoint);
    return false;
}

// More than anybody needs, and one that is too many.
static bool test_long_lists(void)
{
    static char list[1 << 16], text[1 << 17];
    struct lines lines = { 0 };
    const struct vkmoe_log log = { .write = keep_line, .user = &lines, .level = VKMOE_LOG_WARNING };
    struct whole_checkpoint checkpoint;
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    vkmoe_checkpoint *model = NULL;
    CHECK(whole_checkpoint_write("mixtral", 1, &checkpoint));
    for (uint32_t more = 0; more < 2; more++) {
        size_t used = 0;
        for (uint32_t i = 0; i < 1024 + more; i++)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%u", i ? "," : "", i + 1);
        snprintf(text, sizeof text, EOS("[%s]"), list);
        CHECK(write_config(&checkpoint, text, NULL));
        CHECK(vkmoe_checkpoint_open(checkpoint.path, &log, &model) == VKMOE_OK);
        enum vkmoe_status status = vkmoe_checkpoint_get_frame(model, &frame);
        CHECK(status == (more ? VKMOE_ERROR_INVALID : VKMOE_OK) && lines.errors == more);
        CHECK(more || (frame.end_token_count == 1024 && frame.end_tokens[1023] == 1024));
        vkmoe_checkpoint_destroy(&model);
    }
    whole_checkpoint_finish(&checkpoint);
    return true;
fail:
    vkmoe_checkpoint_destroy(&model);
    whole_checkpoint_finish(&checkpoint);
    return false;
}

int main(int argc, char **argv)
{
    TEST_TABLE(tests, { "long-lists", test_long_lists });
    struct tap tap;
    if (!tap_begin(&tap, argc, argv))
        return 2;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (tap_wants(&tap, cases[i].name))
            tap_result(&tap, check(&cases[i]), cases[i].name);
    }
    run_tests(&tap, tests, COUNT_OF(tests));
    return tap_end(&tap);
}
