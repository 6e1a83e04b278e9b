// self_test.c - drivers that compute a form wrongly are found out when the first object is made,
// and the form is not taken. What is wrong with the driver is done to modules on their way to it.
#include <string.h>
#include <time.h>

#include "attention/heads_test.h"
#include "attention/plan.h"
#include "base/common.h"
#include "check.h"
#include "device/verdicts.h"
#include "moe/moe.h"
#include "moe/self_test.h"
#include "tiny_layer.h"

#define MAX_WRONG 16
#define SPIRV_HEADER 5
#define OP_EXT_INST 12
#define GLSL_FMIX 46
#define GLSL_FMA 50

static struct record record;
static vkmoe_device *device;
static vkmoe_moe *moe;
static vkmoe_attention *attention;
static PFN_vkCreateShaderModule create_module;
static const struct variant *wrong[MAX_WRONG];
static uint32_t wrong_count, changed;
static VkResult refusal; // instead of what is wrong

static bool is_gemm(const struct variant *v)
{
    return v->kernel == KERNEL_experts_gemm;
}

static bool is_module(const struct variant *variant, const VkShaderModuleCreateInfo *create)
{
    uint32_t *words = vkmoe_variant_spirv(variant);
    const bool is_same = words && create->codeSize == *variant->spirv_size
        && !memcmp(words, create->pCode, create->codeSize);
    free(words);
    return is_same;
}

// A driver that makes fma(a, b, c) of these forms mix(a, b, c), or does not compile them.
static VKAPI_ATTR VkResult VKAPI_CALL create_wrong(VkDevice handle,
    const VkShaderModuleCreateInfo *create, const VkAllocationCallbacks *allocator,
    VkShaderModule *out)
{
    VkShaderModuleCreateInfo info = *create;
    uint32_t *code = malloc(create->codeSize);
    memcpy(code, create->pCode, create->codeSize);
    info.pCode = code;
    VkResult result = VK_SUCCESS;
    for (uint32_t i = 0; i < wrong_count; i++) {
        if (!is_module(wrong[i], create))
            continue;
        result = refusal;
        for (size_t at = SPIRV_HEADER; at < create->codeSize / 4; at += code[at] >> 16)
            if ((code[at] & 0xffff) == OP_EXT_INST && code[at + 4] == GLSL_FMA) {
                code[at + 4] = GLSL_FMIX;
                changed++;
            }
    }
    if (result == VK_SUCCESS)
        result = create_module(handle, &info, allocator, out);
    free(code);
    return result;
}

static enum vkmoe_status begin(bool trusted)
{
    const struct vkmoe_device_params params = {
        VKMOE_INIT(vkmoe_device_params),
        .log = log_to(&record),
        .select = device_under_test(),
        .validate = getenv("VK_INSTANCE_LAYERS") != NULL, // tests/drivers.sh found the layer
        .no_self_test = trusted,
    };
    record = (struct record){ .last = "" };
    wrong_count = changed = 0;
    refusal = VK_SUCCESS;
    const enum vkmoe_status status = vkmoe_device_create(&params, &device);
    if (status == VKMOE_OK) {
        create_module = device->gpu.vk.CreateShaderModule;
        device->gpu.vk.CreateShaderModule = create_wrong;
    }
    return status;
}

static void clean_up(void)
{
    vkmoe_moe_destroy(&moe);
    vkmoe_attention_destroy(&attention);
    vkmoe_device_destroy(&device);
}

static const struct variant *chosen(uint32_t rows)
{
    return vkmoe_form_choose(device, KERNEL_experts_gemm, VKMOE_DTYPE_F32, rows, false);
}

// The device's forms, the plainest left out; those that unpack by matrix units have no fma.
static bool is_other(const struct variant *v)
{
    return is_gemm(v) && strcmp(v->form, "rows_in_lanes") != 0
        && vkmoe_variant_runs(device, v, VKMOE_DTYPE_F32, false);
}

