// Test-time operations on one image as it is, (maps, height, width): in a block of LANES images fifteen
// sixteenths of the work would be for nothing. The contracts are those of the operations of the same names.
// Convolution is a matrix product of the kernels with the patches under them; what takes no time goes through
// a block of images.
#include "one.hpp"

#include <cblas.h>

#include <algorithm>

#include "lrn.hpp"
#include "shapes.hpp"
#include "simd.hpp"
#include "threads.hpp"

namespace alexnet::one {

namespace {

constexpr Index SLICE_PIXELS = 128;  // of a convolution's output: their patches should stay in a cache
constexpr Index POINTWISE_TASK = 128;
constexpr Index SLICE_ROWS = 64;  // of a fully connected layer's weights

// The block whose first image this is; for the checks of shapes, its other lanes are never touched.
template <class T>
Grid<T> block(const Image<T>& x) {
    return {x.data, 1, x.maps, x.height, x.width};
}

// A copy as a block of images, the others zero.
Maps spread(Scratch& scratch, const Image<const float>& x) {
    const Maps maps{scratch.floats(x.size() * LANES), 1, x.maps, x.height, x.width};
    for (Index i = 0; i < x.size(); ++i) {
        store(maps.data + i * LANES, splat(0));
        maps.data[i * LANES] = x.data[i];
    }
    return maps;
}

Maps block_like(Scratch& scratch, const Image<float>& y) {
    return {scratch.floats(y.size() * LANES), 1, y.maps, y.height, y.width};
}

void take_first(const Maps& from, const Image<float>& y) {
    for (Index i = 0; i < y.size(); ++i) y.data[i] = from.data[i * LANES];
}

// op(x, y) on blocks of images.
template <class Operation>
void through_block(const Image<const float>& x, const Image<float>& y, const Operation& op) {
    thread_local Scratch in, out;
    const Maps result = block_like(out, y);
    op(ConstMaps(spread(in, x)), result);
    take_first(result, y);
}

Vec16 load_some(const float* p, Index count) {
    if (count == LANES) return load(p);
    float values[LANES] = {};
    std::copy_n(p, count, values);
    return load(values);
}
void store_some(float* p, const Vec16& v, Index count) {
    if (count == LANES) return store(p, v);
    float values[LANES];
    store(values, v);
    std::copy_n(values, count, p);
}

// body(first, how many) for each LANES of `count` neighbours, of which a task takes so many.
template <class Body>
void for_each_vec16(Index count, Index of_a_task, const Body& body) {
    const Index step = of_a_task * LANES;
    parallel((count + step - 1) / step, [&](Index task) {
        const Index end = std::min(count, (task + 1) * step);
        for (Index i = task * step; i < end; i += LANES) body(i, std::min(LANES, end - i));
    });
}

void rectify(float* y, Index count) {
    for (Index i = 0; i < count; ++i) y[i] = y[i] < 0 ? 0 : y[i];
}

// The number under each tap of the kernels, for the output pixels [begin, end): patches[tap][pixel].
void copy_patches(const Image<const float>& x, Index first_map, const ConstKernels& w, ConvShape s,
                  Index width, Index begin, Index end, float* patches) {
    for (Index tap = 0; tap < w.taps(); ++tap) {
        const Index kx = tap % w.width, ky = tap / w.width % w.height;
        const float* map = x.data + (first_map + tap / (w.width * w.height)) * x.pixels();
        for (Index p = begin; p < end;) {
            const Index row = p / width, row_end = std::min(end, (row + 1) * width);
            const Index iy = row * s.stride + ky - s.pad;
            const bool inside = iy >= 0 && iy < x.height;
            for (; p < row_end; ++p) {
                const Index ix = (p - row * width) * s.stride + kx - s.pad;
                *patches++ = inside && ix >= 0 && ix < x.width ? map[iy * x.width + ix] : 0.0f;
            }
        }
    }
}

}  // namespace

void conv_forward(Image<const float> x, ConstKernels w, ConstNumbers b, Image<float> y, ConvShape s,
                  bool relu) {
    check_conv_forward("conv_forward", block(x), w, b, block(y), s);
    const Index kernels = w.kernels / s.groups, taps = w.taps(), pixels = y.pixels();
    const Index slices = (pixels + SLICE_PIXELS - 1) / SLICE_PIXELS;
    parallel(s.groups * slices, [&](Index i) {
        thread_local Scratch scratch;
        const Index first = i / slices * kernels, slice = i % slices;
        const Index begin = slice * pixels / slices, end = (slice + 1) * pixels / slices;
        const int count = static_cast<int>(end - begin), depth = static_cast<int>(taps);
        float *patches = scratch.floats(taps * count), *to = y.data + first * pixels + begin;
        copy_patches(x, i / slices * w.maps, w, s, y.width, begin, end, patches);
        for (Index k = 0; k < kernels; ++k) std::fill_n(to + k * pixels, count, b.data[first + k]);
        scipy_cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(kernels), count, depth,
                          1.0f, w.data + first * taps, depth, patches, count, 1.0f, to,
                          static_cast<int>(pixels));
        if (relu)
            for (Index k = 0; k < kernels; ++k) rectify(to + k * pixels, count);
    });
}

