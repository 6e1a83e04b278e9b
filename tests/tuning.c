// tuning.c - tuning as text: what is read back, and what is ignored.
#include <string.h>

#include "check.h"
#include "device/overrides.h"

#define HOSTILE_ROUNDS 2000

static struct record record;
static vkmoe_device device;
static char text[70000];

// A card with matrix units that has no driver.
static void begin(void)
{
    free(device.overrides);
    record = (struct record){ .last = "" };
    device =
        (vkmoe_device){ .needs = NEED_int64 | NEED_gpu | NEED_matrix_16x16, .subgroup_size = 32 };
    device.gpu.log = log_to(&record);
    snprintf(device.gpu.info.name, sizeof device.gpu.info.name, "a\ncard");
}

// The text of the device with rows in it.
static size_t make_text(const char *rows, char *to)
{
    size_t size = 16384;
    vkmoe_device_get_tuning(&device, to, &size);
    size -= strlen("end\n");
    return size + (size_t)sprintf(to + size, "%send\n", rows);
}

static bool is_ignored(const char *given, size_t size, const char *why)
{
    const struct overrides before = *vkmoe_overrides(&device);
    record = (struct record){ .last = "" };
    CHECK_OK(vkmoe_device_set_tuning(&device, given, size));
    CHECK(record.lines[VKMOE_LOG_WARNING] == 1 && record.lines[VKMOE_LOG_ERROR] == 0);
    CHECK(strstr(record.last, "ignored") && strstr(record.last, why));
    CHECK(!memcmp(&before, device.overrides, sizeof before));
    return true;
fail:
    tap_note("'%.*s': expected '%s' in '%s'", (int)size, given, why, record.last);
    return false;
}

static bool test_round_trip(void)
{
    static const char rows[] = "decode_lanes 512\ndecode_tokens 8\n"
                               "form experts_gemm f16 exact 0 rows_in_lanes\n"
                               "form experts_gemm f16 exact 100 shared_tile\n"
                               "form experts_gemm q8_0 fast 3 shared_tile_32\n";
    static char again[16384];
    const uint32_t table = vkmoe_tuning(&device, TUNE_DECODE_UNROLL);
    size_t size = make_text(rows, text), room = sizeof again;
    CHECK_OK(vkmoe_device_set_tuning(&device, text, size));
    CHECK(record.lines[VKMOE_LOG_WARNING] == 0);
    CHECK_OK(vkmoe_device_get_tuning(&device, again, &room));
    CHECK(room == size && !memcmp(text, again, size));
    CHECK_OK(vkmoe_device_get_tuning(&device, NULL, &room));
    CHECK(room == size);
    room = size - 1;
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_device_get_tuning(&device, again, &room));
    CHECK(room == size);
    CHECK(vkmoe_tuning(&device, TUNE_DECODE_LANES) == 512);
    CHECK(vkmoe_tuning(&device, TUNE_DECODE_TOKENS) == 8);
    CHECK(vkmoe_tuning(&device, TUNE_DECODE_UNROLL) == table);
    // A text without rows sets it back.
    CHECK_OK(vkmoe_device_set_tuning(&device, again, make_text("", again)));
    return true;
fail:
    return false;
}

static bool has_form(enum vkmoe_dtype dtype, uint32_t rows, bool fast, const char *form)
{
    const struct variant *v = vkmoe_form_choose(&device, KERNEL_experts_gemm, dtype, rows, fast);
    if (!strcmp(v->form, form))
        return true;
    tap_note("%u rows: %s, expected %s", rows, v->form, form);
    return false;
}

// Whether the compiler was new enough for matrix units.
static bool has_matrices(void)
{
    return vkmoe_form_named(&device, "experts_gemm", "matrix_16x16_16", VKMOE_DTYPE_F16, false);
}

static bool test_forms(void)
{
    CHECK(has_form(VKMOE_DTYPE_F32, 50, false, "shared_tile"));
    CHECK_OK(vkmoe_device_set_tuning(&device, text,
        make_text("form experts_gemm f32 exact 60 shared_tile_32\n"
                  "form experts_gemm f32 exact 4 rows_in_lanes\n"
                  "form experts_gemm f16 exact 0 rows_in_lanes\n",
            text)));
    CHECK(record.lines[VKMOE_LOG_WARNING] == 0);
    CHECK(has_form(VKMOE_DTYPE_F32, 3, false, "shared_tile_32")); // by the table
    CHECK(has_form(VKMOE_DTYPE_F32, 4, false, "rows_in_lanes"));
    CHECK(has_form(VKMOE_DTYPE_F32, 59, false, "rows_in_lanes"));
    CHECK(has_form(VKMOE_DTYPE_F32, 60, false, "shared_tile_32"));
    CHECK(has_form(VKMOE_DTYPE_BF16, 60, false, // another format
        has_matrices() ? "matrix_16x16_unpack" : "shared_tile"));
    // Precision makes no difference to f32, and with matrix units it does to f16.
    CHECK(has_form(VKMOE_DTYPE_F32, 59, true, "rows_in_lanes"));
    CHECK(has_form(VKMOE_DTYPE_F16, 1, false, "rows_in_lanes"));
    CHECK(has_form(VKMOE_DTYPE_F16, 1, true, has_matrices() ? "matrix_16x16_16" : "rows_in_lanes"));
    return true;
fail:
    return false;
}

