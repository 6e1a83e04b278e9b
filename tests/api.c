// api.c - devices, buffers and streams as vkmoe.h promises them, misuse included.
#include <ctype.h>
#include <vkmoe/vulkan.h>

#include "check.h"
#include "compare.h"
#include "random.h"
#include "tiny_layer.h"

#define MiB ((size_t)1 << 20)

static struct record record; // of every device that open_selected() makes
// The test's.
static vkmoe_device *device;
static vkmoe_buffer *buffer, *other_buffer;
static vkmoe_stream *a_stream, *other_stream;

static struct vkmoe_log infos_to(struct record *to)
{
    return (struct vkmoe_log){ record_line, to, VKMOE_LOG_INFO };
}

// With validation, whose complaints the last test looks for.
static enum vkmoe_status open_selected(const char *select)
{
    return vkmoe_device_create(
        &(struct vkmoe_device_params){
            VKMOE_INIT(vkmoe_device_params), .log = infos_to(&record),
            .select = select ? select : device_under_test(),
            .validate = getenv("VK_INSTANCE_LAYERS") != NULL, // tests/drivers.sh found the layer
        },
        &device);
}

// ------------------------------------------------------------------------ devices

static bool test_list(void)
{
    uint32_t count = 0, all;
    struct vkmoe_device_info infos[16] = { { VKMOE_INIT(vkmoe_device_info) } };
    memset(infos, 0xee, sizeof infos);
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_device_list(NULL, NULL, NULL));
    CHECK_OK(vkmoe_device_list(NULL, NULL, &count));
    CHECK(count >= 1);
    all = count;
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_device_list(NULL, NULL, &count));
    count = 0;
    CHECK_OK(vkmoe_device_list(NULL, infos, &count)); // room 0 writes nothing
    CHECK(count == all && (unsigned char)infos[0].name[0] == 0xee);
    count = 16;
    infos->struct_size = sizeof *infos;
    CHECK_OK(vkmoe_device_list(NULL, infos, &count));
    CHECK(count == all);
    for (uint32_t i = 0; i < count && i < 16; i++) {
        CHECK(infos[i].name[0] && memchr(infos[i].name, 0, sizeof infos[i].name));
        CHECK(memchr(infos[i].driver, 0, sizeof infos[i].driver));
        CHECK(infos[i].usable == !infos[i].reason[0]);
        CHECK(!infos[i].usable
            || (infos[i].subgroup_size && infos[i].memory_size
                && infos[i].shared_memory_size >= 16384));
        tap_note("%u: %s, %s, subgroups of %u%s%s", i, infos[i].name, infos[i].driver,
            infos[i].subgroup_size, infos[i].usable ? "" : ": ", infos[i].reason);
    }
    return true;
fail:
    return false;
}

static bool test_select(void)
{
    struct vkmoe_device_info info = { VKMOE_INIT(vkmoe_device_info) };
    char name[256];
    struct record quiet = { 0 };
    CHECK_OK(open_selected(NULL));
    vkmoe_device_get_info(device, &info);
    vkmoe_device_destroy(&device);
    CHECK(!device);
    snprintf(name, sizeof name, "%s", info.name);
    for (char *c = name; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    CHECK_OK(open_selected(name + strlen(name) / 2)); // a part, in another case
    vkmoe_device_destroy(&device);
    CHECK(open_selected("0") != VKMOE_ERROR_NOT_FOUND);
    vkmoe_device_destroy(&device);
    // Each digit of the name, beyond the devices: it is no part of it.
    uint32_t count = 0;
    CHECK_OK(vkmoe_device_list(NULL, NULL, &count));
    for (const char *c = info.name; *c; c++) {
        const char digit[] = { *c, '\0' };
        if (*c < '0' || *c > '9' || (uint32_t)(*c - '0') < count)
            continue;
        CHECK_STATUS(VKMOE_ERROR_NOT_FOUND,
            vkmoe_device_create(&(struct vkmoe_device_params){ VKMOE_INIT(vkmoe_device_params),
                                    .log = infos_to(&quiet), .select = digit },
                &device));
    }
    const char *nonsense[] = { "", " ", "no such device", "1000000", "0x0", "00", "+0", " 0", "0 ",
        "4294967296", "18446744073709551616", "99999999999999999999", "-1" };
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        memset(&device, 0xee, sizeof device);
        quiet = (struct record){ 0 };
        CHECK_STATUS(VKMOE_ERROR_NOT_FOUND,
            vkmoe_device_create(&(struct vkmoe_device_params){ VKMOE_INIT(vkmoe_device_params),
                                    .log = infos_to(&quiet), .select = nonsense[i] },
                &device));
        CHECK(!device && quiet.lines[VKMOE_LOG_ERROR] == 1);
    }
    return true;
fail:
    return false;
}

