// gguf_settings.c - what the keys of a GGUF file are to families.
#include "checkpoint/gguf.h"

#include <math.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"

enum {
    MAX_ADDED = 42,
    MAX_SCALING = 24, // and what else objects have
    MAX_ENDS = 4,
    SPARE = 2 * MAX_SCALING + MAX_ENDS + 4 + 3 * MAX_BLOCKS, // for what is in lists and objects
};

// The settings as they grow.
struct writer {
    struct gguf *own;
    struct value *items, *spare;
    uint32_t count, blocks; // of the latter, those that predict included
    struct value root;
    struct settings settings; // the root's, which fail for all
};

static struct value *take_values(struct writer *w, uint32_t count)
{
    struct value *values = w->spare;
    w->spare += count;
    return values;
}

static struct value *find(const struct writer *w, const char *name)
{
    for (uint32_t i = 0; i < w->count; i++) {
        if (strcmp(w->items[i].name, name) == 0)
            return w->items[i].kind == VALUE_NULL ? NULL : &w->items[i];
    }
    return NULL;
}

static void add(struct writer *w, const char *name, struct value value)
{
    value.name = name;
    w->items[w->count++] = value;
    w->root = (struct value){ .kind = VALUE_OBJECT, .count = w->count, .items = w->items };
}

static struct value number(double value)
{
    return (struct value){ .kind = VALUE_NUMBER, .number = value };
}

static struct value text(const char *value)
{
    return (struct value){ .kind = VALUE_STRING, .text = value };
}

static struct value list(const struct value *items, uint32_t count)
{
    return (struct value){ .kind = VALUE_LIST, .count = count, .items = items };
}

// ------------------------------------------------------------------------- own keys

// A list of one number for each block is that number if all are alike but for zeros, which are
// those of blocks that have no such thing.
static struct value settle(const struct value *value)
{
    const struct value *first = NULL;
    bool alike = value_is(value, VALUE_LIST) && value->count > 0;
    VALUE_EACH(item, value)
    {
        if (!first || first->number == 0.0)
            first = item;
        alike = alike && item->kind == VALUE_NUMBER
            && (item->number == 0.0 || item->number == first->number);
    }
    struct value settled = alike ? *first : *value;
    settled.name = value->name;
    return settled;
}

static bool has_zero(const struct value *list)
{
    VALUE_EACH(item, list)
    {
        if (item->kind == VALUE_NUMBER && item->number == 0.0)
            return true;
    }
    return false;
}

// What has no value here, as arrays of strings have none, would count as absent.
static void refuse_strings(struct writer *w, const char *name, const struct value *value)
{
    static const char *const read[] = { "attention.", "rope.", "expert_", "nextn_" };
    for (size_t i = 0; i < ARRAY_SIZE(read) && value->kind == VALUE_NULL; i++) {
        if (strncmp(name, read[i], strlen(read[i])) == 0)
            vkmoe_setting_fail(
                &w->settings, VKMOE_ERROR_INVALID, "%s is an array of strings, or too long", name);
    }
}

// Keys that may have a list of one number for each block.
enum { HEAD_COUNTS = 2 };
static const char *const of_blocks[] = { "attention.head_count", "attention.head_count_kv",
    "feed_forward_length", "expert_feed_forward_length", "expert_used_count", "expert_count" };

// Without the architecture before it, if that is there.
static const char *own_name(const struct writer *w, const struct value *value)
{
    const char *architecture = w->own->name, *name = value->name;
    const size_t length = architecture ? strlen(architecture) : 0;
    return length && strncmp(name, architecture, length) == 0 && name[length] == '.'
        ? name + length + 1
        : name;
}

static void add_own(struct writer *w, const struct value *value)
{
    // Written as 0 by who means that there is none.
    static const char *const factors[] = { "attention.scale", "attention.clamp_kqv",
        "embedding_scale", "residual_scale", "logit_scale", "final_logit_softcapping",
        "attention.value_scale" };
    const char *name = own_name(w, value);
    struct value copy = *value;
    for (size_t i = 0; i < ARRAY_SIZE(of_blocks); i++) {
        if (strcmp(name, of_blocks[i]) == 0)
            copy = settle(value);
        if (strcmp(name, of_blocks[i]) == 0 && i < HEAD_COUNTS)
            w->own->lacks_heads = w->own->lacks_heads || has_zero(value);
    }
    for (size_t i = 0; i < ARRAY_SIZE(factors); i++) {
        if (strcmp(name, factors[i]) == 0 && value_is(value, VALUE_NUMBER) && value->number == 0.0)
            copy = (struct value){ .kind = VALUE_NULL };
    }
    refuse_strings(w, name, value);
    add(w, name, copy);
}

