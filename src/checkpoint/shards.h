// shards.h - the safetensors files of a directory, be it one or many with an index.
#ifndef VKMOE_SHARDS_H
#define VKMOE_SHARDS_H

#include "checkpoint/tensors.h"

// Opens `directory`/model.safetensors or else the files that model.safetensors.index.json
// there names. The index decides which file holds a tensor; what it names in vain is in the list
// as absent, for nobody may need it. So are the tensors of a shard that cannot be read, be it a
// pointer, empty or damaged.
enum vkmoe_status vkmoe_shards_open(
    const char *directory, const struct vkmoe_log *log, struct tensors *out);

#endif
