// Arrays as the engine sees them, and the forward operations as Python sees them, on blocks of images or on one.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include "check.hpp"
#include "engine.hpp"
#include "one.hpp"
#include "threads.hpp"

namespace alexnet {

namespace nb = nanobind;
using namespace nb::literals;

template <class T, class... Shape>
using Array = nb::ndarray<T, nb::c_contig, nb::device::cpu, Shape...>;
template <class T>
using Blocks = Array<T, nb::shape<-1, -1, -1, -1, LANES>>;
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

// An engine's operations are the methods of a class: each of their calls may use so many threads.
struct Operations {
    int threads;

    explicit Operations(int threads) : threads(threads) {
        CHECK(threads >= 1, "engine", "needs at least one thread, got ", threads);
    }
};

// Makes f a method of C.
template <class C, class F, class Result, class... Args, class... Extra>
void def(C& c, const char* name, F f, Result (F::*)(Args...) const, const Extra&... extra) {
    c.def(
        name,
        [f](const typename C::Type& operations, Args... args) {
            const Call call(operations.threads);
            return f(args...);
        },
        extra..., nb::call_guard<nb::gil_scoped_release>());
}
template <class C, class F, class... Extra>
void def(C& c, const char* name, F f, const Extra&... extra) {
    def(c, name, f, &F::operator(), extra...);
}

// The forward operations, on blocks of images or on a single one.
template <class In, class Out, class C, class F>
void def_conv_forward(C& c, F f) {
    def(
        c, "conv_forward",
        [f](In x, WeightsIn w, VectorIn b, Out y, Index stride, Index pad, Index groups, bool relu) {
            f(view(x), view(w), view(b), view(y), {stride, pad, groups}, relu);
        },
        array("x"), array("w"), array("b"), array("y"), nb::kw_only(), "stride"_a, "pad"_a, "groups"_a,
        "relu"_a = false);
}

template <class In, class Out, class Places, class C, class F>
void def_max_pool_forward(C& c, F f) {
    def(
        c, "max_pool_forward",
        [f](In x, Out y, Places argmax, Index size, Index stride) {
            f(view(x), view(y), view(argmax), {size, stride});
        },
        array("x"), array("y"), array("argmax"), nb::kw_only(), "size"_a, "stride"_a);
}

template <class In, class Out, class C, class F>
void def_average_pool_forward(C& c, F f) {
    def(
        c, "average_pool_forward",
        [f](In x, Out y, Index size, Index stride) { f(view(x), view(y), {size, stride}); }, array("x"),
        array("y"), nb::kw_only(), "size"_a, "stride"_a);
}

template <class In, class Out, class C, class F>
void def_lrn_forward(C& c, F f) {
    def(
        c, "lrn_forward",
        [f](In x, Out y, Index n, float k, float alpha, float beta, Index groups) {
            f(view(x), view(y), {n, k, alpha, beta}, groups);
        },
        array("x"), array("y"), nb::kw_only(), "n"_a, "k"_a, "alpha"_a, "beta"_a, "groups"_a);
}

template <class In, class Out, class C, class F>
void def_lrn_spatial_forward(C& c, F f) {
    def(
        c, "lrn_spatial_forward",
        [f](In x, Out y, Index n, float k, float alpha, float beta) {
            f(view(x), view(y), {n, k, alpha, beta});
        },
        array("x"), array("y"), nb::kw_only(), "n"_a, "k"_a, "alpha"_a, "beta"_a);
}

template <class In, class Out, class C, class F>
void def_fc_forward(C& c, F f) {
    def(
        c, "fc_forward",
        [f](In x, MatrixIn w, VectorIn b, Out y, bool relu) { f(view(x), view(w), view(b), view(y), relu); },
        array("x"), array("w"), array("b"), array("y"), nb::kw_only(), "relu"_a = false);
}

template <class In, class Out, class C, class F>
void def_activation(C& c, const char* name, F f) {
    def(c, name, [f](In x, Out y) { f(view(x), view(y)); }, array("x"), array("y"));
}

template <class In, class Out, class C, class F>
void def_scale(C& c, F f) {
    def(
        c, "scale", [f](In x, Out y, float factor) { f(view(x), view(y), factor); }, array("x"), array("y"),
        nb::kw_only(), "factor"_a);
}

template <class In, class Out, class C, class F>
void def_softmax_loss(C& c, F f) {
    def(
        c, "softmax_loss",
        [f](In logits, Array<const std::int32_t, nb::ndim<1>> labels, Out probs, Out dlogits,
            Array<double, nb::ndim<1>> losses, Index images, float factor) {
            f(view(logits), view(labels), view(probs), view(dlogits), view(losses), images, factor);
        },
        array("logits"), array("labels"), array("probs"), array("dlogits"), array("losses"), nb::kw_only(),
        "images"_a, "factor"_a);
}

using Pixels = Array<const std::uint8_t, nb::shape<-1, -1, 3>>;
using Mean = Array<const float, nb::shape<-1, -1, 3>>;
using Offsets = Array<const std::int32_t, nb::shape<-1, 2>>;
using Reflect = Array<const std::uint8_t, nb::ndim<1>>;
using Shift = Array<const float, nb::shape<-1, 3>>;

inline std::vector<Crop> crops_of(const std::vector<Pixels>& images, const Offsets& offsets,
                                  const Reflect& reflect, const Shift& shift) {
    const size_t count = images.size();
    CHECK(offsets.shape(0) == count && reflect.shape(0) == count && shift.shape(0) == count, "augment",
          "offsets, reflect and shift must be one for each of ", count, " images, got ", offsets.shape(0),
          ", ", reflect.shape(0), " and ", shift.shape(0));
    std::vector<Crop> crops;
    for (size_t n = 0; n < count; ++n) {
        const Index size = side(images[0], 0);
        CHECK(side(images[n], 0) == size && side(images[n], 1) == size, "augment", "image ", n, " (",
              side(images[n], 0), ", ", side(images[n], 1), ", 3) is not (", size, ", ", size, ", 3)");
        crops.push_back({images[n].data(), offsets.data()[2 * n], offsets.data()[2 * n + 1],
                         reflect.data()[n] != 0, shift.data() + 3 * n});
    }
    return crops;
}

template <class Out, class C, class F>
void def_augment(C& c, F f) {
    c.def(
        "augment",
        [f](const typename C::Type& operations, const std::vector<Pixels>& images, Mean mean, Out out,
            Offsets offsets, Reflect reflect, Shift shift, float divide) {
            const auto crops = crops_of(images, offsets, reflect, shift);
            const Index size = images.empty() ? side(mean, 0) : side(images[0], 0);
            CHECK(side(mean, 0) == side(mean, 1), "augment", "mean (", side(mean, 0), ", ", side(mean, 1),
                  ", 3) is not square");
            nb::gil_scoped_release released;  // only here: the list of images holds Python objects
            const Call call(operations.threads);
            f(crops, size, MeanImage{mean.data(), side(mean, 0)}, view(out), divide);
        },
        array("images"), array("mean"), array("out"), array("offsets"), array("reflect"), array("shift"),
        nb::kw_only(), "divide"_a);
}

void bind_one_image(nb::module_& m);
void bind_photos(nb::module_& m);

}  // namespace alexnet
