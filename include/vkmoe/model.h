// model.h - checkpoints in files, and whole models on the device: token ids in, logits out.
//
// A checkpoint gives the parts of a model as params for moe.h, so that a program may run one
// layer of it; vkmoe_model_create() runs all of them:
//
//     vkmoe_checkpoint_open()    config.json and *.safetensors of a directory, or a GGUF file
//     vkmoe_model_create()       its weights, packed on the device, and a cache
//     vkmoe_model_forward()      some tokens of one or several sequences
//
// The rules of vkmoe.h hold. Text becomes ids, and ids text, with tokenizer.h.
#ifndef VKMOE_MODEL_H
#define VKMOE_MODEL_H

#include <vkmoe/moe.h>

#ifdef __cplusplus
extern "C" {
#endif

// --------------------------------------------------------------------- checkpoint

// The settings of a checkpoint and its mapped files. Any thread.
typedef struct vkmoe_checkpoint vkmoe_checkpoint;

struct vkmoe_checkpoint_info {
    uint32_t struct_size;    // VKMOE_INIT()
    char family[32];         // "mixtral", "qwen3_moe", ...: model_type in config.json; of a GGUF
                             // file "llama", "qwen3moe", ...: general.architecture
    uint32_t blocks;         // of an encoder-decoder, the encoder's
    uint32_t decoder_blocks; // of an encoder-decoder, else 0
    uint32_t moe_blocks;     // how many of all these have experts
    uint32_t hidden, inner, experts, experts_per_token;
    uint32_t shared_inner; // width of the shared expert; 0: there is none
    uint32_t vocabulary;
    enum vkmoe_dtype dtype; // of the experts' weights, those up of the first block that has any
    uint64_t parameters;    // elements in all tensors
    uint64_t file_size;     // bytes in all files
    uint32_t tensors, files;
    char treated_as[32]; // the family whose blocks these are: "deepseek_v3" for "kimi_k2"
};

// Opens a directory as published on model hubs: config.json and either one *.safetensors file,
// or several with model.safetensors.index.json, which says which file holds which tensor. The
// files stay open, with a file descriptor each, and mapped until the checkpoint is destroyed,
// and must not change. Nothing is copied: views of the checkpoint are read by those who use
// them, which is INVALID if a file was cut short.
//
// Or opens a GGUF file, of version 2 or 3, or the first of those that a model is split into,
// PREFIX-00001-of-0000N.gguf. It is the same model to whoever asks, whatever it is kept in;
// strides and RoPE say how rows lie.
//
// A tensor that the index names but nobody needs may be missing, and a file with only such
// tensors may be a Git LFS pointer, empty or damaged.
//
// INVALID or NOT_FOUND with a line that names the file and what is wrong with it, or what was
// found in its place. UNSUPPORTED for a family that this version does not know, and for weights
// quantised in a way that it does not, which the line calls by its name. `log` may be NULL.
VKMOE_API enum vkmoe_status vkmoe_checkpoint_open(
    const char *path, const struct vkmoe_log *log, vkmoe_checkpoint **out);

VKMOE_API void vkmoe_checkpoint_destroy(vkmoe_checkpoint **checkpoint);

VKMOE_API void vkmoe_checkpoint_get_info(
    const vkmoe_checkpoint *checkpoint, struct vkmoe_checkpoint_info *info);

enum vkmoe_part {
    VKMOE_PART_BLOCKS,  // the model's blocks; of an encoder-decoder, the encoder's
    VKMOE_PART_DECODER, // the decoder's blocks of an encoder-decoder
    VKMOE_PART_CROSS,   // the same, for _get_attention and _get_norms: attention to the encoder
};

// One block, counted from 0 in its part as the names of tensors do.
struct vkmoe_block {
    uint32_t index;
    enum vkmoe_part part;
};

// Whether the block has experts; false if there is no such block.
VKMOE_API bool vkmoe_checkpoint_is_moe(
    const vkmoe_checkpoint *checkpoint, struct vkmoe_block block);

// Fills `params` for vkmoe_moe_create(), from the settings and tensors of a block with experts.
// What it points to belongs to the checkpoint and lives as long; there is nothing to free.
// INVALID if a tensor is missing or has a wrong shape, NOT_FOUND if there is no such block,
// UNSUPPORTED if it has no experts.
VKMOE_API enum vkmoe_status vkmoe_checkpoint_get_moe(
    vkmoe_checkpoint *checkpoint, struct vkmoe_block block, struct vkmoe_moe_params *params);

// The same for the dense feed-forward network of a block without experts, as one expert with
// VKMOE_SELECT_SUPPLIED_WEIGHTED. UNSUPPORTED if the block has experts and nothing beside them, or
// if this version does not know the family's dense blocks.
VKMOE_API enum vkmoe_status vkmoe_checkpoint_get_mlp(
    vkmoe_checkpoint *checkpoint, struct vkmoe_block block, struct vkmoe_moe_params *params);

// The same for vkmoe_attention_create(): the block's attention, routed or dense. NOT_FOUND if
// it has none.
VKMOE_API enum vkmoe_status vkmoe_checkpoint_get_attention(
    vkmoe_checkpoint *checkpoint, struct vkmoe_block block, struct vkmoe_attention_params *params);

// The weights of the two norms of a block, [hidden] each; with VKMOE_PART_CROSS only
// `attention_norm` is set. They are RMS norms, or LayerNorms if the frame says so. One without data
// is absent, and nothing stands in its place.
VKMOE_API enum vkmoe_status vkmoe_checkpoint_get_norms(vkmoe_checkpoint *checkpoint,
    struct vkmoe_block block, struct vkmoe_view *attention_norm, struct vkmoe_view *experts_norm);

// The same for their biases, without data where there are none.
VKMOE_API enum vkmoe_status vkmoe_checkpoint_get_norm_biases(vkmoe_checkpoint *checkpoint,
    struct vkmoe_block block, struct vkmoe_view *attention_norm, struct vkmoe_view *experts_norm);

// What only blocks of some families have (Gemma 4, AFMoE, FlexOlmo, Grok): norms of what attention
// and the rest give, a dense network beside the experts, and a factor. Such a block is
//
//     x += attention_post_norm(attention(attention_norm(x)))
//     d = mlp(experts_norm(x))
//     e = experts(experts_pre_norm(x))                  whose gate sees x itself
//     x += post_norm(dense_post_norm(d) + experts_post_norm(e))
//     x *= scale
//
// or x += post_norm(d) without experts, and post_norm(experts(experts_norm(x))) with nothing beside
// them. FlexOlmo has neither attention_norm nor experts_norm. A parallel block (Cohere 2) is
//
//     z = attention_norm(x);  x += residual_scale * (attention(z) + experts(z))
//
// or has its dense network instead of experts. Of an early block, experts see x before attention
// adds to it, and a dense network what it is then (Arctic):
//
//     e = experts(experts_pre_norm(x))
//     x += residual_scale * attention(attention_norm(x))
//     x += residual_scale * (mlp(experts_norm(x)) + e)
//
// or, without experts_pre_norm, only their gate does, and the block has nothing else of this
// (SmallThinker). Norms are [hidden], of the frame's block_norm_epsilon.
struct vkmoe_block_extras {
    uint32_t struct_size;                  // VKMOE_INIT()
    struct vkmoe_view attention_post_norm; // no data: the block has none of these norms
    struct vkmoe_view post_norm;
    struct vkmoe_view dense_post_norm, experts_pre_norm, experts_post_norm; // no data: no dense one
    float scale;                                                            // 0: 1
    bool parallel;      // then it has none of these norms
    bool early;         // then it has none but experts_pre_norm
    float post_epsilon; // of post_norm; 0: that of the others (Grok-2 has another)
};

// As vkmoe_checkpoint_get_norms(). Of a block with experts, vkmoe_checkpoint_get_mlp() gives the
// dense network beside them, if there is one.
VKMOE_API enum vkmoe_status vkmoe_checkpoint_get_extras(
    vkmoe_checkpoint *checkpoint, struct vkmoe_block block, struct vkmoe_block_extras *extras);

// What a model has around its blocks. Unless it has extras, a block is
//
//     x += residual_scale * attention(norm(x))
//     x += residual_scale * experts(norm(x))
//
// and in the decoder of an encoder-decoder, attention to the encoder's output comes between the
// two. Views and arrays belong to the checkpoint.
struct vkmoe_frame {
    uint32_t struct_size; // VKMOE_INIT()
    uint32_t hidden, vocabulary;
    uint32_t blocks;                // of an encoder-decoder, the decoder's
    uint32_t encoder_blocks;        // 0: decoder-only
    struct vkmoe_view encoder_norm; // [hidden], after the last encoder block
    struct vkmoe_view embedding;    // [vocabulary][hidden]
    struct vkmoe_view head;         // [vocabulary][hidden]; the embedding if they are tied
    struct vkmoe_view final_norm;   // [hidden]
    float norm_epsilon;             // of the final norm
    float block_norm_epsilon;       // of the norms in blocks
    float embedding_scale;          // 0: 1
    float residual_scale;           // 0: 1
    float logits_scale;             // 0: 1
    uint32_t max_positions;         // the trained context; Grok-2's until its scores grow
    // Any of these tokens ends a text: those of "eos_token_id" in config.json, then those in
    // generation_config.json, each once. They may be beyond the vocabulary.
    const uint32_t *end_tokens;
    uint32_t end_token_count;
    int32_t start_token; // with which a decoder begins that follows an encoder, else -1
    // What all norms are: LayerNorm (arXiv 1607.06450), (x - mean) / sqrt(variance + epsilon) *
    // weight + bias; else RMS norm, which has no bias.
    bool layer_norm;
    struct vkmoe_view final_norm_bias; // [hidden]; may be absent
    struct vkmoe_view head_bias;       // [vocabulary], added to logits; may be absent
    float logits_cap; // logits are cap * tanh(logit / cap), after logits_scale; 0: as they are
};

VKMOE_API enum vkmoe_status vkmoe_checkpoint_get_frame(
    vkmoe_checkpoint *checkpoint, struct vkmoe_frame *frame);

// ---------------------------------------------------------------------- inventory

// What a checkpoint's directory holds, to look at: of any family, known or not, with weights of
// any type. Whether it can be used is for vkmoe_checkpoint_open() to say. Any thread.
typedef struct vkmoe_inventory vkmoe_inventory;

struct vkmoe_inventory_info {
    uint32_t struct_size;    // VKMOE_INIT()
    char model_type[64];     // of config.json, or general.architecture; "": it has none
    char quantisation[64];   // "fp8", "NVFP4", "gptq", ...; "": none, or none that is recognised
    uint32_t absent_tensors; // named by the index, but not there
    uint32_t missing_files;  // named by the index, but not there or not readable
};

struct vkmoe_tensor_info {
    uint32_t struct_size; // VKMOE_INIT()
    const char *name;     // these live as long as the inventory
    const char *file;
    const char *dtype; // as the file has it: "BF16", "F8_E4M3", "U8", or one that nobody knows
    uint32_t rank;     // at most 8
    uint64_t shape[8];
    uint64_t elements;
    uint64_t size; // in bytes
    bool absent;   // named by the index alone: only `name` and `file` mean anything
};

// As vkmoe_checkpoint_open(), but UNSUPPORTED only for a GGUF file of a version that is not read.
// Wrong settings in config.json do not matter, nor does a file beside it that cannot be read and
// would say how the weights are quantised.
VKMOE_API enum vkmoe_status vkmoe_inventory_open(
    const char *path, const struct vkmoe_log *log, vkmoe_inventory **out);

VKMOE_API void vkmoe_inventory_destroy(vkmoe_inventory **inventory);

VKMOE_API void vkmoe_inventory_get_info(
    const vkmoe_inventory *inventory, struct vkmoe_inventory_info *info);

// What config.json, or a GGUF file, says of a family that is known, without a look at the tensors;
// `dtype` means nothing here. Of another family only parameters, file_size, tensors and files are
// filled, and `treated_as` is "".
VKMOE_API void vkmoe_inventory_get_checkpoint_info(
    const vkmoe_inventory *inventory, struct vkmoe_checkpoint_info *info);

// Tensor `index` in the order of names, absent ones included. NOT_FOUND if there are not so
// many.
VKMOE_API enum vkmoe_status vkmoe_inventory_get_tensor(
    const vkmoe_inventory *inventory, uint32_t index, struct vkmoe_tensor_info *info);

// -------------------------------------------------------------------------- model

// A whole model on the device, with its caches of keys and values. An encoder-decoder reads its
// input with vkmoe_model_encode(), and is a decoder from then on.
typedef struct vkmoe_model vkmoe_model;

// For models whose experts have a capacity (Switch Transformer).
enum vkmoe_expert_capacity {
    // As trained: an expert turns tokens away when it is full. Its capacity counts the tokens of
    // a sequence at all earlier positions, whichever forwards they came in, so that results do
    // not depend on how a sequence is cut. The encoder counts each input by itself.
    VKMOE_EXPERT_CAPACITY_TRAINED,
    VKMOE_EXPERT_CAPACITY_UNLIMITED, // no token is turned away
};

struct vkmoe_model_params {
    uint32_t struct_size; // VKMOE_INIT()
    uint32_t sequences;   // independent sequences; 0: 1
    uint32_t capacity;    // positions that each may hold; 0: the trained context, at most 4096
    enum vkmoe_dtype cache_dtype; // as in vkmoe_cache_params
    uint32_t chunk;               // the most tokens of one forward; 0: 512
    uint32_t encoder_capacity;    // the longest input of an encoder-decoder, at most 65536; 0: 512
    enum vkmoe_expert_capacity expert_capacity;
    // Told how far loading is, in bytes as they lie in the files: with `done` 0, then about every
    // 8 MiB, at last with `done` equal to `total`. It is called by the thread that is inside
    // vkmoe_model_create(), and must not call vkmoe. If it returns false, the call ends with
    // CANCELLED. May be NULL.
    bool (*progress)(void *user, uint64_t done, uint64_t total);
    void *progress_user;
    enum vkmoe_precision precision; // of all matrices but the routers'
};

// Reads the weights of the model, each byte of the files once or twice, and packs them on the
// device. The checkpoint is not needed afterwards. `params` may not be NULL.
//
// UNSUPPORTED for models with blocks that this version cannot run. OUT_OF_MEMORY as of
// vkmoe_moe_create(), before anything is loaded; the scratch that a stream will need is
// counted, unless streams have it already. INVALID if a file was cut short or cannot be read.
VKMOE_API enum vkmoe_status vkmoe_model_create(vkmoe_device *device, vkmoe_checkpoint *checkpoint,
    const struct vkmoe_model_params *params, vkmoe_model **out);

// The device must have finished all work that uses it.
VKMOE_API void vkmoe_model_destroy(vkmoe_model **model);

VKMOE_API uint64_t vkmoe_model_device_size(const vkmoe_model *model); // caches included

struct vkmoe_model_forward_params {
    uint32_t struct_size;  // VKMOE_INIT()
    uint32_t tokens;       // 1 to chunk
    struct vkmoe_span ids; // in, u32 [tokens], below the vocabulary; others are clamped
    struct vkmoe_span positions, sequences; // as in vkmoe_attention_forward_params
    uint32_t longest;                       // likewise
    struct vkmoe_span logits;               // out, f32 [logits_count][vocabulary]
    uint32_t logits_count;                  // of the last so many tokens; 0: none
    // Optional outputs, i32 [blocks][tokens][k]: what the gate of each block chose, of experts
    // and of attention experts. k is the largest of all blocks; a block without a gate leaves
    // its part as it was.
    struct vkmoe_span expert_ids, attention_expert_ids;
};

// Records the whole model. A step of one token can be recorded once and run for many positions:
// with `longest` above all of them, ids and positions uploaded before each step, and
// vkmoe_stream_repeat() for all steps after the first. This is not for a model whose RoPE has a
// DYNAMIC or LONGROPE scaling: there `longest` is the exact length of the context and part of the
// formula, so that each step is recorded with its own, and 0 means a text as long as the capacity.
VKMOE_API enum vkmoe_status vkmoe_model_forward(
    vkmoe_stream *stream, vkmoe_model *model, const struct vkmoe_model_forward_params *params);

struct vkmoe_model_encode_params {
    uint32_t struct_size;  // VKMOE_INIT()
    uint32_t sequence;     // below model_params.sequences
    uint32_t tokens;       // 1 to encoder_capacity
    struct vkmoe_span ids; // in, u32 [tokens], below the vocabulary; others are clamped
};

// Records the encoder of an encoder-decoder: it reads the whole input of one sequence, and
// leaves the keys and values that the decoder looks at in place of those of an earlier input.
// UNSUPPORTED for decoder-only models.
VKMOE_API enum vkmoe_status vkmoe_model_encode(
    vkmoe_stream *stream, vkmoe_model *model, const struct vkmoe_model_encode_params *params);

// The scratch memory of a forward of `chunk` tokens or of an encode, for vkmoe_stream_reserve().
VKMOE_API uint64_t vkmoe_model_scratch_size(const vkmoe_model *model);

#ifdef __cplusplus
}
#endif
#endif
