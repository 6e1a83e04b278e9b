// whole.h - what a family's models have besides experts: attention, norms, embedding and
// head. As in family.h, data: that of each family that can run whole.
#ifndef VKMOE_WHOLE_H
#define VKMOE_WHOLE_H

#include "checkpoint/family.h"
#include "vkmoe/model.h"

// Which attention of a model; all but an encoder-decoder have the first one only.
enum place {
    PLACE_BLOCKS,  // that of its blocks, or of its encoder's
    PLACE_DECODER, // the decoder's own
    PLACE_CROSS,   // the decoder's to the encoder's output
    PLACES
};

// Tensor names behind the block's prefix. NULL: the family has no such tensor. With a
// router the query and output tensors hold all experts, stacked.
struct attention_names {
    const char *prefix; // as vkmoe_family.prefix; NULL: that one
    const char *module; // what the attention's own names begin with
    const char *router;
    const char *query, *output;
    const char *key, *value; // either these
    const char *key_value;   // or both fused: [2 kv_heads * head_size][hidden]
    const char *fused;       // or these with the query before them, if this is set
    const char *query_bias, *key_bias, *value_bias; // there if `bias` says so
    const char *fused_bias;                         // instead of these, if it is set
    const char *projection_bias;                    // of the output, likewise
    const char *output_bias;                        // always there
    const char *query_norm, *key_norm;
    // Of latent attention: `query` is there instead of the next three where there is no query rank,
    // `key` and `key_norm` make what is cached.
    const char *query_down, *query_down_norm, *query_up;
    const char *latent_keys, *latent_values; // [heads][rank][key], [heads][value][rank]
    const char *latent_both; // instead, if it is set: [heads * (key + value)][rank], of each head
                             // the key's rows, transposed, above the value's
    const char *sinks;
    const char *gate;          // of what heads attend to; [heads * head_size][hidden]
    const char *position_bias; // [buckets][heads], in the first block for all of them
    const char *ignored;       // a name in the module that means nothing
    const char *attention_norm, *experts_norm; // outside the module
    const char *attention_norm_bias, *experts_norm_bias;
    // Of struct vkmoe_block_extras, likewise; the factor may be absent.
    const char *attention_post_norm, *post_norm;
    const char *dense_post_norm, *experts_pre_norm, *experts_post_norm;
    const char *block_scale;
};

// Tensor names of the ends, each with alternatives "a|b".
struct end_names {
    const char *embedding, *head;
    const char *copies[2]; // of the embedding, in some files
    const char *final_norm, *encoder_norm;
    const char *final_norm_bias, *head_bias; // the second if `head_bias` of the family says so
    const char *rope_divisors;               // of all blocks; NULL: there are none
    const char *long_rope_divisors;          // LongRoPE's; NULL: the settings have both
};

// Latent attention, whose sizes the settings that DeepSeek has of them say; false: another.
struct latent_rule {
    bool is_latent;
    uint32_t rank, query_rank, key_size, rope_size, value_size; // presets
    double norm_epsilon;                                        // of its own norms; 0: the model's
    bool plain_scores; // which YaRN's mscale_all_dim leaves alone
    bool says_part;    // partial_rotary_factor is what RoPE turns of a key
};

enum window_rule {
    WINDOW_NONE,      // sliding_window is not the family's
    WINDOW_ALL,       // every block has sliding_window
    WINDOW_ALTERNATE, // every other one, the first included, unless layer_types differ
    WINDOW_LATER,     // those from max_window_layers on, unless layer_types differ
    WINDOW_LISTED,    // those that layer_types name
    WINDOW_5_OF_6,    // each sixth block has none, nor has the last, unless layer_types differ
    WINDOW_BUT_EVERY, // every n-th block has none, as window_every says, likewise
    WINDOW_CHUNKS,    // chunks of attention_chunk_size, of the blocks that have RoPE, likewise
};

// What a block's attention has besides its parameters.
struct traits {
    bool bias;             // of the projections
    bool head_norms;       // of queries and keys
    bool unit_norms;       // the same without weights
    bool keys_are_values;  // before both have norms
    bool gate_of_heads;    // not of each of their elements
    bool no_sinks;         // though the family's have names
    bool sinks_may_lack;   // whether there are any, tensors say
    bool more_divisors;    // than RoPE of the block has, which are the first of them
    bool plain_rope;       // of a block where the model's divisors do not count
    uint32_t turned_pairs; // of heads, the others stand; 0: all, or as divisors say
};

struct whole_source;

