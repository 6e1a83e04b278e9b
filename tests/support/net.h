// net.h - a model on the device under test, and batches that it is run on.
#ifndef VKMOE_TESTS_NET_H
#define VKMOE_TESTS_NET_H

#include <vkmoe/model.h>

#include "harness.h"

// A model on the device, and one batch for it.
struct net {
    struct harness *harness;
    vkmoe_checkpoint *model;
    vkmoe_model *network;
    struct vkmoe_frame frame;
    uint32_t tokens, logits_count, longest;
    struct array ids, positions, sequences, logits, expert_ids, attention_expert_ids;
};

// The params of a forward of `tokens` tokens, with what these have from the `first` on.
struct vkmoe_model_forward_params forward_from(uint32_t first, uint32_t tokens,
    const struct array *ids, const struct array *positions, const struct array *sequences);

void net_finish(struct net *net);
// The end of a test, which finishes it: `ok`, and the validation layer said nothing.
bool net_end(struct net *net, bool ok);

// `params` NULL: defaults.
bool net_renew(struct net *net, const struct vkmoe_model_params *params);

// net_finish() in any case.
bool net_init(struct net *net, struct harness *harness, const char *path,
    const struct vkmoe_model_params *params);

// tests/models/<model>; until the next call.
const char *model_path(const char *model);

// A batch; sequences NULL: no span of them. With routing k of the experts is asked for.
bool net_batch(struct net *net, uint32_t tokens, const uint32_t *ids, const uint32_t *positions,
    const uint32_t *sequences, uint32_t logits_count, uint32_t k);

// Tokens `first` .. `first + tokens - 1` of the batch, with the logits of all of them.
bool net_record(struct net *net, uint32_t first, uint32_t tokens);

bool net_upload(struct net *net);

bool net_download(struct net *net);

// The whole batch in chunks, in one submission.
bool net_run(struct net *net, uint32_t chunk);

#endif