// Those at the end that predict more tokens at once are not run.
static void count_blocks(struct writer *w)
{
    struct value *blocks = find(w, "block_count");
    const uint32_t predictors =
        vkmoe_setting_u32(&w->settings, "nextn_predict_layers", 0, 0, UINT32_MAX);
    const uint32_t all = vkmoe_setting_u32(&w->settings, "block_count", 0, 0, UINT32_MAX);
    w->blocks = all;
    w->own->blocks = all > predictors ? all - predictors : 0;
    if (blocks && predictors)
        blocks->number = w->own->blocks;
}

// If it is not said how many blocks there are, something else complains.
static void check_list(struct writer *w, const struct value *value)
{
    const char *name = own_name(w, value);
    for (size_t i = 0; i < ARRAY_SIZE(of_blocks) && value_is(value, VALUE_LIST); i++) {
        if (w->blocks && strcmp(name, of_blocks[i]) == 0 && value->count != w->blocks
            && value->count != w->own->blocks)
            vkmoe_setting_fail(&w->settings, VKMOE_ERROR_INVALID,
                "%s has %u items, expected one for each of %u blocks", name, value->count,
                w->blocks);
    }
}

// ---------------------------------------------------------------- Hugging Face's names

static void add_frame(struct writer *w)
{
    const struct gguf *own = w->own;
    static const char *const keys[] = { "tokenizer.ggml.eos_token_id",
        "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id" };
    struct value *tokens = take_values(w, MAX_ENDS);
    uint32_t count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const struct value *token = find(w, keys[i]);
        if (token)
            tokens[count++] = *token;
    }
    if (count > 0)
        add(w, "eos_token_id", list(tokens, count));
    const struct value *epsilon = find(w, "attention.layer_norm_rms_epsilon");
    if (epsilon)
        add(w, "rms_norm_eps", *epsilon);
    if (own->name)
        add(w, "model_type", text(own->name));
    if (!find(w, "vocab_size") && own->file.tokens.count)
        add(w, "vocab_size", number((double)own->file.tokens.count));
    add(w, "tie_word_embeddings",
        (struct value){ .kind = VALUE_BOOL, .number = !own->survey.has_head });
}

static bool is_named(const struct writer *w, const char *architecture)
{
    return w->own->name && strcmp(w->own->name, architecture) == 0;
}

static void add_blocks(struct writer *w)
{
    const uint32_t blocks = MIN(w->own->blocks, MAX_BLOCKS);
    struct value *moe = take_values(w, blocks);
    uint32_t count = 0;
    for (uint32_t b = 0; b < blocks; b++) {
        if (w->own->survey.moe[b])
            moe[count++] = number(b);
    }
    add(w, "expert_blocks", list(moe, count));
    if (w->own->survey.shared_inner)
        add(w, "shared_inner", number(w->own->survey.shared_inner));
    if (is_named(w, "grok"))
        add(w, "residual_moe",
            (struct value){ .kind = VALUE_BOOL, .number = w->own->survey.shared_inner > 0 });
}

// What Llama 4 has that no key says: of its two sizes the one with more experts has no norms.
static void add_llama4(struct writer *w)
{
    if (is_named(w, "llama4"))
        add(w, "use_qk_norm",
            (struct value){
                .kind = VALUE_BOOL, .number = vkmoe_gguf_integer(find(w, "expert_count")) != 128 });
}

// Of blocks with a window or without, which have as many heads as the first of them.
static double count_heads(struct writer *w, const struct value *list, bool sliding)
{
    const struct value *types = find(w, "layer_types");
    const uint32_t count =
        value_is(types, VALUE_LIST) && list->count >= types->count ? types->count : 0;
    double first = 0.0;
    for (uint32_t b = 0; b < count; b++) {
        const char *kind = value_text(&types->items[b]);
        uint64_t heads;
        if (!kind || !vkmoe_value_integer(&list->items[b], &heads)) {
            vkmoe_setting_fail(&w->settings, VKMOE_ERROR_INVALID,
                "layer_types and %s are not lists of names and of integers", list->name);
            break;
        }
        if ((strcmp(kind, "sliding_attention") == 0) != sliding)
            continue;
        if (first != 0.0 && (double)heads != first)
            vkmoe_setting_fail(&w->settings, VKMOE_ERROR_INVALID,
                "%s differs among blocks %s windows", list->name, sliding ? "with" : "without");
        first = first != 0.0 ? first : (double)heads;
    }
    return first;
}

