// model_whole.h - what the parts of the test of whole models share.
#ifndef VKMOE_TESTS_MODEL_WHOLE_H
#define VKMOE_TESTS_MODEL_WHOLE_H

#include <vkmoe/vkmoe.h>

#include "attention_reference.h"
#include "reference.h"
#include "check.h"

enum { BLOCKS = 4 }; // of the trained models

// A trained model's attention and logits. model_recorded.c
void test_recorded(struct tap *tap, const char *name, const char *unwindowed);

#endif
