// grid.glsl - one flat workgroup index; the host splits counts past 65535 in two dimensions.
#ifndef GRID_GLSL
#define GRID_GLSL

uint group_index()
{
    return gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x;
}

#endif
