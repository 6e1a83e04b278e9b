// chunked.glsl - the pattern that shows keys of the query's own chunk. The mark of position j is
// j / chunk.
#ifndef PATTERN_CHUNKED_GLSL
#define PATTERN_CHUNKED_GLSL

uint chunked_mark(task t, uint j)
{
    return j / max(pattern(t, PATTERN_BLOCK), 1);
}

// The first key from `begin` on that a query at position `i` or behind it can see.
uint chunked_visit(task t, uint begin, uint i)
{
    return max(begin, i - i % max(pattern(t, PATTERN_BLOCK), 1));
}

#endif
