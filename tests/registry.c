// registry.c - every embedded SPIR-V module against its contract and its row in kernels.def:
// push constants, specialisation constants, capabilities, buffers, workgroup and shared memory.
#include <stdlib.h>
#include <string.h>

#include "device/pipelines.h"

#include "registry_choice.h"
#include "registry_spirv.h"
#include "tap.h"

// --------------------------------------------------------------- what contracts say
//
// shaders/*.h once more, this time as lists: each SPEC() and PUSH() registers itself.

struct spec {
    const char *file, *name;
    uint32_t id, preset; // the preset's bits
};
static struct spec specs[256];
static uint32_t spec_count;

struct push {
    const char *kernel; // "route_push"
    uint32_t size;
};
static struct push pushes[KERNEL_COUNT];
static uint32_t push_count;

static void add_spec(const char *file, const char *name, uint32_t id, uint32_t preset)
{
    if (spec_count < sizeof specs / sizeof *specs)
        specs[spec_count++] = (struct spec){ file, name, id, preset };
}

static void add_push(const char *kernel, size_t size)
{
    if (push_count < KERNEL_COUNT)
        pushes[push_count++] = (struct push){ kernel, (uint32_t)size };
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

typedef uint32_t uint;
#define VKMOE_SHADERS_SHARED_H // not shared.h, but
#define ADDRESS(type) uint64_t
#define BUFFER(name, type)
#define SPEC(id, name, preset) \
    __attribute__((constructor)) static void add_##name(void) \
    { \
        add_spec(__FILE__, #name, id, preset); \
    }
#define SPEC_FLOAT(id, name, preset) \
    __attribute__((constructor)) static void add_##name(void) \
    { \
        add_spec(__FILE__, #name, id, bits_of((float)(preset))); \
    }
#define PUSH(type) \
    __attribute__((constructor)) static void add_##type(void) \
    { \
        add_push(#type, sizeof(struct type)); \
    }
#include "contracts.h"

// The contract's file name is the kernel's, or a beginning of it: decode.h is of decode_up, too.
static bool is_of(const struct spec *spec, const char *kernel)
{
    const char *slash = strrchr(spec->file, '/'), *stem = slash ? slash + 1 : spec->file;
    const size_t length = strcspn(stem, ".");
    return !strncmp(stem, kernel, length) && (!kernel[length] || kernel[length] == '_');
}

static const struct spec *find_spec(const char *kernel, uint32_t id)
{
    if (!strcmp(kernel, "decode_heads") && id >= DECODE_HEADS_STORE)
        return find_spec("store_kv", id - DECODE_HEADS_STORE);
    for (uint32_t i = 0; i < spec_count; i++)
        if (specs[i].id == id && is_of(&specs[i], kernel))
            return &specs[i];
    return NULL;
}

// ------------------------------------------------------------------------- modules

#define NO_SPEC_ID ~0u
struct id {
    const uint32_t *words; // the instruction that makes it, or NULL
    uint32_t spec_id;
    bool is_workgroup_size;
    bool is_lanes; // a component of the workgroup's size: glslc presets it to 1
    bool is_readonly, is_coherent, is_read, is_written; // a type of buffer
};

struct module {
    const struct variant *variant;
    const char *kernel;
    uint32_t *words; // to be freed
    const uint32_t *end;
    struct id *ids;
    uint32_t bound;
    uint32_t is_set, values[SPEC_MAX]; // of specialisation constants, instead of their presets
    bool ok;
};

static void complain(struct module *m, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    tap_note("%s: %s", m->variant->name, text);
    m->ok = false;
}

static uint32_t op_of(const uint32_t *words)
{
    return words[0] & 0xffff;
}

static uint32_t length_of(const uint32_t *words)
{
    return words[0] >> 16;
}

// The place of the result's id in an instruction; 0: it has none of interest.
static uint32_t result_at(uint32_t op)
{
    if (op >= OP_TYPE_BOOL - 1 && op <= OP_TYPE_POINTER)
        return 1;
    const bool is_pointer = op == OP_FUNCTION_PARAMETER || op == OP_VARIABLE || op == OP_LOAD
        || op == OP_ACCESS_CHAIN || op == OP_CONVERT_U_TO_PTR || op == OP_BITCAST; // or may be one
    return (op >= OP_CONSTANT_TRUE && op <= OP_SPEC_CONSTANT_OP) || is_pointer ? 2 : 0;
}

#define FOR_EACH(m, w) for (const uint32_t *w = (m)->words + 5; w < (m)->end; w += length_of(w))

static bool open_module(struct module *m, const struct variant *variant)
{
    static const char *const names[] = {
#define KERNEL(name) #name,
#include "shaders/kernels.def"
    };
    *m = (struct module){ .variant = variant, .kernel = names[variant->kernel], .ok = true };
    m->words = vkmoe_variant_spirv(variant);
    m->end = m->words + *variant->spirv_size / 4;
    if (!m->words || *variant->spirv_size < 20 || m->words[0] != 0x07230203) {
        complain(m, "no SPIR-V");
        return false;
    }
    m->bound = m->words[3];
    m->ids = calloc(m->bound, sizeof *m->ids);
    for (uint32_t i = 0; i < m->bound; i++)
        m->ids[i].spec_id = NO_SPEC_ID;
    FOR_EACH(m, w)
    {
        const uint32_t op = op_of(w), at = result_at(op);
        if (!length_of(w)) {
            complain(m, "an instruction without words");
            return false;
        }
        if (at)
            m->ids[w[at]].words = w;
        if (op == OP_DECORATE && w[2] == DECORATION_SPEC_ID)
            m->ids[w[1]].spec_id = w[3];
        if (op == OP_DECORATE && w[2] == DECORATION_BUILTIN && w[3] == BUILTIN_WORKGROUP_SIZE)
            m->ids[w[1]].is_workgroup_size = true;
        for (uint32_t i = 3; op == OP_EXECUTION_MODE_ID && w[2] == MODE_LOCAL_SIZE_ID && i < 6; i++)
            m->ids[w[i]].is_lanes = true;
    }
    FOR_EACH(m, w)
    if (op_of(w) == OP_SPEC_CONSTANT_COMPOSITE && m->ids[w[2]].is_workgroup_size)
        for (uint32_t i = 3; i < length_of(w); i++)
            m->ids[w[i]].is_lanes = true;
    return true;
}

// The value of a constant of 32 bits or a bool.
static uint32_t value_of(struct module *m, uint32_t id)
{
    const uint32_t *w = m->ids[id].words;
    if (!w)
        return 0;
    const uint32_t op = op_of(w);
    const uint32_t spec = m->ids[id].spec_id;
    if (spec < SPEC_MAX && m->is_set >> spec & 1)
        return m->values[spec];
    if (op == OP_CONSTANT_TRUE || op == OP_SPEC_CONSTANT_TRUE)
        return 1;
    if (op == OP_CONSTANT_FALSE || op == OP_SPEC_CONSTANT_FALSE)
        return 0;
    if (op == OP_CONSTANT || op == OP_SPEC_CONSTANT)
        return w[3];
    if (op != OP_SPEC_CONSTANT_OP) {
        complain(m, "constant made by operation %u", op);
        return 0;
    }
    const uint32_t a = value_of(m, w[4]), b = length_of(w) > 5 ? value_of(m, w[5]) : 0;
    switch (w[3]) {
    case OP_IADD: return a + b;
    case OP_ISUB: return a - b;
    case OP_IMUL: return a * b;
    case OP_UDIV: return b ? a / b : 0;
    case OP_UMOD: return b ? a % b : 0;
    case OP_LOGICAL_OR: return a || b;
    case OP_LOGICAL_AND: return a && b;
    case OP_SELECT: return a ? b : value_of(m, w[6]);
    case OP_IEQUAL: return a == b;
    case OP_INOTEQUAL: return a != b;
    case OP_UGREATER: return a > b;
    case OP_UGREATER_EQUAL: return a >= b;
    case OP_ULESS: return a < b;
    case OP_ULESS_EQUAL: return a <= b;
    default: complain(m, "constant made by operation %u", w[3]); return 0;
    }
}

// Bytes and alignment as C lays it out.
static uint32_t size_of(struct module *m, uint32_t id, uint32_t *alignment)
{
    const uint32_t *w = m->ids[id].words;
    uint32_t size = 0, inner = 4;
    *alignment = 4;
    switch (w ? op_of(w) : 0) {
    case OP_TYPE_BOOL: return 4;
    case OP_TYPE_INT:
    case OP_TYPE_FLOAT: *alignment = w[2] / 8; return w[2] / 8;
    case OP_TYPE_VECTOR: return w[3] * size_of(m, w[2], alignment);
    case OP_TYPE_ARRAY: return value_of(m, w[3]) * size_of(m, w[2], alignment);
    case OP_TYPE_POINTER: *alignment = 8; return 8;
    case OP_TYPE_STRUCT:
        for (uint32_t i = 2; i < length_of(w); i++) {
            const uint32_t member = size_of(m, w[i], &inner);
            size = (size + inner - 1) / inner * inner + member;
            if (inner > *alignment)
                *alignment = inner;
        }
        return (size + *alignment - 1) / *alignment * *alignment;
    default: complain(m, "a type made by operation %u", w ? op_of(w) : 0); return 0;
    }
}

// -------------------------------------------------------------------------- checks

static void check_entry(struct module *m)
{
    uint32_t entries = 0;
    FOR_EACH(m, w)
    {
        if (op_of(w) != OP_ENTRY_POINT)
            continue;
        entries++;
        if (w[1] != MODEL_COMPUTE || strcmp((const char *)&w[3], "main"))
            complain(m, "entry point %s of model %u", (const char *)&w[3], w[1]);
    }
    if (entries != 1)
        complain(m, "%u entry points", entries);
    // What came with 1.6 alone asks for maintenance4, and has it.
    const bool newer = m->variant->needs & NEED_flexible_matrix;
    if (m->words[1] > (newer ? 0x00010600u : 0x00010500u))
        complain(m, "SPIR-V version %x is past 1.%d", m->words[1], newer ? 6 : 5);
}

static void check_capabilities(struct module *m)
{
    const uint32_t needs = m->variant->needs;
    bool int64 = false, addresses = false;
    FOR_EACH(m, w)
    {
        if (op_of(w) == OP_DECORATE
            && (w[2] == DECORATION_BINDING || w[2] == DECORATION_DESCRIPTOR_SET))
            complain(m, "there is a descriptor");
        if (op_of(w) != OP_CAPABILITY)
            continue;
        const bool subgroup = w[1] == CAPABILITY_SUBGROUP || w[1] == CAPABILITY_SUBGROUP_ARITHMETIC
            || (w[1] == CAPABILITY_SUBGROUP_BALLOT && needs & NEED_ballot);
        const bool matrix = w[1] == CAPABILITY_FLOAT16 || w[1] == CAPABILITY_16BIT_STORAGE
            || w[1] == CAPABILITY_MEMORY_MODEL || w[1] == CAPABILITY_COOPERATIVE_MATRIX
            || w[1] == CAPABILITY_SUBGROUP || w[1] == CAPABILITY_SUBGROUP_ARITHMETIC;
        const bool shuffle = w[1] == CAPABILITY_SUBGROUP || w[1] == CAPABILITY_SUBGROUP_SHUFFLE
            || w[1] == CAPABILITY_SUBGROUP_QUAD;
        const bool dot = w[1] == CAPABILITY_PACKED_BYTES || w[1] == CAPABILITY_INTEGER_DOT;
        int64 |= w[1] == CAPABILITY_INT64;
        addresses |= w[1] == CAPABILITY_ADDRESSES;
        if (w[1] != CAPABILITY_SHADER && w[1] != CAPABILITY_ADDRESSES
            && !(w[1] == CAPABILITY_INT64 && needs & NEED_int64)
            && !(subgroup && needs & NEED_subgroup) && !(matrix && needs & NEED_ANY_MATRIX)
            && !(w[1] == CAPABILITY_PER_ELEMENT && needs & NEED_flexible_matrix)
            && !(shuffle && needs & NEED_shuffle) && !(dot && needs & NEED_integer_dot))
            complain(m, "capability %u, which its needs do not cover", w[1]);
    }
    if (!addresses)
        complain(m, "no buffer addresses");
    if (!int64 && needs & NEED_int64)
        complain(m, "needs int64 and does not use it");
}

// Whether a component of the workgroup's size has this id; from 1.6 on glslc makes two of one.
static bool is_of_lanes(const struct module *m, uint32_t spec_id)
{
    for (uint32_t i = 0; i < m->bound; i++)
        if (m->ids[i].is_lanes && m->ids[i].spec_id == spec_id)
            return true;
    return false;
}

static void check_specs(struct module *m)
{
    for (uint32_t i = 0; i < m->bound; i++) {
        const struct id *id = &m->ids[i];
        if (id->spec_id == NO_SPEC_ID)
            continue;
        const struct spec *spec = find_spec(m->kernel, id->spec_id);
        if (id->spec_id >= SPEC_MAX)
            complain(m, "specialisation constant %u is past SPEC_MAX", id->spec_id);
        else if (!spec)
            complain(m, "specialisation constant %u is not in the contract", id->spec_id);
        else if (value_of(m, i) != spec->preset && !is_of_lanes(m, id->spec_id))
            complain(m, "%s is preset to %08x, in the contract to %08x", spec->name, value_of(m, i),
                spec->preset);
    }
}

// One block, whose one member is the contract's struct, laid out as C does.
static void check_push(struct module *m)
{
    const uint32_t *block = NULL;
    char name[64];
    FOR_EACH(m, w)
    if (op_of(w) == OP_VARIABLE && w[3] == CLASS_PUSH_CONSTANT)
        block = m->ids[m->ids[w[1]].words[3]].words;
    if (!block || length_of(block) != 3) {
        complain(m, "expected push constants of one member");
        return;
    }
    const uint32_t *type = m->ids[block[2]].words;
    uint32_t alignment, at = 0;
    for (uint32_t i = 2; i < length_of(type); i++) {
        const uint32_t size = size_of(m, type[i], &alignment);
        uint32_t offset = ~0u;
        at = (at + alignment - 1) / alignment * alignment;
        FOR_EACH(m, w)
        if (op_of(w) == OP_MEMBER_DECORATE && w[1] == type[1] && w[2] == i - 2
            && w[3] == DECORATION_OFFSET)
            offset = w[4];
        if (offset != at)
            complain(m, "member %u of the push constants is at %u, in C at %u", i - 2, offset, at);
        at += size;
    }
    const uint32_t size = size_of(m, block[2], &alignment);
    snprintf(name, sizeof name, "%s_push", m->kernel);
    for (uint32_t i = 0; i < push_count; i++)
        if (!strcmp(pushes[i].kernel, name) && pushes[i].size != size)
            complain(m, "push constants of %u bytes, in C %u", size, pushes[i].size);
    if (size != m->variant->push_size || size > 128)
        complain(m, "push constants of %u bytes, registered %u", size, m->variant->push_size);
}

// The type of buffer that a load, store or atomic goes to, or NULL.
static struct id *buffer_of(struct module *m, const uint32_t *w)
{
    const uint32_t op = op_of(w);
    if (op != OP_LOAD && op != OP_STORE && (op < OP_ATOMIC_LOAD || op > OP_ATOMIC_XOR))
        return NULL;
    const uint32_t *chain = m->ids[w[op == OP_STORE ? 1 : 3]].words;
    if (!chain || op_of(chain) != OP_ACCESS_CHAIN)
        return NULL;
    const uint32_t *base = m->ids[chain[3]].words;
    if (!base) {
        complain(m, "a pointer of unknown type");
        return NULL;
    }
    const uint32_t *type = m->ids[base[1]].words;
    return type[2] == CLASS_BUFFER ? &m->ids[type[3]] : NULL;
}

// Its contract says "in and out" of an operand: it reads a type of buffer that it writes.
static bool reads_back(const char *kernel)
{
    static const char *const kernels[] = { "activate", "add_branches", "attend", "cap", "combine",
        "decode_down", "decode_heads", "decode_up", "group_tokens", "limit_experts", "norm",
        "pack_blocks", "route", "store_kv" };
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if (!strcmp(kernels[i], kernel))
            return true;
    return false;
}

// What is only read is readonly: drivers do not cache the rest, see lib/address.glsl.
static void check_buffers(struct module *m)
{
    FOR_EACH(m, w)
    {
        struct id *type = buffer_of(m, w);
        if (type && op_of(w) == OP_LOAD)
            type->is_read = true;
        else if (type)
            type->is_written = true;
        if (op_of(w) == OP_MEMBER_DECORATE && w[3] == DECORATION_NON_WRITABLE)
            m->ids[w[1]].is_readonly = true;
        if (op_of(w) == OP_MEMBER_DECORATE && w[3] == DECORATION_COHERENT)
            m->ids[w[1]].is_coherent = true;
    }
    bool any = false;
    for (uint32_t i = 0; i < m->bound; i++) {
        const struct id *type = &m->ids[i];
        any |= type->is_read;
        if (type->is_read && !type->is_written && !type->is_readonly)
            complain(m, "a type of buffer is only read, and not readonly");
        if (type->is_read && type->is_written && !type->is_coherent && !reads_back(m->kernel))
            complain(m, "loads from a type of buffer that it stores to");
    }
    if (!any)
        complain(m, "no loads from buffers");
}

// With the contract's presets.
static uint32_t workgroup_size(struct module *m)
{
    uint32_t product = 1, found = 0;
    for (uint32_t i = 0; i < m->bound; i++) {
        const struct spec *spec = find_spec(m->kernel, m->ids[i].spec_id);
        if (!m->ids[i].is_lanes)
            continue;
        product *= spec ? spec->preset : value_of(m, i);
        found++;
    }
    if (found)
        return product;
    FOR_EACH(m, w)
    if (op_of(w) == OP_EXECUTION_MODE && w[2] == MODE_LOCAL_SIZE)
        return w[3] * w[4] * w[5];
    return 0;
}

static void set(struct module *m, const char *name, uint32_t value)
{
    for (uint32_t i = 0; i < spec_count; i++) {
        if (strcmp(specs[i].name, name) || !is_of(&specs[i], m->kernel))
            continue;
        m->values[specs[i].id] = value;
        m->is_set |= 1u << specs[i].id;
    }
}

static void check_shared(struct module *m, uint32_t most)
{
    uint32_t shared = 0, alignment;
    FOR_EACH(m, w)
    if (op_of(w) == OP_VARIABLE && w[3] == CLASS_WORKGROUP)
        shared += size_of(m, m->ids[w[1]].words[3], &alignment);
    if (shared > most)
        complain(m, "%u bytes of shared memory, expected %u at most", shared, most);
}

// What Vulkan guarantees, and what forms without needs may use; then with the largest code book,
// and as vkmoe_gemm_cut() may cut.
static void check_limits(struct module *m)
{
    const struct variant *v = m->variant;
    const bool units = v->needs & NEED_ANY_MATRIX, small = v->needs & NEED_matrix_8x8x8;
    const uint32_t lanes = workgroup_size(m);
    uint32_t most = units ? 32768 : 16384;
    if (lanes == 0 || lanes % 8 || lanes > 128)
        complain(m, "%u invocations, expected a multiple of 8 up to 128", lanes);
    for (uint32_t book = 0; book < 2; book++) {
        check_shared(m, most);
        if (v->needs & (NEED_matrix_16x16 | NEED_matrix_8x16 | NEED_flexible_matrix)) {
            set(m, "GEMM_FAST", !(v->formats & FORMAT_f16));
            set(m, "GEMM_SLICE", 32);
            check_shared(m, most);
        }
        m->is_set = 0;
        set(m, "GEMM_TYPE", VKMOE_DTYPE_IQ1_S);
        set(m, "DECODE_TYPE", VKMOE_DTYPE_IQ1_S);
        set(m, "EMBED_TYPE", VKMOE_DTYPE_IQ1_S);
        most = units && !small ? SHARED_MEMORY_WITH_BOOK : most;
    }
}

// No id twice, none too large.
static bool check_contracts(void)
{
    bool ok = push_count == KERNEL_COUNT;
    if (!ok)
        tap_note("%u contracts for %u kernels", push_count, KERNEL_COUNT);
    if (spec_count == sizeof specs / sizeof *specs) {
        tap_note("no room for more than %u constants", spec_count);
        ok = false;
    }
    for (uint32_t i = 0; i < spec_count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (specs[i].id != specs[j].id || strcmp(specs[i].file, specs[j].file))
                continue;
            tap_note("%s and %s have the same id", specs[i].name, specs[j].name);
            ok = false;
        }
        if (specs[i].id >= SPEC_MAX) {
            tap_note("%s: id %u is past SPEC_MAX", specs[i].name, specs[i].id);
            ok = false;
        }
    }
    return ok;
}

int main(int argc, char **argv)
{
    struct tap tap;
    if (!tap_begin(&tap, argc, argv))
        return 2;
    TAP_TEST(&tap, "contracts", check_contracts());
    TAP_TEST(&tap, "choice", registry_choice() && registry_heads());
    TAP_TEST(&tap, "lanes", registry_lanes());
    TAP_TEST(&tap, "attend", registry_attend());
    for (uint32_t i = 0; i < vkmoe_variant_count; i++) {
        const struct variant *variant = &vkmoe_variants[i];
        struct module m;
        if (!tap_wants(&tap, variant->name))
            continue;
        if (!*variant->spirv_size) {
            tap_skip(&tap, variant->name, "not compiled");
            continue;
        }
        if (open_module(&m, variant)) {
            check_entry(&m);
            check_capabilities(&m);
            check_specs(&m);
            check_push(&m);
            check_buffers(&m);
            check_limits(&m);
        }
        free(m.ids);
        free(m.words);
        tap_result(&tap, m.ok, variant->name);
    }
    return tap_end(&tap);
}
