// nsa.c - see nsa.h.
#include "attention/record.h"

#include "base/check.h"
#include "base/common.h"
#include "base/try.h"
#include "device/fit.h"
#include "device/operands.h"
#include "device/tuning.h"
#include "moe/pairs.h"
#include "weights/format.h"
#include "weights/view.h"

#include "shaders/add_branches.h"
#include "shaders/attend_compressed.h"
#include "shaders/choose_blocks.h"

// ---------------------------------------------------------------------------- checks

// What the formulas have no place for.
static enum vkmoe_status check_others(
    const struct caller *caller, const struct vkmoe_attention_params *p)
{
    CHECK(p->experts == 1, "nsa: experts is %u, must be 1", p->experts);
    CHECK(p->expert_kv_heads == 0 && !p->first_kv_head && p->latent.rank == 0 && !p->patterns,
        "nsa: no expert_kv_heads, first_kv_head, latent or patterns");
    CHECK(p->value.experts.experts == 0 && p->output.experts.experts == 0,
        "nsa: no value.experts or output.experts");
    CHECK(!p->sinks.data && p->soft_cap == 0 && !p->position.bias.data,
        "nsa: no sinks, soft_cap or position.bias");
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_nsa_check(
    const struct caller *caller, const struct vkmoe_attention_params *p)
{
    if (p->nsa.compressed == 0)
        return VKMOE_OK;
    const struct vkmoe_nsa n = vkmoe_nsa_resolve(&p->nsa);
    CHECK(n.compressed < MAX_LENGTH && n.block < MAX_LENGTH,
        "nsa.compressed and nsa.block must be below 2^30");
    CHECK(n.compressed % n.stride == 0 && n.block % n.stride == 0,
        "nsa.stride is %u, must divide compressed (%u) and block (%u)", n.stride, n.compressed,
        n.block);
    CHECK(n.top >= 1 && n.top <= CHOOSE_MAX_TOP, "nsa.top is %u, must be 1 to %u", n.top,
        CHOOSE_MAX_TOP);
    CHECK((uint64_t)n.first_blocks + n.local_blocks <= n.top,
        "nsa: first_blocks (%u) and local_blocks (%u) are more than top (%u)", n.first_blocks,
        n.local_blocks, n.top);
    CHECK(n.window >= 1 && n.window < MAX_LENGTH, "nsa.window is %u, must be 1 to 2^30 - 1",
        n.window);
    CHECK((uint64_t)p->heads * BRANCHES <= MAX_WIDTH, "nsa: heads is %u, at most %u are supported",
        p->heads, MAX_WIDTH / BRANCHES);
    CHECK(n.gate.data, "nsa.gate is missing");
    TRY_RETURN(check_others(caller, p));
    return vkmoe_view_check(caller, &(struct named_view){ "nsa.gate", &n.gate, p->hidden });
}

enum vkmoe_status vkmoe_nsa_check_cache(
    const struct caller *caller, const vkmoe_attention *a, const vkmoe_cache *cache)
{
    const struct vkmoe_nsa *n = &a->params.nsa;
    const struct vkmoe_cache_params *c = &cache->params;
    CHECK(c->block == n->compressed && block_stride(c) == n->stride && c->mean_values,
        "the cache has means of %u positions every %u, %s values; nsa has them of %u every %u",
        c->block, block_stride(c), c->mean_values ? "and of" : "not of", n->compressed, n->stride);
    const uint64_t scores =
        (uint64_t)div_up(c->capacity, n->stride) + div_up(c->capacity, n->block);
    if (scores <= COMPRESSED_MAX_SCORES)
        return VKMOE_OK;
    return vkmoe_refuse(caller, VKMOE_ERROR_UNSUPPORTED,
        "%u positions have %llu means and blocks, of which there may be %u", c->capacity,
        (unsigned long long)scores, COMPRESSED_MAX_SCORES);
}

static uint32_t lanes_of(const vkmoe_attention *a)
{
    return vkmoe_tuning(a->device, TUNE_ATTEND_LANES);
}

enum vkmoe_status vkmoe_nsa_check_walk(
    const struct caller *caller, const vkmoe_attention *a, uint32_t longest)
{
    const struct vkmoe_attention_params *p = &a->params;
    const struct vkmoe_nsa *n = &p->nsa;
    const uint64_t lanes = lanes_of(a), means = longest / n->stride, blocks = longest / n->block;
    const uint64_t in_block = (n->block + n->compressed) / n->stride;
    const uint64_t head = div_up(p->head_size, lanes) * (means / 4 + 2)
        + (means / lanes + 1) * (p->head_size / 4 + 4) + (blocks / lanes + 1) * (in_block + 1);
    const uint64_t turns =
        head * (p->heads / p->kv_heads) + n->top * (2 * (blocks / lanes + 1) + p->heads);
    if (!(a->device->quirks & QUIRK_LOOPS_END) || turns <= LOOP_TURNS)
        return VKMOE_OK;
    return vkmoe_refuse(caller, VKMOE_ERROR_UNSUPPORTED,
        "%llu means of keys in one loop, which %s ends too early; Mesa 26 does not",
        (unsigned long long)means, a->device->gpu.info.driver);
}

// ---------------------------------------------------------------------------- create

struct vkmoe_nsa vkmoe_nsa_resolve(const struct vkmoe_nsa *nsa)
{
    struct vkmoe_nsa n = *nsa;
    n.stride = n.stride > 0 ? n.stride : n.compressed;
    n.block = n.block > 0 ? n.block : n.compressed;
    n.local_blocks = n.local_blocks > 0 ? n.local_blocks : 1;
    return n;
}

struct vkmoe_pattern vkmoe_nsa_selected(const struct vkmoe_nsa *nsa)
{
    return (struct vkmoe_pattern){ VKMOE_PATTERN_BLOCKS, .block = nsa->block, .top = nsa->top };
}

struct vkmoe_pattern vkmoe_nsa_window(const struct vkmoe_nsa *nsa)
{
    return (struct vkmoe_pattern){ VKMOE_PATTERN_WINDOW, .left = nsa->window };
}

enum vkmoe_status vkmoe_nsa_create(vkmoe_attention *a, const struct vkmoe_attention_params *p)
{
    const struct vkmoe_pattern window = vkmoe_nsa_window(&p->nsa);
    const uint32_t rows = p->heads * BRANCHES;
    struct vkmoe_attention_params branch = *p;
    branch.patterns = &window;
    a->nsa.window = vkmoe_patterns_describe(&branch);
    vkmoe_fit_name(a->device, "gate of branches");
    TRY_RETURN(vkmoe_attention_linear(
        a, (const struct vkmoe_view *[]){ &p->nsa.gate }, NULL, &rows, 1, p->hidden, &a->nsa.gate));
    // The copy of the queries has nothing else in its rows.
    return vkmoe_constants_create(a->device, &branch, &a->nsa.window, p->heads * p->head_size,
        a->kv_stride, &a->nsa.window_constants);
}

void vkmoe_nsa_destroy(struct nsa *nsa)
{
    vkmoe_experts_destroy(&nsa->gate);
    vkmoe_buffer_destroy(&nsa->window_constants.buffer);
}

uint64_t vkmoe_nsa_size(const struct nsa *nsa)
{
    return vkmoe_experts_size(&nsa->gate) + vkmoe_buffer_taken(nsa->window_constants.buffer);
}

uint64_t vkmoe_nsa_load_size(const struct vkmoe_attention_params *p)
{
    return p->nsa.compressed == 0
        ? 0
        : vkmoe_format_matrix_size(p->nsa.gate.dtype, (uint64_t)p->heads * BRANCHES, p->hidden);
}

// ---------------------------------------------------------------------------- record

void vkmoe_nsa_plan(const vkmoe_attention *a, struct attention_plan *plan)
{
    const uint64_t heads = (uint64_t)plan->tokens * a->params.heads;
    plan->nsa = (struct nsa_plan){
        .gates = vkmoe_scratch_take(&plan->size, heads * BRANCHES * 4),
        .compressed = vkmoe_scratch_take(&plan->size, heads * a->params.head_size * 4),
        .window = vkmoe_scratch_take(&plan->size, heads * a->params.head_size * 4),
    };
}

enum vkmoe_status vkmoe_nsa_record_gates(const struct attention_pass *pass)
{
    return vkmoe_attention_project(
        pass, &pass->attention->nsa.gate, scratch_at(pass, pass->plan->nsa.gates), true);
}

static enum vkmoe_status record_compressed(const struct attention_pass *pass)
{
    const vkmoe_attention *a = pass->attention;
    const struct vkmoe_attention_params *p = &a->params;
    const uint32_t capacity = pass->cache->params.capacity;
    const struct attend_compressed_push push = {
        .constants = pass->constants,
        .query = pass->query,
        .mean_keys = vkmoe_buffer_address(pass->cache->means),
        .mean_values = vkmoe_buffer_address(pass->cache->value_means),
        .result = scratch_at(pass, pass->plan->nsa.compressed),
        .copy = scratch_at(pass, pass->plan->nsa.window),
        .choices = scratch_at(pass, pass->plan->choices),
        CACHE_OPERANDS(pass),
        .row_count = pass->pairs.tokens,
    };
    struct dispatch d = {
        .kernel = KERNEL_attend_compressed,
        .spec = {
            [COMPRESSED_LANES] = lanes_of(a),
            [COMPRESSED_HEAD_SIZE] = p->head_size,
            [COMPRESSED_TILED_KV] = p->tiled_kv,
            HAS_PLACES(COMPRESSED, pass),
            [COMPRESSED_SCALE] = float_bits(p->scale),
            [COMPRESSED_SIZE] = p->nsa.compressed,
            [COMPRESSED_STRIDE] = p->nsa.stride,
            [COMPRESSED_MEANS] = div_up(capacity, p->nsa.stride),
            [COMPRESSED_BLOCK] = p->nsa.block,
            [COMPRESSED_BLOCKS] = div_up(capacity, p->nsa.block),
            [COMPRESSED_TOP] = p->nsa.top,
            [COMPRESSED_FIRST] = p->nsa.first_blocks,
            [COMPRESSED_LOCAL] = p->nsa.local_blocks,
        },
        .push = &push,
        .groups = push.row_count * p->kv_heads,
    };
    return stream_run(pass->stream, &d);
}

static enum vkmoe_status record_sum(const struct attention_pass *pass)
{
    const vkmoe_attention *a = pass->attention;
    const struct add_branches_push push = {
        .constants = pass->constants,
        .gates = scratch_at(pass, pass->plan->nsa.gates),
        .compressed = scratch_at(pass, pass->plan->nsa.compressed),
        .selected = pass->query,
        .window = scratch_at(pass, pass->plan->nsa.window),
        .rows = pass->pairs.tokens,
    };
    struct dispatch d = {
        .kernel = KERNEL_add_branches,
        .spec = { [BRANCHES_LANES] = lanes_of(a), [BRANCHES_HEAD_SIZE] = a->params.head_size },
        .push = &push,
        .groups = push.rows,
    };
    return stream_run(pass->stream, &d);
}

enum vkmoe_status vkmoe_nsa_record_branches(const struct attention_pass *pass)
{
    const struct nsa *nsa = &pass->attention->nsa;
    struct attention_pass window = *pass;
    window.shape = pass->is_last ? pass->plan->window_last : pass->plan->window_shape;
    window.patterns = &nsa->window;
    window.constants = constants_address(&nsa->window_constants);
    window.query = scratch_at(pass, pass->plan->nsa.window);
    TRY_RETURN(record_compressed(pass));
    TRY_RETURN(vkmoe_attention_record_attend(pass));
    TRY_RETURN(vkmoe_attention_record_attend(&window));
    return record_sum(pass);
}