// Forms that are right are taken, without a word, and the test is short.
static bool test_right(void)
{
    struct timespec from, to;
    CHECK_OK(begin(false));
    const struct variant *before[] = { chosen(0), chosen(40), chosen(1000) };
    CHECK_OK(tiny_layer_make(device, &moe)); // and what it compiles is in the device's cache
    CHECK(record.lines[VKMOE_LOG_WARNING] == 0 && record.lines[VKMOE_LOG_ERROR] == 0);
    CHECK(chosen(0) == before[0] && chosen(40) == before[1] && chosen(1000) == before[2]);
    CHECK(device->verdicts->tested[0] == 1u << VKMOE_DTYPE_F32);
    const struct loading loading = { .device = device, .caller = { &device->gpu.log, "again" } };
    device->verdicts->tested[0] = 0;
    timespec_get(&from, TIME_UTC);
    CHECK_OK(vkmoe_self_test(&loading, VKMOE_DTYPE_F32));
    timespec_get(&to, TIME_UTC);
    tap_note("%.1f ms once compiled",
        (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) * 1e-6);
    return true;
fail:
    return false;
}

// Nor is any said to be wrong for weights of other formats: of one of each kind.
static bool test_formats(void)
{
    static const enum vkmoe_dtype dtypes[] = { VKMOE_DTYPE_F16, VKMOE_DTYPE_Q4_K };
    CHECK_OK(begin(false));
    for (size_t i = 0; i < ARRAY_SIZE(dtypes); i++) {
        for (int fast = 0; fast < 2; fast++) {
            const struct loading loading = {
                .device = device,
                .caller = { &device->gpu.log, "formats" },
                .fast = fast != 0,
            };
            CHECK_OK(vkmoe_self_test(&loading, dtypes[i]));
            if (record.lines[VKMOE_LOG_WARNING] != 0)
                tap_note("%s", record.last);
        }
    }
    return record.lines[VKMOE_LOG_WARNING] == 0;
fail:
    return false;
}

// The form for many rows is wrong, or the driver refuses it: another is taken for them.
static bool test_one(int refused)
{
    CHECK_OK(begin(false));
    refusal = (VkResult)refused;
    const struct variant *best = wrong[0] = chosen(1000);
    wrong_count = 1;
    if (!is_other(best)) {
        tap_note("%s is all that the device has", best->name);
        return true;
    }
    CHECK_OK(tiny_layer_make(device, &moe));
    CHECK(changed > 0);
    const uint32_t lines = refused ? 2 : 1; // what the driver said comes first
    CHECK(record.lines[VKMOE_LOG_WARNING] == lines && record.lines[VKMOE_LOG_ERROR] == 0);
    CHECK(strstr(record.last, best->name) && strstr(record.last, "f32"));
    CHECK(!strncmp(record.last, "vkmoe_moe_create: ", 18));
    CHECK(chosen(1000) != best);
    CHECK(vkmoe_experts_form(&moe->up, 1000) == chosen(1000));
    // Said once, and other formats are not concerned.
    vkmoe_moe_destroy(&moe);
    CHECK_OK(tiny_layer_make(device, &moe));
    CHECK(record.lines[VKMOE_LOG_WARNING] == lines);
    CHECK(vkmoe_form_choose(device, KERNEL_experts_gemm, VKMOE_DTYPE_BF16, 1000, false) != NULL);
    return tiny_layer_works(device, 2, vkmoe_buffer_create);
fail:
    tap_note("%s", record.last);
    return false;
}

