// The operations on blocks of images as Python sees them, on maps of numbers T.
#pragma once

#include "bindings.hpp"

namespace alexnet {

// The operations that have a naive form beside the fast one, by their kind of signature.
template <class T>
struct Convolution {
    using In = Blocks<const T>;
    using Out = Blocks<T>;

    void (*forward)(Grid<const T>, ConstKernels, ConstNumbers, Grid<T>, ConvShape, bool);
    void (*backward_data)(Grid<const T>, ConstKernels, Grid<T>, ConvShape);
    void (*backward_weights)(Grid<const T>, Grid<const T>, Kernels<float>, Numbers, ConvShape);
    decltype(&conv_products) products;

    template <class C>
    void bind(C& c) const {
        def_conv_forward<In, Out>(c, forward);
        def(
            c, "conv_backward_data",
            [f = backward_data](In dy, WeightsIn w, Out dx, Index stride, Index pad, Index groups) {
                f(view(dy), view(w), view(dx), {stride, pad, groups});
            },
            array("dy"), array("w"), array("dx"), nb::kw_only(), "stride"_a, "pad"_a, "groups"_a);
        def(
            c, "conv_backward_weights",
            [f = backward_weights](In x, In dy, WeightsOut dw, VectorOut db, Index stride, Index pad,
                                   Index groups) {
                f(view(x), view(dy), view(dw), view(db), {stride, pad, groups});
            },
            array("x"), array("dy"), array("dw"), array("db"), nb::kw_only(), "stride"_a, "pad"_a,
            "groups"_a);
        def(
            c, "conv_products",
            [f = products](WeightsIn w, In y, Index stride, Index pad, Index groups) {
                return f(view(w), view(y), {stride, pad, groups});
            },
            array("w"), array("y"), nb::kw_only(), "stride"_a, "pad"_a, "groups"_a);
    }
};

template <class T>
struct Pooling {
    using In = Blocks<const T>;
    using Out = Blocks<T>;

    decltype(&max_pool_forward<T>) max_forward;
    decltype(&max_pool_backward<T>) max_backward;
    decltype(&average_pool_forward<T>) average_forward;
    decltype(&average_pool_backward<T>) average_backward;

    template <class C>
    void bind(C& c) const {
        def_max_pool_forward<In, Out, Blocks<std::uint8_t>>(c, max_forward);
        def(
            c, "max_pool_backward",
            [f = max_backward](In dy, Blocks<const std::uint8_t> argmax, Out dx, Index size, Index stride) {
                f(view(dy), view(argmax), view(dx), {size, stride});
            },
            array("dy"), array("argmax"), array("dx"), nb::kw_only(), "size"_a, "stride"_a);
        def_average_pool_forward<In, Out>(c, average_forward);
        def(
            c, "average_pool_backward",
            [f = average_backward](In dy, Out dx, Index size, Index stride) {
                f(view(dy), view(dx), {size, stride});
            },
            array("dy"), array("dx"), nb::kw_only(), "size"_a, "stride"_a);
    }
};

template <class T>
struct Normalisation {
    using In = Blocks<const T>;
    using Out = Blocks<T>;

    decltype(&lrn_forward<T>) forward;
    decltype(&lrn_backward<T>) backward;
    decltype(&lrn_spatial_forward<T>) spatial_forward;
    decltype(&lrn_spatial_backward<T>) spatial_backward;

    template <class C>
    void bind(C& c) const {
        def_lrn_forward<In, Out>(c, forward);
        def(
            c, "lrn_backward",
            [f = backward](In x, In dy, Out dx, Index n, float k, float alpha, float beta, Index groups) {
                f(view(x), view(dy), view(dx), {n, k, alpha, beta}, groups);
            },
            array("x"), array("dy"), array("dx"), nb::kw_only(), "n"_a, "k"_a, "alpha"_a, "beta"_a,
            "groups"_a);
        def_lrn_spatial_forward<In, Out>(c, spatial_forward);
        def(
            c, "lrn_spatial_backward",
            [f = spatial_backward](In x, In dy, Out dx, Index n, float k, float alpha, float beta) {
                f(view(x), view(dy), view(dx), {n, k, alpha, beta});
            },
            array("x"), array("dy"), array("dx"), nb::kw_only(), "n"_a, "k"_a, "alpha"_a, "beta"_a);
    }
};

template <class T>
struct FullyConnected {
    using In = Blocks<const T>;
    using Out = Blocks<T>;

    void (*forward)(Grid<const T>, ConstNumbers, ConstNumbers, Grid<T>, bool);
    void (*backward_data)(Grid<const T>, ConstNumbers, Grid<T>);
    void (*backward_weights)(Grid<const T>, Grid<const T>, Numbers, Numbers);

    template <class C>
    void bind(C& c) const {
        def_fc_forward<In, Out>(c, forward);
        def(
            c, "fc_backward_data",
            [f = backward_data](In dy, MatrixIn w, Out dx) { f(view(dy), view(w), view(dx)); }, array("dy"),
            array("w"), array("dx"));
        def(
            c, "fc_backward_weights",
            [f = backward_weights](In x, In dy, MatrixOut dw, VectorOut db) {
                f(view(x), view(dy), view(dw), view(db));
            },
            array("x"), array("dy"), array("dw"), array("db"));
    }
};

template <class T, class C>
void bind_pointwise(C& c) {
    using In = Blocks<const T>;
    using Out = Blocks<T>;
    def_activation<In, Out>(c, "relu_forward", &relu_forward<T>);
    def(
        c, "relu_backward", [](In y, In dy, Out dx) { relu_backward(view(y), view(dy), view(dx)); },
        array("y"), array("dy"), array("dx"));
    def_activation<In, Out>(c, "tanh_forward", &tanh_forward<T>);
    def(
        c, "tanh_backward", [](In y, In dy, Out dx) { tanh_backward(view(y), view(dy), view(dx)); },
        array("y"), array("dy"), array("dx"));
    def_scale<In, Out>(c, &scale<T>);
    def(
        c, "dropout",
        [](In x, Out y, double rate, std::uint32_t seed, std::uint32_t step, std::uint32_t layer,
           Index first_unit, Index first_image) {
            dropout(view(x), view(y), rate, {seed, step, layer, first_unit, first_image});
        },
        array("x"), array("y"), nb::kw_only(), "rate"_a, "seed"_a, "step"_a, "layer"_a, "first_unit"_a,
        "first_image"_a);
    def(
        c, "sgd",
        [](Array<float> w, Array<float> v, Array<const float> g, float rate, float momentum, float decay) {
            sgd(view(w), view(v), view(g), rate, momentum, decay);
        },
        array("w"), array("v"), array("g"), nb::kw_only(), "rate"_a, "momentum"_a, "decay"_a);
}

}  // namespace alexnet
