// checkpoints.c - see checkpoints.h: random weights, and the files around them.
#include "checkpoints.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint_families.h"
#include "formats.h"
#include "random.h"
#include "tap.h"

struct entry {
    char name[200];
    enum vkmoe_dtype dtype;
    uint32_t rank;
    uint64_t shape[4];
    size_t size;
    unsigned char *data;
};

struct writer {
    struct entry *entries;
    uint32_t count;
};

void writer_add(struct writer *writer, const char *name, enum vkmoe_dtype dtype,
    const double *values, uint32_t rank, const uint64_t *shape)
{
    writer->entries = realloc(writer->entries, (writer->count + 1) * sizeof(*writer->entries));
    if (!writer->entries)
        abort();
    struct entry *entry = &writer->entries[writer->count++];
    *entry = (struct entry){ .dtype = dtype, .rank = rank };
    snprintf(entry->name, sizeof entry->name, "%s", name);
    uint64_t elements = 1;
    for (uint32_t i = 0; i < rank; i++)
        elements *= entry->shape[i] = shape[i];
    entry->size = format_bytes(dtype, elements);
    entry->data = allocate(entry->size, 1);
    format_encode(dtype, values, elements, entry->data);
}

static void writer_finish(struct writer *writer)
{
    for (uint32_t i = 0; i < writer->count; i++)
        free(writer->entries[i].data);
    free(writer->entries);
    *writer = (struct writer){ 0 };
}

// ------------------------------------------------------------------------- weights

// `name` makes the numbers those of one array of one block.
static double *random_array(uint64_t seed, const char *name, size_t count, double deviation,
    double mean, enum vkmoe_dtype dtype)
{
    struct rng rng = rng_for(seed, name);
    double *values = allocate(count, sizeof(double));
    for (size_t i = 0; i < count; i++)
        values[i] = mean + deviation * rng_normal(&rng);
    format_round(dtype, values, count);
    return values;
}

static void fill_layer(
    const struct checkpoint_family *family, uint64_t seed, struct reference_layer *l)
{
    *l = family->layer;
    unsigned has = family->arrays;
    enum vkmoe_dtype dtype = family->dtype;
    size_t d = l->hidden, f = l->inner, e = l->experts, s = l->shared_inner;
    size_t latent = l->latent_size, width = latent ? latent : d; // of what experts see
    double in = 1.0 / sqrt((double)d), out = 1.0 / sqrt((double)f);
    l->router = random_array(seed, "router", e * d, 2.0 * in, 0.0, dtype);
    l->up = random_array(seed, "up", e * f * width, in, 0.0, dtype);
    l->down = random_array(seed, "down", e * width * f, out, 0.0, dtype);
    if (latent) {
        l->latent_down = random_array(seed, "latent_down", latent * d, in, 0.0, dtype);
        l->latent_up = random_array(seed, "latent_up", d * latent, in, 0.0, dtype);
    }
    if (has & HAS_GATE)
        l->gate = random_array(seed, "gate", e * f * width, in, 0.0, dtype);
    if (has & HAS_ROUTER_BIAS)
        l->router_bias = random_array(seed, "router_bias", e, 0.5, 0.0, dtype);
    if (has & HAS_CORRECTION_BIAS) // wide and below zero: the sign matters to group masks
        l->correction_bias =
            random_array(seed, "correction_bias", e, 0.4, -0.6, family->correction_dtype);
    if (has & HAS_EXPERT_SCALE)
        l->expert_scale = random_array(seed, "expert_scale", e, 0.2, 1.0, dtype);
    if (has & HAS_INPUT_SCALE)
        l->input_scale = random_array(seed, "input_scale", d, 2.0, 4.0, dtype);
    if (has & HAS_GATE_UP_BIAS) {
        l->gate_bias = random_array(seed, "gate_bias", e * f, 0.5, 0.0, dtype);
        l->up_bias = random_array(seed, "up_bias", e * f, 0.5, 0.0, dtype);
    }
    if (has & HAS_DOWN_BIAS)
        l->down_bias = random_array(seed, "down_bias", e * width, 0.5, 0.0, dtype);
    if (has & HAS_OUTPUT_BIAS)
        l->output_bias = random_array(seed, "output_bias", d, 0.5, 0.0, dtype);
    if (s == 0)
        return;
    l->shared_up = random_array(seed, "shared_up", s * d, in, 0.0, dtype);
    l->shared_down = random_array(seed, "shared_down", d * s, 1.0 / sqrt((double)s), 0.0, dtype);
    if (has & HAS_SHARED_GATE)
        l->shared_gate = random_array(seed, "shared_gate", s * d, in, 0.0, dtype);
    if (has & HAS_TOKEN_GATE)
        l->shared_token_gate = random_array(seed, "token_gate", d, 2.0 * in, 0.0, dtype);
}

