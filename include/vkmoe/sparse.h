// sparse.h - ways in which attention sees or keeps little, as parts of struct
// vkmoe_attention_params (moe.h, which includes this).
#ifndef VKMOE_SPARSE_H
#define VKMOE_SPARSE_H

#include <vkmoe/vkmoe.h>

// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1): what a position leaves
// in the cache is one vector c, of which each head would make its key and its value, and one
// rotated key r for all heads. Neither is ever made: a head's matrices are applied to its query
// and to its sum of c instead.
//
//     [c r] = x key.matrixt                     c after an RMS norm with key.norm, r after RoPE
//     [n p] = q Wqt                             of each head; q = x, or with a query_rank
//                                               q = RMS norm(x query_matrixt), of weight query_norm
//     a = softmax over s (scale ((n keyst) . c[s] + rope(p) . r[s])) c[s]
//     y = (a valuest of all heads) Wot
//
// Of vkmoe_attention_params then
//
//     kv_heads          is 1, and experts too
//     head_size         is rank and the size of r, which is 0 to 128 and what RoPE turns
//     query.matrices    [heads * (key_size + size of r)][hidden, or query_rank]
//     key.matrix        [head_size][hidden]
//     key.norm          [rank]; norm.epsilon is of both norms
//     output.matrices   [hidden][heads * value_size]
//     scale             0: 1 / sqrt(key_size + size of r)
//
// and value, biases but that of the output, query.norm, norm.wide, value_clip and patterns with a
// `top` are absent. The cache is one with keys_only.
struct vkmoe_latent {
    uint32_t rank;                  // of c, 1 to 512; 0: none of this
    uint32_t key_size, value_size;  // of a head, without r; each times heads at most 65536
    uint32_t query_rank;            // 0: queries are made of x
    struct vkmoe_view query_matrix; // [query_rank][hidden]
    struct vkmoe_view query_norm;   // [query_rank]; no data: no norm
    // A matrix for each head, all of one dtype: [heads] of [rank][key_size], and of
    // [value_size][rank]. As published both lie in one tensor, the first as its transpose: strides
    // tell, row_stride 1. Whatever the dtype, they are on the device as they are stored.
    const struct vkmoe_view *keys, *values;
};

// Native sparse attention (NSA, arXiv 2502.11089): each head of a query looks at keys in three
// ways, each with a softmax of its own, and adds up what it finds under gates of its own:
//
//     a = g[0] compressed + g[1] selected + g[2] window      g = sigmoid(x gatet) of the head
//
//     compressed  the means of `compressed` keys and values in a row, of which one begins at every
//                 `stride`-th position; those that end at the query or before. 0 if none does
//     selected    the keys of `top` blocks. A block counts by the sum, over all heads that share
//                 the kv head, of the compressed branch's probabilities of the means that overlap
//                 it, each times the strides they share; the lower block wins ties. The first
//                 first_blocks are among them in any case, and the last local_blocks, of which
//                 the last is the query's own
//     window      the keys j with i - j < window, i the query
//
// All three share keys and values, which are means of what the cache holds, hence of keys after
// RoPE: the paper has a learned function in place of the mean, and keys and values of each
// branch; open implementations (fla-org/native-sparse-attention) are as here. The cache has
// `compressed` for its `block`, the same `stride`, and mean_values. A mean is taken when its last
// position is written, as with patterns that have a `top`.
//
// Not with experts, expert_kv_heads, first_kv_head, value.experts, output.experts, sinks,
// soft_cap, position, patterns or latent. A sequence has at most 3072 means and blocks together.
struct vkmoe_nsa {
    uint32_t compressed;                 // positions in a mean; 0: none of this
    uint32_t stride;                     // divides compressed and block; 0: compressed
    uint32_t block;                      // positions in a block that is selected; 0: compressed
    uint32_t top;                        // blocks that a query sees, 1 to 64
    uint32_t first_blocks, local_blocks; // together at most top; local_blocks 0: 1
    uint32_t window;                     // 1 to 2^30 - 1
    struct vkmoe_view gate;              // [heads * 3][hidden]: a head's three next to each other
};

// Mixture of sparse attention (MoSA, arXiv 2505.00315): each head chooses the tokens of a sequence
// that it attends from and to, and no other token has a query, a key or a value of it:
//
//     r = x routert                                               [tokens][heads]
//     I = the n tokens of a sequence with the largest r           of each head; the lower one of
//                                                                 equals
//     y[t] = sum over the heads that chose t of sigmoid(r[t]) * (a Wo t) + output.bias
//     a = softmax over the s <= t in I (scale q . k[s]) v[s]
//
// n is sequence_tokens / sparsity, at least 2 and at most all. q and k are rotated by the places of
// their tokens in the sequence. An expert is a head. Of vkmoe_attention_params then
//
//     heads                1
//     experts              heads of the formula, at least 2; experts_per_token and kv_heads as many
//     key, value           [experts * head_size][hidden], of the dtype of query.matrices
//
// and the gate, `router`, is not looked at; expert_kv_heads, first_kv_head, tiled_kv, patterns,
// sinks, position, norm.wide, norm_after_rope, value.experts, output.experts, latent, nsa and a
// DYNAMIC or LONGROPE scaling of RoPE are absent.
//
// A key is seen by no token before it. But whether a head takes a token depends on all tokens of
// the sequence, also those after it: what is computed for a sequence says nothing of a longer one.
// Nothing can be kept in a cache for tokens that come later, and a forward has none: it gets NULL,
// and whole sequences.
struct vkmoe_mosa {
    uint32_t sparsity;        // 0: none of this
    bool first;               // the first token of a sequence is among every head's n
    struct vkmoe_view router; // [experts][hidden]
};

#endif