struct whole {
    // kv_heads 0: as many as heads; head_size 0: hidden / heads.
    struct setting heads, kv_heads, head_size;
    uint32_t vocabulary, max_positions; // presets, as the following
    bool tied;
    int32_t end_token;                                // where no file names any; -1: none
    int32_t start_token;                              // of a decoder
    const char *max_positions_key, *norm_epsilon_key; // NULL: the usual ones
    const char *steady_key;    // positions after which scores grow, which is not known here
    double norm_epsilon;       // below 0: it must be there
    double block_norm_epsilon; // 0: norm_epsilon too
    bool layer_norm;           // norms are LayerNorms
    bool rms_by_key;           // not so where the usual key of RMS norms' epsilon is there
    bool parallel;             // as in struct vkmoe_block_extras
    bool early;                // likewise, of blocks with experts
    struct vkmoe_rope rope;
    double rope_part;          // preset of partial_rotary_factor; 0: the family has all of it
    const char *rope_size_key; // elements of a head, instead of that factor; NULL: none
    const char *rope_base_key; // of its base, where that is not with the rest; or NULL
    bool rope_alpha;           // its dynamic scaling may have an alpha
    bool rope_grows;           // YaRN may say that queries grow with their positions
    double rope_growth;        // how much, without a scaling
    bool norm_after_rope;      // see vkmoe_attention_params
    struct setting bias;       // of the projections; no key: fixed
    struct setting head_bias;  // likewise
    struct setting head_norms; // of queries and keys; no key: as `names` say
    bool norm_wide;            // see vkmoe_attention_params
    enum window_rule window;
    uint32_t window_preset;
    const char *window_key;            // NULL: the usual one
    const char *window_layout;         // a list with 1 for blocks that have it, 0 for others
    bool longer_lists;                 // layer_types may go on with blocks that predict
    const char *window_switch;         // the setting that must be true for windows
    struct setting window_every;       // which block has none, of so many
    struct setting window_every_dense; // likewise of dense_first blocks, which count apart; no
                                       // key: they do not
    bool window_rope;                  // blocks without a window have no RoPE
    const char *expert_windows;        // an array with a window for each expert, 0: unlimited
    const char *clip_key, *scale_key;  // value_clip; scale
    struct setting value_size;         // no key: head_size
    const char *value_scale_key;
    double scale;                         // without it; 0: 1 / sqrt(head_size)
    const char *soft_cap_key;             // of scores
    double soft_cap;                      // without it; 0: none
    struct setting buckets, max_distance; // of position_bias
    struct latent_rule latent;
    const char *embedding_scale_key, *residual_scale_key, *logits_divisor_key;
    const char *logits_scale_key, *logits_cap_key;
    double embedding_scale, logits_scale; // without their keys; 0: 1
    // Whether what the shared expert and the others give is divided by the root of 2, before the
    // norm behind them.
    struct setting root_of_sum;
    struct setting embedding_root; // embeddings are multiplied by sqrt(hidden)
    bool tied_root;                // logits of a tied head are divided by sqrt(hidden)
    const char *expect[4];         // as in vkmoe_family
    bool tiled_kv;
    struct vkmoe_router_params router;
    bool both_sides[PLACES]; // sees the keys behind too
    struct attention_names names[PLACES];
    struct end_names ends;
    // Adjusts what the fields above gave for the attention of a block. May be NULL.
    void (*adjust)(const struct whole_source *source, struct vkmoe_block block,
        struct vkmoe_attention_params *params, struct traits *traits);
};

struct whole_source {
    const struct whole *whole;
    const struct family *family;
    struct settings *settings;
    const uint32_t *blocks; // vkmoe_blocks.count of the model
};

enum place vkmoe_whole_place(struct vkmoe_block block);

// Everything in the parameters of a block's attention but views and patterns.
void vkmoe_whole_read_attention(const struct whole_source *source, struct vkmoe_block block,
    struct vkmoe_attention_params *params, struct traits *traits);

// That RoPE turns `size` elements of a head.
void vkmoe_whole_turn(
    struct settings *settings, uint32_t size, struct vkmoe_attention_params *params);

// The heads of a block with a window, whose settings begin with swa_, or are
// attention_other_setting's. Without them they stay as they are.
void vkmoe_whole_read_swa(struct settings *settings, struct vkmoe_attention_params *params);

// The epsilon of the final norm, and of others that have no other.
float vkmoe_whole_read_epsilon(const struct whole_source *source);

// Whether there is what `setting` is about, such as whole.head_bias.
bool vkmoe_whole_has(const struct whole_source *source, const struct setting *setting);

// Whether layer_types makes this block one with a window or chunks; without it `preset`, or as
// WINDOW_5_OF_6 and WINDOW_BUT_EVERY have it.
bool vkmoe_whole_is_sliding(
    const struct whole_source *source, struct vkmoe_block block, bool preset);

// The patterns of the experts of a block's attention, whose `params` are as the above has left
// them. False if all see everything before them.
bool vkmoe_whole_read_patterns(const struct whole_source *source, struct vkmoe_block block,
    const struct vkmoe_attention_params *params, struct vkmoe_pattern *patterns);

// Whether blocks have dense networks beside their experts.
bool vkmoe_family_has_beside(const struct family *family);

// Everything in a frame but the views and the end tokens; whether the head is the embedding.
void vkmoe_whole_read_frame(
    const struct whole_source *source, struct vkmoe_frame *frame, bool *tied);

#endif
