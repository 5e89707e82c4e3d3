// Stochastic gradient descent (section 5), number by number, in one pass over memory:
//   v <- momentum v - decay rate w - rate g;   w <- w + v          w, v, g of the same number of elements
#include "sgd.hpp"

#include "check.hpp"
#include "engine.hpp"
#include "split.hpp"
#include "threads.hpp"

namespace alexnet {

void sgd(Numbers w, Numbers v, ConstNumbers g, float rate, float momentum, float decay) {
    constexpr Index TASK = 16 * 1024;
    CHECK(w.columns == v.columns && w.columns == g.columns, "sgd", "sizes differ: w ", w, ", v ", v, ", g ",
          g);
    const Split tasks = split(w.columns, TASK);
    parallel(tasks.count, [&](Index i) {
        const Index first = tasks[i].begin;
        descend(w.data + first, v.data + first, g.data + first, tasks[i].size(), {rate, momentum, decay});
    });
}

}  // namespace alexnet
