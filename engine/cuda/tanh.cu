// tanh, the unit the paper compares ReLU with (3.1): y = tanh(x); dx = dy (1 - y^2).
// x, y, dy, dx: `count` chunks of maps; y may be x, dx may be dy.
#include "common.cuh"

extern "C" __global__ void tanh_forward(const Chunk* x, Chunk* y, long long count) {
    for (long long i = flat_index(); i < count; i += flat_step()) {
        Lanes v = load_lanes(x + i);
        each_lane([&](int lane) { v.at[lane] = tanhf(v.at[lane]); });
        store_lanes(y + i, v);
    }
}
KERNEL(tanh_forward);

extern "C" __global__ void tanh_backward(const Chunk* y, const Chunk* dy, Chunk* dx, long long count) {
    for (long long i = flat_index(); i < count; i += flat_step()) {
        const Lanes value = load_lanes(y + i);
        Lanes slope = load_lanes(dy + i);
        each_lane([&](int lane) { slope.at[lane] *= 1 - value.at[lane] * value.at[lane]; });
        store_lanes(dx + i, slope);
    }
}
KERNEL(tanh_backward);
