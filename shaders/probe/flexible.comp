// Nor do later ones know matrices of any size, of SPIR-V 1.6.
#version 460
#extension GL_KHR_cooperative_matrix : require
#extension GL_NV_cooperative_matrix2 : require

void main() {}
