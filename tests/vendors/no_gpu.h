// no_gpu.h - see no_gpu.c.
#ifndef VKMOE_TESTS_NO_GPU_H
#define VKMOE_TESTS_NO_GPU_H

#include <stdbool.h>

// Whether pipelines made from now on keep the text that they were compiled to.
void no_gpu_keeps_code(bool keeps);

#endif
