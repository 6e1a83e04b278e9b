// arrive.glsl - where the last workgroup to arrive goes on with what others wrote to coherent
// buffers. Nobody waits, see route.h.
#ifndef ARRIVE_GLSL
#define ARRIVE_GLSL

#extension GL_KHR_memory_scope_semantics : require

#ifdef SM // Vulkan's memory model, of which the scope of a device is an option
#define ARRIVE_SCOPE gl_ScopeQueueFamily
#else
#define ARRIVE_SCOPE gl_ScopeDevice
#endif

shared bool is_last;

// One barrier for both, as memory between two of shared memory's alone would be ordered for the
// lane that counts and for no other. By all lanes: MoltenVK may make a barrier of threads of what
// only orders memory.
void order_all()
{
    controlBarrier(gl_ScopeWorkgroup, ARRIVE_SCOPE,
        gl_StorageSemanticsBuffer | gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);
}

// Counts this workgroup. True for the last of `all`, which leaves the counter at 0: it sees what
// each of them wrote before. In uniform control flow.
bool arrives_last(U32Coherent counters, uint counter, uint all)
{
    order_all(); // what this workgroup wrote before its count
    if (gl_LocalInvocationIndex == 0) {
        is_last = atomicAdd(counters.v[counter], 1) == all - 1;
        if (is_last)
            atomicExchange(counters.v[counter], 0);
    }
    order_all(); // the others' counts before what they wrote
    return is_last;
}

#endif
