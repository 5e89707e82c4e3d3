// Operations in one pass with a neighbour's as Python sees them.
#pragma once

#include "bindings.hpp"
#include "fused.hpp"

namespace alexnet {

template <class T, class C>
void def_fc_descend(C& c, void (*f)(Grid<const T>, Grid<const T>, Numbers, Numbers, Descent)) {
    using In = Blocks<const T>;
    def(
        c, "fc_descend",
        [f](In x, In dy, MatrixOut w, MatrixOut v, float rate, float momentum, float decay) {
            f(view(x), view(dy), view(w), view(v), {rate, momentum, decay});
        },
        array("x"), array("dy"), array("w"), array("v"), nb::kw_only(), "rate"_a, "momentum"_a, "decay"_a);
}

template <class T, class C>
void bind_fused(C& c) {
    using In = Blocks<const T>;
    using Out = Blocks<T>;
    def(
        c, "fc_backward_bias", [](In dy, VectorOut db) { fc_backward_bias<T>(view(dy), view(db)); },
        array("dy"), array("db"));
    def(
        c, "lrn_max_pool_forward",
        [](In x, Out y, Blocks<std::uint8_t> argmax, Index n, float k, float alpha, float beta, Index groups,
           Index size, Index stride) {
            lrn_max_pool_forward<T>(view(x), view(y), view(argmax), {n, k, alpha, beta}, groups,
                                    {size, stride});
        },
        array("x"), array("y"), array("argmax"), nb::kw_only(), "n"_a, "k"_a, "alpha"_a, "beta"_a, "groups"_a,
        "size"_a, "stride"_a);
    def(
        c, "lrn_max_pool_backward",
        [](In x, In dy, Blocks<const std::uint8_t> argmax, Out dx, Index n, float k, float alpha, float beta,
           Index groups, Index size, Index stride, bool relu) {
            lrn_max_pool_backward<T>(view(x), view(dy), view(argmax), view(dx), {n, k, alpha, beta}, groups,
                                     {size, stride}, relu);
        },
        array("x"), array("dy"), array("argmax"), array("dx"), nb::kw_only(), "n"_a, "k"_a, "alpha"_a,
        "beta"_a, "groups"_a, "size"_a, "stride"_a, "relu"_a);
}

}  // namespace alexnet
