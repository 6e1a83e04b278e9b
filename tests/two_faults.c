// two_faults.c - checkpoints in which two things are wrong, a setting and a tensor: each call that
// fails says one of them, in one line. No device is needed.
#include <stdlib.h>

#include <vkmoe/model.h>

#include "check.h"
#include "checkpoints.h"
#include "folder.h"

enum { CALLS = 5 };

static enum vkmoe_status call_model(vkmoe_checkpoint *model, int call)
{
    struct vkmoe_attention_params attention = { VKMOE_INIT(vkmoe_attention_params) };
    struct vkmoe_block_extras extras = { VKMOE_INIT(vkmoe_block_extras) };
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    struct vkmoe_view norms[2];
    const struct vkmoe_block first = { 0 };
    switch (call) {
    case 0: return vkmoe_checkpoint_get_frame(model, &frame);
    case 1: return vkmoe_checkpoint_get_attention(model, first, &attention);
    case 2: return vkmoe_checkpoint_get_extras(model, first, &extras);
    case 3: return vkmoe_checkpoint_get_norms(model, first, &norms[0], &norms[1]);
    default: return vkmoe_checkpoint_get_norm_biases(model, first, &norms[0], &norms[1]);
    }
}

// The number of calls that fail, or -1 if one of them says more or less than one line.
static int count_failures(vkmoe_checkpoint *model, struct record *lines)
{
    int failures = 0;
    for (int call = 0; call < CALLS; call++) {
        *lines = (struct record){ 0 };
        const bool failed = call_model(model, call) != VKMOE_OK;
        failures += failed;
        if (lines->lines[VKMOE_LOG_ERROR] == failed)
            continue;
        tap_note("call %d %s, with %u lines, the last: %s", call, failed ? "fails" : "passes",
            lines->lines[VKMOE_LOG_ERROR], lines->last);
        return -1;
    }
    return failures;
}

// A family's experts, which have no attention, no norms and no embedding beside them, with `text`
// in the config.
static bool check_family(uint32_t index, const char *text)
{
    struct record lines = { 0 };
    const struct vkmoe_log log = { .write = record_line, .user = &lines };
    struct checkpoint checkpoint;
    vkmoe_checkpoint *model = NULL;
    bool ok = checkpoint_create(index, 1, "/tmp", &checkpoint);
    if (!ok || !folder_begin("faults"))
        exit(2);
    folder_change_config(checkpoint.path, "\"model_type\"", text);
    if (vkmoe_checkpoint_open(folder, &log, &model) == VKMOE_OK)
        ok = count_failures(model, &lines) > 0;
    else
        ok = lines.lines[VKMOE_LOG_ERROR] == 1;
    vkmoe_checkpoint_destroy(&model);
    checkpoint_destroy(&checkpoint);
    folder_finish();
    return ok;
}

int main(int argc, char **argv)
{
    static const char *const keys[] = { "rms_norm_eps", "rope_theta", "vocab_size",
        "num_attention_heads", "sliding_window", "rope_scaling", "rope_parameters",
        "max_position_embeddings", "layer_types", "tie_word_embeddings" };
    struct tap tap;
    if (!tap_begin(&tap, argc, argv))
        return 2;
    for (uint32_t i = 0; i < checkpoint_count(); i++)
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
            char name[128], text[128];
            snprintf(name, sizeof name, "%s/%s", checkpoint_name(i), keys[k]);
            snprintf(text, sizeof text, "\"%s\":2,\"%s\":2,\"model_type\"", keys[k], keys[k]);
            TAP_TEST(&tap, name, check_family(i, text));
        }
    return tap_end(&tap);
}
