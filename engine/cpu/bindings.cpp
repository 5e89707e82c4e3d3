// The engine as a Python module: arrays positional, scalars by keyword, the GIL released while an operation
// runs. Built once for each instruction set, as ENGINE_MODULE.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include "check.hpp"
#include "engine.hpp"
#include "philox.hpp"
#include "simd.hpp"
#include "threads.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace alexnet {
namespace {

template <class T, class... Shape>
using Array = nb::ndarray<T, nb::c_contig, nb::device::cpu, Shape...>;
template <class T>
using Blocks = Array<T, nb::shape<-1, -1, -1, -1, LANES>>;
using In = Blocks<const float>;
using Out = Blocks<float>;
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
auto array(const char* name) { return nb::arg(name).noconvert(); }

using Released = nb::call_guard<nb::gil_scoped_release>;

// The operations that have a naive form beside the fast one, by their kind of signature.
struct Convolution {
    decltype(&conv_forward) forward;
    decltype(&conv_backward_data) backward_data;
    decltype(&conv_backward_weights) backward_weights;

    void bind(nb::module_& m) const {
        m.def(
            "conv_forward",
            [f = forward](In x, WeightsIn w, VectorIn b, Out y, Index stride, Index pad, Index groups) {
                f(view(x), view(w), view(b), view(y), {stride, pad, groups});
            },
            array("x"), array("w"), array("b"), array("y"), nb::kw_only(), "stride"_a, "pad"_a, "groups"_a,
            Released());
        m.def(
            "conv_backward_data",
            [f = backward_data](In dy, WeightsIn w, Out dx, Index stride, Index pad, Index groups) {
                f(view(dy), view(w), view(dx), {stride, pad, groups});
            },
            array("dy"), array("w"), array("dx"), nb::kw_only(), "stride"_a, "pad"_a, "groups"_a, Released());
        m.def(
            "conv_backward_weights",
            [f = backward_weights](In x, In dy, WeightsOut dw, VectorOut db, Index stride, Index pad,
                                   Index groups) {
                f(view(x), view(dy), view(dw), view(db), {stride, pad, groups});
            },
            array("x"), array("dy"), array("dw"), array("db"), nb::kw_only(), "stride"_a, "pad"_a, "groups"_a,
            Released());
    }
};

struct Pooling {
    decltype(&max_pool_forward) max_forward;
    decltype(&max_pool_backward) max_backward;
    decltype(&average_pool_forward) average_forward;
    decltype(&average_pool_backward) average_backward;

    void bind(nb::module_& m) const {
        m.def(
            "max_pool_forward",
            [f = max_forward](In x, Out y, Blocks<std::uint8_t> argmax, Index size, Index stride) {
                f(view(x), view(y), view(argmax), {size, stride});
            },
            array("x"), array("y"), array("argmax"), nb::kw_only(), "size"_a, "stride"_a, Released());
        m.def(
            "max_pool_backward",
            [f = max_backward](In dy, Blocks<const std::uint8_t> argmax, Out dx, Index size, Index stride) {
                f(view(dy), view(argmax), view(dx), {size, stride});
            },
            array("dy"), array("argmax"), array("dx"), nb::kw_only(), "size"_a, "stride"_a, Released());
        m.def(
            "average_pool_forward",
            [f = average_forward](In x, Out y, Index size, Index stride) {
                f(view(x), view(y), {size, stride});
            },
            array("x"), array("y"), nb::kw_only(), "size"_a, "stride"_a, Released());
        m.def(
            "average_pool_backward",
            [f = average_backward](In dy, Out dx, Index size, Index stride) {
                f(view(dy), view(dx), {size, stride});
            },
            array("dy"), array("dx"), nb::kw_only(), "size"_a, "stride"_a, Released());
    }
};

struct Normalisation {
    decltype(&lrn_forward) forward;
    decltype(&lrn_backward) backward;
    decltype(&lrn_spatial_forward) spatial_forward;
    decltype(&lrn_spatial_backward) spatial_backward;