static bool test_null(void)
{
    vkmoe_buffer *out = (vkmoe_buffer *)&device;
    vkmoe_stream *stream = (vkmoe_stream *)&device;
    size_t size = 0;
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_device_create(NULL, &device));
    CHECK_STATUS(VKMOE_ERROR_INVALID,
        vkmoe_device_create(
            &(struct vkmoe_device_params){ VKMOE_INIT(vkmoe_device_params) }, NULL));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_device_adopt(NULL, &device));
    CHECK_STATUS(VKMOE_ERROR_INVALID,
        vkmoe_device_adopt(
            &(struct vkmoe_adopt_params){ VKMOE_INIT(vkmoe_adopt_params) }, &device));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_create(NULL, 1, &out));
    CHECK(!out);
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_create(NULL, 1, NULL));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_wrap(NULL, 4, 1, &out));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_create(NULL, &stream));
    CHECK(!stream);
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_submit(NULL, NULL));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_repeat(NULL, NULL));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_wait(NULL, 0));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_reserve(NULL, 1));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_record_end(NULL));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_device_get_cache(NULL, NULL, &size));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_upload(NULL, 0, "", 1));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_download(NULL, 0, &size, 1));
    return true;
fail:
    return false;
}

static bool test_log(void)
{
    struct record seen = { 0 };
    struct vkmoe_log log = { record_line, &seen, VKMOE_LOG_ERROR };
    CHECK_OK(vkmoe_device_create(
        &(struct vkmoe_device_params){ VKMOE_INIT(vkmoe_device_params), .log = log }, &device));
    CHECK(!seen.lines[VKMOE_LOG_WARNING] && !seen.lines[VKMOE_LOG_INFO]
        && !seen.lines[VKMOE_LOG_DEBUG]);
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_create(device, 0, &buffer));
    CHECK(seen.lines[VKMOE_LOG_ERROR] == 1 && strstr(seen.last, "0") && !strchr(seen.last, '\n'));
    vkmoe_device_destroy(&device);
    seen = (struct record){ 0 };
    log.level = VKMOE_LOG_DEBUG;
    CHECK_OK(vkmoe_device_create(
        &(struct vkmoe_device_params){ VKMOE_INIT(vkmoe_device_params), .log = log }, &device));
    CHECK(seen.lines[VKMOE_LOG_INFO] >= 1);
    vkmoe_device_destroy(&device);
    CHECK_OK(vkmoe_device_create(
        &(struct vkmoe_device_params){ VKMOE_INIT(vkmoe_device_params) }, &device)); // to nowhere
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_create(device, 0, &buffer));
    vkmoe_device_destroy(&device);
    for (int status = 0; status < 100; status++)
        CHECK(vkmoe_status_name((enum vkmoe_status)status)[0]);
    return true;
fail:
    return false;
}

// ------------------------------------------------------------------------ buffers

static bool round_trip(size_t offset, size_t size, unsigned char *shadow, unsigned char *scratch)
{
    bool ok = false;
    const size_t whole = (size_t)vkmoe_buffer_size(buffer);
    random_fill(shadow + offset, size, offset + size);
    CHECK_OK(vkmoe_buffer_upload(buffer, offset, shadow + offset, size));
    memset(scratch, 0, whole);
    CHECK_OK(vkmoe_buffer_download(buffer, offset, scratch, size));
    CHECK(!memcmp(scratch, shadow + offset, size));
    CHECK_OK(vkmoe_buffer_download(buffer, 0, scratch, whole)); // and nothing around it
    CHECK(!memcmp(scratch, shadow, whole));
    ok = true;
fail:
    if (!ok)
        tap_note("%zu bytes at %zu of %zu", size, offset, whole);
    return ok;
}