// The network of a block without experts.
static void add_dense(struct writer *writer, const struct checkpoint_family *family, uint64_t seed,
    const char *prefix, struct vkmoe_block block, struct checkpoint *out)
{
    const struct checkpoint_family plain = {
        .dtype = family->dtype,
        .arrays = family->arrays & HAS_GATE,
        .layer = { .hidden = family->layer.hidden,
            .inner = family->dense_inner,
            .activation_limit = family->layer.shared_limit,
            .experts = 1,
            .experts_per_token = 1,
            .select = VKMOE_SELECT_SUPPLIED_WEIGHTED,
            .activation = family->layer.activation },
    };
    reference_layer_finish(&out->dense);
    fill_layer(&plain, seed, &out->dense);
    free(out->dense.router);
    out->dense.router = NULL;
    out->dense_block = block;
    family->write_dense(writer, family, prefix, &out->dense);
}

// Every block of both stacks: experts where the family has them, a norm everywhere.
static void add_blocks(struct writer *writer, const struct checkpoint_family *family, uint64_t seed,
    struct checkpoint *out)
{
    const uint64_t embedding_shape[2] = { family->vocabulary, family->layer.hidden };
    double *embedding = random_array(seed, "embedding",
        (size_t)family->vocabulary * family->layer.hidden, 1.0, 0.0, family->dtype);
    writer_add(writer, "model.embed_tokens.weight", family->dtype, embedding, 2, embedding_shape);
    out->beside = family->beside;
    for (uint32_t s = 0; s < 2; s++) {
        out->block_count[s] = family->moe[s] ? (uint32_t)strlen(family->moe[s]) : 0;
        for (uint32_t b = 0; b < out->block_count[s]; b++) {
            char prefix[160], norm[200];
            snprintf(prefix, sizeof prefix, family->prefix[s], b);
            snprintf(norm, sizeof norm, "%spost_attention_layernorm.weight", prefix);
            writer_add(writer, norm, family->dtype, embedding, 1, &embedding_shape[1]);
            out->moe[s][b] = family->moe[s][b] == 'x';
            if (!out->moe[s][b]) {
                if (family->write_dense)
                    add_dense(writer, family, seed + 1000 * s + b, prefix,
                        (struct vkmoe_block){
                            .index = b, .part = s == 1 ? VKMOE_PART_DECODER : VKMOE_PART_BLOCKS },
                        out);
                continue;
            }
            struct reference_layer layer;
            fill_layer(family, seed + 1000 * s + b, &layer);
            family->write(writer, family, prefix, &layer);
            out->info.moe_blocks++;
            if (b == family->block.index && (s == 1) == (family->block.part != VKMOE_PART_BLOCKS)) {
                out->layer = layer;
                if (layer.input_scale) // the file has it without this factor
                    for (uint32_t i = 0; i < layer.hidden; i++)
                        layer.input_scale[i] /= sqrt((double)layer.hidden);
            } else {
                reference_layer_finish(&layer);
            }
        }
    }
    free(embedding);
}

// --------------------------------------------------------------------------- fused

