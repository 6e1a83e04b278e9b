// loading.c - how far the loading of a model is, on a terminal.
#include "session.h"

#include <string.h>

enum { WIDTH = 24, REDRAW_NS = 100000000 };

bool cli_loading_show(void *user, uint64_t done, uint64_t total)
{
    struct cli_loading *loading = user;
    const uint64_t now = cli_now();
    if (loading->interrupted && *loading->interrupted)
        return false;
    if (done == 0)
        loading->start_ns = now;
    if (done > 0 && done < total && now - loading->shown_ns < REDRAW_NS)
        return true;
    loading->shown_ns = now;
    const double part = total > 0 ? (double)done / (double)total : 1;
    char bar[WIDTH + 1];
    memset(bar, ' ', WIDTH);
    memset(bar, '=', (size_t)(part * WIDTH));
    bar[WIDTH] = '\0';
    cli_progress("loading the model [%s] %3d%%, %.2f of %.2f GB, %.2f GB/s", bar, (int)(part * 100),
        (double)done * 1e-9, (double)total * 1e-9,
        (double)done / ((double)(now - loading->start_ns) + 1));
    return true;
}
