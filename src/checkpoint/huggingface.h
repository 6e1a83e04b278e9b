// huggingface.h - folders as transformers writes them: config.json, model.safetensors or several
// with an index, and JSON files beside them.
#ifndef VKMOE_HUGGINGFACE_H
#define VKMOE_HUGGINGFACE_H

#include "checkpoint/checkpoint.h"

extern const struct opener vkmoe_huggingface;

#endif