// That there is no memory is not the form's fault: the call fails, and the next one may not.
static bool test_no_memory(void)
{
    CHECK_OK(begin(false));
    const struct variant *best = wrong[0] = chosen(1000);
    wrong_count = is_other(best);
    refusal = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    CHECK_STATUS(wrong_count ? VKMOE_ERROR_OUT_OF_MEMORY : VKMOE_OK, tiny_layer_make(device, &moe));
    CHECK(record.lines[VKMOE_LOG_ERROR] == wrong_count && record.lines[VKMOE_LOG_WARNING] == 0);
    refusal = VK_SUCCESS;
    wrong_count = 0;
    vkmoe_moe_destroy(&moe);
    CHECK_OK(tiny_layer_make(device, &moe));
    CHECK(chosen(1000) == best);
    return true;
fail:
    tap_note("%s", record.last);
    return false;
}

// All of them are: the plainest is left.
static bool test_all(void)
{
    CHECK_OK(begin(false));
    for (uint32_t i = 0; i < vkmoe_variant_count && wrong_count < MAX_WRONG; i++)
        if (is_other(&vkmoe_variants[i]))
            wrong[wrong_count++] = &vkmoe_variants[i];
    CHECK_OK(tiny_layer_make(device, &moe));
    CHECK(!strcmp(chosen(0)->form, "rows_in_lanes") && !strcmp(chosen(99)->form, "rows_in_lanes"));
    CHECK(wrong_count == 0 || record.lines[VKMOE_LOG_WARNING] > 0);
    CHECK(tiny_layer_works(device, 3, vkmoe_buffer_create));
    tap_note("%u of %u found", record.lines[VKMOE_LOG_WARNING], wrong_count);
    return true;
fail:
    return false;
}

// Matrices of other dtypes than the first are tested, too, of layers and of attention.
static bool test_mixed(void)
{
    static const float zeros[64];
    const struct vkmoe_view f32 = { .data = zeros },
                            f16 = { .data = zeros, .dtype = VKMOE_DTYPE_F16 },
                            bf16 = { .data = zeros, .dtype = VKMOE_DTYPE_BF16 };
    CHECK_OK(begin(false));
    CHECK_OK(vkmoe_moe_create(device,
        &(struct vkmoe_moe_params){ VKMOE_INIT(vkmoe_moe_params), .hidden = 8, .inner = 8,
            .experts = 1, .experts_per_token = 1, .router.weight = f32, .up = &f32, .down = &bf16 },
        &moe));
    CHECK(device->verdicts->tested[0] == (1u << VKMOE_DTYPE_F32 | 1u << VKMOE_DTYPE_BF16));
    device->verdicts->tested[0] = 0;
    CHECK_OK(vkmoe_attention_create(device,
        &(struct vkmoe_attention_params){ VKMOE_INIT(vkmoe_attention_params), .hidden = 8,
            .heads = 1, .kv_heads = 1, .head_size = 8, .experts = 1, .experts_per_token = 1,
            .query.matrices = &f32, .key.matrix = f16, .value.matrix = f32,
            .output.matrices = &bf16 },
        &attention));
    CHECK(device->verdicts->tested[0]
        == (1u << VKMOE_DTYPE_F32 | 1u << VKMOE_DTYPE_F16 | 1u << VKMOE_DTYPE_BF16));
    return true;
fail:
    return false;
}

// An attention whose heads are finished where they are made, unless that is wrong.
static enum vkmoe_status make_heads(bool fast)
{
    static const float zeros[32 * 8];
    const struct vkmoe_view view = { .data = zeros };
    device->verdicts->tested[0] = device->verdicts->tested[1] = UINT32_MAX; // of other kernels
    return vkmoe_attention_create(device,
        &(struct vkmoe_attention_params){ VKMOE_INIT(vkmoe_attention_params), .hidden = 8,
            .heads = 1, .kv_heads = 1, .head_size = 32, .experts = 1, .experts_per_token = 1,
            .query.matrices = &view, .key.matrix = view, .value.matrix = view,
            .output.matrices = &view,
            .precision = fast ? VKMOE_PRECISION_FAST : VKMOE_PRECISION_EXACT },
        &attention);
}