static struct value object(const struct value *items, uint32_t count)
{
    return (struct value){ .kind = VALUE_OBJECT, .count = count, .items = items };
}

// Gemma 4's two kinds of blocks have heads and RoPE of their own.
static void add_gemma4(struct writer *w)
{
    static const char *const names[] = { "full_attention", "sliding_attention" };
    static const char *const bases[] = { "rope.freq_base", "rope.freq_base_swa" };
    struct value *heads = find(w, "attention.head_count_kv");
    const struct value *size = find(w, "attention.key_length");
    const struct value *own_size = find(w, "attention.key_length_swa");
    const struct value *inputs = find(w, "embedding_length_per_layer_input");
    const struct value *shared = find(w, "attention.shared_kv_layers");
    if (!is_named(w, "gemma4"))
        return;
    add(w, "attention_k_eq_v",
        (struct value){
            .kind = VALUE_BOOL, .number = w->own->survey.values < w->own->survey.keys });
    add(w, "hidden_size_per_layer_input", inputs ? *inputs : number(0));
    if (shared)
        add(w, "num_kv_shared_layers", *shared);
    if (size)
        add(w, "global_head_dim", *size);
    if (size || own_size)
        add(w, "head_dim", own_size ? *own_size : *size);
    if (value_is(heads, VALUE_LIST)) {
        const double sliding = count_heads(w, heads, true);
        add(w, "num_global_key_value_heads", number(count_heads(w, heads, false)));
        *heads = (struct value){ .name = heads->name, .kind = VALUE_NUMBER, .number = sliding };
    }
    struct value *kinds = take_values(w, 2), *members = take_values(w, 4);
    for (int i = 0; i < 2; i++) {
        const struct value *base = find(w, bases[i]);
        members[2 * i] = text("default");
        members[2 * i].name = "rope_type";
        members[2 * i + 1] = base ? *base : number(1e4);
        members[2 * i + 1].name = "rope_theta";
        kinds[i] = object(&members[2 * i], 2);
        kinds[i].name = names[i];
    }
    add(w, "rope_parameters", object(kinds, 2));
}

// A number of heads that blocks with a window have otherwise: theirs has the second name.
static void add_two_counts(struct writer *w, const char *key, const char *swa_key)
{
    const struct value *list = find(w, key);
    if (!value_is(list, VALUE_LIST))
        return;
    if (!find(w, "layer_types"))
        vkmoe_setting_fail(&w->settings, VKMOE_ERROR_INVALID,
            "%s is a list, but no attention.sliding_window_pattern says which blocks have windows",
            key);
    const double full = count_heads(w, list, false), sliding = count_heads(w, list, true);
    if (sliding != 0.0)
        add(w, swa_key, number(sliding));
    *find(w, key) =
        (struct value){ .name = key, .kind = VALUE_NUMBER, .number = full != 0.0 ? full : sliding };
}

// Of MiMo-V2 and Step-3.5 blocks with a window have heads of their own; which blocks have sinks,
// tensors say.
static void add_swa(struct writer *w)
{
    static const char *const sizes[][2] = { { "attention.key_length_swa", "swa_head_dim" },
        { "attention.value_length_swa", "swa_v_head_dim" } };
    if (!is_named(w, "mimo2") && !is_named(w, "step35"))
        return;
    add_two_counts(w, "attention.head_count", "swa_num_attention_heads");
    add_two_counts(w, "attention.head_count_kv", "swa_num_key_value_heads");
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        const struct value *size = find(w, sizes[i][0]);
        if (size)
            add(w, sizes[i][1], *size);
    }
    add(w, "sinks_may_lack", (struct value){ .kind = VALUE_BOOL, .number = true });
}

