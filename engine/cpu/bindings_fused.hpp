// Operations in one pass with a neighbour's as Python sees them.
#pragma once

#include "bindings.hpp"
#include "fused.hpp"

namespace alexnet {

template <class C>
void bind_fused(C& c) {
    def(
        c, "fc_backward_bias", [](In dy, VectorOut db) { fc_backward_bias(view(dy), view(db)); }, array("dy"),
        array("db"));
    def(
        c, "fc_descend",
        [](In x, In dy, MatrixOut w, MatrixOut v, float rate, float momentum, float decay) {
            fc_descend(view(x), view(dy), view(w), view(v), {rate, momentum, decay});
        },
        array("x"), array("dy"), array("w"), array("v"), nb::kw_only(), "rate"_a, "momentum"_a, "decay"_a);
}

}  // namespace alexnet