// A form that no table has, but what was measured.
static bool test_measured(void)
{
    const enum vkmoe_dtype f16 = VKMOE_DTYPE_F16;
    device.needs |= NEED_flexible_matrix;
    if (!vkmoe_form_named(&device, "experts_gemm", "matrix_flexible", f16, true))
        return true; // the compiler was too old for it
    CHECK(has_form(f16, FROM_MEASURED, true, "matrix_16x16_64"));
    CHECK_OK(vkmoe_device_set_tuning(
        &device, text, make_text("form experts_gemm f16 fast 12 matrix_flexible\n", text)));
    CHECK(record.lines[VKMOE_LOG_WARNING] == 0);
    CHECK(has_form(f16, 12, true, "matrix_flexible"));
    CHECK(has_form(f16, 11, true, "matrix_16x16_32"));
    CHECK(has_form(f16, 12, false, "matrix_16x16_32")); // it is never exact
    return true;
fail:
    return false;
}

static bool test_stale(void)
{
    const size_t size = make_text("decode_unroll 2\n", text);
    CHECK_OK(vkmoe_device_set_tuning(&device, text, size));
    device.gpu.info.driver_version++;
    CHECK(is_ignored(text, size, "another device, driver"));
    device.gpu.info.driver_version--;
    device.needs &= ~(uint32_t)NEED_matrix_16x16;
    CHECK(is_ignored(text, size, "another device, driver"));
    device.needs |= NEED_matrix_16x16;
    device.gpu.info.name[0] = 'b';
    CHECK(is_ignored(text, size, "another device, driver"));
    device.gpu.info.name[0] = 'a';
    CHECK_OK(vkmoe_device_set_tuning(&device, text, size));
    CHECK(record.lines[VKMOE_LOG_WARNING] == 1); // of before
    return true;
fail:
    return false;
}

// Cut anywhere.
static bool test_cut(void)
{
    const size_t size = make_text("decode_unroll 2\ndecode_tokens 4\n", text);
    for (size_t cut = 0; cut < size - 1; cut++) // a newline at the end is not missed
        CHECK(is_ignored(text, cut, "line"));
    return true;
fail:
    return false;
}

static bool test_rows(void)
{
    static const char *const rows[] = {
        "decode_unroll\n",
        "decode_unroll 0\n",
        "decode_unroll 3\n",
        "decode_unroll 16\n",
        "decode_unroll 4294967298\n",
        "decode_unroll -2\n",
        "decode_unroll +2\n",
        "decode_unroll 2 \n",
        "decode_unroll  2\n",
        " decode_unroll 2\n",
        "decode_unroll 2 3\n",
        "decode_unroll 2\r\n",
        "decode_unroll 0x2\n",
        "decode_lanes 16\n",
        "decode_lanes 1024\n",
        "model_lanes 64\n",
        "\n",
        "form\n",
        "form experts_gemm f16 exact 0\n",
        "form experts_gemm f16 exact 0 nonsense\n",
        "form route f16 exact 0 shared_tile\n",
        "form experts_gemm f17 exact 0 shared_tile\n",
        "form experts_gemm f16 best 0 shared_tile\n",
        "form experts_gemm f16 exact -1 shared_tile\n",
        "form experts_gemm f16 exact 0 shared_tile more\n",
        // What the device or the format lacks.
        "form experts_gemm f16 exact 0 rows_broadcast\n",
        "form experts_gemm bf16 exact 0 matrix_16x16_16\n",
        "form experts_gemm bf16 exact 0 matrix_16x16_unpack_fast\n",
        "form experts_gemm f16 exact 0 matrix_16x16_unpack\n",
    };
    for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
        begin();
        CHECK(is_ignored(text, make_text(rows[i], text), "nothing that this device can follow"));
    }
    // A CPU driver's forms have no choice of lanes.
    begin();
    device.is_cpu = true;
    CHECK(is_ignored(text, make_text("decode_lanes 64\n", text), "nothing that this device"));
    return true;
