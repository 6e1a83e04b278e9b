// whole_configs.h - configs that are refused, in whole_configs_errors.c.
#ifndef VKMOE_TESTS_WHOLE_CONFIGS_H
#define VKMOE_TESTS_WHOLE_CONFIGS_H

#include <stdint.h>

#include <vkmoe/vkmoe.h>

// The last three are of the decoder's attention, its attention to the encoder, and of a
// dense block.
enum call { ATTENTION, FRAME, NORMS, DECODER, CROSS, MLP };

// What a row changes in a family's config.json: one setting more, or one that is another.
#define ADDED(family, text) family, "\"vocab_size\"", text ",\"vocab_size\""
#define CHANGED(family, key, old, new) family, "\"" key "\":" old, "\"" key "\":" new

struct error_case {
    const char *name, *family, *old, *new;
    enum call call;
    enum vkmoe_status status;
    const char *text; // in the one line
};

extern const struct error_case error_cases[];
extern const uint32_t error_case_count;

// What is changed in the config of a model that transformers saved, and what then is refused: of
// the second block or of the frame.
struct golden_case {
    const char *name, *old, *new;
    enum call call;
    enum vkmoe_status status;
    const char *text; // NULL: the second block is read, without a window
    float temperature;
    uint32_t floor; // of it
};

extern const struct golden_case gemma4_cases[], mellum_cases[], cohere_cases[], mistral4_cases[],
    laguna_cases[], grok_cases[], smallthinker_cases[], mimo_cases[], step_cases[];
extern const uint32_t gemma4_case_count, mellum_case_count, cohere_case_count, mistral4_case_count,
    laguna_case_count, grok_case_count, smallthinker_case_count, mimo_case_count, step_case_count;

// Short names for tables.
#define INVALID VKMOE_ERROR_INVALID
#define UNSUPPORTED VKMOE_ERROR_UNSUPPORTED
#define GPT_OSS_ROPE \
    "\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4.0," \
    "\"beta_fast\":32.0,\"beta_slow\":1.0,\"original_max_position_embeddings\":64," \
    "\"truncate\":false}"
#define QWEN_ROPE "\"rope_theta\":1000000,\"rope_scaling\":{\"type\":\"linear\",\"factor\":4.0}"

#endif