// What transformers 5 makes of a block's separate experts, and saves with
// save_original_format=False: one tensor [experts][2 inner][hidden] of all gate and up
// projections, gate first, and one [experts][hidden][inner] of all down projections.

enum role { NO_EXPERT, GATE, UP, DOWN };

// The role of a tensor of one expert; `parent` becomes what comes before ".experts.".
static enum role find_role(const char *name, char parent[200], unsigned *expert)
{
    static const char *const tails[][2] = {
        [GATE] = { "gate_proj", "w1" }, [UP] = { "up_proj", "w3" }, [DOWN] = { "down_proj", "w2" }
    };
    const char *at = strstr(name, ".experts.");
    char tail[40];
    if (!at || sscanf(at, ".experts.%u.%39[^.].weight", expert, tail) != 2)
        return NO_EXPERT;
    snprintf(parent, 200, "%.*s", (int)(at - name), name);
    for (int role = GATE; role <= DOWN; role++)
        if (strcmp(tail, tails[role][0]) == 0 || strcmp(tail, tails[role][1]) == 0)
            return (enum role)role;
    return NO_EXPERT;
}

static const struct entry *find_expert(
    const struct writer *writer, const char *parent, unsigned expert, enum role role)
{
    for (uint32_t i = 0; i < writer->count; i++) {
        char other[200];
        unsigned number;
        if (find_role(writer->entries[i].name, other, &number) == role && number == expert
            && strcmp(parent, other) == 0)
            return &writer->entries[i];
    }
    return NULL;
}

// Blocks are called "mlp" in transformers 5 that were "block_sparse_moe", and Phi's gate "router".
static void rename_block(char name[200], bool is_phi)
{
    static const char old[] = "block_sparse_moe", gate[] = "mlp.gate.";
    char *at = strstr(name, old);
    if (!at)
        return;
    memcpy(at, "mlp", 3);
    memmove(at + 3, at + sizeof old - 1, strlen(at + sizeof old - 1) + 1);
    if (is_phi && strncmp(at, gate, sizeof gate - 1) == 0) {
        memmove(at + 11, at + 9, strlen(at + 9) + 1);
        memcpy(at, "mlp.router.", 11);
    }
}

// Copies a matrix into the columns of a transposed one, `width` wide, from `first` on.
static void turn(const struct entry *from, unsigned char *to, size_t first, size_t width)
{
    const size_t rows = from->shape[0], columns = from->shape[1];
    const size_t size = from->size / rows / columns;
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < columns; c++)
            memcpy(
                to + (c * width + first + r) * size, from->data + (r * columns + c) * size, size);
    }
}

static struct entry stack_experts(
    const struct writer *writer, const char *parent, bool down, bool transposed)
{
    const struct entry *gate = down ? NULL : find_expert(writer, parent, 0, GATE);
    const struct entry *first = find_expert(writer, parent, 0, down ? DOWN : UP);
    const uint32_t parts = gate ? 2 : 1;
    struct entry out = { .dtype = first->dtype, .rank = 3 };
    while (find_expert(writer, parent, (unsigned)out.shape[0], UP))
        out.shape[0]++;
    out.shape[transposed ? 2 : 1] = first->shape[0] * parts;
    out.shape[transposed ? 1 : 2] = first->shape[1];
    out.size = first->size * parts * out.shape[0];
    out.data = allocate(out.size, 1);
    snprintf(out.name, sizeof out.name, "%.150s.experts.%s", parent,
        down       ? "down_proj"
            : gate ? "gate_up_proj"
                   : "up_proj");
    unsigned char *to = out.data;
    for (unsigned e = 0; e < out.shape[0]; e++, to += parts * first->size) {
        for (uint32_t part = 0; part < parts; part++) {
            enum role role = down ? DOWN : gate && part == 0 ? GATE : UP;
            const struct entry *from = find_expert(writer, parent, e, role);
            if (transposed)
                turn(from, to, part * first->shape[0], out.shape[2]);
            else
                memcpy(to + part * first->size, from->data, first->size);
        }
    }
    return out;
}

