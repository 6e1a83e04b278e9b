// base64.h - bytes as tokenizers' files write them (RFC 4648, section 4).
#ifndef VKMOE_BASE64_H
#define VKMOE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

// To `out`, which has room for 3 bytes of 4 characters. False: it is no base64.
bool vkmoe_base64_decode(const char *text, size_t size, char *out, size_t *out_size);

#endif
