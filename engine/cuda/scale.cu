// y = factor x: the hidden units' outputs at test, where dropout is off (paper, 4.2). y may be x.
// x, y: `count` chunks of maps.
#include "common.cuh"

extern "C" __global__ void scale(const Chunk* x, Chunk* y, long long count, float factor) {
    for (long long i = flat_index(); i < count; i += flat_step()) {
        Lanes v = load_lanes(x + i);
        each_lane([&](int lane) { v.at[lane] *= factor; });
        store_lanes(y + i, v);
    }
}
KERNEL(scale);

/// Master weights in the form the matrix products read; `count` of them.
extern "C" __global__ void to_maps(const float* x, Map* y, long long count) {
    for (long long i = flat_index(); i < count; i += flat_step()) put(y[i], x[i]);
}
KERNEL(to_maps);
