// overrides.c - see overrides.h.
#include "device/overrides.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/hash.h"

#define FIRST_LINE "vkmoe tuning 1"
#define TEXT_SIZE 16384 // that all there can be takes

const struct tunable vkmoe_tunables[] = {
    { TUNE_DECODE_LANES, "decode_lanes", 32, 512, true, 1 },
    { TUNE_DECODE_UNROLL, "decode_unroll", 1, 8, false, 1 },
    { TUNE_DECODE_BLOCKS, "decode_blocks", 2, 4, false, 1 },
    { TUNE_DECODE_TOGETHER, "decode_together", 1, 4, false, 4 },
    // See vkmoe_device_tune(): it is compared with what follows it.
    { TUNE_DECODE_TOKENS, "decode_tokens", 1, 16, false, 0 },
};
const uint32_t vkmoe_tunable_count = ARRAY_SIZE(vkmoe_tunables);

static const char *const kernel_names[] = {
#define KERNEL(name) #name,
#include "shaders/kernels.def"
};

static const char *const format_names[] = {
#define FORMAT(name, ...) #name,
#include "weights/formats.def"
};

static const char *const precision_names[] = { "exact", "fast" };

static uint32_t find(const char *name, const char *const *names, uint32_t count)
{
    uint32_t i = 0;
    while (i < count && strcmp(names[i], name))
        i++;
    return i;
}

struct overrides *vkmoe_overrides(vkmoe_device *device)
{
    if (!device->overrides)
        device->overrides = calloc(1, sizeof *device->overrides);
    return device->overrides;
}

const struct variant *vkmoe_form_named(const vkmoe_device *device, const char *kernel,
    const char *form, enum vkmoe_dtype dtype, bool fast)
{
    const struct variant *found = NULL;
    for (uint32_t i = 0; i < vkmoe_variant_count; i++) {
        const struct variant *variant = &vkmoe_variants[i];
        if (!strcmp(kernel_names[variant->kernel], kernel) && !strcmp(variant->form, form)
            && vkmoe_variant_runs(device, variant, dtype, fast))
            found = variant;
    }
    return found;
}

// Of all that a figure may hang on.
static uint64_t make_key(const vkmoe_device *device)
{
    const struct vkmoe_device_info *info = &device->gpu.info;
    const uint32_t numbers[] = { info->vendor_id, info->device_id, info->driver_version,
        VKMOE_VERSION, device->needs, device->subgroup_size, device->quirks, device->matrix_units.m,
        device->matrix_units.n, device->matrix_units.k, device->matrix_units.subgroup_size,
        device->flexible.lanes, device->flexible.parts, device->flexible.token_rows };
    uint64_t hash = hash_bytes(HASH_START, numbers, sizeof numbers);
    hash = hash_bytes(hash, info->name, strlen(info->name));
    hash = hash_bytes(hash, info->driver, strlen(info->driver));
    hash = hash_bytes(hash, device->cache_uuid, sizeof device->cache_uuid);
    for (uint32_t i = 0; i < vkmoe_variant_count; i++)
        hash = vkmoe_variant_hash(&vkmoe_variants[i], hash);
    return hash;
}

// ------------------------------------------------------------------------ reading

#define MAX_WORDS 6

struct reader {
    const vkmoe_device *device;
    const char *at, *end;
    uint32_t number; // of the line that was read last
    char line[160];
    char *words[MAX_WORDS];
    uint32_t count;
};

// Cuts the line into words, between each two of which there is one blank. False: it cannot be.
static bool cut_words(struct reader *r)
{
    r->count = 0;
    for (char *word = r->line; word; r->count++) {
        char *blank = strchr(word, ' ');
        if (r->count == MAX_WORDS || !*word || blank == word)
            return false;
        r->words[r->count] = word;
        if (blank)
            *blank++ = '\0';
        word = blank;
    }
    return true;
}

// The next line that is not for people. False: there is none, or it is none of ours.
static bool read_line(struct reader *r)
{
    while (r->at < r->end) {
        const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
        const char *from = r->at, *to = newline ? newline : r->end;
        const size_t size = (size_t)(to - from);
        r->at = newline ? newline + 1 : r->end;
        r->number++;
        if (size && *from == '#')
            continue;
        if (size >= sizeof r->line || memchr(from, '\0', size))
            return false;
        memcpy(r->line, from, size);
        r->line[size] = '\0';
        return true;
    }
    return false;
}

static bool read_number(const char *word, uint32_t *out)
{
    const size_t length = strlen(word);
    if (length == 0 || length > 9 || strspn(word, "0123456789") != length)
        return false;
    *out = (uint32_t)strtoul(word, NULL, 10);
    return true;
}

static bool read_value(const struct reader *r, struct overrides *out)
{
    uint32_t value;
    if (r->count != 2 || !read_number(r->words[1], &value))
        return false;
    for (uint32_t i = 0; i < ARRAY_SIZE(vkmoe_tunables); i++) {
        const struct tunable *t = &vkmoe_tunables[i];
        if (strcmp(t->name, r->words[0]))
            continue;
        out->values[t->what] = value;
        return value >= t->least && value <= t->most && (value & (value - 1)) == 0
            && !(t->cards_only && r->device->is_cpu);
    }
    return false;
}

