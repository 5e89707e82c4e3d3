// One pass of gradient descent with momentum and decay (paper, 5), of many parameters at once:
//   v = momentum v - decay rate w - rate g;   w = w + v
// and w again in the forms that products read. The numbers are in memory, so that a captured graph goes on when they
// change. A thread takes four elements of a parameter.
#include "pack.cuh"

constexpr int kForms = 2;  // packed forms of a parameter, of the forward pass and of the data gradient

/// w, v: `count` float32, updated; g: float32; shadow: w in its own order, packed: w as convolutions read it, or null.
/// `begin` and `end`: its fours among those of all parameters.
struct Moved {
    float *w, *v;
    const float* g;
    Map *shadow, *packed[kForms];
    const double *rate, *momentum, *decay;
    long long count, begin, end;
    PackShape forms[kForms];
};

struct AllMoved {
    Moved at[SGD_TOGETHER];
};

template <class T>
struct alignas(4 * sizeof(T)) Four {
    T at[4];
};

struct Descent {
    float rate, momentum, pull;
    __device__ __forceinline__ explicit Descent(const Moved& p)
        : rate(*p.rate), momentum(*p.momentum), pull(float(*p.decay) * rate) {}
    __device__ __forceinline__ void operator()(float& w, float& v, float g) const {
        v = momentum * v - pull * w - rate * g;
        w += v;
    }
};

/// Weight i of a parameter, in its packed forms.
__device__ __forceinline__ void pack(const Moved& p, long long i, float w) {
#pragma unroll
    for (int form = 0; form < kForms; ++form)
        if (p.packed[form]) put(p.packed[form][packed_place(i, p.forms[form])], w);
}

__device__ __forceinline__ void move(const Moved& p, long long i, const Descent& descend) {
    if (i + 4 > p.count) {
        for (; i < p.count; ++i) {
            descend(p.w[i], p.v[i], p.g[i]);
            if (p.shadow) put(p.shadow[i], p.w[i]);
            pack(p, i, p.w[i]);
        }
        return;
    }
    auto weights = *reinterpret_cast<Four<float>*>(p.w + i);
    auto velocities = *reinterpret_cast<Four<float>*>(p.v + i);
    const auto slopes = *reinterpret_cast<const Four<float>*>(p.g + i);
    Four<Map> copies;
#pragma unroll
    for (int at = 0; at < 4; ++at) {
        descend(weights.at[at], velocities.at[at], slopes.at[at]);
        put(copies.at[at], weights.at[at]);
        pack(p, i + at, weights.at[at]);
    }
    *reinterpret_cast<Four<float>*>(p.w + i) = weights;
    *reinterpret_cast<Four<float>*>(p.v + i) = velocities;
    if (p.shadow) *reinterpret_cast<Four<Map>*>(p.shadow + i) = copies;
}

/// fours: of all parameters.
extern "C" __global__ void sgd(AllMoved all, long long fours) {
    int at = 0;
    for (long long i = flat_index(); i < fours;) {
        while (i >= all.at[at].end) ++at;
        const Moved& p = all.at[at];
        const Descent descend(p);
        for (; i < p.end; i += flat_step()) move(p, 4 * (i - p.begin), descend);
    }
}
KERNEL(sgd);
