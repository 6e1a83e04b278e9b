// net.c - see net.h.
#include "net.h"

static void net_free_arrays(struct net *net)
{
    struct array *arrays[] = { &net->ids, &net->positions, &net->sequences, &net->logits,
        &net->expert_ids, &net->attention_expert_ids };
    for (int i = 0; i < 6; i++)
        array_finish(arrays[i]);
}

void net_finish(struct net *net)
{
    net_free_arrays(net);
    vkmoe_model_destroy(&net->network);
    vkmoe_checkpoint_destroy(&net->model);
}

bool net_renew(struct net *net, const struct vkmoe_model_params *params)
{
    static const struct vkmoe_model_params defaults = { VKMOE_INIT(vkmoe_model_params) };
    vkmoe_model_destroy(&net->network);
    return is_ok(vkmoe_model_create(
                     net->harness->device, net->model, params ? params : &defaults, &net->network),
        "vkmoe_model_create");
}

bool net_init(struct net *net, struct harness *harness, const char *path,
    const struct vkmoe_model_params *params)
{
    *net = (struct net){ .harness = harness, .frame = { VKMOE_INIT(vkmoe_frame) } };
    harness->messages = 0;
    return is_ok(vkmoe_checkpoint_open(path, NULL, &net->model), "vkmoe_checkpoint_open")
        && is_ok(vkmoe_checkpoint_get_frame(net->model, &net->frame), "vkmoe_checkpoint_get_frame")
        && net_renew(net, params);
}

const char *model_path(const char *model)
{
    static char path[1024];
    snprintf(path, sizeof(path), VKMOE_TEST_MODELS "/%s", model);
    return path;
}

bool net_batch(struct net *net, uint32_t tokens, const uint32_t *ids, const uint32_t *positions,
    const uint32_t *sequences, uint32_t logits_count, uint32_t k)
{
    vkmoe_device *device = net->harness->device;
    size_t size = tokens * sizeof(uint32_t), routing = net->frame.blocks * size * k;
    net_free_arrays(net);
    net->tokens = tokens;
    net->logits_count = logits_count;
    return array_init(&net->ids, device, ids, size, false)
        && array_init(&net->positions, device, positions, size, true)
        && (!sequences || array_init(&net->sequences, device, sequences, size, false))
        && (!logits_count
            || array_init(&net->logits, device, NULL,
                (size_t)logits_count * net->frame.vocabulary * sizeof(float), true))
        && (!k || array_init(&net->expert_ids, device, NULL, routing, false))
        && (!k || array_init(&net->attention_expert_ids, device, NULL, routing, true));
}

struct vkmoe_model_forward_params forward_from(uint32_t first, uint32_t tokens,
    const struct array *ids, const struct array *positions, const struct array *sequences)
{
    return (struct vkmoe_model_forward_params){ VKMOE_INIT(vkmoe_model_forward_params),
        .tokens = tokens, .ids = span_from(ids, first), .positions = span_from(positions, first),
        .sequences = span_from(sequences, first) };
}

bool net_record(struct net *net, uint32_t first, uint32_t tokens)
{
    struct vkmoe_model_forward_params params =
        forward_from(first, tokens, &net->ids, &net->positions, &net->sequences);
    params.longest = net->longest;
    params.logits = span_from(&net->logits, (size_t)first * net->frame.vocabulary);
    params.logits_count = tokens < net->logits_count ? tokens : net->logits_count;
    params.expert_ids = array_span(&net->expert_ids);
    params.attention_expert_ids = array_span(&net->attention_expert_ids);
    return is_ok(
        vkmoe_model_forward(net->harness->stream, net->network, &params), "vkmoe_model_forward");
}

bool net_upload(struct net *net)
{
    return array_upload(&net->ids) && array_upload(&net->positions) && array_upload(&net->sequences)
        && array_upload(&net->logits) && array_upload(&net->expert_ids)
        && array_upload(&net->attention_expert_ids);
}

bool net_download(struct net *net)
{
    return array_download(&net->ids) && array_download(&net->positions)
        && array_download(&net->sequences) && array_download(&net->logits)
        && array_download(&net->expert_ids) && array_download(&net->attention_expert_ids)
        && array_check("ids", &net->ids, true) && array_check("positions", &net->positions, true)
        && array_check("sequences", &net->sequences, true)
        && array_check("logits", &net->logits, false)
        && array_check("expert ids", &net->expert_ids, false)
        && array_check("attention expert ids", &net->attention_expert_ids, false);
}

bool net_run(struct net *net, uint32_t chunk)
{
    bool ok = net_upload(net);
    for (uint32_t t = 0; ok && t < net->tokens; t += chunk)
        ok = net_record(net, t, net->tokens - t < chunk ? net->tokens - t : chunk);
    return ok && harness_run(net->harness) && net_download(net);
}

bool net_end(struct net *net, bool ok)
{
    ok = ok && !net->harness->messages;
    net_finish(net);
    return ok;
}