// form KERNEL FORMAT PRECISION FROM FORM
static bool read_form(const struct reader *r, struct overrides *out)
{
    if (r->count != 6 || out->form_count == OVERRIDES_MAX_FORMS)
        return false;
    const uint32_t dtype = find(r->words[2], format_names, ARRAY_SIZE(format_names));
    const uint32_t precision = find(r->words[3], precision_names, ARRAY_SIZE(precision_names));
    struct form_override *form = &out->forms[out->form_count++];
    if (dtype == ARRAY_SIZE(format_names) || precision == ARRAY_SIZE(precision_names)
        || !read_number(r->words[4], &form->from))
        return false;
    form->dtype = (enum vkmoe_dtype)dtype;
    form->fast = precision == VKMOE_PRECISION_FAST;
    form->variant = vkmoe_form_named(r->device, r->words[1], r->words[5], form->dtype, form->fast);
    return form->variant != NULL;
}

// NULL, or what is wrong.
static const char *read_text(struct reader *r, struct overrides *out)
{
    char key[24];
    if (!read_line(r) || strcmp(r->line, FIRST_LINE))
        return "expected '" FIRST_LINE "'";
    snprintf(key, sizeof key, "key %016" PRIx64, make_key(r->device));
    if (!read_line(r) || strncmp(r->line, key, 4))
        return "expected a key";
    if (strcmp(r->line, key))
        return "it was measured with another device, driver or version of the library";
    while (read_line(r)) {
        if (!strcmp(r->line, "end"))
            return r->at == r->end ? NULL : "there is more after 'end'";
        if (!cut_words(r)
            || !(strcmp(r->words[0], "form") ? read_value(r, out) : read_form(r, out)))
            return "it says nothing that this device can follow";
    }
    return "there is no 'end'";
}

enum vkmoe_status vkmoe_device_set_tuning(vkmoe_device *device, const char *text, size_t size)
{
    VKMOE_NEED(NULL, device, "device");
    VKMOE_NEED(&device->gpu.log, text, "text");
    struct reader reader = { .device = device, .at = text, .end = text + size };
    struct overrides read = { .form_count = 0 };
    const char *wrong = read_text(&reader, &read);
    if (wrong) {
        vkmoe_log(&device->gpu.log, VKMOE_LOG_WARNING,
            "vkmoe_device_set_tuning: the text is ignored: line %u: %s", reader.number, wrong);
        return VKMOE_OK;
    }
    struct overrides *overrides = vkmoe_overrides(device);
    if (!overrides)
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    *overrides = read;
    return VKMOE_OK;
}

// ------------------------------------------------------------------------ writing

struct writer {
    char text[TEXT_SIZE];
    size_t size;
};

static void add(struct writer *w, const char *format, ...) VKMOE_PRINTF(2, 3);
static void add(struct writer *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    w->size += (size_t)vsnprintf(w->text + w->size, sizeof w->text - w->size, format, args);
    va_end(args);
}

static void add_overrides(struct writer *w, const struct overrides *o)
{
    for (uint32_t i = 0; i < ARRAY_SIZE(vkmoe_tunables); i++)
        if (o->values[vkmoe_tunables[i].what])
            add(w, "%s %u\n", vkmoe_tunables[i].name, o->values[vkmoe_tunables[i].what]);
    for (uint32_t i = 0; i < o->form_count; i++) {
        const struct form_override *form = &o->forms[i];
        add(w, "form %s %s %s %u %s\n", kernel_names[form->variant->kernel],
            format_names[form->dtype], precision_names[form->fast], form->from,
            form->variant->form);
    }
}

// A driver's name may have anything in it.
static void add_comment(struct writer *w, const struct vkmoe_device_info *info)
{
    const size_t from = w->size;
    add(w, "# %s, %s", info->name, info->driver);
    for (size_t i = from; i < w->size; i++)
        if ((unsigned char)w->text[i] < ' ')
            w->text[i] = ' ';
    add(w, "\n");
}

enum vkmoe_status vkmoe_device_get_tuning(const vkmoe_device *device, char *text, size_t *size)
{
    VKMOE_NEED(NULL, device, "device");
    VKMOE_NEED(&device->gpu.log, size, "size");
    struct writer writer = { .size = 0 };
    const size_t room = *size;
    add(&writer, FIRST_LINE "\n");
    add_comment(&writer, &device->gpu.info);
    add(&writer, "key %016" PRIx64 "\n", make_key(device));
    if (device->overrides)
        add_overrides(&writer, device->overrides);
    add(&writer, "end\n");
    *size = writer.size;
    if (text && room < writer.size)
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_INVALID,
            "vkmoe_device_get_tuning: room for %zu bytes, expected %zu", room, writer.size);
    if (text)
        memcpy(text, writer.text, writer.size);
    return VKMOE_OK;
}
