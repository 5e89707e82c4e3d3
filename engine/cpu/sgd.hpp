// One step of stochastic gradient descent (sgd.cpp), for those who have the gradient at hand.
#pragma once

#include "maps.hpp"

namespace alexnet {

struct Descent {
    float rate, momentum, decay;
};

// By value: a number that is referred to might lie in w or v, and would be read again for each of theirs.
inline void descend(float* w, float* v, const float* g, Index count, Descent d) {
    const float pull = d.decay * d.rate;
    for (Index i = 0; i < count; ++i) {
        v[i] = d.momentum * v[i] - pull * w[i] - d.rate * g[i];
        w[i] += v[i];
    }
}

}  // namespace alexnet
