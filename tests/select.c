// select.c - which of several devices `select` means, on lists of devices that are not here.
#include "vulkan/physical.h"
#include "check.h"

static const struct physical machine[] = {
    { .info = { .name = "NVIDIA GeForce RTX 2080",
          .type = VKMOE_DEVICE_TYPE_DISCRETE,
          .usable = true,
          .memory_size = 8 } },
    { .info = { .name = "llvmpipe (LLVM 15.0.6, 256 bits)",
          .type = VKMOE_DEVICE_TYPE_CPU,
          .usable = true,
          .memory_size = 64 } },
    { .info = { .name = "NVIDIA GeForce RTX 2080",
          .type = VKMOE_DEVICE_TYPE_DISCRETE,
          .usable = true,
          .memory_size = 11 } },
    { .info = { .name = "AMD Radeon 780M", .type = VKMOE_DEVICE_TYPE_INTEGRATED, .reason = "old" },
        .refusal = VKMOE_ERROR_UNSUPPORTED },
};
enum { ALL = sizeof machine / sizeof machine[0], NONE = -1, UNUSABLE = 3 };

static const struct {
    const char *select;
    uint32_t count; // of devices that are there
    int expected;
} cases[] = {
    { NULL, ALL, 2 },
    { NULL, 2, 0 },
    { "0", ALL, 0 },
    { "1", ALL, 1 },
    { "2", ALL, 2 },
    { "3", ALL, UNUSABLE },
    { "4", ALL, NONE },
    { "5", ALL, NONE },
    // They are in a name, and no index.
    { "2", 2, NONE },
    { "15", ALL, NONE },
    { "256", ALL, NONE },
    { "2080", ALL, NONE },
    { "780", ALL, NONE },
    { "15.0.6", ALL, NONE },
    { " 2", ALL, NONE },
    { " ", ALL, NONE },
    { "", ALL, NONE },
    { "(", ALL, NONE },
    // No way to write an index.
    { "00", ALL, NONE },
    { "01", ALL, NONE },
    { "+1", ALL, NONE },
    { "-1", ALL, NONE },
    { " 1", ALL, NONE },
    { "1 ", ALL, NONE },
    { "1\n", ALL, NONE },
    { "1.0", ALL, NONE },
    { "0x1", ALL, NONE },
    { "1e0", ALL, NONE },
    // 2^32 and 2^64 and a device more.
    { "4294967296", ALL, NONE },
    { "4294967297", ALL, NONE },
    { "18446744073709551616", ALL, NONE },
    { "18446744073709551617", ALL, NONE },
    { "99999999999999999999999999999999", ALL, NONE },
    // Parts of names; of those that match, the best.
    { "RTX 2080", ALL, 2 },
    { "rtx", 2, 0 },
    { "m 15.0", ALL, 1 },
    { "780m", ALL, UNUSABLE },
    { "e", ALL, 2 },
    { "llvm", ALL, 1 },
    { "RTX 2081", ALL, NONE },
    { "\xc3\xbc", ALL, NONE },
    { "0", 0, NONE },
    { NULL, 0, NONE },
};

// As a line of the log shows it. Returns where it ends.
static char *show(const char *select, char *to)
{
    for (const char *c = select ? select : "NULL"; *c; c++)
        *to++ = *c < ' ' && *c > 0 ? '?' : *c;
    *to = '\0';
    return to;
}

static bool check(size_t i)
{
    struct record lines = { 0 };
    const struct vkmoe_log log = { .write = record_line, .user = &lines };
    const struct physical *out = NULL;
    const enum vkmoe_status status =
        vkmoe_physical_choose(&log, machine, cases[i].count, cases[i].select, &out);
    const int expected = cases[i].expected;
    const enum vkmoe_status wanted = expected == NONE ? VKMOE_ERROR_NOT_FOUND
        : machine[expected].info.usable               ? VKMOE_OK
                                                      : VKMOE_ERROR_UNSUPPORTED;
    char range[64], shown[64];
    show(cases[i].select, shown);
    snprintf(range, sizeof range, "expected part of a name, or 0 to %u", cases[i].count - 1);
    bool ok = status == wanted && lines.lines[VKMOE_LOG_ERROR] == (wanted != VKMOE_OK)
        && (expected == NONE || out == &machine[expected]);
    if (expected == NONE && cases[i].count > 0)
        ok = ok && strstr(lines.last, range) && strstr(lines.last, shown);
    if (!ok)
        tap_note("'%s' of %u: %s, device %d, %u lines: %s", shown, cases[i].count,
            vkmoe_status_name(status), out ? (int)(out - machine) : NONE,
            lines.lines[VKMOE_LOG_ERROR], lines.last);
    return ok;
}

int main(int argc, char **argv)
{
    struct tap tap;
    if (!tap_begin(&tap, argc, argv))
        return 2;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[80];
        snprintf(show(cases[i].select, name), 24, " of %u devices", cases[i].count);
        if (tap_wants(&tap, name))
            tap_result(&tap, check(i), name);
    }
    return tap_end(&tap);
}
