// check.h - tests as functions: CHECK() notes what failed and leaves the function.
#ifndef VKMOE_TESTS_CHECK_H
#define VKMOE_TESTS_CHECK_H

#include <vkmoe/vkmoe.h>

#include "tap.h"

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            tap_note("%s:%d: expected %s", __FILE__, __LINE__, #condition); \
            goto fail; \
        } \
    } while (0)

// Errors that record_line() saw on this thread.
static _Thread_local uint32_t logged_errors_;

// A failure is one line in the log, if there is a log, and success and TIMEOUT are none.
#define CHECK_STATUS(expected, call) \
    do { \
        const uint32_t before_ = logged_errors_; \
        enum vkmoe_status got_ = (call); \
        const uint32_t lines_ = logged_errors_ - before_; \
        if (got_ != (expected)) { \
            tap_note("%s:%d: %s: expected '%s', got '%s'", __FILE__, __LINE__, #call, \
                vkmoe_status_name(expected), vkmoe_status_name(got_)); \
            goto fail; \
        } \
        if (lines_ > (got_ != VKMOE_OK && got_ != VKMOE_ERROR_TIMEOUT)) { \
            tap_note("%s:%d: %s: '%s' with %u errors logged", __FILE__, __LINE__, #call, \
                vkmoe_status_name(got_), lines_); \
            goto fail; \
        } \
    } while (0)

#define CHECK_OK(call) CHECK_STATUS(VKMOE_OK, call)

struct test {
    const char *name;
    bool (*run)(void);
};

static inline void run_tests(struct tap *tap, const struct test *tests, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (tap_wants(tap, tests[i].name))
            tap_result(tap, tests[i].run(), tests[i].name);
}

// A log that counts, and keeps the last line.
struct record {
    uint32_t lines[4];   // by level
    uint32_t validation; // of them the validation layer's
    uint32_t ignored_caches;
    char last[1100];
};

static inline void record_line(void *user, enum vkmoe_log_level level, const char *line)
{
    struct record *record = user;
    record->lines[level]++;
    logged_errors_ += level == VKMOE_LOG_ERROR;
    record->ignored_caches += strstr(line, "cache ignored") != NULL;
    if (!strncmp(line, "validation: ", 12) && level <= VKMOE_LOG_WARNING) {
        record->validation++;
        tap_note("%s", line);
    }
    snprintf(record->last, sizeof record->last, "%s", line);
}

// The device that tests run on: VKMOE_TEST_DEVICE is a vkmoe_device_params.select.
static inline const char *device_under_test(void)
{
    return getenv("VKMOE_TEST_DEVICE");
}

// False if there is neither a loader nor a device that can be used.
static inline bool has_device(void)
{
    vkmoe_device *device;
    bool found = vkmoe_device_create(&(struct vkmoe_device_params){ VKMOE_INIT(vkmoe_device_params),
                                         .select = device_under_test() },
                     &device)
        == VKMOE_OK;
    vkmoe_device_destroy(&device);
    return found;
}

#endif
