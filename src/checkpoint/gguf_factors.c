// gguf_factors.c - by what embeddings, scores, results and logits are multiplied, and their caps:
// of the families that have them the keys of GGUF files, and what holds without these.
#include "checkpoint/gguf.h"

// Files of Grok-1 that were made before there were keys have its numbers.
static void set_grok(const struct whole *published, struct whole *whole)
{
    whole->scale_key = "attention.output_scale";
    whole->scale = 0.08838834764831845;
    whole->soft_cap_key = "attn_logit_softcapping";
    whole->soft_cap = published->soft_cap;
    whole->steady_key = "attention.temperature_length";
    whole->embedding_scale_key = "embedding_scale";
    whole->embedding_scale = published->embedding_scale;
    whole->logits_scale_key = "logit_scale";
    whole->logits_scale = published->logits_scale;
    whole->root_of_sum = published->root_of_sum;
}

void vkmoe_gguf_set_factors(const struct whole *published, struct whole *whole)
{
    whole->scale_key = "attention.scale";
    if (!published)
        return;
    whole->logits_cap_key = published->logits_cap_key;
    whole->logits_scale_key = published->logits_scale_key;
    whole->embedding_root.preset =
        published->embedding_root.key || published->embedding_root.preset;
    if (published->residual_scale_key) { // Granite's
        whole->embedding_scale_key = "embedding_scale";
        whole->residual_scale_key = "residual_scale";
        whole->logits_divisor_key = "logit_scale";
    }
    if (published->soft_cap_key)
        set_grok(published, whole);
}
