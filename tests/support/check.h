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

// Errors that were logged on this thread, by record_line() and by a harness.
extern _Thread_local uint32_t logged_errors;

// A failure is one line in the log, if there is a log, and success and TIMEOUT are none.
#define CHECK_STATUS(expected, call) \
    do { \
        const uint32_t before_ = logged_errors; \
        enum vkmoe_status got_ = (call); \
        const uint32_t lines_ = logged_errors - before_; \
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

// One of the two functions.
struct test {
    const char *name;
    bool (*run)(void);
    bool (*run_with)(int argument);
    int argument;
};

// A test a row, GROUP/NAME: check(&rows[i]). The row's name is its member `name`.
#define TAP_ROWS(tap, group, rows, count, check) \
    do { \
        for (size_t i_ = 0; i_ < (count); i_++) { \
            char name_[128]; \
            snprintf(name_, sizeof name_, "%s/%s", group, (rows)[i_].name); \
            TAP_TEST(tap, name_, check(&(rows)[i_])); \
        } \
    } while (0)

#define COUNT_OF(array) (uint32_t)(sizeof(array) / sizeof *(array))

void run_tests(struct tap *tap, const struct test *tests, uint32_t count);
// With what a test leaves behind, passed or not: `clean_up` runs after each.
void run_clean_tests(
    struct tap *tap, const struct test *tests, uint32_t count, void (*clean_up)(void));

// Begins a program of tests that need a device. False: main() returns *code at once.
bool tests_begin(struct tap *tap, int argc, char **argv, int *code);

// All of a main() that has a list of tests and nothing else.
enum tests_place { ON_HOST, ON_DEVICE };
int tests_main(int argc, char **argv, enum tests_place place, void (*clean_up)(void),
    const struct test *tests, uint32_t count);

// The same on the host, with one test more that gets the seed.
int seeded_tests_main(int argc, char **argv, const struct test *tests, uint32_t count,
    const char *seeded_name, bool (*seeded)(uint64_t seed));

#define TEST_TABLE(name, ...) static const struct test name[] = { __VA_ARGS__ }

#define TESTS_MAIN(place, ...) CLEAN_TESTS_MAIN(place, NULL, __VA_ARGS__)

#define CLEAN_TESTS_MAIN(place, clean_up, ...) TABLE_MAIN(tests_main, place, clean_up, __VA_ARGS__)

// Of tests_main(), or another function that takes the same but for what `how` is.
#define TABLE_MAIN(function, how, clean_up, ...) \
    int main(int argc, char **argv) \
    { \
        TEST_TABLE(tests, __VA_ARGS__); \
        return function(argc, argv, how, clean_up, tests, COUNT_OF(tests)); \
    }

// Each of the buffers that these point to; NULL is none.
#define DESTROY_BUFFERS(...) \
    destroy_buffers( \
        (vkmoe_buffer **[]){ __VA_ARGS__ }, COUNT_OF(((vkmoe_buffer **[]){ __VA_ARGS__ })))
void destroy_buffers(vkmoe_buffer ***buffers, uint32_t count);

// A log that counts, and keeps the last line.
struct record {
    uint32_t lines[4];   // by level
    uint32_t validation; // of them the validation layer's
    uint32_t ignored_caches;
    char last[1100];
};

void record_line(void *user, enum vkmoe_log_level level, const char *line);
// Of warnings and errors.
struct vkmoe_log log_to(struct record *record);
// A log that notes every line.
extern const struct vkmoe_log printing_log;

// The device that tests run on: VKMOE_TEST_DEVICE is a vkmoe_device_params.select.
const char *device_under_test(void);

// The device under test, logging to `record` if there is one; validated: by the validation layer
// as well, if tests/drivers.sh found it.
enum vkmoe_status open_device(struct record *record, vkmoe_device **out);
enum vkmoe_status open_validated(struct record *record, vkmoe_device **out);

// False if there is neither a loader nor a device that can be used.
bool has_device(void);

#endif