void max_pool_forward(Image<const float> x, Image<float> y, Image<std::uint8_t> argmax, PoolShape s) {
    check_max_pool("max_pool_forward", block(x), block(y), block(argmax), s);
    parallel(y.maps, [&](Index map) {
        const float* in = x.data + map * x.pixels();
        for (Index i = 0; i < y.pixels(); ++i) {
            const Index top = i / y.width * s.stride, left = i % y.width * s.stride;
            Index best = top * x.width + left, where = 0;
            for (Index ky = 0; ky < std::min(s.size, x.height - top); ++ky)
                for (Index kx = 0; kx < std::min(s.size, x.width - left); ++kx) {
                    const Index here = (top + ky) * x.width + left + kx;
                    if (in[here] > in[best] || in[here] != in[here]) {
                        best = here;
                        where = ky * s.size + kx;
                    }
                }
            y.data[map * y.pixels() + i] = in[best];
            argmax.data[map * y.pixels() + i] = static_cast<std::uint8_t>(where);
        }
    });
}

void average_pool_forward(Image<const float> x, Image<float> y, PoolShape s) {
    through_block(x, y, [&](ConstMaps in, Maps out) { alexnet::average_pool_forward(in, out, s); });
}

void lrn_forward(Image<const float> x, Image<float> y, Response r, Index groups) {
    check_lrn("lrn_forward", block(x), block(y), r, groups);
    const Index maps = x.maps / groups, half = r.n / 2;
    with_powers(r.beta, [&](auto powers) {
        for_each_vec16(x.pixels(), 1, [&](Index first, Index count) {
            for (Index map = 0; map < x.maps; ++map) {
                const Index begin = map / maps * maps, end = begin + maps;  // of the group
                Vec16 total = splat(0);
                for (Index j = std::max(map - half, begin); j < std::min(map + half + 1, end); ++j) {
                    const Vec16 v = load_some(x.data + j * x.pixels() + first, count);
                    total = total + v * v;
                }
                const Index at = map * x.pixels() + first;
                const Vec16 scale = splat(r.k) + total * r.alpha;
                store_some(y.data + at, load_some(x.data + at, count) * powers.power(scale), count);
            }
        });
    });
}

void lrn_spatial_forward(Image<const float> x, Image<float> y, Response r) {
    through_block(x, y, [&](ConstMaps in, Maps out) { alexnet::lrn_spatial_forward(in, out, r); });
}

void fc_forward(Image<const float> x, ConstNumbers w, ConstNumbers b, Image<float> y, bool relu) {
    check_fc("fc_forward", block(x), w, block(y));
    check_bias("fc_forward", b, w);
    const int in = static_cast<int>(w.columns);
    parallel((w.rows + SLICE_ROWS - 1) / SLICE_ROWS, [&](Index i) {
        const Index first = i * SLICE_ROWS, rows = std::min(SLICE_ROWS, w.rows - first);
        std::copy_n(b.data + first, rows, y.data + first);
        scipy_cblas_sgemv(CblasRowMajor, CblasNoTrans, static_cast<int>(rows), in, 1.0f, w.data + first * in,
                          in, x.data, 1, 1.0f, y.data + first, 1);
        if (relu) rectify(y.data + first, rows);
    });
}

void relu_forward(Image<const float> x, Image<float> y) {
    check_alike("relu_forward", block(x), block(y));
    for_each_vec16(x.size(), POINTWISE_TASK, [&](Index i, Index count) {
        store_some(y.data + i, rectified(load_some(x.data + i, count)), count);
    });
}

void tanh_forward(Image<const float> x, Image<float> y) {
    check_alike("tanh_forward", block(x), block(y));
    for_each_vec16(x.size(), POINTWISE_TASK, [&](Index i, Index count) {
        store_some(y.data + i, tangent(load_some(x.data + i, count)), count);
    });
}

void scale(Image<const float> x, Image<float> y, float factor) {
    check_alike("scale", block(x), block(y));
    for_each_vec16(x.size(), POINTWISE_TASK, [&](Index i, Index count) {
        store_some(y.data + i, load_some(x.data + i, count) * factor, count);
    });
}

void softmax_loss(Image<const float> logits, Matrix<const std::int32_t> labels, Image<float> probs,
                  Image<float> dlogits, Matrix<double> losses, Index images, float factor) {
    thread_local Scratch slopes;
    const Maps gradient = block_like(slopes, dlogits);
    through_block(logits, probs, [&](ConstMaps in, Maps out) {
        alexnet::softmax_loss(in, labels, out, gradient, losses, images, factor);
    });
    take_first(gradient, dlogits);
}

void augment(const std::vector<Crop>& images, Index side, MeanImage mean, Image<float> out, float divide) {
    thread_local Scratch scratch;
    const Maps views = block_like(scratch, out);
    alexnet::augment(images, side, mean, views, divide);
    take_first(views, out);
}

}  // namespace alexnet::one