static bool test_copies(void)
{
    static const size_t ranges[][2] = { { 0, 0 }, { 0, 1 }, { 1, 1 }, { 3, 5 }, { 255, 257 },
        { 7, 4096 }, { 4095, 4099 }, { 1, 8 * MiB }, { 0, 8 * MiB }, { 13, 16 * MiB + 1 },
        { 0, 20 * MiB + 3 }, { 20 * MiB + 2, 1 }, { 20 * MiB + 3, 0 } };
    enum { SIZE = 20 * MiB + 3 };
    static unsigned char shadow[SIZE], scratch[SIZE];
    const size_t size = SIZE;
    CHECK_OK(open_selected(NULL));
    CHECK_OK(vkmoe_buffer_create(device, size, &buffer));
    CHECK(vkmoe_buffer_size(buffer) == size && vkmoe_buffer_address(buffer) % 256 == 0);
    CHECK(round_trip(0, size, shadow, scratch));
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        CHECK(round_trip(ranges[i][0], ranges[i][1], shadow, scratch));

    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_upload(buffer, 0, shadow, size + 1));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_upload(buffer, size, shadow, 1));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_upload(buffer, UINT64_MAX, shadow, 2));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_upload(buffer, 2, shadow, UINT64_MAX));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_download(buffer, size, scratch, 1));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_upload(buffer, 0, NULL, 1));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_download(buffer, 0, NULL, 1));
    CHECK_OK(vkmoe_buffer_upload(buffer, size, NULL, 0));
    return true;
fail:
    return false;
}

static bool test_wrap(void)
{
    char byte = 0;
    CHECK_OK(open_selected(NULL));
    CHECK_OK(vkmoe_buffer_create(device, 1024, &buffer));
    const uint64_t address = vkmoe_buffer_address(buffer);
    CHECK_OK(vkmoe_buffer_wrap(device, address + 4, 1000, &other_buffer));
    CHECK(vkmoe_buffer_address(other_buffer) == address + 4
        && vkmoe_buffer_size(other_buffer) == 1000);
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_upload(other_buffer, 0, &byte, 1));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_download(other_buffer, 0, &byte, 1));
    vkmoe_buffer_destroy(&other_buffer);
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_wrap(device, address + 2, 8, &other_buffer));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_wrap(device, 0, 8, &other_buffer));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_wrap(device, address, 0, &other_buffer));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_wrap(device, 4, UINT64_MAX, &other_buffer));
    CHECK(!other_buffer);
    return true;
fail:
    return false;
}

// Random sizes live and die; each keeps a mark at both ends that its neighbours respect.
static bool test_churn(void)
{
    bool ok = false;
    enum { LIVE = 40 };
    vkmoe_buffer *buffers[LIVE] = { 0 };
    uint64_t marks[LIVE] = { 0 };
    struct rng rng = { 7 };
    CHECK_OK(open_selected(NULL));
    for (uint64_t i = 1; i <= 1000; i++) {
        uint32_t slot = (uint32_t)(rng_next(&rng) % LIVE);
        if (buffers[slot]) {
            uint64_t size = vkmoe_buffer_size(buffers[slot]), first = 0, last = 0;
            CHECK_OK(vkmoe_buffer_download(buffers[slot], 0, &first, sizeof first));
            CHECK_OK(vkmoe_buffer_download(buffers[slot], size - 8, &last, sizeof last));
            CHECK(first == marks[slot] && last == marks[slot]);
            vkmoe_buffer_destroy(&buffers[slot]);
            CHECK(!buffers[slot]);
        }
        // Up to 1 MiB as a rule, up to 32 MiB now and then.
        uint64_t size = 16 + rng_next(&rng) % (i % 50 ? MiB : 32 * MiB);
        CHECK_OK(vkmoe_buffer_create(device, size, &buffers[slot]));
        CHECK(vkmoe_buffer_address(buffers[slot]) % 256 == 0);
        marks[slot] = i * 0x9e3779b97f4a7c15u;
        CHECK_OK(vkmoe_buffer_upload(buffers[slot], 0, &marks[slot], 8));
        CHECK_OK(vkmoe_buffer_upload(buffers[slot], size - 8, &marks[slot], 8));
    }
    for (int i = 0; i < LIVE; i++)
        for (int j = 0; j < i; j++) {
            if (!buffers[i] || !buffers[j])
                continue;
            uint64_t a = vkmoe_buffer_address(buffers[i]), b = vkmoe_buffer_address(buffers[j]);
            CHECK(a + vkmoe_buffer_size(buffers[i]) <= b || b + vkmoe_buffer_size(buffers[j]) <= a);
        }
    ok = true;
fail:
    for (int i = 0; i < LIVE; i++)
        vkmoe_buffer_destroy(&buffers[i]);
    return ok;
}

