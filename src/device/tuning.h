// tuning.h - figures that were found by measuring, or wait for it.
#ifndef VKMOE_TUNING_H
#define VKMOE_TUNING_H

#include "device/device.h"

enum tune {
    TUNE_ROUTE_LANES,     // workgroup of route
    TUNE_DECODE_LANES,    // of the decode kernels, where a matrix is wide enough for as many
    TUNE_DECODE_UNROLL,   // units that a lane of theirs has under way
    TUNE_INTEGER_UNROLL,  // likewise, where they multiply integers, in blocks of 4 units
    TUNE_DECODE_TOKENS,   // the most that the decode kernels get
    TUNE_COLUMN_TOKENS,   // likewise, where lanes would own columns of 16 bits
    TUNE_DIRECT_TOKENS,   // likewise, of one matrix for all of them
    TUNE_DIRECT_GROUPS,   // workgroups of a product of many tokens with one matrix, worth as many
    TUNE_DECODE_TOGETHER, // of which a lane has sums at once
    TUNE_DECODE_BLOCKS,   // blocks of 8 matrix rows for a workgroup of theirs
    TUNE_ROUTE_TOKENS,    // for a workgroup of route
    TUNE_ROUTE_BLOCKS,    // likewise, blocks of 8 experts, at most
    TUNE_ROUTE_UNROLL,    // units that a lane of it has under way, at one token
    TUNE_FOLD_NORMS,      // 1: few tokens' norms are part of the products after them
    TUNE_COMBINE_LANES,   // workgroup of combine
    TUNE_MODEL_LANES,     // of embed and norm
    TUNE_ATTEND_LANES,    // of the kernels of attention
    TUNE_STORE_HEADS,     // that a workgroup of store_kv does, one after the other
    TUNE_ATTEND_GROUPS,   // workgroups of attend that fill the device
    TUNE_SPLIT_KEYS,      // keys that make a split of attend worth its merge
    TUNE_COLUMN_LANES,    // of attend where lanes own columns
    TUNE_COLUMN_GROUPS,   // likewise: workgroups that fill the device
    TUNE_COLUMN_KEYS,     // likewise: keys that make a split worth its merge
    TUNE_PARTIALS_SIZE,   // bytes of what splits leave, at most
    TUNE_PIECE_SIZE,      // bytes of a buffer for staging
    TUNE_HOST_PACKS,      // 1: the host is faster at packing weights than the device
    TUNE_COUNT,
};

uint32_t vkmoe_tuning(const vkmoe_device *device, enum tune what);

#endif
