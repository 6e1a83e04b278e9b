// strided.glsl - the pattern that shows keys j with j % step == phase.
#ifndef PATTERN_STRIDED_GLSL
#define PATTERN_STRIDED_GLSL

uint step_of(task t)
{
    return max(pattern(t, PATTERN_STEP), 1);
}

// The mark that keys have if a query sees them.
uint strided_query_mark(task t)
{
    return pattern(t, PATTERN_PHASE) % step_of(t);
}

uint strided_key_mark(task t, uint j)
{
    return j % step_of(t);
}

// The first such key from `begin` on.
uint strided_visit(task t, uint begin)
{
    const uint step = step_of(t);
    return begin + (pattern(t, PATTERN_PHASE) % step + step - begin % step) % step;
}

#endif