static bool test_out_of_memory(void)
{
    struct vkmoe_device_info info = { VKMOE_INIT(vkmoe_device_info) };
    uint32_t word = 0x12345678, back = 0;
    CHECK_OK(open_selected(NULL));
    vkmoe_device_get_info(device, &info);
    CHECK_OK(vkmoe_buffer_create(device, 4, &buffer));
    CHECK_OK(vkmoe_buffer_upload(buffer, 0, &word, 4));
    const uint64_t sizes[] = { UINT64_MAX, UINT64_MAX - 255, (uint64_t)1 << 60, (uint64_t)1 << 48 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memset(&other_buffer, 0xee, sizeof other_buffer);
        CHECK_STATUS(
            VKMOE_ERROR_OUT_OF_MEMORY, vkmoe_buffer_create(device, sizes[i], &other_buffer));
        CHECK(!other_buffer);
    }
    // As much as the heap has: more than one allocation may have, or more than is left.
    enum vkmoe_status status = vkmoe_buffer_create(device, info.memory_size, &other_buffer);
    CHECK(status == VKMOE_ERROR_OUT_OF_MEMORY || status == VKMOE_ERROR_UNSUPPORTED
        || status == VKMOE_OK);
    CHECK(!other_buffer == (status != VKMOE_OK));
    vkmoe_buffer_destroy(&other_buffer);
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_buffer_create(device, 0, &other_buffer));
    CHECK_OK(vkmoe_buffer_create(device, MiB, &other_buffer));
    CHECK_OK(vkmoe_buffer_download(buffer, 0, &back, 4));
    CHECK(back == word);
    vkmoe_buffer_destroy(&other_buffer);
    return true;
fail:
    return false;
}

// ------------------------------------------------------------------------ streams

static bool test_stream(void)
{
    CHECK_OK(open_selected(NULL));
    CHECK_OK(vkmoe_stream_create(device, &a_stream));
    CHECK_OK(vkmoe_stream_create(device, &other_stream));
    CHECK_OK(vkmoe_stream_wait(a_stream, 0)); // nothing was submitted
    for (int i = 0; i < 100; i++)
        CHECK_OK(vkmoe_stream_submit(i % 2 ? a_stream : other_stream, NULL));
    CHECK_OK(vkmoe_stream_submit(
        a_stream, &(struct vkmoe_submit_params){ VKMOE_INIT(vkmoe_submit_params) }));
    CHECK_OK(vkmoe_stream_wait(a_stream, UINT64_MAX));
    CHECK_STATUS(VKMOE_ERROR_INVALID,
        vkmoe_stream_submit(a_stream,
            &(struct vkmoe_submit_params){ VKMOE_INIT(vkmoe_submit_params), .wait_count = 1 }));
    CHECK_STATUS(VKMOE_ERROR_INVALID,
        vkmoe_stream_submit(a_stream,
            &(struct vkmoe_submit_params){ VKMOE_INIT(vkmoe_submit_params), .signal_count = 1 }));
    struct vkmoe_semaphore none = { 0 };
    CHECK_STATUS(VKMOE_ERROR_INVALID,
        vkmoe_stream_submit(a_stream,
            &(struct vkmoe_submit_params){
                VKMOE_INIT(vkmoe_submit_params), .signals = &none, .signal_count = 1 }));
    CHECK_STATUS(VKMOE_ERROR_OUT_OF_MEMORY, vkmoe_stream_reserve(a_stream, UINT64_MAX / 2));
    CHECK_OK(vkmoe_stream_reserve(a_stream, 0));
    CHECK_OK(vkmoe_stream_reserve(a_stream, 5 * MiB));
    CHECK_OK(vkmoe_stream_reserve(a_stream, MiB));
    // A device of the library's own has no command buffers of the caller's.
    CHECK_STATUS(
        VKMOE_ERROR_INVALID, vkmoe_stream_record_begin(a_stream, (VkCommandBuffer)(uintptr_t)8));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_record_end(a_stream));
    vkmoe_stream_destroy(&a_stream);
    vkmoe_stream_destroy(&other_stream);
    CHECK(!a_stream);
    return true;
