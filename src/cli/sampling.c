// sampling.c - see sampling.h.
#include "sampling.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int parse_real(
    const char *command, const char *name, const char *text, double most, double *out)
{
    char *end;
    *out = strtod(text, &end);
    if (end == text || *end || !isfinite(*out) || *out < 0 || *out > most)
        return cli_misuse(command, "--%s is '%s', expected a number from 0%s", name, text,
            most == 1 ? " to 1" : "");
    return -1;
}

static int parse_seed(struct cli_sampling *sampling, const char *command)
{
    uint64_t *state = &sampling->sampler.state;
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    *state = ((uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec) % 1000000;
    if (sampling->seed) {
        char *end;
        errno = 0;
        *state = strtoull(sampling->seed, &end, 10);
        if (*end || errno || strspn(sampling->seed, "0123456789") != strlen(sampling->seed))
            return cli_misuse(command, "--seed is '%s', expected a number from 0", sampling->seed);
    }
    sampling->first_state = *state;
    return -1;
}

int cli_sampling_parse(struct cli_sampling *sampling, const char *command)
{
    const struct {
        const char *name;
        bool given;
    } others[] = { { "top-k", sampling->sampler.top_k }, { "top-p", sampling->top_p },
        { "seed", sampling->seed } };
    int status = -1;
    if (sampling->greedy && sampling->temperature)
        status = cli_misuse(command, "--greedy and --temperature exclude each other");
    for (int i = 0; status < 0 && !sampling->temperature && i < 3; i++) {
        if (others[i].given)
            status = cli_misuse(command, "--%s does nothing without --temperature", others[i].name);
    }
    sampling->sampler.top_p = 1;
    if (status < 0 && sampling->temperature)
        status = parse_real(command, "temperature", sampling->temperature, INFINITY,
            &sampling->sampler.temperature);
    if (status < 0 && sampling->top_p)
        status = parse_real(command, "top-p", sampling->top_p, 1, &sampling->sampler.top_p);
    return status < 0 ? parse_seed(sampling, command) : status;
}

void cli_sampling_finish(struct cli_sampling *sampling)
{
    free(sampling->sampler.candidates);
    *sampling = (struct cli_sampling){ 0 };
}

struct cli_text cli_sampling_text(const struct cli_sampling *sampling)
{
    struct cli_text out = { "greedy" };
    if (sampling->sampler.temperature > 0)
        snprintf(out.text, sizeof out.text, "seed %llu", (unsigned long long)sampling->first_state);
    return out;
}
