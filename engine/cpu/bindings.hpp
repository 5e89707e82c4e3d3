// Arrays as the engine sees them, and the forward operations as Python sees them, on blocks of images or on
// one.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include "engine.hpp"
#include "one.hpp"

namespace alexnet {

namespace nb = nanobind;
using namespace nb::literals;

template <class T, class... Shape>
using Array = nb::ndarray<T, nb::c_contig, nb::device::cpu, Shape...>;
template <class T>
using Blocks = Array<T, nb::shape<-1, -1, -1, -1, LANES>>;
using In = Blocks<const float>;
using Out = Blocks<float>;
template <class T>
using Single = Array<T, nb::shape<1, -1, -1, -1>>;
using SingleIn = Single<const float>;
using SingleOut = Single<float>;
using WeightsIn = Array<const float, nb::ndim<4>>;
using WeightsOut = Array<float, nb::ndim<4>>;
using MatrixIn = Array<const float, nb::ndim<2>>;
using MatrixOut = Array<float, nb::ndim<2>>;
using VectorIn = Array<const float, nb::ndim<1>>;
using VectorOut = Array<float, nb::ndim<1>>;

template <class T>
Index side(const T& array, size_t i) {
    return static_cast<Index>(array.shape(i));
}

template <class T>
Grid<T> view(const Blocks<T>& a) {
    return {a.data(), side(a, 0), side(a, 1), side(a, 2), side(a, 3)};
}
template <class T>
Image<T> view(const Single<T>& a) {
    return {a.data(), side(a, 1), side(a, 2), side(a, 3)};
}
template <class T>
Kernels<T> view(const Array<T, nb::ndim<4>>& a) {
    return {a.data(), side(a, 0), side(a, 1), side(a, 2), side(a, 3)};
}
template <class T>
Matrix<T> view(const Array<T, nb::ndim<2>>& a) {
    return {a.data(), side(a, 0), side(a, 1)};
}
template <class T>
Matrix<T> view(const Array<T, nb::ndim<1>>& a) {
    return {a.data(), 1, side(a, 0)};
}
template <class T>
Matrix<T> view(const Array<T>& a) {
    return {a.data(), 1, static_cast<Index>(a.size())};
}

// An array argument is taken as it is: a converted copy of an output would be written and lost.
inline auto array(const char* name) { return nb::arg(name).noconvert(); }

using Released = nb::call_guard<nb::gil_scoped_release>;

// The forward operations, on blocks of images or on a single one.
template <class In, class Out, class F>
void def_conv_forward(nb::module_& m, F f) {
    m.def(
        "conv_forward",
        [f](In x, WeightsIn w, VectorIn b, Out y, Index stride, Index pad, Index groups, bool fast) {
            f(view(x), view(w), view(b), view(y), {stride, pad, groups, fast});
        },
        array("x"), array("w"), array("b"), array("y"), nb::kw_only(), "stride"_a, "pad"_a, "groups"_a,
        "fast"_a = false, Released());
}

template <class In, class Out, class Places, class F>
void def_max_pool_forward(nb::module_& m, F f) {
    m.def(
        "max_pool_forward",
        [f](In x, Out y, Places argmax, Index size, Index stride) {
            f(view(x), view(y), view(argmax), {size, stride});
        },
        array("x"), array("y"), array("argmax"), nb::kw_only(), "size"_a, "stride"_a, Released());
}

template <class In, class Out, class F>
void def_average_pool_forward(nb::module_& m, F f) {
    m.def(
        "average_pool_forward",
        [f](In x, Out y, Index size, Index stride) { f(view(x), view(y), {size, stride}); }, array("x"),
        array("y"), nb::kw_only(), "size"_a, "stride"_a, Released());
}

template <class In, class Out, class F>
void def_lrn_forward(nb::module_& m, F f) {
    m.def(
        "lrn_forward",
        [f](In x, Out y, Index n, float k, float alpha, float beta, Index groups) {
            f(view(x), view(y), {n, k, alpha, beta}, groups);
        },
        array("x"), array("y"), nb::kw_only(), "n"_a, "k"_a, "alpha"_a, "beta"_a, "groups"_a, Released());
}

template <class In, class Out, class F>
void def_lrn_spatial_forward(nb::module_& m, F f) {
    m.def(
        "lrn_spatial_forward",
        [f](In x, Out y, Index n, float k, float alpha, float beta) {
            f(view(x), view(y), {n, k, alpha, beta});
        },
        array("x"), array("y"), nb::kw_only(), "n"_a, "k"_a, "alpha"_a, "beta"_a, Released());
}

template <class In, class Out, class F>
void def_fc_forward(nb::module_& m, F f) {
    m.def(
        "fc_forward", [f](In x, MatrixIn w, VectorIn b, Out y) { f(view(x), view(w), view(b), view(y)); },
        array("x"), array("w"), array("b"), array("y"), Released());
}

template <class In, class Out, class F>
void def_activation(nb::module_& m, const char* name, F f) {
    m.def(name, [f](In x, Out y) { f(view(x), view(y)); }, array("x"), array("y"), Released());
}

template <class In, class Out, class F>
void def_scale(nb::module_& m, F f) {
    m.def(
        "scale", [f](In x, Out y, float factor) { f(view(x), view(y), factor); }, array("x"), array("y"),
        nb::kw_only(), "factor"_a, Released());
}

template <class In, class Out, class F>
void def_softmax_loss(nb::module_& m, F f) {
    m.def(
        "softmax_loss",
        [f](In logits, Array<const std::int32_t, nb::ndim<1>> labels, Out probs, Out dlogits,
            Array<double, nb::ndim<1>> losses, Index images, float factor) {
            f(view(logits), view(labels), view(probs), view(dlogits), view(losses), images, factor);
        },
        array("logits"), array("labels"), array("probs"), array("dlogits"), array("losses"), nb::kw_only(),
        "images"_a, "factor"_a, Released());
}

}  // namespace alexnet
