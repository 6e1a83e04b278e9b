// kernel_bench.h - times kernels on the rows of their cases that are marked `timed`: each form that
// the device can run, the one that the library takes first, each against the plain one.
#ifndef VKMOE_TESTS_KERNEL_BENCH_H
#define VKMOE_TESTS_KERNEL_BENCH_H

// All of a main() with these arguments; see its --help.
int kernel_bench(int argc, char **argv);

#endif