// Laguna's blocks differ in heads, each of which has a gate, or each of its elements.
static void add_laguna(struct writer *w)
{
    struct value *heads = find(w, "attention.head_count");
    const struct tensor *gate = w->own->survey.there[GGUF_HEAD_GATE];
    double most = value_is(heads, VALUE_NUMBER) ? heads->number : 0.0;
    if (!is_named(w, "laguna"))
        return;
    if (value_is(heads, VALUE_LIST) && heads->count > 0) {
        VALUE_EACH(item, heads)
        {
            most = item->kind == VALUE_NUMBER ? MAX(most, item->number) : most;
        }
        add(w, "num_attention_heads_per_layer", *heads);
        heads = find(w, "attention.head_count");
        *heads = heads->items[0];
        heads->name = "attention.head_count";
    }
    if (gate)
        add(w, "gating", text((double)gate->shape[0] > most ? "per-element" : "per-head"));
}

// Windows, and which blocks have them: all but every n-th, or as a list has it.
static void add_windows(struct writer *w)
{
    const struct value *pattern = find(w, "attention.sliding_window_pattern");
    const uint32_t blocks = MIN(w->own->blocks, MAX_BLOCKS);
    const uint32_t window =
        vkmoe_setting_u32(&w->settings, "attention.sliding_window", 0, 0, INT32_MAX);
    const bool listed = value_is(pattern, VALUE_LIST), chunks = is_named(w, "llama4");
    if (window == 0 && !chunks)
        return;
    if (!chunks) // whose length is the same in all files, whatever they say
        add(w, "sliding_window", number(window));
    // The block of a period that has none comes first there, not last.
    const bool first =
        is_named(w, "cohere2moe") || is_named(w, "laguna") || is_named(w, "smallthinker");
    if (!pattern && !first && !is_named(w, "mellum")) // whose files leave out a period of 4
        return;
    const uint32_t period = listed
        ? 0
        : vkmoe_setting_u32(&w->settings, "attention.sliding_window_pattern", 4, 1, UINT32_MAX);
    if (listed && pattern->count != w->own->blocks && pattern->count != w->blocks)
        vkmoe_setting_fail(&w->settings, VKMOE_ERROR_INVALID,
            "attention.sliding_window_pattern has %u items, expected one for each of %u blocks",
            pattern->count, w->blocks);
    if (w->settings.status != VKMOE_OK)
        return;
    struct value *types = take_values(w, blocks);
    for (uint32_t b = 0; b < blocks; b++) {
        const bool sliding = listed ? pattern->items[b].number != 0.0
            : first                 ? b % period > 0
                                    : b % period < period - 1;
        types[b] = text(!sliding ? "full_attention"
                : chunks         ? "chunked_attention"
                                 : "sliding_attention");
    }
    add(w, "layer_types", list(types, blocks));
}

// SmallThinker's blocks have RoPE but for each fourth from the first on, if any has a window.
static void add_smallthinker(struct writer *w)
{
    const uint32_t blocks = MIN(w->own->blocks, MAX_BLOCKS);
    if (!is_named(w, "smallthinker") || !find(w, "sliding_window"))
        return;
    struct value *turned = take_values(w, blocks);
    for (uint32_t b = 0; b < blocks; b++)
        turned[b] = number(b % 4 > 0);
    add(w, "rope_layout", list(turned, blocks));
}

// The sizes of latent attention. Old files have those of a head under the keys of other attentions.
static void add_latent(struct writer *w)
{
    struct settings *settings = &w->settings;
    const struct tensor *down = w->own->survey.there[GGUF_QUERY_DOWN];
    const struct value *rank = find(w, "attention.kv_lora_rank");
    if (!rank)
        return;
    const uint32_t turned = vkmoe_setting_u32(settings, "rope.dimension_count", 0, 1, MAX_WIDTH);
    const uint32_t key = vkmoe_setting_u32(
        settings, "attention.key_length_mla|attention.key_length", 0, 1, MAX_WIDTH);
    const uint32_t value = vkmoe_setting_u32(
        settings, "attention.value_length_mla|attention.value_length", 0, 1, MAX_WIDTH);
    if (key <= turned)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "rope.dimension_count is %u, expected less than the heads' %u", turned, key);
    if (settings->status != VKMOE_OK)
        return;
    add(w, "kv_lora_rank", *rank);
    add(w, "q_lora_rank", number(down ? (double)down->shape[0] : 0.0));
    add(w, "qk_nope_head_dim", number(key - turned));
    add(w, "qk_rope_head_dim", number(turned));
    add(w, "v_head_dim", number(value));
}

