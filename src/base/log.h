// log.h - one line to the caller's log callback.
#ifndef VKMOE_LOG_H
#define VKMOE_LOG_H

#include <stdlib.h>

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

// The write() of a log whose user is another log, to which what fails here is only a warning: the
// call goes on without it.
void vkmoe_log_demote(void *log, enum vkmoe_log_level level, const char *line);

// The public function that is at work, for checks that several of them share: what they
// refuse is said in its name.
struct caller {
    const struct vkmoe_log *log; // may be NULL
    const char *function;
};

// vkmoe_fail() with the function's name before the line.
enum vkmoe_status vkmoe_refuse(const struct caller *caller, enum vkmoe_status status,
    const char *format, ...) VKMOE_PRINTF(3, 4);

// At the head of a public function: vkmoe.h's rule for arguments that are NULL. `log` is that
// of any object that came along, or NULL.
#define VKMOE_NEED(log, argument, name) \
    do { \
        if (!(argument)) \
            return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: %s is NULL", __func__, name); \
    } while (0)

// For functions that hold nothing yet: declares `object`, a pointer to zeros, or returns what
// failed; `whose` is said before the line.
#define NEW_OR_RETURN(type, object, log, whose) \
    type *object = calloc(1, sizeof *object); \
    if (!object) \
    return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, whose "out of host memory")

#endif
