// The engine as a Python module: classes whose methods are the operations, arrays positional, scalars by keyword, the
// GIL released while one runs. Built once for each instruction set, as ENGINE_MODULE.
#include "bindings.hpp"

#include <cblas.h>

#include "amx.hpp"
#include "bf16.hpp"
#include "bindings_blocks.hpp"
#include "bindings_fused.hpp"
#include "bindings_local.hpp"
#include "philox.hpp"
#include "simd.hpp"
#include "winograd_work.hpp"

namespace alexnet {
namespace {

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

// The kinds of engine. Those on maps in float32 are Direct, but for their own operations.
struct Direct : Operations {
    using Operations::Operations;
};
struct Fast : Direct {
    using Direct::Direct;
};
struct Winograd : Direct {
    using Direct::Direct;
};
struct Naive : Direct {
    using Direct::Direct;
};
struct InBf16 : Operations {
    using Operations::Operations;
};

// What is the same on maps of either kind.
template <class T, class C>
void bind_maps(C& c) {
    Pooling<T>{&max_pool_forward<T>, &max_pool_backward<T>, &average_pool_forward<T>,
               &average_pool_backward<T>}
        .bind(c);
    Normalisation<T>{&lrn_forward<T>, &lrn_backward<T>, &lrn_spatial_forward<T>, &lrn_spatial_backward<T>}
        .bind(c);
    bind_pointwise<T>(c);
    bind_fused<T>(c);
    def_softmax_loss<Blocks<const T>, Blocks<T>>(c, &softmax_loss<T>);
    def_augment<Blocks<T>>(c, &augment<T>);
}

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
    bind_maps<float>(direct);
    Convolution<float>{&conv_forward, &conv_backward_data, &conv_backward_weights, &conv_products}.bind(
        direct);
    FullyConnected<float>{&fc_forward, &fc_backward_data, &fc_backward_weights}.bind(direct);
    LocallyConnected<float>{&local_forward, &local_backward_data, &local_backward_weights}.bind(direct);
    def_fc_descend<float>(direct, &fc_descend);

    auto fast = add<Fast, Direct>(m, "Fast", "With convolution by Winograd's method where that pays.");
    Convolution<float>{&fast::conv_forward, &fast::conv_backward_data, &fast::conv_backward_weights,
                       &fast::conv_products}
        .bind(fast);
    auto winograd = add<Winograd, Direct>(m, "Winograd", "With convolution by Winograd's method.");
    Convolution<float>{&winograd::conv_forward, &winograd::conv_backward_data,
                       &winograd::conv_backward_weights, &winograd::conv_products}
        .bind(winograd);

    auto bf16 = add<InBf16>(
        m, "Bf16", "On maps in bf16, with products of convolution and FC layers by AMX or its model.");
    bind_maps<Bf16>(bf16);
    Convolution<Bf16>{&bf16::conv_forward, &bf16::conv_backward_data, &bf16::conv_backward_weights,
                      &conv_products}
        .bind(bf16);
    FullyConnected<Bf16>{&bf16::fc_forward, &bf16::fc_backward_data, &bf16::fc_backward_weights}.bind(bf16);
    LocallyConnected<Bf16>{&bf16::local_forward, &bf16::local_backward_data, &bf16::local_backward_weights}
        .bind(bf16);
    def_fc_descend<Bf16>(bf16, &bf16::fc_descend);

#if defined(ENGINE_BASE)
    m.def("best_isa", &best_isa);
    m.def("has_amx", &amx::permitted);
    auto naive = add<Naive, Direct>(m, "Naive", "With plain loops in double: the readable definition.");
    Convolution<float>{&naive::conv_forward, &naive::conv_backward_data, &naive::conv_backward_weights,
                       &conv_products}
        .bind(naive);
    Pooling<float>{&naive::max_pool_forward, &naive::max_pool_backward, &naive::average_pool_forward,
                   &naive::average_pool_backward}
        .bind(naive);
    Normalisation<float>{&naive::lrn_forward, &naive::lrn_backward, &naive::lrn_spatial_forward,
                         &naive::lrn_spatial_backward}
        .bind(naive);
    FullyConnected<float>{&naive::fc_forward, &naive::fc_backward_data, &naive::fc_backward_weights}.bind(
        naive);
    LocallyConnected<float>{&naive::local_forward, &naive::local_backward_data,
                            &naive::local_backward_weights}
        .bind(naive);
#endif
}

}  // namespace
}  // namespace alexnet

NB_MODULE(ENGINE_MODULE, m) { alexnet::bind_engine(m); }
