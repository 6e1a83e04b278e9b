// harness.h - what tests on a device share: the device under test, and ranges of its memory
// between guard zones.
//
// Environment: VKMOE_TEST_DEVICE selects a device as vkmoe_device_params.select does;
// VKMOE_TEST_VALIDATE enables the validation layer, whose messages then fail the test;
// VKMOE_TEST_SHARE=N runs every Nth test of a program that has harness_main(), see
// tap_take_share().
#ifndef VKMOE_TESTS_HARNESS_H
#define VKMOE_TESTS_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vkmoe/vkmoe.h>

#include "allocate.h"
#include "check.h"

struct harness {
    vkmoe_device *device;
    vkmoe_stream *stream;
    struct vkmoe_log log;       // the device's
    uint32_t messages;          // errors and warnings logged
    enum vkmoe_log_level level; // of the last
    char last[256];             // message
};

// A log that counts for the harness.
struct vkmoe_log harness_log(struct harness *harness);

// All of a main() whose tests run on a device: `check_all` runs those that the TAP wants, and with
// --list, on a harness of nothing, names them. What was not released shows in the validation
// layer's last words: a test of its own.
int harness_main(
    int argc, char **argv, void (*check_all)(struct tap *tap, struct harness *harness));

// Its two halves. False: main() returns *code, and the TAP is complete.
bool harness_init(struct harness *harness, struct tap *tap, int *code);
int harness_finish(struct harness *harness, struct tap *tap);

// Submits what was recorded and waits for it.
bool harness_run(struct harness *harness);

// A call of `function` that failed as expected, with one line of level error since `messages`
// was 0, which begins with the function's name. Notes what is otherwise.
bool is_refused(const struct harness *harness, const char *function, enum vkmoe_status status,
    enum vkmoe_status expected);

// Notes what failed.
bool is_ok(enum vkmoe_status status, const char *what);

// A range of device memory between guard zones.
struct array {
    vkmoe_buffer *buffer;
    size_t offset, size;   // the range
    size_t total;          // with the zones
    unsigned char *before; // what was uploaded
    unsigned char *after;  // what was downloaded
};

// `data` NULL: an output, which starts as NaN.
bool array_init(
    struct array *array, vkmoe_device *device, const void *data, size_t size, bool misaligned);
void array_finish(struct array *array);
#define FINISH_ARRAYS(...) \
    finish_arrays((struct array *[]){ __VA_ARGS__ }, COUNT_OF(((struct array *[]){ __VA_ARGS__ })))
void finish_arrays(struct array **arrays, uint32_t count);

// No buffer, and true, for an array that was never made.
struct vkmoe_span array_span(const struct array *array);
// From an element of four bytes on; of nothing, nothing.
struct vkmoe_span span_from(const struct array *array, size_t element);
bool array_upload(const struct array *array);
bool array_download(const struct array *array);
const void *array_range(const struct array *array); // as downloaded
void *array_input(const struct array *array);       // as it will be uploaded

// As it was if it is an input, and otherwise with its guard zones as they were.
bool array_check(const char *what, const struct array *array, bool is_input);

#endif
