// log.c - see log.h. The library's only formatted output ends in the caller's callback.
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/value.h"

static void write_line(
    const struct vkmoe_log *log, enum vkmoe_log_level level, const char *format, va_list args)
{
    if (!log || !log->write || level > log->level)
        return;
    char line[1024];
    vsnprintf(line, sizeof line, format, args);
    vkmoe_make_printable(line, strlen(line)); // of names that are cut, or anything
    log->write(log->user, level, line);
}

void vkmoe_log(const struct vkmoe_log *log, enum vkmoe_log_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line(log, level, format, args);
    va_end(args);
}

enum vkmoe_status vkmoe_fail(
    const struct vkmoe_log *log, enum vkmoe_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line(log, VKMOE_LOG_ERROR, format, args);
    va_end(args);
    return status;
}

enum vkmoe_status vkmoe_refuse(
    const struct caller *caller, enum vkmoe_status status, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    return vkmoe_fail(caller->log, status, "%s: %s", caller->function, line);
}

void vkmoe_log_demote(void *log, enum vkmoe_log_level level, const char *line)
{
    vkmoe_log(log, level == VKMOE_LOG_ERROR ? VKMOE_LOG_WARNING : level, "%s", line);
}

const char *vkmoe_status_name(enum vkmoe_status status)
{
    switch (status) {
    case VKMOE_OK: return "success";
    case VKMOE_ERROR_INVALID: return "invalid argument or file";
    case VKMOE_ERROR_UNSUPPORTED: return "not supported";
    case VKMOE_ERROR_NOT_FOUND: return "not found";
    case VKMOE_ERROR_OUT_OF_MEMORY: return "out of memory";
    case VKMOE_ERROR_TIMEOUT: return "timeout";
    case VKMOE_ERROR_DEVICE_LOST: return "device lost";
    case VKMOE_ERROR_DRIVER: return "driver error";
    case VKMOE_ERROR_CANCELLED: return "cancelled";
    }
    return "unknown status";
}

uint32_t vkmoe_version(void)
{
    return VKMOE_VERSION;
}
