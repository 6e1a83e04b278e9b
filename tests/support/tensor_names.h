// tensor_names.h - names that checkpoints of several families give a gated network's matrices:
// three arguments, in the order gate, up, down.
#ifndef VKMOE_TESTS_TENSOR_NAMES_H
#define VKMOE_TESTS_TENSOR_NAMES_H

#define GATE_UP_DOWN(parent) \
    parent ".gate_proj.weight", parent ".up_proj.weight", parent ".down_proj.weight"
#define W1_W3_W2(parent) parent ".w1.weight", parent ".w3.weight", parent ".w2.weight"

#endif
