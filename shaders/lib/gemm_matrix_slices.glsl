// gemm_matrix_slices.glsl - the loop of gemm_matrix_body.glsl over slices from `k` to END, each of
// which stages the next one. It has no branches, at which compilers would lose sight of matrices in
// registers.

    do {
        const uint next = min(k + GEMM_SLICE, end_column - GEMM_SLICE);
#ifdef ROLLED
        barrier();
        uint s = 0;
        [[dont_unroll]] do
            MULTIPLY(s)
        while ((s += SK) < GEMM_SLICE);
        FETCH(next)
#else
        FETCH(next)
        FETCH_WEIGHTS(next)
        barrier();
        MULTIPLY(0)
        if (GEMM_SLICE > SK)
            MULTIPLY(SK)
#endif
        side = PLANES * PLANE - side;
        STAGE(side, TOP(n))
#ifdef UNPACK
        WEIGHTS_BARRIER(); // the weights before have been read
        BRING_WEIGHTS(next)
#else
        [[unroll]] for (uint i = 0; i < RUNS; i++)
            weights[i] += uint64_t(GEMM_SLICE * 32);
#endif
        k += GEMM_SLICE;
    } while (k < END);
