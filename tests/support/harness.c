// harness.c - see harness.h.
#include "harness.h"

#include <stdlib.h>
#include <string.h>

#include "compare.h"

static void count_message(void *user, enum vkmoe_log_level level, const char *line)
{
    struct harness *harness = user;
    if (level <= VKMOE_LOG_WARNING)
        harness->messages++;
    harness->level = level;
    snprintf(harness->last, sizeof harness->last, "%s", line);
    logged_errors += level == VKMOE_LOG_ERROR;
    tap_note("log: %s", line);
}

struct vkmoe_log harness_log(struct harness *harness)
{
    return (struct vkmoe_log){ count_message, harness, VKMOE_LOG_WARNING };
}

bool is_ok(enum vkmoe_status status, const char *what)
{
    if (status != VKMOE_OK)
        tap_note("%s: %s", what, vkmoe_status_name(status));
    return status == VKMOE_OK;
}

bool is_refused(const struct harness *harness, const char *function, enum vkmoe_status status,
    enum vkmoe_status expected)
{
    const size_t length = strlen(function);
    if (status == expected && harness->messages == 1 && harness->level == VKMOE_LOG_ERROR
        && !strncmp(harness->last, function, length) && harness->last[length] == ':'
        && !strchr(harness->last, '\n'))
        return true;
    tap_note("%s: %s, expected %s and one error in the function's name; %u messages", function,
        vkmoe_status_name(status), vkmoe_status_name(expected), (unsigned)harness->messages);
    return false;
}

bool harness_init(struct harness *harness, struct tap *tap, int *code)
{
    *harness = (struct harness){ .log = harness_log(harness) };
    const struct vkmoe_device_params params = {
        VKMOE_INIT(vkmoe_device_params),
        .log = harness->log,
        .select = device_under_test(),
        .validate = getenv("VKMOE_TEST_VALIDATE") != NULL,
        // Tests are what it would do.
        .no_self_test = true,
    };
    enum vkmoe_status status = vkmoe_device_create(&params, &harness->device);
    if (status == VKMOE_ERROR_NOT_FOUND || status == VKMOE_ERROR_UNSUPPORTED) {
        *code = tap_without_device(tap);
        return false;
    }
    if (status == VKMOE_OK) {
        struct vkmoe_device_info info = { VKMOE_INIT(vkmoe_device_info) };
        vkmoe_device_get_info(harness->device, &info);
        printf("# %s, %s\n", info.name, info.driver);
        status = vkmoe_stream_create(harness->device, &harness->stream);
    }
    if (is_ok(status, "device and stream"))
        return true;
    tap_result(tap, false, "device");
    *code = tap_end(tap);
    return false;
}

int harness_finish(struct harness *harness, struct tap *tap)
{
    harness->messages = 0;
    vkmoe_stream_destroy(&harness->stream);
    vkmoe_device_destroy(&harness->device);
    tap_result(tap, !harness->messages, "destruction");
    return tap_end(tap);
}

int harness_main(int argc, char **argv, void (*check_all)(struct tap *tap, struct harness *harness))
{
    struct tap tap;
    struct harness harness = { 0 };
    int code = 2;
    if (!tap_begin(&tap, argc, argv))
        return code;
    tap_take_share(&tap, "VKMOE_TEST_SHARE");
    if (!tap.list && !harness_init(&harness, &tap, &code))
        return code;
    check_all(&tap, &harness);
    return tap.list ? tap_end(&tap) : harness_finish(&harness, &tap);
}

bool harness_run(struct harness *harness)
{
    return is_ok(vkmoe_stream_submit(harness->stream, NULL), "vkmoe_stream_submit")
        && is_ok(vkmoe_stream_wait(harness->stream, UINT64_MAX), "vkmoe_stream_wait");
}

// ----------------------------------------------------------------------------- arrays

bool array_init(
    struct array *array, vkmoe_device *device, const void *data, size_t size, bool misaligned)
{
    *array = (struct array){ .offset = misaligned ? 260 : 256, .size = size };
    array->total = array->offset + size + 260;
    array->before = allocate(array->total, 1);
    array->after = allocate(array->total, 1);
    guard_fill(array->before, array->total);
    if (data)
        memcpy(array->before + array->offset, data, size);
    return is_ok(vkmoe_buffer_create(device, array->total, &array->buffer), "buffer");
}

void array_finish(struct array *array)
{
    vkmoe_buffer_destroy(&array->buffer);
    free(array->before);
    free(array->after);
    *array = (struct array){ 0 };
}

void finish_arrays(struct array **arrays, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        array_finish(arrays[i]);
}

struct vkmoe_span array_span(const struct array *array)
{
    return (struct vkmoe_span){ array->buffer, array->buffer ? array->offset : 0 };
}

struct vkmoe_span span_from(const struct array *array, size_t element)
{
    struct vkmoe_span span = array_span(array);
    if (span.buffer)
        span.offset += 4 * element;
    return span;
}

bool array_upload(const struct array *array)
{
    return !array->buffer
        || is_ok(vkmoe_buffer_upload(array->buffer, 0, array->before, array->total), "upload");
}

bool array_download(const struct array *array)
{
    return !array->buffer
        || is_ok(vkmoe_buffer_download(array->buffer, 0, array->after, array->total), "download");
}

const void *array_range(const struct array *array)
{
    return array->buffer ? array->after + array->offset : NULL;
}

void *array_input(const struct array *array)
{
    return array->buffer ? array->before + array->offset : NULL;
}

bool array_check(const char *what, const struct array *array, bool is_input)
{
    if (!array->buffer)
        return true;
    if (is_input)
        return compare_bits(what, array->before, array->after, array->total);
    return guard_check(what, array->after, array->total, array->offset, array->size);
}
