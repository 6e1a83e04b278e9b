// tune_layer.h - a MoE layer with made-up weights, whose forwards are timed and compared.
#ifndef VKMOE_TUNE_LAYER_H
#define VKMOE_TUNE_LAYER_H

#include "moe/moe.h"

enum tune_matrix { TUNE_GATE, TUNE_UP, TUNE_DOWN };

struct tune_layer {
    vkmoe_device *device;
    enum vkmoe_dtype dtype;
    void *matrices; // of the host: see vkmoe_tune_layer_view()
    vkmoe_moe *moe;
    vkmoe_stream *stream;
    vkmoe_buffer *x, *y;
    vkmoe_buffer *ids, *weights; // of pairs
    uint32_t most_tokens;
    int32_t *choice;       // [most_tokens][k]
    float *expected, *got; // [most_tokens][hidden]
    double tolerance;      // of the rms
};

// Of the sizes in `params`, but for the experts: so many of them as there is room for. On
// failure *out holds some of it: finish it all the same.
enum vkmoe_status vkmoe_tune_layer_init(const struct caller *caller, vkmoe_device *device,
    const struct vkmoe_tune_params *params, uint32_t most_tokens, struct tune_layer *out);
void vkmoe_tune_layer_finish(struct tune_layer *layer);

// A matrix of an expert, as it was made up.
struct vkmoe_view vkmoe_tune_layer_view(
    const struct tune_layer *layer, enum tune_matrix matrix, uint32_t expert);

// Has the device's tuning of now count for it.
void vkmoe_tune_layer_update(struct tune_layer *layer);

// Has every product of many rows take this form; NULL: what it takes by itself.
void vkmoe_tune_layer_force(struct tune_layer *layer, const struct variant *form);

// Lets `active` experts take turns, at least k, among pairs of the first `tokens`.
enum vkmoe_status vkmoe_tune_layer_choose(
    struct tune_layer *layer, uint32_t tokens, uint32_t active);

// The same; and what comes out for them now is what is expected from then on.
enum vkmoe_status vkmoe_tune_layer_expect(
    struct tune_layer *layer, uint32_t tokens, uint32_t active);

// Runs them once: the rms of what comes out minus what is expected, to the rms of the latter.
enum vkmoe_status vkmoe_tune_layer_compare(
    struct tune_layer *layer, uint32_t tokens, double *error);

// The rms of `got` minus what is expected, to that of the latter; not a number if there is one that
// is none.
double vkmoe_tune_layer_error(const struct tune_layer *layer, uint32_t tokens);

// The median time of a forward of the first `tokens` of them, in *ns: INFINITY if it is wrong or
// cannot be run, which is said in a line of level warning that begins with `what`. One that is
// seen to take more than `limit` is not timed again. Fails if the device is lost.
enum vkmoe_status vkmoe_tune_layer_time(
    struct tune_layer *layer, const char *what, uint32_t tokens, double limit, double *ns);

#endif
