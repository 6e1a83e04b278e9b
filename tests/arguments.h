// arguments.h - between the two files of test_arguments.
#ifndef VKMOE_TESTS_ARGUMENTS_H
#define VKMOE_TESTS_ARGUMENTS_H

#include <stdbool.h>

// Whether each pointer of each function in the headers, "function.argument", is tested.
bool arguments_headers(bool (*is_tested)(const char *name));

#endif