// False if there are no separate experts, or none that transformers 5 stacks.
static bool fuse(struct writer *writer, bool is_phi, bool transposed)
{
    struct writer out = { 0 };
    bool any = false;
    out.entries = allocate(writer->count + 1, sizeof(*out.entries));
    for (uint32_t i = 0; i < writer->count; i++) {
        char parent[200];
        unsigned expert;
        struct entry *entry = &writer->entries[i];
        enum role role = find_role(entry->name, parent, &expert);
        any = any || role;
        if (role == NO_EXPERT) {
            out.entries[out.count] = *entry;
            entry->data = NULL;
        } else if (role != GATE && expert == 0) {
            out.entries[out.count] = stack_experts(writer, parent, role == DOWN, transposed);
        } else {
            continue;
        }
        rename_block(out.entries[out.count++].name, is_phi);
    }
    writer_finish(writer);
    *writer = out;
    return any;
}

// --------------------------------------------------------------------------- files

static bool write_file(const char *directory, const char *name, const void *head, size_t head_size,
    const struct entry *const *entries, uint32_t count, uint64_t *size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    if (!file) {
        tap_note("%s: cannot create: %s", path, strerror(errno));
        return false;
    }
    bool ok = fwrite(head, 1, head_size, file) == head_size;
    for (uint32_t i = 0; i < count; i++)
        ok = fwrite(entries[i]->data, 1, entries[i]->size, file) == entries[i]->size && ok;
    *size += (uint64_t)ftell(file);
    ok = fclose(file) == 0 && ok;
    if (!ok)
        tap_note("%s: cannot write: %s", path, strerror(errno));
    return ok;
}

struct text {
    char *data;
    size_t size, room;
};

static void append(struct text *text, const char *more)
{
    size_t size = strlen(more);
    if (text->size + size + 1 > text->room) {
        text->room = 2 * (text->size + size + 1);
        text->data = realloc(text->data, text->room);
        if (!text->data)
            abort();
    }
    memcpy(text->data + text->size, more, size + 1);
    text->size += size;
}

// Every files-th tensor, beginning with number `part`.
static bool write_shard(const struct writer *writer, const struct checkpoint_family *family,
    uint32_t part, const char *name, struct checkpoint *out)
{
    const struct entry **entries = allocate(writer->count, sizeof(*entries));
    struct text header = { 0 };
    append(&header, "........{\"__metadata__\":{\"format\":\"pt\"}");
    uint32_t count = 0;
    uint64_t offset = 0;
    for (uint32_t i = part; i < writer->count; i += family->files) {
        const struct entry *entry = entries[count++] = &writer->entries[i];
        char line[512];
        int used = snprintf(line, sizeof line, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", entry->name,
            format_in_checkpoints(entry->dtype));
        for (uint32_t j = 0; j < entry->rank; j++)
            used += snprintf(line + used, sizeof line - (size_t)used, "%s%llu", j ? "," : "",
                (unsigned long long)entry->shape[j]);
        snprintf(line + used, sizeof line - (size_t)used, "],\"data_offsets\":[%llu,%llu]}",
            (unsigned long long)offset, (unsigned long long)(offset + entry->size));
        append(&header, line);
        offset += entry->size;
    }
    append(&header, "}");
    while (header.size % 8 != family->misaligned)
        append(&header, " ");
    for (int i = 0; i < 8; i++)
        header.data[i] = (char)((header.size - 8) >> 8 * i & 255);
    bool ok =
        write_file(out->path, name, header.data, header.size, entries, count, &out->info.file_size);
    free(header.data);
    free(entries);
    return ok;
}

static const char *shard_name(uint32_t files, uint32_t part)
{
    static const char *const names[] = { "model.safetensors", "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors" };
    return files == 1 ? names[0] : names[1 + part];
}

