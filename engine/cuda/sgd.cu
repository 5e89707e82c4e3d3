// One pass of gradient descent with momentum and decay (paper, 5):
//   v = momentum v - decay rate w - rate g;   w = w + v
// w, v: `count` float32, updated; g: float32; shadow: w again in the form the products read, or null. The
// numbers are in memory, so that a captured graph goes on when they change. A thread takes four elements.
#include "common.cuh"

template <class T>
struct alignas(4 * sizeof(T)) Four {
    T at[4];
};

struct Descent {
    float rate, momentum, pull;
    __device__ __forceinline__ void operator()(float& w, float& v, float g) const {
        v = momentum * v - pull * w - rate * g;
        w += v;
    }
};

extern "C" __global__ void sgd(float* w, float* v, const float* g, Map* shadow, long long count,
                               const double* rate, const double* momentum, const double* decay) {
    const float step = *rate;
    const Descent descend{step, float(*momentum), float(*decay) * step};
    for (long long i = 4 * flat_index(); i < count; i += 4 * flat_step()) {
        if (i + 4 > count) {
            for (long long at = i; at < count; ++at) {
                descend(w[at], v[at], g[at]);
                if (shadow) put(shadow[at], w[at]);
            }
            break;
        }
        auto weights = *reinterpret_cast<Four<float>*>(w + i);
        auto velocities = *reinterpret_cast<Four<float>*>(v + i);
        const auto slopes = *reinterpret_cast<const Four<float>*>(g + i);
        Four<Map> copies;
#pragma unroll
        for (int at = 0; at < 4; ++at) {
            descend(weights.at[at], velocities.at[at], slopes.at[at]);
            put(copies.at[at], weights.at[at]);
        }
        *reinterpret_cast<Four<float>*>(w + i) = weights;
        *reinterpret_cast<Four<float>*>(v + i) = velocities;
        if (shadow) *reinterpret_cast<Four<Map>*>(shadow + i) = copies;
    }
}
KERNEL(sgd);
