// abi.c - a program that was compiled with the headers of version 0.2.0, which are kept in
// tests/abi, with the library as it is. Structs have grown since; programs of later versions
// hand over larger ones than the library's.
//
// Environment: VKMOE_TEST_DEVICE, as everywhere.
#include "check.h"
#include "tiny_layer.h"

// abi_now.c
extern const uint32_t now_version, now_device_info, now_device_params;
extern const char now_meson_version[];

enum { ROOM = 4096, GUARD = 0xa5 };

static struct record record;

static bool test_version(void)
{
    char text[32];
    snprintf(text, sizeof text, "%u.%u.%u", now_version / 10000, now_version / 100 % 100,
        now_version % 100);
    CHECK(!strcmp(text, now_meson_version)); // meson.build and vkmoe.h
    CHECK(vkmoe_version() == now_version && now_version >= VKMOE_VERSION);
    // Otherwise nothing below tests anything.
    CHECK(now_device_info > sizeof(struct vkmoe_device_info));
    CHECK(now_device_params > sizeof(struct vkmoe_device_params));
    return true;
fail:
    return false;
}

static enum vkmoe_status create(const void *params, vkmoe_device **out)
{
    record = (struct record){ 0 };
    return vkmoe_device_create(params, out);
}

static struct vkmoe_device_params valid_params(void)
{
    return (struct vkmoe_device_params){ VKMOE_INIT(vkmoe_device_params),
        .log = { record_line, &record, VKMOE_LOG_ERROR }, .select = device_under_test() };
}

// A device, a layer and its numbers, with the params of then.
static bool test_forward(void)
{
    const struct vkmoe_device_params params = valid_params();
    vkmoe_device *device = NULL;
    bool ok = false;
    CHECK_OK(create(&params, &device));
    ok = tiny_layer_works(device, 1, vkmoe_buffer_create);
fail:
    vkmoe_device_destroy(&device);
    return ok;
}

static bool is_filled(const unsigned char *bytes, size_t from, size_t to, int value)
{
    while (from < to && bytes[from] == value)
        from++;
    return from >= to;
}

// An info of `size` bytes has what the library knows, zeroes beyond it, and nothing behind it.
static bool check_info(const vkmoe_device *device, uint32_t size)
{
    union {
        struct vkmoe_device_info info;
        unsigned char bytes[ROOM];
    } u;
    const uint32_t known = now_device_info < size ? now_device_info : size;
    memset(&u, GUARD, sizeof u);
    u.info.struct_size = size;
    vkmoe_device_get_info(device, &u.info);
    CHECK(u.info.struct_size == size);
    CHECK(is_filled(u.bytes, known, size, 0) && is_filled(u.bytes, size, ROOM, GUARD));
    CHECK(u.info.usable && u.info.name[0] && u.info.memory_size && u.info.subgroup_size);
    memset(&u, GUARD, sizeof u);
    u.info.struct_size = size;
    vkmoe_device_get_info(NULL, &u.info);
    CHECK(is_filled(u.bytes, sizeof size, size, 0) && is_filled(u.bytes, size, ROOM, GUARD));
    return true;
fail:
    tap_note("of %u bytes", size);
    return false;
}

static bool test_info(void)
{
    const struct vkmoe_device_params params = valid_params();
    struct vkmoe_device_info info = { 0 };
    vkmoe_device *device = NULL;
    bool ok = false;
    CHECK_OK(create(&params, &device));
    CHECK(check_info(device, sizeof info));
    CHECK(check_info(device, now_device_info));
    CHECK(check_info(device, now_device_info + 8));
    record = (struct record){ 0 };
    vkmoe_device_get_info(device, &info);
    CHECK(record.lines[VKMOE_LOG_ERROR] == 1 && strstr(record.last, "vkmoe_device_info is 0"));
    CHECK(!info.name[0]);
    ok = true;
fail:
    vkmoe_device_destroy(&device);
    return ok;
}

// The entries of a list are as far apart as the program's are.
static bool test_list(void)
{
    static struct vkmoe_device_info infos[16];
    uint32_t count = sizeof infos / sizeof *infos;
    memset(infos, GUARD, sizeof infos);
    infos->struct_size = sizeof *infos;
    CHECK_OK(vkmoe_device_list(NULL, infos, &count));
    const size_t used = (count < 16 ? count : 16) * sizeof *infos;
    CHECK(count && is_filled((const unsigned char *)infos, used, sizeof infos, GUARD));
    for (uint32_t i = 0; i < count && i < 16; i++)
        CHECK(infos[i].struct_size == sizeof *infos && infos[i].name[0]);
    count = 1;
    infos->struct_size = 0;
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_device_list(NULL, infos, &count));
    return true;
fail:
    return false;
}

// `size` bytes, of which the last is `last`.
static bool check_params(uint32_t size, unsigned char last, const char *text)
{
    union {
        struct vkmoe_device_params params;
        unsigned char bytes[ROOM];
    } u;
    vkmoe_device *device = NULL;
    memset(&u, 0, sizeof u);
    u.params = valid_params();
    u.params.struct_size = size;
    if (last)
        u.bytes[size - 1] = last;
    const enum vkmoe_status status = create(&u.params, &device);
    vkmoe_device_destroy(&device);
    if (!text && status == VKMOE_OK)
        return true;
    if (text && status == VKMOE_ERROR_INVALID && record.lines[VKMOE_LOG_ERROR] == 1
        && strstr(record.last, text))
        return true;
    tap_note("%u bytes: %s, %s", size, vkmoe_status_name(status), record.last);
    return false;
}

static bool test_params(void)
{
    const uint32_t then = sizeof(struct vkmoe_device_params);
    CHECK(check_params(then, 0, NULL));
    CHECK(check_params(now_device_params, 0, NULL));
    CHECK(check_params(now_device_params + 8, 0, NULL));
    CHECK(check_params(now_device_params + 8, 1, "asks for a newer one"));
    CHECK(check_params(0, 0, "struct_size of vkmoe_device_params is 0"));
    CHECK(check_params(then - 1, 0, "at least"));
    CHECK(check_params(0xa5a5a5a5, 0, "struct_size of vkmoe_device_params is 2779096485"));
    return true;
fail:
    return false;
}

int main(int argc, char **argv)
{
    TEST_TABLE(tests, { "version", test_version }, { "forward", test_forward },
        { "info", test_info }, { "list", test_list }, { "params", test_params });
    struct tap tap;
    if (!tap_begin(&tap, argc, argv))
        return 2;
    if (!tap.list && !has_device())
        return tap_without_device(&tap);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (tap_wants(&tap, tests[i].name))
            tap_result(&tap, tests[i].run(), tests[i].name);
    return tap_end(&tap);
}