    void bind(nb::module_& m) const {
        m.def(
            "lrn_forward",
            [f = forward](In x, Out y, Index n, float k, float alpha, float beta, Index groups) {
                f(view(x), view(y), {n, k, alpha, beta}, groups);
            },
            array("x"), array("y"), nb::kw_only(), "n"_a, "k"_a, "alpha"_a, "beta"_a, "groups"_a, Released());
        m.def(
            "lrn_backward",
            [f = backward](In x, In dy, Out dx, Index n, float k, float alpha, float beta, Index groups) {
                f(view(x), view(dy), view(dx), {n, k, alpha, beta}, groups);
            },
            array("x"), array("dy"), array("dx"), nb::kw_only(), "n"_a, "k"_a, "alpha"_a, "beta"_a,
            "groups"_a, Released());
        m.def(
            "lrn_spatial_forward",
            [f = spatial_forward](In x, Out y, Index n, float k, float alpha, float beta) {
                f(view(x), view(y), {n, k, alpha, beta});
            },
            array("x"), array("y"), nb::kw_only(), "n"_a, "k"_a, "alpha"_a, "beta"_a, Released());
        m.def(
            "lrn_spatial_backward",
            [f = spatial_backward](In x, In dy, Out dx, Index n, float k, float alpha, float beta) {
                f(view(x), view(dy), view(dx), {n, k, alpha, beta});
            },
            array("x"), array("dy"), array("dx"), nb::kw_only(), "n"_a, "k"_a, "alpha"_a, "beta"_a,
            Released());
    }
};

struct FullyConnected {
    decltype(&fc_forward) forward;
    decltype(&fc_backward_data) backward_data;
    decltype(&fc_backward_weights) backward_weights;

    void bind(nb::module_& m) const {
        m.def(
            "fc_forward",
            [f = forward](In x, MatrixIn w, VectorIn b, Out y) { f(view(x), view(w), view(b), view(y)); },
            array("x"), array("w"), array("b"), array("y"), Released());
        m.def(
            "fc_backward_data",
            [f = backward_data](In dy, MatrixIn w, Out dx) { f(view(dy), view(w), view(dx)); }, array("dy"),
            array("w"), array("dx"), Released());
        m.def(
            "fc_backward_weights",
            [f = backward_weights](In x, In dy, MatrixOut dw, VectorOut db) {
                f(view(x), view(dy), view(dw), view(db));
            },
            array("x"), array("dy"), array("dw"), array("db"), Released());
    }
};

void bind_pointwise(nb::module_& m) {
    m.def(
        "relu_forward", [](In x, Out y) { relu_forward(view(x), view(y)); }, array("x"), array("y"),
        Released());
    m.def(
        "relu_backward", [](In y, In dy, Out dx) { relu_backward(view(y), view(dy), view(dx)); }, array("y"),
        array("dy"), array("dx"), Released());
    m.def(
        "tanh_forward", [](In x, Out y) { tanh_forward(view(x), view(y)); }, array("x"), array("y"),
        Released());
    m.def(
        "tanh_backward", [](In y, In dy, Out dx) { tanh_backward(view(y), view(dy), view(dx)); }, array("y"),
        array("dy"), array("dx"), Released());
    m.def(
        "scale", [](In x, Out y, float factor) { scale(view(x), view(y), factor); }, array("x"), array("y"),
        nb::kw_only(), "factor"_a, Released());
    m.def(
        "dropout",
        [](In x, Out y, double rate, std::uint32_t seed, std::uint32_t step, std::uint32_t layer,
           Index first_unit, Index first_image) {
            dropout(view(x), view(y), rate, {seed, step, layer, first_unit, first_image});
        },
        array("x"), array("y"), nb::kw_only(), "rate"_a, "seed"_a, "step"_a, "layer"_a, "first_unit"_a,
        "first_image"_a, Released());
    m.def(
        "sgd",
        [](Array<float> w, Array<float> v, Array<const float> g, float rate, float momentum, float decay) {
            sgd(view(w), view(v), view(g), rate, momentum, decay);
        },
        array("w"), array("v"), array("g"), nb::kw_only(), "rate"_a, "momentum"_a, "decay"_a, Released());
}

void bind_loss(nb::module_& m) {
    m.def(
        "softmax_loss",
        [](In logits, Array<const std::int32_t, nb::ndim<1>> labels, Out probs, Out dlogits,
           Array<double, nb::ndim<1>> losses, Index images, float factor) {
            softmax_loss(view(logits), view(labels), view(probs), view(dlogits), view(losses), images,
                         factor);
        },
        array("logits"), array("labels"), array("probs"), array("dlogits"), array("losses"), nb::kw_only(),
        "images"_a, "factor"_a, Released());
}

using Image = Array<const std::uint8_t, nb::shape<-1, -1, 3>>;

void augment_images(const std::vector<Image>& images, Array<const float, nb::shape<-1, -1, 3>> mean, Out out,
                    Array<const std::int32_t, nb::shape<-1, 2>> offsets,
                    Array<const std::uint8_t, nb::ndim<1>> reflect,
                    Array<const float, nb::shape<-1, 3>> shift, float divide) {
    const size_t count = images.size();
    CHECK(offsets.shape(0) == count && reflect.shape(0) == count && shift.shape(0) == count, "augment",
          "offsets, reflect and shift must be one for each of ", count, " images, got ", offsets.shape(0),
          ", ", reflect.shape(0), " and ", shift.shape(0));
    const Index size = side(mean, 0);
    CHECK(size == side(mean, 1), "augment", "mean (", size, ", ", side(mean, 1), ", 3) is not square");
    std::vector<Crop> crops;
    for (size_t n = 0; n < count; ++n) {
        CHECK(side(images[n], 0) == size && side(images[n], 1) == size, "augment", "image ", n, " (",
              side(images[n], 0), ", ", side(images[n], 1), ", 3) is not like mean (", size, ", ", size,
              ", 3)");
        crops.push_back({images[n].data(), offsets.data()[2 * n], offsets.data()[2 * n + 1],
                         reflect.data()[n] != 0, shift.data() + 3 * n});
    }
    nb::gil_scoped_release released;  // only here: the list above holds Python objects
    augment(crops, size, mean.data(), view(out), divide);
}

// A new array for Python, of the given shape, filled by fill(data).
template <class T, class Fill>
nb::ndarray<nb::numpy, T> filled(std::initializer_list<size_t> shape, const Fill& fill) {
    size_t size = 1;
    for (const size_t s : shape) size *= s;
    auto data = std::make_unique<T[]>(size);
    {
        nb::gil_scoped_release released;
        fill(data.get());
    }
    nb::capsule owner(data.get(), [](void* p) noexcept { delete[] static_cast<T*>(p); });
    return nb::ndarray<nb::numpy, T>(data.release(), shape, owner);
}

void bind_random(nb::module_& m) {
    m.def(
        "philox",
        [](Array<const std::uint32_t, nb::shape<-1, 4>> counter, std::uint32_t seed, std::uint32_t purpose) {
            return filled<std::uint32_t>({counter.shape(0), 4}, [&](std::uint32_t* draws) {
                philox(counter.data(), draws, side(counter, 0), seed, purpose);
            });
        },
        array("counter"), "seed"_a, "purpose"_a);
    m.def(
        "normals",
        [](std::uint32_t seed, std::uint32_t purpose, std::uint32_t layer, Index first, Index count) {
            CHECK(count >= 0, "normals", "count ", count, " is negative");
            return filled<float>({static_cast<size_t>(count)},
                                 [&](float* out) { normals(out, first, count, layer, seed, purpose); });
        },
        "seed"_a, "purpose"_a, "layer"_a, "first"_a, "count"_a);
}

#if defined(ENGINE_CHOOSES)
const char* best_isa() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return "avx512";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "avx2";
#endif
    return "base";
}
#endif