static const struct variant *heads_form(enum vkmoe_dtype dtype, bool fast)
{
    return vkmoe_form_like(device, KERNEL_decode_heads,
        vkmoe_form_choose(device, KERNEL_decode_up, dtype, 0, fast), dtype, fast);
}

// What finishes heads is wrong, or refused: products and store_kv by themselves are taken.
static bool test_heads(int refused)
{
    CHECK_OK(begin(false));
    refusal = (VkResult)refused;
    const struct variant *form = wrong[0] = heads_form(VKMOE_DTYPE_F32, false);
    wrong_count = 1;
    if (!form || (device->is_cpu && !strcmp(form->form, "plain"))) {
        tap_note("the device has no form that finishes heads and is tested");
        return true;
    }
    CHECK_OK(make_heads(false));
    CHECK(changed > 0);
    const uint32_t lines = refused ? 2 : 1;
    CHECK(record.lines[VKMOE_LOG_WARNING] == lines && record.lines[VKMOE_LOG_ERROR] == 0);
    CHECK(strstr(record.last, form->name) && strstr(record.last, "f32"));
    CHECK(!strncmp(record.last, "vkmoe_attention_create: ", 24));
    CHECK(!vkmoe_attention_plan(attention, 1, 1, 1).finishes);
    CHECK(!heads_form(VKMOE_DTYPE_F32, false) && heads_form(VKMOE_DTYPE_F16, false));
    // Said once, and of both precisions where they are one.
    vkmoe_attention_destroy(&attention);
    CHECK_OK(make_heads(true));
    CHECK(record.lines[VKMOE_LOG_WARNING] == lines);
    return !vkmoe_attention_plan(attention, 1, 1, 1).finishes;
fail:
    tap_note("%s", record.last);
    return false;
}

// A driver that is right keeps it, in integers and without.
static bool test_heads_right(void)
{
    CHECK_OK(begin(false));
    for (int fast = 0; fast < 2; fast++) {
        const struct loading loading = {
            .device = device,
            .caller = { &device->gpu.log, "heads" },
            .fast = fast != 0,
        };
        const struct variant *form = heads_form(VKMOE_DTYPE_Q8_0, loading.fast);
        CHECK_OK(vkmoe_heads_self_test(&loading, VKMOE_DTYPE_Q8_0));
        CHECK(heads_form(VKMOE_DTYPE_Q8_0, loading.fast) == form);
    }
    CHECK_OK(make_heads(false));
    CHECK(vkmoe_attention_plan(attention, 1, 1, 1).finishes
        == (heads_form(VKMOE_DTYPE_F32, false) != NULL));
    CHECK(record.lines[VKMOE_LOG_WARNING] == 0);
    return device->verdicts->heads_tested[0] >> VKMOE_DTYPE_Q8_0 & 1;
fail:
    tap_note("%s", record.last);
    return false;
}

// Who trusts the driver takes what it gives.
static bool test_trusted(void)
{
    CHECK_OK(begin(true));
    wrong[wrong_count++] = chosen(1000);
    CHECK_OK(tiny_layer_make(device, &moe));
    CHECK(changed == 0 && record.lines[VKMOE_LOG_WARNING] == 0);
    return chosen(1000) == wrong[0];
fail:
    return false;
}

CLEAN_TESTS_MAIN(ON_DEVICE, clean_up, { "right", test_right }, { "formats", test_formats },
    { "one", .run_with = test_one, .argument = VK_SUCCESS },
    { "not-compiled", .run_with = test_one, .argument = VK_ERROR_INVALID_SHADER_NV },
    { "no-memory", test_no_memory }, { "all", test_all }, { "mixed", test_mixed },
    { "heads", .run_with = test_heads, .argument = VK_SUCCESS },
    { "heads-not-compiled", .run_with = test_heads, .argument = VK_ERROR_INVALID_SHADER_NV },
    { "heads-right", test_heads_right }, { "trusted", test_trusted })