// LongRoPE, which tensors tell, as most files have no type for it. A factor would be of angles,
// which the divisors have already.
static struct value make_longrope(struct writer *w)
{
    struct settings *settings = &w->settings;
    struct value *items = take_values(w, MAX_SCALING);
    struct writer scaling = { .items = items };
    const char *name = vkmoe_setting_string(settings, "rope.scaling.type", "longrope");
    const uint32_t context = vkmoe_setting_u32(settings, "context_length", 0, 0, UINT32_MAX);
    const uint32_t trained =
        vkmoe_setting_u32(settings, "rope.scaling.original_context_length", 0, 0, UINT32_MAX);
    add(&scaling, "rope_type", text(name));
    add(&scaling, "original_max_position_embeddings", number(trained ? trained : context));
    add(&scaling, "attention_factor",
        number(vkmoe_setting_number(settings, "rope.scaling.attn_factor", 1.0)));
    return object(items, scaling.count);
}

// The scaling of RoPE, with the names that rope.c reads. What is 0, or off, is absent.
// Null: there is none.
static struct value make_scaling(struct writer *w)
{
    static const struct {
        const char *from, *to;
        double off; // the value that says nothing
    } keys[] = {
        { "rope.scaling.original_context_length", "original_max_position_embeddings", 0.0 },
        { "rope.scaling.yarn_beta_fast", "beta_fast", 0.0 },
        { "rope.scaling.yarn_beta_slow", "beta_slow", 0.0 },
        { "rope.scaling.yarn_ext_factor", "yarn_ext_factor", 1.0 },
    };
    struct settings *settings = &w->settings;
    const char *name = vkmoe_setting_string(settings, "rope.scaling.type", NULL);
    const bool yarn = name && strcmp(name, "yarn") == 0;
    if (w->own->survey.has_long_divisors)
        return make_longrope(w);
    const double old = vkmoe_setting_number(settings, "rope.scale_linear", 0.0);
    const double factor = vkmoe_setting_number(settings, "rope.scaling.factor", old);
    if ((name && strcmp(name, "none") == 0)
        || (!yarn && (factor == 0.0 || factor == 1.0) && !(name && strcmp(name, "linear") != 0)))
        return (struct value){ .kind = VALUE_NULL };
    struct value *items = take_values(w, MAX_SCALING);
    struct writer scaling = { .items = items };
    add(&scaling, "rope_type", text(name ? name : "linear"));
    add(&scaling, "factor", number(factor == 0.0 ? 1.0 : factor));
    for (size_t i = 0; i < ARRAY_SIZE(keys) && yarn; i++) {
        const struct value *value = find(w, keys[i].from);
        if (value && !(value_is(value, VALUE_NUMBER) && value->number == keys[i].off))
            add(&scaling, keys[i].to, *value);
    }
    if (yarn && is_named(w, "grok") && !find(w, "rope.scaling.yarn_beta_fast"))
        add(&scaling, "beta_fast", number(8.0));
    const double queries = vkmoe_setting_number(settings, "attention.temperature_scale", 0.0);
    if (yarn && queries != 0.0)
        add(&scaling, "llama_4_scaling_beta", number(queries));
    const double grows = vkmoe_setting_number(settings, "rope.scaling.yarn_log_multiplier", 0.0);
    const bool latent = find(w, "attention.kv_lora_rank");
    // Of DeepSeek, a tenth of mscale_all_dim: scores grow, and what is rotated does not.
    if (yarn && latent) {
        add(&scaling, "mscale", number(10.0 * grows));
        add(&scaling, "mscale_all_dim", number(10.0 * grows));
        add(&scaling, "attention_factor", number(1.0));
    } else if (yarn && grows != 0.0) {
        add(&scaling, "yarn_log_multiplier", number(grows)); // rope.c refuses it
    }
    const double stretch = vkmoe_setting_number(settings, "rope.scaling.attn_factor", 1.0)
        * vkmoe_setting_number(settings, "rope.scaling.yarn_attn_factor", 1.0);
    const double usual = 1.0 + 0.1 * log(MAX(factor, 1.0));
    const bool undone = latent && grows == 0.0 && fabs(stretch * usual - 1.0) < 1e-6;
    if (stretch != 1.0 && yarn && !latent)
        add(&scaling, "attention_factor", number(stretch * usual));
    else if (stretch != 1.0 && !(yarn && undone))
        add(&scaling, "attn_factor", number(stretch)); // rope.c refuses it
    const struct value *truncate = find(w, "rope.scaling.yarn_truncate");
    if (truncate && yarn)
        add(&scaling, "truncate", *truncate);
    return object(items, scaling.count);
}

