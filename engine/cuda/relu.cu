// ReLU (paper, 3.1): y = max(x, 0); dx = dy where y > 0, else 0. y may be x, dx may be dy.
// x, y, dy, dx: `count` chunks of maps.
#include "common.cuh"

extern "C" __global__ void relu_forward(const Chunk* x, Chunk* y, long long count) {
    for (long long i = flat_index(); i < count; i += flat_step()) {
        Lanes v = load_lanes(x + i);
        each_lane([&](int lane) { v.at[lane] = v.at[lane] < 0 ? 0.0f : v.at[lane]; });  // a NaN stays one
        store_lanes(y + i, v);
    }
}
KERNEL(relu_forward);

extern "C" __global__ void relu_backward(const Chunk* y, const Chunk* dy, Chunk* dx, long long count) {
    for (long long i = flat_index(); i < count; i += flat_step()) {
        const Lanes value = load_lanes(y + i);
        Lanes slope = load_lanes(dy + i);
        each_lane([&](int lane) { slope.at[lane] = value.at[lane] > 0 ? slope.at[lane] : 0.0f; });
        store_lanes(dx + i, slope);
    }
}
KERNEL(relu_backward);
