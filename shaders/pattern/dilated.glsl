// dilated.glsl - the pattern that shows keys j with (i - j) % step == phase, i the query: rows of a
// workgroup that stand at different positions see different keys, and walk over them alone. Keys
// have the marks of strided.glsl.
#ifndef PATTERN_DILATED_GLSL
#define PATTERN_DILATED_GLSL

#include "pattern/strided.glsl"

// The mark that keys have if the query at position `i` sees them.
uint dilated_query_mark(task t, uint i)
{
    const uint step = step_of(t);
    return (i % step + step - pattern(t, PATTERN_PHASE) % step) % step;
}

// The first such key from `begin` on.
uint dilated_visit(task t, uint begin, uint i)
{
    const uint step = step_of(t);
    return begin + (dilated_query_mark(t, i) + step - begin % step) % step;
}

#endif
