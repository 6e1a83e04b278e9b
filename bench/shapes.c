// shapes.c - see shapes.h.
#include "shapes.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "layer_gates.h"

#define GPT_OSS \
    TOP_K_OF_LOGITS, .layer.activation = VKMOE_ACTIVATION_SWIGLU_OAI, \
                     .has = CASE_ROUTER_BIAS | CASE_EXPERT_BIASES

// f16 stands for whatever they are stored in.
static const struct layer_case published[] = {
#define PUBLISHED(name_, hidden_, inner_, experts_, k_, ...) \
    { .name = name_, \
        .layer.hidden = hidden_, \
        .layer.inner = inner_, \
        .layer.experts = experts_, \
        .layer.experts_per_token = k_, \
        __VA_ARGS__ },
#include "cli/published.def"
};

void shape_name(const struct layer_case *c, char *name)
{
    size_t length = strlen(c->name);
    for (size_t i = 0; i + 2 < length; i++) {
        if (c->name[i] == '-' && c->name[i + 1] == 't' && isdigit((unsigned char)c->name[i + 2]))
            length = i;
    }
    snprintf(name, sizeof((struct shape *)0)->name, "%.*s", (int)length, c->name);
}

static bool is_known(const struct shape *shapes, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!strcmp(shapes[i].name, name))
            return true;
    }
    return false;
}

uint32_t shapes_list(struct shape *out)
{
    uint32_t count = 0;
    for (const struct layer_case *c = layer_cases; c->name && count < MAX_SHAPES; c++) {
        struct shape shape = { .base = *c };
        shape_name(c, shape.name);
        if (c->has & CASE_TIMED && !is_known(out, count, shape.name))
            out[count++] = shape;
    }
    for (size_t i = 0; i < sizeof published / sizeof published[0] && count < MAX_SHAPES; i++) {
        out[count] = (struct shape){ .base = published[i], .published = true };
        out[count].base.dtype = VKMOE_DTYPE_F16;
        snprintf(out[count].name, sizeof out[count].name, "%s", published[i].name);
        count++;
    }
    return count;
}
