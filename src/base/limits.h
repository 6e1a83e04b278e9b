// limits.h - how large a layer may be.
#ifndef VKMOE_LIMITS_H
#define VKMOE_LIMITS_H

#define MAX_EXPERTS 1024
#define MAX_WIDTH 65536

#endif
