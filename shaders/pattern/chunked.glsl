// chunked.glsl - the pattern that shows keys of the query's own chunk, up to the query. It is a
// window whose size differs among queries.
#ifndef PATTERN_CHUNKED_GLSL
#define PATTERN_CHUNKED_GLSL

// The first key that a query at position `i` can see.
uint chunked_first(task t, uint i)
{
    return i - i % max(pattern(t, PATTERN_BLOCK), 1);
}

#endif
