// log.h - one line to the caller's log callback.
#ifndef VKMOE_LOG_H
#define VKMOE_LOG_H

#include "vkmoe/vkmoe.h"

#if defined(__GNUC__)
#define VKMOE_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define VKMOE_PRINTF(text, first)
#endif

// Formats and hands on one line, cut at 1023 bytes. `log` may be NULL.
void vkmoe_log(const struct vkmoe_log *log, enum vkmoe_log_level level, const char *format, ...)
    VKMOE_PRINTF(3, 4);

// Logs an error and returns `status`, so that a check is one statement.
enum vkmoe_status vkmoe_fail(const struct vkmoe_log *log, enum vkmoe_status status,
    const char *format, ...) VKMOE_PRINTF(3, 4);

#endif