// What is turned of the heads of a kind of blocks, of so many elements.
static struct value part_of(struct writer *w, const char *key, uint32_t head)
{
    const uint32_t turned = vkmoe_setting_u32(&w->settings, key, head, 1, MAX_WIDTH);
    struct value part = number(head ? (double)turned / head : 1.0);
    part.name = "partial_rotary_factor";
    return part;
}

// Of Mellum, Laguna and Step-3.5 only blocks without a window have the scaling; the others have a
// base of their own, and but for Mellum's turn parts of heads. What a file itself calls
// rope_scaling is none of it.
static void add_kinds(struct writer *w, const struct value *scaling)
{
    const struct value *bases[] = { find(w, "rope.freq_base"), find(w, "rope.freq_base_swa") };
    const bool halved = is_named(w, "step35"), parts = halved || is_named(w, "laguna");
    const uint32_t count = scaling->count;
    const uint32_t head = vkmoe_setting_u32(&w->settings, "attention.key_length", 0, 0, MAX_WIDTH);
    struct value *full = take_values(w, count + 2), *sliding = take_values(w, 2);
    struct value *kinds = take_values(w, 2);
    for (uint32_t i = 0; i < count; i++)
        full[i] = scaling->items[i];
    full[count] = bases[0] ? *bases[0] : number(1e4);
    sliding[0] = bases[1] ? *bases[1] : full[count];
    full[count].name = sliding[0].name = "rope_theta";
    full[count + 1] = part_of(w, "rope.dimension_count", head);
    full[count + 1].number *= halved ? 0.5 : 1.0; // as files are, whatever llama.cpp calls it
    sliding[1] = part_of(w,
        halved ? "rope.dimension_count_swa|rope.dimension_count" : "rope.dimension_count_swa",
        head);
    kinds[0] = object(full, count + 1 + parts);
    kinds[0].name = "full_attention";
    kinds[1] = object(sliding, 1 + parts);
    kinds[1].name = "sliding_attention";
    add(w, "rope_parameters", object(kinds, 2));
}

static void add_rope(struct writer *w)
{
    const struct value *base = find(w, "rope.freq_base");
    const struct value scaling = make_scaling(w);
    if (is_named(w, "mellum") || is_named(w, "laguna") || is_named(w, "step35")) {
        add_kinds(w, &scaling);
        return;
    }
    if (base)
        add(w, "rope_theta", *base);
    if (scaling.kind == VALUE_OBJECT)
        add(w, "rope_scaling", scaling);
}

// ------------------------------------------------------------------------------ all

enum vkmoe_status vkmoe_gguf_read_settings(struct container *container)
{
    struct gguf *own = container->own;
    const struct value *name = vkmoe_gguf_value(&own->file, "general.architecture");
    if (name && name->kind != VALUE_STRING)
        return vkmoe_fail(container->log, VKMOE_ERROR_INVALID,
            "%s: general.architecture is no string", container->path);
    own->name = value_text(name);
    struct value *root = container->values = calloc(1, sizeof *root);
    struct writer w = { .own = own,
        .settings = { .log = container->log, .path = container->path } };
    w.settings.root = w.settings.object = &w.root;
    const uint64_t room = (uint64_t)own->file.value_count + MAX_ADDED;
    w.items = vkmoe_arena_take(&own->arena, (room + SPARE) * sizeof *w.items);
    if (!w.items || !root)
        return vkmoe_fail(container->log, VKMOE_ERROR_OUT_OF_MEMORY,
            "%s: no memory for its settings", container->path);
    w.spare = w.items + room;
    for (uint32_t i = 0; i < own->file.value_count; i++)
        add_own(&w, &own->file.values[i]);
    count_blocks(&w);
    for (uint32_t i = 0; i < own->file.value_count; i++)
        check_list(&w, &own->file.values[i]);
    const struct gguf_counts counts = { .blocks = own->blocks,
        .all = w.blocks,
        .experts = vkmoe_gguf_integer(find(&w, "expert_count")),
        .needs = vkmoe_gguf_needs(own->name) };
    vkmoe_gguf_survey(&container->tensors, &counts, &own->survey);
    add_frame(&w);
    add_blocks(&w);
    add_windows(&w);
    add_llama4(&w);
    add_gemma4(&w);
    add_laguna(&w);
    add_smallthinker(&w);
    add_swa(&w);
    add_latent(&w);
    add_rope(&w);
    *root = w.root;
    return w.settings.status;
}
