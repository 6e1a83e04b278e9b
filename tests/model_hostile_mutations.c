// model_hostile_mutations.c - see model_hostile.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoints.h"
#include "model_hostile.h"
#include "formats.h"
#include "random.h"

// Reads everything that a model's views lead to, so that a sanitizer sees a wrong one.
static double touch(const struct vkmoe_view *view, uint32_t rows, uint32_t columns)
{
    double sum = 0.0;
    for (uint32_t r = 0; view && view->data && r < rows; r++) {
        const struct test_format *format = test_format(view->dtype);
        for (uint32_t c = 0; c < columns; c += format->elements) {
            double values[TEST_FORMAT_MAX_ELEMENTS];
            format->decode(format_at(view, columns, r, c), values);
            sum += values[0] > 0.0;
        }
    }
    return sum;
}

static double touch_layer(const struct vkmoe_moe_params *p)
{
    double sum = touch(&p->router.weight, p->experts, p->hidden)
        + touch(&p->router.bias, 1, p->experts) + touch(&p->router.expert_scale, 1, p->experts)
        + touch(&p->router.correction_bias, 1, p->experts)
        + touch(&p->router.input_scale, 1, p->hidden) + touch(&p->gate_bias, p->experts, p->inner)
        + touch(&p->up_bias, p->experts, p->inner) + touch(&p->down_bias, p->experts, p->hidden)
        + touch(&p->output_bias, 1, p->hidden) + touch(&p->shared.gate, p->shared.inner, p->hidden)
        + touch(&p->shared.up, p->shared.inner, p->hidden)
        + touch(&p->shared.down, p->hidden, p->shared.inner)
        + touch(&p->shared.token_gate, 1, p->hidden);
    for (uint32_t e = 0; e < p->experts; e++)
        sum += (p->gate ? touch(&p->gate[e], p->inner, p->hidden) : 0.0)
            + touch(&p->up[e], p->inner, p->hidden) + touch(&p->down[e], p->hidden, p->inner);
    return sum;
}

// Opens what may be anything. A failure has one line, a success no bad view.
static bool survives(const char *path)
{
    struct lines lines;
    vkmoe_checkpoint *model;
    if (open_hostile(path, &lines, &model) != VKMOE_OK)
        return !model && lines.count == 1 && !lines.unprintable;
    struct vkmoe_checkpoint_info info = { VKMOE_INIT(vkmoe_checkpoint_info) };
    vkmoe_checkpoint_get_info(model, &info);
    double sum = 0.0;
    for (uint32_t b = 0; b < info.blocks + info.decoder_blocks; b++) {
        struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) };
        const struct vkmoe_block block = { .index = b % info.blocks,
            .part = b >= info.blocks ? VKMOE_PART_DECODER : VKMOE_PART_BLOCKS };
        if (vkmoe_checkpoint_get_moe(model, block, &params) == VKMOE_OK
            || vkmoe_checkpoint_get_mlp(model, block, &params) == VKMOE_OK)
            sum += touch_layer(&params);
    }
    vkmoe_checkpoint_destroy(&model);
    return sum >= 0.0; // bytes have no sign; what counts is that all were read
}

// Spoils up to three places of `size` bytes; *size may shrink or grow by less than 64.
static void mutate(struct rng *rng, char *text, size_t *size)
{
    static const char *const values[] = { "0", "-1", "1e308", "9007199254740992", "4294967295",
        "18446744073709551615", "0.5", "\"x\"", "null", "[]", "{}", "true", "NaN", "65536", "2" };
    for (uint32_t n = 1 + rng_below(rng, 3); n > 0 && *size > 80; n--) {
        size_t at = rng_below(rng, (uint32_t)*size - 70);
        switch (rng_below(rng, 5)) {
        case 0: text[at] = (char)rng_next(rng); break;
        case 1: text[at] ^= (char)(1 << rng_below(rng, 8)); break;
        case 2: { // a piece vanishes
            size_t length = 1 + rng_below(rng, 60);
            memmove(text + at, text + at + length, *size - at - length);
            *size -= length;
            break;
        }
        case 3: // a piece is elsewhere, too
            memmove(text + rng_below(rng, (uint32_t)*size - 70), text + at, 1 + rng_below(rng, 60));
            break;
        default: { // the next number is another
            while (at < *size - 70 && (text[at] < '0' || text[at] > '9'))
                at++;
            size_t end = at;
            while (end < *size && text[end] >= '0' && text[end] <= '9')
                end++;
            const char *value = values[rng_below(rng, sizeof(values) / sizeof(values[0]))];
            size_t length = strlen(value);
            memmove(text + at + length, text + end, *size - end);
            memcpy(text + at, value, length);
            *size = *size - (end - at) + length;
            break;
        }
        }
    }
}

enum { MUTATIONS = 40, ROOM = 1 << 20 };

static bool mutate_file(struct rng *rng, const struct checkpoint *checkpoint, const char *name)
{
    static char original[ROOM], spoilt[ROOM];
    char path[512];
    snprintf(path, sizeof path, "%s/%s", checkpoint->path, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return true; // this checkpoint has no such file
    size_t size = fread(original, 1, ROOM - 1024, file);
    fclose(file);
    bool ok = true;
    for (uint32_t i = 0; ok && i < MUTATIONS; i++) {
        memcpy(spoilt, original, size);
        // Of a safetensors file only the header is worth spoiling.
        size_t head = size, header = 0;
        if (strstr(name, ".safetensors") && !strstr(name, ".json")) {
            header = 8;
            head = (unsigned char)original[0] | (size_t)(unsigned char)original[1] << 8
                | (size_t)(unsigned char)original[2] << 16;
        }
        size_t mutated = head;
        static char text[ROOM];
        memcpy(text, original + header, head);
        mutate(rng, text, &mutated);
        memcpy(spoilt + header, text, mutated);
        memcpy(spoilt + header + mutated, original + header + head, size - header - head);
        if (header && rng_below(rng, 8)) // mostly say the true length, to get further
            for (int j = 0; j < 8; j++)
                spoilt[j] = (char)(mutated >> 8 * j & 255);
        file = fopen(path, "wb");
        ok = file && fwrite(spoilt, 1, size - head + mutated, file) > 0 && fclose(file) == 0;
        ok = ok && survives(checkpoint->path);
    }
    file = fopen(path, "wb");
    ok = file && fwrite(original, 1, size, file) == size && fclose(file) == 0 && ok;
    return ok;
}

bool test_mutations(uint64_t seed, const char *directory)
{
    bool ok = true;
    for (uint32_t i = 0; i < checkpoint_count(); i++) {
        struct checkpoint checkpoint;
        struct rng rng = rng_for(seed, checkpoint_name(i));
        ok = checkpoint_create(i, 1, directory, &checkpoint)
            && mutate_file(&rng, &checkpoint, "config.json")
            && mutate_file(&rng, &checkpoint, "model.safetensors")
            && mutate_file(&rng, &checkpoint, "model-00002-of-00002.safetensors")
            && mutate_file(&rng, &checkpoint, "model.safetensors.index.json") && ok;
        checkpoint_destroy(&checkpoint);
    }
    return ok;
}
