// code_books.h - where in what precedes a table of addresses (src/weights/experts.h) the code book
// of a format begins, and how many entries it has; both are counted in entries of 16 bits. Such an
// entry is 8 levels of 2 bits or 4 of 3, the lowest bits first; what levels mean, the format says.
#ifndef CODE_BOOKS_H
#define CODE_BOOKS_H

// clang-format off
#define CODE_BOOKS(V) \
    V(IQ3_S, 4096, 512) \
    V(IQ2_XS, 256, 512) \
    V(IQ3_XXS, 3840, 256) \
    V(IQ2_XXS, 0, 256) \
    V(IQ2_S, 768, 1024) \
    V(IQ1_S, 1792, 2048) \
    V(IQ1_M, 1792, 2048)
// clang-format on

#define CODE_BOOK_ENTRIES 4608 // of all; the bytes are a multiple of 16

#endif
