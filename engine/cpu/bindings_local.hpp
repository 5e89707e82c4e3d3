// Locally connected layers as Python sees them.
#pragma once

#include "bindings.hpp"
#include "local.hpp"

namespace alexnet {

template <class T>
using BanksArray = Array<T, nb::ndim<6>>;
template <class T>
using PlanesArray = Array<T, nb::ndim<3>>;

template <class T>
Banks<T> view(const BanksArray<T>& a) {
    return {a.data(), side(a, 0), side(a, 1), side(a, 2), side(a, 3), side(a, 4), side(a, 5)};
}
template <class T>
Planes<T> view(const PlanesArray<T>& a) {
    return {a.data(), side(a, 0), side(a, 1), side(a, 2)};
}

template <class In, class Out, class C, class F>
void def_local_forward(C& c, F f) {
    def(
        c, "local_forward",
        [f](In x, BanksArray<const float> w, PlanesArray<const float> b, Out y, Index stride, Index pad,
            Index groups) { f(view(x), view(w), view(b), view(y), {stride, pad, groups}); },
        array("x"), array("w"), array("b"), array("y"), nb::kw_only(), "stride"_a, "pad"_a, "groups"_a);
}

template <class T>
struct LocallyConnected {
    using In = Blocks<const T>;
    using Out = Blocks<T>;

    void (*forward)(Grid<const T>, ConstBanks, ConstPlanes, Grid<T>, ConvShape);
    void (*backward_data)(Grid<const T>, ConstBanks, Grid<T>, ConvShape);
    void (*backward_weights)(Grid<const T>, Grid<const T>, Banks<float>, Planes<float>, ConvShape);

    template <class C>
    void bind(C& c) const {
        def_local_forward<In, Out>(c, forward);
        def(
            c, "local_backward_data",
            [f = backward_data](In dy, BanksArray<const float> w, Out dx, Index stride, Index pad,
                                Index groups) { f(view(dy), view(w), view(dx), {stride, pad, groups}); },
            array("dy"), array("w"), array("dx"), nb::kw_only(), "stride"_a, "pad"_a, "groups"_a);
        def(
            c, "local_backward_weights",
            [f = backward_weights](In x, In dy, BanksArray<float> dw, PlanesArray<float> db, Index stride,
                                   Index pad, Index groups) {
                f(view(x), view(dy), view(dw), view(db), {stride, pad, groups});
            },
            array("x"), array("dy"), array("dw"), array("db"), nb::kw_only(), "stride"_a, "pad"_a,
            "groups"_a);
    }
};

}  // namespace alexnet