fail:
    return false;
}

static bool test_much(void)
{
    size_t size = make_text("", text) - strlen("end\n");
    for (uint32_t i = 0; i < OVERRIDES_MAX_FORMS; i++)
        size += (size_t)sprintf(text + size, "form experts_gemm f16 exact %u shared_tile\n", i);
    const size_t most = size;
    size += (size_t)sprintf(text + size, "end\n");
    CHECK_OK(vkmoe_device_set_tuning(&device, text, size));
    CHECK(record.lines[VKMOE_LOG_WARNING] == 0);
    size = sizeof text;
    CHECK_OK(vkmoe_device_get_tuning(&device, text, &size));
    CHECK(size == most + strlen("end\n") && size <= 16384);
    sprintf(text + most, "form experts_gemm f16 exact 1 shared_tile\nend\n");
    CHECK(is_ignored(text, strlen(text), "nothing that this device"));
    memset(text, 'x', sizeof text);
    CHECK(is_ignored(text, sizeof text, "line 1"));
    memset(text, '#', sizeof text);
    CHECK(is_ignored(text, sizeof text, "line 1"));
    memset(text, '\n', sizeof text);
    CHECK(is_ignored(text, sizeof text, "line 1"));
    memset(text, 0, sizeof text);
    CHECK(is_ignored(text, sizeof text, "line 1"));
    return true;
fail:
    return false;
}

static bool is_legal(const struct overrides *o)
{
    for (uint32_t i = 0; i < vkmoe_tunable_count; i++) {
        const struct tunable *t = &vkmoe_tunables[i];
        const uint32_t value = o->values[t->what];
        if (value && (value < t->least || value > t->most || value & (value - 1)))
            return false;
    }
    for (uint32_t i = 0; i < o->form_count; i++)
        if (!vkmoe_variant_runs(&device, o->forms[i].variant, o->forms[i].dtype, o->forms[i].fast))
            return false;
    return o->form_count <= OVERRIDES_MAX_FORMS;
}

// Bytes changed, left out and put in: it counts whole and is legal, or it counts for nothing.
static bool test_hostile(uint64_t seed)
{
    static char hostile[16400];
    const size_t size = make_text("decode_lanes 512\ndecode_unroll 2\n"
                                  "form experts_gemm f32 exact 12 shared_tile\n",
        text);
    uint32_t state = (uint32_t)seed * 2654435761u + 1, followed = 0;
    for (uint32_t round = 0; round < HOSTILE_ROUNDS; round++) {
        size_t length = size;
        memcpy(hostile, text, size);
        for (uint32_t edit = 0; edit <= round % 3; edit++) {
            state = state * 1664525u + 1013904223u;
            // Beyond the head half of the time, or few would get past the key.
            const size_t rows = strlen("decode_lanes 512\ndecode_unroll 2\n") + 48;
            const size_t at = state & 64 ? length - 1 - (state >> 8) % rows : (state >> 8) % length;
            if (state % 3 == 0) {
                hostile[at] = (char)(state >> 24);
            } else if (state % 3 == 1) {
                memmove(hostile + at, hostile + at + 1, --length - at);
            } else {
                memmove(hostile + at + 1, hostile + at, length++ - at);
                hostile[at] = "0123456789 \n#dfe"[state >> 28];
            }
        }
        record = (struct record){ .last = "" };
        CHECK_OK(vkmoe_device_set_tuning(&device, hostile, length));
        CHECK(is_legal(vkmoe_overrides(&device)));
        CHECK(record.lines[VKMOE_LOG_WARNING] <= 1);
        followed += record.lines[VKMOE_LOG_WARNING] == 0;
    }
    tap_note("%u of %u counted", followed, HOSTILE_ROUNDS);
    return followed > 0 && followed < HOSTILE_ROUNDS / 2;
fail:
    return false;
}

int main(int argc, char **argv)
{
    TEST_TABLE(tests, { "round-trip", test_round_trip }, { "forms", test_forms },
        { "measured", test_measured }, { "stale", test_stale }, { "cut", test_cut },
        { "rows", test_rows }, { "much", test_much });
    struct tap tap;
    begin();
    if (!tap_begin(&tap, argc, argv))
        return 2;
    run_clean_tests(&tap, tests, COUNT_OF(tests), begin);
    TAP_TEST(&tap, "hostile", test_hostile(tap.seed));
    free(device.overrides);
    return tap_end(&tap);
}
