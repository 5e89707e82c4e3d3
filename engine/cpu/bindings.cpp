// The engine as a Python module: classes whose methods are the operations, arrays positional, scalars by keyword, the
// GIL released while one runs. Built once for each instruction set, as ENGINE_MODULE.
#include "bindings.hpp"

#include <cblas.h>

#include "amx.hpp"
#include "bf16.hpp"
#include "bindings_fused.hpp"
#include "bindings_local.hpp"
#include "philox.hpp"
#include "simd.hpp"
#include "winograd_work.hpp"

namespace alexnet {
namespace {

// The operations that have a naive form beside the fast one, by their kind of signature.
struct Convolution {
    decltype(&conv_forward) forward;
    decltype(&conv_backward_data) backward_data;
    decltype(&conv_backward_weights) backward_weights;
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

struct Pooling {
    decltype(&max_pool_forward) max_forward;
    decltype(&max_pool_backward) max_backward;
    decltype(&average_pool_forward) average_forward;
    decltype(&average_pool_backward) average_backward;

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

struct Normalisation {
    decltype(&lrn_forward) forward;
    decltype(&lrn_backward) backward;
    decltype(&lrn_spatial_forward) spatial_forward;
    decltype(&lrn_spatial_backward) spatial_backward;

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

struct FullyConnected {
    decltype(&fc_forward) forward;
    decltype(&fc_backward_data) backward_data;
    decltype(&fc_backward_weights) backward_weights;

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

template <class C>
void bind_pointwise(C& c) {
    def_activation<In, Out>(c, "relu_forward", &relu_forward);
    def(
        c, "relu_backward", [](In y, In dy, Out dx) { relu_backward(view(y), view(dy), view(dx)); },
        array("y"), array("dy"), array("dx"));
    def_activation<In, Out>(c, "tanh_forward", &tanh_forward);
    def(
        c, "tanh_backward", [](In y, In dy, Out dx) { tanh_backward(view(y), view(dy), view(dx)); },
        array("y"), array("dy"), array("dx"));
    def_scale<In, Out>(c, &scale);
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
        [](std::uint32_t seed, std::uint32_t purpose, std::uint32_t layer, Index first, Index count,
           int threads) {
            CHECK(count >= 0, "normals", "count ", count, " is negative");
            CHECK(threads >= 1, "normals", "needs at least one thread, got ", threads);
            return filled<float>({static_cast<size_t>(count)}, [&](float* out) {
                const Call call(threads);
                normals(out, first, count, layer, seed, purpose);
            });
        },
        "seed"_a, "purpose"_a, "layer"_a, "first"_a, "count"_a, nb::kw_only(), "threads"_a);
}

// The tiles by themselves: what two steps of products add to sums.
void bind_tiles(nb::module_& m) {
    using Halves = Array<const std::uint16_t, nb::shape<16, 32>>;
    m.attr("TILES") = amx::TILES;
    m.def(
        "tile_dot",
        [](Array<float, nb::shape<16, 16>> c, Halves a, Halves b) {
            amx::Tiles tiles;
            tiles.load<0>(c.data(), amx::ROW_BYTES);
            tiles.load<1>(a.data(), amx::ROW_BYTES);
            tiles.load<2>(b.data(), amx::ROW_BYTES);
            tiles.dot<0, 1, 2>();
            tiles.dot<0, 1, 2>();
            tiles.store<0>(c.data(), amx::ROW_BYTES);
        },
        array("c"), array("a"), array("b"));
}

#if defined(ENGINE_BASE)
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

// The kinds of engine. All others are Direct, but for their own operations.
struct Direct : Operations {
    using Operations::Operations;
};
struct Fast : Direct {
    using Direct::Direct;
};
struct Winograd : Direct {
    using Direct::Direct;
};
struct Bf16 : Direct {
    using Direct::Direct;
};
struct Naive : Direct {
    using Direct::Direct;
};

template <class... Kind>
nb::class_<Kind...> add(nb::module_& m, const char* name, const char* doc) {
    nb::class_<Kind...> c(m, name, doc);
    c.def(nb::init<int>(), nb::kw_only(), "threads"_a);
    return c;
}

void bind_engine(nb::module_& m) {
    scipy_openblas_set_num_threads(1);  // the rows of a product are shared out here
    m.attr("LANES") = LANES;
    m.attr("ISA") = ISA;
    bind_random(m);
    bind_one_image(m);
    bind_tiles(m);
    bind_photos(m);
    m.def("winograd_work",
          [] { return nb::make_tuple(winograd::tiles_brought.load(), winograd::products_made.load()); });

    auto direct = add<Direct>(m, "Direct", "All operations on blocks of images.");
    Convolution{&conv_forward, &conv_backward_data, &conv_backward_weights, &conv_products}.bind(direct);
    Pooling{&max_pool_forward, &max_pool_backward, &average_pool_forward, &average_pool_backward}.bind(
        direct);
    Normalisation{&lrn_forward, &lrn_backward, &lrn_spatial_forward, &lrn_spatial_backward}.bind(direct);
    FullyConnected{&fc_forward, &fc_backward_data, &fc_backward_weights}.bind(direct);
    LocallyConnected{&local_forward, &local_backward_data, &local_backward_weights}.bind(direct);
    bind_pointwise(direct);
    bind_fused(direct);
    def_softmax_loss<In, Out>(direct, &softmax_loss);
    def_augment<Out>(direct, &augment);

    auto fast = add<Fast, Direct>(m, "Fast", "With convolution by Winograd's method where that pays.");
    Convolution{&fast::conv_forward, &fast::conv_backward_data, &fast::conv_backward_weights,
                &fast::conv_products}
        .bind(fast);
    auto winograd = add<Winograd, Direct>(m, "Winograd", "With convolution by Winograd's method.");
    Convolution{&winograd::conv_forward, &winograd::conv_backward_data, &winograd::conv_backward_weights,
                &winograd::conv_products}
        .bind(winograd);

    auto bf16 = add<Bf16, Direct>(m, "Bf16",
                                  "With products of convolution and FC layers in bf16, by AMX or its model.");
    Convolution{&bf16::conv_forward, &bf16::conv_backward_data, &bf16::conv_backward_weights, &conv_products}
        .bind(bf16);
    FullyConnected{&bf16::fc_forward, &bf16::fc_backward_data, &bf16::fc_backward_weights}.bind(bf16);
    def_fc_descend(bf16, &bf16::fc_descend);

#if defined(ENGINE_BASE)
    m.def("best_isa", &best_isa);
    m.def("has_amx", &amx::permitted);
    auto naive = add<Naive, Direct>(m, "Naive", "With plain loops in double: the readable definition.");
    Convolution{&naive::conv_forward, &naive::conv_backward_data, &naive::conv_backward_weights,
                &conv_products}
        .bind(naive);
    Pooling{&naive::max_pool_forward, &naive::max_pool_backward, &naive::average_pool_forward,
            &naive::average_pool_backward}
        .bind(naive);
    Normalisation{&naive::lrn_forward, &naive::lrn_backward, &naive::lrn_spatial_forward,
                  &naive::lrn_spatial_backward}
        .bind(naive);
    FullyConnected{&naive::fc_forward, &naive::fc_backward_data, &naive::fc_backward_weights}.bind(naive);
    LocallyConnected{&naive::local_forward, &naive::local_backward_data, &naive::local_backward_weights}.bind(
        naive);
#endif
}

}  // namespace
}  // namespace alexnet

NB_MODULE(ENGINE_MODULE, m) { alexnet::bind_engine(m); }
