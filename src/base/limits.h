// limits.h - how large a layer may be.
#ifndef VKMOE_LIMITS_H
#define VKMOE_LIMITS_H

#define MAX_EXPERTS 1024
#define MAX_WIDTH 65536
#define MAX_HEAD_SIZE 512 // of heads that have keys and values of their own
// Of latent attention: the elements that a head's key and value are made of, and those turned.
#define MAX_LATENT_RANK 512
#define MAX_LATENT_TURNED 128

#endif
