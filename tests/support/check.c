// check.c - see check.h.
#include "check.h"

_Thread_local uint32_t logged_errors;

void run_clean_tests(
    struct tap *tap, const struct test *tests, uint32_t count, void (*clean_up)(void))
{
    for (uint32_t i = 0; i < count; i++) {
        if (!tap_wants(tap, tests[i].name))
            continue;
        tap_result(tap, tests[i].run ? tests[i].run() : tests[i].run_with(tests[i].argument),
            tests[i].name);
        if (clean_up)
            clean_up();
    }
}

void run_tests(struct tap *tap, const struct test *tests, uint32_t count)
{
    run_clean_tests(tap, tests, count, NULL);
}

bool tests_begin(struct tap *tap, int argc, char **argv, int *code)
{
    *code = 2;
    if (!tap_begin(tap, argc, argv))
        return false;
    if (tap->list || has_device())
        return true;
    *code = tap_without_device(tap);
    return false;
}

int tests_main(int argc, char **argv, enum tests_place place, void (*clean_up)(void),
    const struct test *tests, uint32_t count)
{
    struct tap tap;
    int code = 2;
    if (place == ON_DEVICE ? !tests_begin(&tap, argc, argv, &code) : !tap_begin(&tap, argc, argv))
        return code;
    run_clean_tests(&tap, tests, count, clean_up);
    return tap_end(&tap);
}

int seeded_tests_main(int argc, char **argv, const struct test *tests, uint32_t count,
    const char *seeded_name, bool (*seeded)(uint64_t seed))
{
    struct tap tap;
    if (!tap_begin(&tap, argc, argv))
        return 2;
    run_tests(&tap, tests, count);
    TAP_TEST(&tap, seeded_name, seeded(tap.seed));
    return tap_end(&tap);
}

void destroy_buffers(vkmoe_buffer ***buffers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        vkmoe_buffer_destroy(buffers[i]);
}

void record_line(void *user, enum vkmoe_log_level level, const char *line)
{
    struct record *record = user;
    record->lines[level]++;
    logged_errors += level == VKMOE_LOG_ERROR;
    record->ignored_caches += strstr(line, "cache ignored") != NULL;
    if (!strncmp(line, "validation: ", 12) && level <= VKMOE_LOG_WARNING) {
        record->validation++;
        tap_note("%s", line);
    }
    snprintf(record->last, sizeof record->last, "%s", line);
}

struct vkmoe_log log_to(struct record *record)
{
    return (struct vkmoe_log){ record_line, record, VKMOE_LOG_WARNING };
}

static void print_line(void *user, enum vkmoe_log_level level, const char *line)
{
    (void)user;
    logged_errors += level == VKMOE_LOG_ERROR;
    tap_note("%s", line);
}

const struct vkmoe_log printing_log = { .write = print_line, .level = VKMOE_LOG_DEBUG };

const char *device_under_test(void)
{
    return getenv("VKMOE_TEST_DEVICE");
}

static enum vkmoe_status open(struct record *record, bool validate, vkmoe_device **out)
{
    struct vkmoe_device_params params = { VKMOE_INIT(vkmoe_device_params),
        .select = device_under_test(), .validate = validate };
#ifndef VKMOE_TESTS_ABI // whose headers do not have it
    params.no_self_test = true;
#endif
    if (record)
        params.log = log_to(record);
    return vkmoe_device_create(&params, out);
}

enum vkmoe_status open_device(struct record *record, vkmoe_device **out)
{
    return open(record, false, out);
}

enum vkmoe_status open_validated(struct record *record, vkmoe_device **out)
{
    return open(record, getenv("VK_INSTANCE_LAYERS") != NULL, out);
}

bool has_device(void)
{
    vkmoe_device *device;
    const bool found = open_device(NULL, &device) == VKMOE_OK;
    vkmoe_device_destroy(&device);
    return found;
}