fail:
    return false;
}

// A layer whose work is repeated; worker_finish() copes with half of it.
struct worker {
    vkmoe_stream *stream;
    vkmoe_moe *layer;
    vkmoe_buffer *x, *y;
    struct tiny_layer tiny;
    float actual[TINY_TOKENS][TINY_HIDDEN];
};

static void worker_finish(struct worker *w)
{
    vkmoe_stream_destroy(&w->stream);
    vkmoe_moe_destroy(&w->layer);
    DESTROY_BUFFERS(&w->x, &w->y);
}

static bool worker_init(struct worker *w)
{
    *w = (struct worker){ 0 };
    tiny_layer_init(&w->tiny, 21);
    CHECK_OK(open_selected(NULL));
    CHECK_OK(vkmoe_stream_create(device, &w->stream));
    CHECK_OK(tiny_layer_create(&w->tiny, device, &w->layer));
    CHECK_OK(vkmoe_buffer_create(device, TINY_SIZE, &w->x));
    CHECK_OK(vkmoe_buffer_create(device, TINY_SIZE, &w->y));
    return true;
fail:
    return false;
}

// Prepares a run on the tokens that begin with the `first`, and go round.
static bool worker_prepare(struct worker *w, uint32_t first)
{
    float x[TINY_TOKENS][TINY_HIDDEN];
    for (uint32_t t = 0; t < TINY_TOKENS; t++)
        memcpy(x[t], w->tiny.x[(first + t) % TINY_TOKENS], sizeof x[t]);
    memset(w->actual, 0xff, sizeof w->actual);
    CHECK_OK(vkmoe_buffer_upload(w->x, 0, x, TINY_SIZE));
    CHECK_OK(vkmoe_buffer_upload(w->y, 0, w->actual, TINY_SIZE));
    return true;
fail:
    return false;
}

// Whether that run, once it is done, was right.
static bool worker_check(struct worker *w, uint32_t first)
{
    float ordered[TINY_TOKENS][TINY_HIDDEN];
    CHECK_OK(vkmoe_stream_wait(w->stream, UINT64_MAX));
    CHECK_OK(vkmoe_buffer_download(w->y, 0, w->actual, TINY_SIZE));
    for (uint32_t t = 0; t < TINY_TOKENS; t++)
        memcpy(ordered[(first + t) % TINY_TOKENS], w->actual[t], sizeof ordered[t]);
    CHECK(tiny_layer_check(&w->tiny, ordered[0]));
    return true;
fail:
    return false;
}

static uint64_t pipelines_ns(void)
{
    struct vkmoe_device_info info = { VKMOE_INIT(vkmoe_device_info) };
    vkmoe_device_get_info(device, &info);
    return info.pipelines_ns;
}

static bool test_repeat(void)
{
    bool ok = false;
    struct worker w;
    float repeated[TINY_TOKENS][TINY_HIDDEN];
    CHECK(worker_init(&w) && worker_prepare(&w, 0));
    const uint64_t before = pipelines_ns();
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_repeat(w.stream, NULL)); // of what?
    CHECK_OK(vkmoe_stream_submit(w.stream, NULL));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_repeat(w.stream, NULL));
    CHECK_OK(tiny_layer_forward(w.stream, w.layer, w.x, w.y));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_repeat(w.stream, NULL));
    CHECK_OK(vkmoe_stream_submit(w.stream, NULL));
    CHECK(worker_check(&w, 0));
    const uint64_t made = pipelines_ns();
    CHECK(made > before);
    for (uint32_t i = 1; i <= 40; i++) {
        CHECK(worker_prepare(&w, i));
        CHECK_OK(vkmoe_stream_repeat(w.stream, NULL));
        CHECK(worker_check(&w, i));
    }
    CHECK(pipelines_ns() == made);
    memcpy(repeated, w.actual, sizeof repeated);
    CHECK(worker_prepare(&w, 40));
    for (uint32_t i = 0; i < 40; i++) // without a wait between
        CHECK_OK(vkmoe_stream_repeat(
            w.stream, &(struct vkmoe_submit_params){ VKMOE_INIT(vkmoe_submit_params) }));
    CHECK(worker_check(&w, 40) && !memcmp(repeated, w.actual, sizeof repeated));
    // What is refused changes nothing.
    CHECK_STATUS(VKMOE_ERROR_INVALID,
        vkmoe_stream_repeat(w.stream,
            &(struct vkmoe_submit_params){ VKMOE_INIT(vkmoe_submit_params), .wait_count = 1 }));
    CHECK(worker_prepare(&w, 2));
    CHECK_OK(vkmoe_stream_repeat(w.stream, NULL));
    CHECK(worker_check(&w, 2));
    // Recorded again: the same bits, and this is what is repeated from now on.
    CHECK(worker_prepare(&w, 40));
    CHECK_OK(tiny_layer_forward(w.stream, w.layer, w.x, w.y));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_repeat(w.stream, NULL));
    CHECK_OK(vkmoe_stream_submit(w.stream, NULL));
    CHECK(worker_check(&w, 40) && !memcmp(repeated, w.actual, sizeof repeated));
    CHECK(worker_prepare(&w, 3));
    CHECK_OK(vkmoe_stream_repeat(w.stream, NULL));
    CHECK(worker_check(&w, 3));
    CHECK_OK(vkmoe_stream_submit(w.stream, NULL));
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_stream_repeat(w.stream, NULL));
    ok = true;
