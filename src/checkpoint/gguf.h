// gguf.h - GGUF files, whole or in parts: what llama.cpp and its kin have models in.
#ifndef VKMOE_GGUF_H
#define VKMOE_GGUF_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/gguf_file.h"
#include "checkpoint/gguf_names.h"
#include "checkpoint/whole.h"

extern const struct opener vkmoe_gguf;

// What the opener has of a container.
struct gguf {
    struct arena arena;
    struct gguf_file file; // the first part's
    const char *name;      // general.architecture; NULL: it is not there
    uint32_t blocks;       // those that run, whether or not their number can be right
    bool lacks_heads;      // some block has none, as its keys say
    struct gguf_survey survey;
    // The family of its blocks, with what a GGUF file calls things.
    struct family family;
    struct whole whole;
    char not_whole[256];
};

// Makes the settings of a container whose tensors are known: the architecture's own keys without
// its name before them, all others as they are, and under Hugging Face's names what is not asked
// for by names that a family gives. gguf_settings.c
enum vkmoe_status vkmoe_gguf_read_settings(struct container *container);

// As opener.has_file and opener.read_file: a vocabulary of sentencepiece's kind is a
// tokenizer.model, and what is said of it a tokenizer_config.json; one of byte-level BPE is a
// tokenizer.json. gguf_tokenizer.c
bool vkmoe_gguf_has_file(const char *path, const char *name);
enum vkmoe_status vkmoe_gguf_read_file(const char *path, const char *name, uint64_t max_size,
    const struct vkmoe_log *log, struct blob *out);

// The chat template, which others have in chat_template.jinja; no data if there is none, or one of
// more than 64 KiB. gguf_template.c
enum vkmoe_status vkmoe_gguf_read_template(
    const char *path, const struct vkmoe_log *log, struct blob *out);

// As opener.family. gguf_family.c
struct kind vkmoe_gguf_family(const struct container *container, struct settings *settings);

// A bit for each name of gguf_names.h that blocks of an architecture must have; NULL, or one that
// is not known: none.
uint64_t vkmoe_gguf_needs(const char *architecture);

// Factors and caps, and what they are without keys, of a family as published, or NULL.
// gguf_factors.c
void vkmoe_gguf_set_factors(const struct whole *published, struct whole *whole);

// What GGUF files have for the models of a family: the way back from vkmoe_gguf_family(). False:
// there is no architecture for them that runs whole.
struct gguf_target {
    const char *name;
    enum vkmoe_rope_kind rope;
    enum vkmoe_score score;
    enum vkmoe_weigh weigh;
    enum vkmoe_activation activation;
    bool weight_on_input;
    bool chosen_softmax;   // the weights are the softmax of the chosen logits
    bool gate_by_keys;     // which say how the gate computes; else it is as above
    bool renormalizes;     // if it is not by keys
    bool best_groups;      // with softmax groups count by their best expert
    bool score_by_key;     // a key says which score, and nothing else of the gate
    bool has_scales;       // Granite's: of embeddings, scores and results, and logits' divisor
    bool embedding_scale;  // is said
    bool logits_scale;     // is said, and not a divisor
    bool post_norm;        // its norm before experts is called so
    bool sandwich;         // norms before and behind attention and networks
    bool head_gate;        // of each element that heads attend to
    bool embedding_root;   // embeddings are multiplied by sqrt(hidden)
    bool alternate_window; // of its own, in every other block
    bool fourth_full;      // each fourth block has no window, and no RoPE
    bool sparsemixer;      // with the jitter that was published
    bool layer_norm;       // norms may have biases, and the head one
    bool centered;         // their epsilon has another key than that of RMS norms
    bool rms_by_key;       // all are RMS norms if their epsilon has that key
    bool output_norm;      // the norm before experts is called after attention's output
    bool fused;            // queries, keys and values are one tensor, and their clip is said
    bool norm_after_rope;
    bool shared_by_key; // else the width of shared experts is that of the others times their count
    bool has_interval;  // of blocks with experts
    bool bare_bias;     // the bias that selects is exp_probs_b without a suffix
    bool fixed_chunks;  // Llama 4's attention, of which keys say little
    bool extras;        // Gemma 4's, as in struct vkmoe_block_extras
    bool grok;          // its norms behind attention and experts, its caps, and its dense network
    bool averages;      // what shared and routed experts give
    bool own_norm;      // Arctic's, likewise, of experts beside a dense network
    bool lists;         // which blocks have windows, and the heads of each
    bool first_full;    // each fourth block has no window, the first one of them
    bool no_full_rope;  // blocks without a window have no RoPE, but for dense ones
    bool windows_rope;  // those with windows have RoPE of their own, without scaling
    bool halves;        // Step-3.5's, see enum ways
    bool divisors;      // of RoPE may be there
    enum { BIASES_NEVER, BIASES_SOMETIMES, BIASES_ALWAYS } biases; // of queries, keys and values
    bool dense;    // blocks may stand before those with experts
    bool own_head; // the head is there, even if it is the embedding
};
bool vkmoe_gguf_target(const char *family, struct gguf_target *out);

// Of an integer, or else 0.
uint32_t vkmoe_gguf_integer(const struct value *value);

#endif
