// One pass of gradient descent with momentum and decay (paper, 5):
//   v = momentum v - decay rate w - rate g;   w = w + v
// w, v: `count` float32, updated; g: float32; shadow: w again in the form the products read, or null.
#include "common.cuh"

extern "C" __global__ void sgd(float* w, float* v, const float* g, Map* shadow, long long count, float rate,
                               float momentum, float decay) {
    for (long long i = flat_index(); i < count; i += flat_step()) {
        const float velocity = momentum * v[i] - decay * rate * w[i] - rate * g[i];
        v[i] = velocity;
        w[i] += velocity;
        if (shadow) put(shadow[i], w[i]);
    }
}
KERNEL(sgd);
