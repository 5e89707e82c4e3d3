// tanh, the unit the paper compares ReLU with (3.1): y = tanh(x); dx = dy (1 - y^2). y may be x, dx may be
// dy. x, y, dy, dx: `count` elements of maps.
#include "common.cuh"

extern "C" __global__ void tanh_forward(const Map* x, Map* y, long long count) {
    for (long long i = flat_index(); i < count; i += flat_step()) put(y[i], tanhf(to_float(x[i])));
}
KERNEL(tanh_forward);

extern "C" __global__ void tanh_backward(const Map* y, const Map* dy, Map* dx, long long count) {
    for (long long i = flat_index(); i < count; i += flat_step()) {
        const float value = to_float(y[i]);
        put(dx[i], to_float(dy[i]) * (1 - value * value));
    }
}
KERNEL(tanh_backward);
