// predict.c - see predict.h.
//
// A dispatch takes the loads that say where its bytes are, one turn of its loop, and then what is
// longest of: its bytes at the memory's bandwidth; its multiply-adds at the card's peak; and, by
// Little's law, what else its workgroups read at the bytes they have in flight for each latency of
// a load. Bytes in flight are the workgroups that reside on the card times what one has asked for
// when it begins to wait.
// A byte that is read again is in a cache by then, and so is what dispatches just before wrote.
// After a barrier it takes besides what a card needs to start a dependent dispatch; dispatches
// without a barrier between them share bandwidth and peak, and overlap in latency.
//
// Registers and shared memory may keep workgroups from residing, compilers may let turns of a loop
// overlap, and there is more in a kernel than multiply-adds: none of that is in here.
#include "predict.h"

#include "base/common.h"

double card_needs(const struct card *card)
{
    return card->bandwidth * card->load_ns / 1e9;
}

static double round_up(double value)
{
    const double whole = (double)(uint64_t)value;
    return value > whole ? whole + 1 : whole;
}

static double peak_of(const struct card *card, const struct variant *form)
{
    if (form->needs & NEED_ANY_MATRIX)
        return card->matrix_flops;
    // Products of four bytes take as long as one of floats, and x has two bytes.
    return form->needs & NEED_integer_dot ? 2 * card->flops : card->flops;
}

struct cost cost_of(const struct card *card, uint32_t wave, const struct recorded_dispatch *d)
{
    const struct work *w = &d->work;
    const bool matrices = d->variant->needs & NEED_ANY_MATRIX;
    const double group_waves =
        round_up(w->lanes / (matrices ? card->matrix_units.subgroup_size : wave));
    const double room = MAX((double)card->units * card->waves_a_unit / group_waves, 1);
    const double read = w->groups * w->group_bytes;
    const double cold = w->fresh || read <= 0 ? 0 : MIN(w->bytes / read, 1); // share of memory
    const double turn_ns = cold * card->load_ns + (1 - cold) * CACHED_NS;
    struct cost c = {
        .waves = w->groups * group_waves,
        .in_flight = MIN(w->groups, room) * MIN(w->turn_bytes, w->group_bytes),
        .memory_ns = w->bytes / card->bandwidth * 1e9,
        .flops_ns = w->flops / peak_of(card, d->variant) * 1e9,
        .first_ns = w->waits * CACHED_NS,
    };
    if (c.in_flight > 0) {
        c.first_ns += turn_ns;
        c.load_ns = (read / c.in_flight - 1) * turn_ns;
    }
    const double start = d->barriers ? card->dispatch_ns : 0;
    const double rest = MAX(c.memory_ns, MAX(c.flops_ns, c.load_ns));
    c.ns = start + c.first_ns + rest;
    c.bound = start > c.first_ns + rest          ? "start"
        : c.first_ns > rest || rest == c.load_ns ? "latency"
        : rest == c.flops_ns                     ? "peak"
                                                 : "bandwidth";
    return c;
}

// Whether it multiplies by matrices, whose weights the card must wait for.
static bool is_product(enum kernel kernel)
{
    return kernel == KERNEL_decode_up || kernel == KERNEL_decode_heads
        || kernel == KERNEL_decode_down || kernel == KERNEL_route || kernel == KERNEL_experts_gemm;
}

static void add(struct prediction *p, const struct card *card, const struct recorded_dispatch *d,
    const struct cost *c)
{
    const double share = c->in_flight / MIN(d->work.bytes, card_needs(card));
    if (!p->dispatches || c->waves < p->smallest_waves) {
        p->smallest_waves = c->waves;
        p->smallest = d->variant->name;
    }
    if (is_product(d->variant->kernel) && (!p->least_of || share < p->least)) {
        p->least = share;
        p->least_of = d->variant->name;
    }
    p->dispatches++;
    p->barriers += d->barriers;
    p->bytes += d->work.bytes;
    p->rows += d->work.rows;
    p->live_rows += d->work.live_rows;
}

struct prediction predict(
    const struct card *card, const struct rehearsal *r, uint32_t from, uint32_t to)
{
    struct prediction p = { .ns = 0 };
    double memory = 0, flops = 0, load = 0, first = 0; // of dispatches since a barrier
    for (uint32_t i = from; i < to; i++) {
        const struct recorded_dispatch *d = &r->dispatches[i];
        const struct cost c = cost_of(card, r->wave, d);
        if (d->barriers) {
            p.ns += first + MAX(memory, MAX(flops, load)) + card->dispatch_ns;
            memory = flops = load = first = 0;
        }
        memory += c.memory_ns;
        flops += c.flops_ns;
        load = MAX(load, c.load_ns);
        first = MAX(first, c.first_ns);
        add(&p, card, d, &c);
    }
    p.ns += first + MAX(memory, MAX(flops, load));
    return p;
}
