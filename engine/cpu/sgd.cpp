// Stochastic gradient descent (section 5), number by number, in one pass over memory:
//   v <- momentum v - decay rate w - rate g;   w <- w + v          w, v, g of the same number of elements
#include <algorithm>

#include "check.hpp"
#include "engine.hpp"
#include "simd.hpp"
#include "threads.hpp"

namespace alexnet {

void sgd(Numbers w, Numbers v, ConstNumbers g, float rate, float momentum, float decay) {
    constexpr Index TASK = 16 * 1024;
    CHECK(w.columns == v.columns && w.columns == g.columns, "sgd", "sizes differ: w ", w, ", v ", v, ", g ",
          g);
    const float pull = decay * rate;
    parallel((w.columns + TASK - 1) / TASK, [&](Index task) {
        Index i = task * TASK;
        const Index end = std::min(w.columns, i + TASK);
        for (; i < end; ++i) {
            v.data[i] = momentum * v.data[i] - pull * w.data[i] - rate * g.data[i];
            w.data[i] += v.data[i];
        }
    });
}

}  // namespace alexnet
