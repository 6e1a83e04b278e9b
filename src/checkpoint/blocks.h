// blocks.h - which blocks of a model hold experts: one function per rule that families use.
#ifndef VKMOE_MODEL_BLOCKS_H
#define VKMOE_MODEL_BLOCKS_H

#include "checkpoint/family.h"

// Each is a vkmoe_family.mark.
void vkmoe_mark_all(struct vkmoe_config *config, struct vkmoe_blocks *blocks);
void vkmoe_mark_after_dense(struct vkmoe_config *config, struct vkmoe_blocks *blocks);
void vkmoe_mark_after_3_dense(struct vkmoe_config *config, struct vkmoe_blocks *blocks);
void vkmoe_mark_after_1_dense(struct vkmoe_config *config, struct vkmoe_blocks *blocks);
void vkmoe_mark_lfm2(struct vkmoe_config *config, struct vkmoe_blocks *blocks);
void vkmoe_mark_qwen(struct vkmoe_config *config, struct vkmoe_blocks *blocks);
void vkmoe_mark_jamba(struct vkmoe_config *config, struct vkmoe_blocks *blocks);
void vkmoe_mark_llama4(struct vkmoe_config *config, struct vkmoe_blocks *blocks);
void vkmoe_mark_granite_hybrid(struct vkmoe_config *config, struct vkmoe_blocks *blocks);
void vkmoe_mark_nemotron(struct vkmoe_config *config, struct vkmoe_blocks *blocks);
void vkmoe_mark_gemma4(struct vkmoe_config *config, struct vkmoe_blocks *blocks);
void vkmoe_mark_switch(struct vkmoe_config *config, struct vkmoe_blocks *blocks);

#endif