fail:
    worker_finish(&w);
    return ok;
}

// Work that is repeated keeps its scratch, and nobody else gets it, though it was replaced.
static bool test_repeat_scratch(void)
{
    enum { OTHERS = 8 };
    struct worker w;
    vkmoe_buffer *others[OTHERS] = { 0 };
    CHECK(worker_init(&w) && worker_prepare(&w, 1));
    const size_t size = (size_t)vkmoe_moe_scratch_size(w.layer, TINY_TOKENS);
    unsigned char *mark = malloc(size), *found = malloc(size);
    CHECK(mark && found);
    random_fill(mark, size, 5);
    CHECK_OK(vkmoe_stream_reserve(w.stream, size));
    CHECK_OK(tiny_layer_forward(w.stream, w.layer, w.x, w.y));
    CHECK_OK(vkmoe_stream_submit(w.stream, NULL));
    CHECK_OK(vkmoe_stream_reserve(w.stream, size + 1));
    CHECK_OK(vkmoe_stream_reserve(w.stream, 2 * size));
    for (int i = 0; i < OTHERS; i++) {
        CHECK_OK(vkmoe_buffer_create(device, size, &others[i]));
        CHECK_OK(vkmoe_buffer_upload(others[i], 0, mark, size));
    }
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(worker_prepare(&w, i));
        CHECK_OK(vkmoe_stream_repeat(w.stream, NULL));
        CHECK(worker_check(&w, i));
    }
    for (int i = 0; i < OTHERS; i++) {
        CHECK_OK(vkmoe_buffer_download(others[i], 0, found, size));
        CHECK(!memcmp(mark, found, size));
    }
    for (uint32_t i = 0; i < 3; i++) { // with the new one, and the old ones gone
        CHECK(worker_prepare(&w, i));
        CHECK_OK(tiny_layer_forward(w.stream, w.layer, w.x, w.y));
        CHECK_OK(vkmoe_stream_submit(w.stream, NULL));
        CHECK(worker_check(&w, i));
    }
    for (int i = 0; i < OTHERS; i++)
        vkmoe_buffer_destroy(&others[i]);
    worker_finish(&w);
    free(mark);
    free(found);
    return true;
fail:
    for (int i = 0; i < OTHERS; i++)
        vkmoe_buffer_destroy(&others[i]);
    worker_finish(&w);
    return false;
}

static bool test_validation(void)
{
    return !record.validation; // it was noted, line by line
}

static void clean_up(void)
{
    vkmoe_stream_destroy(&a_stream);
    vkmoe_stream_destroy(&other_stream);
    DESTROY_BUFFERS(&other_buffer, &buffer);
    vkmoe_device_destroy(&device);
}

CLEAN_TESTS_MAIN(ON_DEVICE, clean_up, { "list", test_list }, { "null", test_null },
    { "select", test_select }, { "log", test_log }, { "copies", test_copies },
    { "wrap", test_wrap }, { "churn", test_churn }, { "out-of-memory", test_out_of_memory },
    { "stream", test_stream }, { "repeat", test_repeat }, { "repeat-scratch", test_repeat_scratch },
    { "validation-is-silent", test_validation })