void bind_engine(nb::module_& m) {
    m.attr("LANES") = LANES;
    m.attr("ISA") = ISA;
    m.def("set_threads", &set_threads, "count"_a);
#if defined(ENGINE_CHOOSES)
    m.def("best_isa", &best_isa);
#endif
    Convolution{&conv_forward, &conv_backward_data, &conv_backward_weights}.bind(m);
    Pooling{&max_pool_forward, &max_pool_backward, &average_pool_forward, &average_pool_backward}.bind(m);
    Normalisation{&lrn_forward, &lrn_backward, &lrn_spatial_forward, &lrn_spatial_backward}.bind(m);
    FullyConnected{&fc_forward, &fc_backward_data, &fc_backward_weights}.bind(m);
    bind_pointwise(m);
    bind_loss(m);
    m.def("augment", &augment_images, array("images"), array("mean"), array("out"), array("offsets"),
          array("reflect"), array("shift"), nb::kw_only(), "divide"_a);
    bind_random(m);

    nb::module_ plain =
        m.def_submodule("naive", "The same operations as plain loops: the readable definition.");
    Convolution{&naive::conv_forward, &naive::conv_backward_data, &naive::conv_backward_weights}.bind(plain);
    Pooling{&naive::max_pool_forward, &naive::max_pool_backward, &naive::average_pool_forward,
            &naive::average_pool_backward}
        .bind(plain);
    Normalisation{&naive::lrn_forward, &naive::lrn_backward, &naive::lrn_spatial_forward,
                  &naive::lrn_spatial_backward}
        .bind(plain);
    FullyConnected{&naive::fc_forward, &naive::fc_backward_data, &naive::fc_backward_weights}.bind(plain);
}

}  // namespace
}  // namespace alexnet

NB_MODULE(ENGINE_MODULE, m) { alexnet::bind_engine(m); }
