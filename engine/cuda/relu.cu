// ReLU (paper, 3.1): y = max(x, 0); dx = dy where y > 0, else 0. y may be x, dx may be dy.
// x, y, dy, dx: `count` elements of maps.
#include "common.cuh"

extern "C" __global__ void relu_forward(const Map* x, Map* y, long long count) {
    for (long long i = flat_index(); i < count; i += flat_step()) {
        const float value = to_float(x[i]);
        put(y[i], value < 0 ? 0.0f : value);  // a NaN stays one
    }
}
KERNEL(relu_forward);

extern "C" __global__ void relu_backward(const Map* y, const Map* dy, Map* dx, long long count) {
    for (long long i = flat_index(); i < count; i += flat_step())
        put(dx[i], to_float(y[i]) > 0 ? to_float(dy[i]) : 0.0f);
}
KERNEL(relu_backward);
