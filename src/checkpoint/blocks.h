// blocks.h - which blocks of a model hold experts: the rules that several families have.
#ifndef VKMOE_BLOCKS_H
#define VKMOE_BLOCKS_H

#include "checkpoint/family.h"

// Each is a family.mark.
void vkmoe_mark_all(const struct family *family, struct settings *settings, struct blocks *blocks);
// DeepSeek: dense blocks first, as many as `dense_first` says, then every moe_layer_freq-th holds
// experts; or one name for each block.
void vkmoe_mark_after_dense(
    const struct family *family, struct settings *settings, struct blocks *blocks);
void vkmoe_mark_qwen(const struct family *family, struct settings *settings, struct blocks *blocks);

// Parts of such rules: every step-th block from `first` on; the blocks that an array of indices
// names, false if there is no such array.
void vkmoe_mark_from(struct blocks *blocks, uint32_t first, uint32_t step);
bool vkmoe_mark_listed(struct settings *settings, struct blocks *blocks, const char *key, bool moe);

#endif
