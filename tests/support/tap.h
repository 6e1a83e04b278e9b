// tap.h - a minimal producer of the Test Anything Protocol, for Meson's protocol 'tap'.
//
//     int main(int argc, char **argv)
//     {
//         struct tap tap;
//         if (!tap_begin(&tap, argc, argv))
//             return 2;
//         if (tap_wants(&tap, "addition")) {
//             bool ok = 1 + 1 == 2;
//             if (!ok)
//                 tap_note("1 + 1 is %d", 1 + 1);
//             tap_result(&tap, ok, "addition");
//         }
//         return tap_end(&tap);
//     }
//
// Arguments: --filter TEXT runs the tests whose name contains TEXT, --seed N seeds what
// is random, --list prints the names and runs nothing.
#ifndef VKMOE_TESTS_TAP_H
#define VKMOE_TESTS_TAP_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tap {
    const char *filter; // NULL: everything
    uint64_t seed;
    bool list;
    uint32_t share, wanted; // of the tests, one in `share` is run; 0: all
    uint32_t share_from;    // the first of them
    uint32_t count, failed;
};

static inline bool tap_parse_(const char *text, uint64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 0);
    return end != text && !*end && !errno;
}

// False after a message if the arguments are wrong.
static inline bool tap_begin(struct tap *tap, int argc, char **argv)
{
    *tap = (struct tap){ .seed = 1 };
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--list")) {
            tap->list = true;
        } else if (!strcmp(argv[i], "--filter") && value) {
            tap->filter = value;
            i++;
        } else if (!strcmp(argv[i], "--seed") && value && tap_parse_(value, &tap->seed)) {
            i++;
        } else {
            fprintf(stderr, "usage: %s [--list] [--filter TEXT] [--seed NUMBER]\n", argv[0]);
            return false;
        }
    }
    setvbuf(stdout, NULL, _IOLBF, 0); // what was found before a crash is seen
    if (!tap->list)
        printf("TAP version 13\n# seed %llu\n", (unsigned long long)tap->seed);
    return true;
}

// Of what is asked for, "3" in this variable of the environment lets tests 0, 3, 6, ... run, and
// "3+1" or "3+4" tests 1, 4, 7, ..., so that drivers, and one run after another, can share them.
// Not set, or 0: all.
static inline void tap_take_share(struct tap *tap, const char *variable)
{
    const char *text = getenv(variable);
    char *end = NULL;
    tap->share = text ? (uint32_t)strtoul(text, &end, 10) : 0;
    if (tap->share && *end == '+')
        tap->share_from = (uint32_t)strtoul(end + 1, NULL, 10) % tap->share;
    if (tap->share && !tap->list)
        printf("#   of %u tests, number %u is run\n", tap->share, tap->share_from);
}

// True if the test of this name is to run, with `always` whatever the share. With --list prints the
// name, and is false.
static inline bool tap_wants_always(struct tap *tap, const char *name, bool always)
{
    if (tap->filter && !strstr(name, tap->filter))
        return false;
    if (tap->share && tap->wanted++ % tap->share != tap->share_from && !always)
        return false;
    if (tap->list)
        printf("%s\n", name);
    return !tap->list;
}

static inline bool tap_wants(struct tap *tap, const char *name)
{
    return tap_wants_always(tap, name, false);
}

// A line of explanation; comes before the result it explains. Lines of two threads do not mix.
static inline void tap_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    flockfile(stdout);
    printf("#   ");
    vprintf(format, arguments);
    printf("\n");
    funlockfile(stdout);
    va_end(arguments);
}

static inline void tap_result(struct tap *tap, bool ok, const char *name)
{
    tap->count++;
    tap->failed += !ok;
    printf("%sok %u - %s\n", ok ? "" : "not ", tap->count, name);
}

// One test, run if it is wanted.
#define TAP_TEST(tap, name, passes) \
    do { \
        if (tap_wants(tap, name)) \
            tap_result(tap, passes, name); \
    } while (0)

static inline void tap_skip(struct tap *tap, const char *name, const char *reason)
{
    tap->count++;
    printf("ok %u - %s # SKIP %s\n", tap->count, name, reason);
}

// Instead of tap_end(), before any result: the whole program is skipped. The exit code is
// 0, not 77, because Meson takes any other of a TAP program for an error.
static inline int tap_skip_all(const struct tap *tap, const char *reason)
{
    if (!tap->list)
        printf("1..0 # SKIP %s\n", reason);
    return 0;
}

// The same where there is no device; one that was asked for by name is missed.
static inline int tap_without_device(const struct tap *tap)
{
    const char *wanted = getenv("VKMOE_TEST_DEVICE");
    if (!wanted || tap->list)
        return tap_skip_all(tap, "no Vulkan device can be used");
    printf(
        "not ok 1 - no Vulkan device that can be used is VKMOE_TEST_DEVICE, '%s'\n1..1\n", wanted);
    return 1;
}

// Prints the plan; returns the exit code.
static inline int tap_end(const struct tap *tap)
{
    if (tap->list)
        return 0;
    printf("1..%u\n", tap->count);
    if (tap->failed)
        printf("# %u of %u failed\n", tap->failed, tap->count);
    return tap->failed ? 1 : 0;
}

#endif