static bool write_files(
    const struct writer *writer, const struct checkpoint_family *family, struct checkpoint *out)
{
    uint64_t ignored = 0;
    if (!write_file(
            out->path, "config.json", family->config, strlen(family->config), NULL, 0, &ignored))
        return false;
    struct text index = { 0 };
    append(&index, "{\"metadata\":{\"total_size\":0},\"weight_map\":{");
    for (uint32_t i = 0; i < writer->count; i++) {
        char line[512];
        snprintf(line, sizeof line, "%s\"%s\":\"%s\"", i ? "," : "", writer->entries[i].name,
            shard_name(family->files, i % family->files));
        append(&index, line);
    }
    append(&index, "}}\n");
    bool ok = family->files == 1
        || write_file(
            out->path, "model.safetensors.index.json", index.data, index.size, NULL, 0, &ignored);
    free(index.data);
    for (uint32_t part = 0; ok && part < family->files; part++)
        ok = write_shard(writer, family, part, shard_name(family->files, part), out);
    return ok;
}

static void fill_info(
    const struct writer *writer, const struct checkpoint_family *family, struct checkpoint *out)
{
    struct vkmoe_checkpoint_info *info = &out->info;
    // The case is called after the model_type, perhaps with "-variant" behind.
    snprintf(
        info->family, sizeof info->family, "%.*s", (int)strcspn(family->name, "-"), family->name);
    info->blocks = out->block_count[0];
    info->decoder_blocks = out->block_count[1];
    info->hidden = family->layer.hidden;
    info->inner = family->layer.inner;
    info->experts = family->layer.experts;
    info->experts_per_token = family->layer.experts_per_token;
    info->shared_inner = family->layer.shared_inner;
    info->vocabulary = family->vocabulary;
    info->dtype = family->dtype;
    info->tensors = writer->count;
    info->files = family->files;
    for (uint32_t i = 0; i < writer->count; i++)
        info->parameters += writer->entries[i].size / (writer->entries[i].dtype ? 2 : 4);
}

uint32_t checkpoint_count(void)
{
    uint32_t count = 0;
    while (checkpoint_family_at(count))
        count++;
    return count;
}

const char *checkpoint_name(uint32_t index)
{
    return checkpoint_family_at(index)->name;
}

static bool create(uint32_t index, uint64_t seed, const char *parent, bool fused, bool transposed,
    struct checkpoint *out)
{
    const struct checkpoint_family *family = checkpoint_family_at(index);
    *out = (struct checkpoint){ .name = family->name, .block = family->block };
    snprintf(out->path, sizeof out->path, "%s/%s-%u", parent, family->name, (unsigned)getpid());
    if (mkdir(out->path, 0700) != 0) {
        tap_note("%s: cannot create: %s", out->path, strerror(errno));
        return false;
    }
    struct writer writer = { 0 };
    add_blocks(&writer, family, seed, out);
    out->fused = fused && fuse(&writer, strcmp(family->name, "phimoe") == 0, transposed);
    fill_info(&writer, family, out);
    bool ok = write_files(&writer, family, out);
    writer_finish(&writer);
    return ok;
}

bool checkpoint_create(uint32_t index, uint64_t seed, const char *parent, struct checkpoint *out)
{
    return create(index, seed, parent, false, false, out);
}

bool checkpoint_create_fused(
    uint32_t index, uint64_t seed, const char *parent, bool transposed, struct checkpoint *out)
{
    return create(index, seed, parent, true, transposed, out);
}

void checkpoint_destroy(struct checkpoint *checkpoint)
{
    static const char *const names[] = { "config.json", "model.safetensors.index.json",
        "model.safetensors", "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors" };
    for (size_t i = 0; checkpoint->path[0] && i < sizeof(names) / sizeof(names[0]); i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", checkpoint->path, names[i]);
        remove(path);
    }
    if (checkpoint->path[0])
        rmdir(checkpoint->path);
    reference_layer_finish(&checkpoint->layer);
    reference_layer_finish(&checkpoint->dense);
    *checkpoint = (struct checkpoint){ 0 };
}
