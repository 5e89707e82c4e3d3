// Convolution's weight gradient:
//   dw[k,c,ky,kx] = sum over b,oy,ox of dy[b,k,oy,ox] * x[b,c, oy*stride + ky - pad, ox*stride + kx - pad]
//   db[k]         = sum over b,oy,ox of dy[b,k,oy,ox]
// with x (B, C, H, W, 16), dy (B, K, Ho, Wo, 16), dw (K, C/groups, kh, kw), db (K).
//
// For one tap (ky, kx) the pixels whose input lies inside x are a rectangle, the same for all maps: so a
// register block of kernels x maps runs over that rectangle, with no padding. Each sum is made by one thread,
// over tiles of pixels in a fixed order that does not depend on the number of threads.
#include <algorithm>
#include <vector>

#include "constant.hpp"
#include "conv.hpp"
#include "shapes.hpp"
#include "simd.hpp"
#include "split.hpp"
#include "threads.hpp"

namespace alexnet {

namespace {

// The register block: kernels x maps vector sums. The maps' numbers stay in registers, the kernels' pass by.
#if defined(__AVX512F__)
constexpr int SUM_KERNELS = 6, SUM_MAPS = 4;
#elif defined(__AVX2__)
constexpr int SUM_KERNELS = 4, SUM_MAPS = 3;
#else
constexpr int SUM_KERNELS = 3, SUM_MAPS = 3;
#endif
constexpr int SUMS = SUM_KERNELS * SUM_MAPS;

constexpr Index FIRST_CACHE = 6 * 1024;     // floats: three quarters of a first-level cache of 32 kB
constexpr Index SECOND_CACHE = 120 * 1024;  // floats: nearly a second-level cache of 512 kB
constexpr Index UNIT_MAPS = 36;             // whole blocks for all of the block sizes above

struct WeightGradient {
    ConstMaps x, dy;
    Kernels<float> dw;
    ConvShape shape;
    Index window() const { return dw.height * dw.width; }
    Index group_kernels() const { return dw.kernels / shape.groups; }
};

// How the pixels are cut into tiles, and the kernels and maps of a group into units of work.
struct Cut {
    Split rows, columns, kernels, maps;

    explicit Cut(const WeightGradient& g) {
        const Index stride = g.shape.stride;
        maps = split(g.dw.maps, UNIT_MAPS);
        const auto input = [&](Index rows, Index columns) {  // floats of x under a tile
            return maps.largest() * LANES * ((rows - 1) * stride + g.dw.height) *
                   ((columns - 1) * stride + g.dw.width);
        };
        Index width = g.dy.width, height = 1;
        while (width > 1 && input(1, width) > SECOND_CACHE) width = ceil_divide(width, 2);
        const Index row = LANES * width * (SUM_KERNELS + SUM_MAPS);
        while (height < g.dy.height && input(height + 1, width) <= SECOND_CACHE &&
               (height + 1) * row <= FIRST_CACHE)
            ++height;
        columns = split(g.dy.width, width);
        rows = split(g.dy.height, height);

        // Units whose sums stay in the cache, enough of them to keep all threads busy.
        const Index cached = SECOND_CACHE / 2 / (maps.largest() * g.window() * WIDTH);
        const Index busy = ceil_divide(2 * threads(), g.shape.groups * maps.count);
        const Index units = ceil_divide(g.group_kernels(), std::max<Index>(cached, SUM_KERNELS));
        kernels = {g.group_kernels(),
                   std::min(ceil_divide(g.group_kernels(), SUM_KERNELS), std::max(busy, units))};
    }
};

struct Rectangle {
    const float *dy, *x;
    Index dy_map, dy_row, x_map, x_row, x_pixel;  // steps in floats
    Index rows, columns;
};

// Not inlined: its loop needs all of the registers.
template <int K, int M>
__attribute__((noinline)) void add_rectangle(const Rectangle& r, float* sums) {
    Vec total[K][M];
#pragma GCC unroll 16
    for (int k = 0; k < K; ++k)
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m) total[k][m] = Vec{};
    for (Index row = 0; row < r.rows; ++row) {
        const float* dy = r.dy + row * r.dy_row;
        const float* x = r.x + row * r.x_row;
        for (Index column = 0; column < r.columns; ++column, dy += LANES, x += r.x_pixel) {
#pragma GCC unroll 4
            for (int i = 0; i < VECS; ++i) {
                Vec in[M];
#pragma GCC unroll 16
                for (int m = 0; m < M; ++m) in[m] = load_vec(x + m * r.x_map + i * WIDTH);
#pragma GCC unroll 16
                for (int k = 0; k < K; ++k) {
                    const Vec slope = load_vec(dy + k * r.dy_map + i * WIDTH);
#pragma GCC unroll 16
                    for (int m = 0; m < M; ++m) total[k][m] += slope * in[m];
                }
            }
        }
    }
#pragma GCC unroll 16
    for (int k = 0; k < K; ++k)
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m) {
            float* sum = sums + (k * M + m) * WIDTH;
            store_vec(sum, load_vec(sum) + total[k][m]);
        }
}

// The outputs o of `tile` whose input o * stride + tap - pad lies in [0, side).
Range inside(Range tile, Index tap, ConvShape s, Index side) {
    const Index shift = s.pad - tap;
    const Index begin = shift > 0 ? (shift + s.stride - 1) / s.stride : 0;
    const Index last = side - 1 + shift;
    const Index end = last < 0 ? 0 : last / s.stride + 1;
    return {std::max(tile.begin, begin), std::min(tile.end, end)};
}

// A unit of work: some kernels and maps of one group, in register blocks, over all images and pixels.
struct Unit {
    const WeightGradient& g;
    Index group;
    Range kernels, maps;
    float* sums;

    Split kernel_blocks() const { return split(kernels.size(), SUM_KERNELS); }
    Split map_blocks() const { return split(maps.size(), SUM_MAPS); }
    Index size() const { return kernel_blocks().count * map_blocks().count * g.window() * SUMS * WIDTH; }

    // body(kernels, maps, ky, the sums of that row's first tap), ranges within the group. Kernels change
    // fastest: a row of x is long where the stride is, and stays in the first-level cache meanwhile.
    template <class Body>
    void for_each_row(const Body& body) const {
        float* at = sums;
        for (Index j = 0; j < map_blocks().count; ++j)
            for (Index ky = 0; ky < g.dw.height; ++ky)
                for (Index i = 0; i < kernel_blocks().count; ++i, at += g.dw.width * SUMS * WIDTH) {
                    const Range k = kernel_blocks()[i], m = map_blocks()[j];
                    body(Range{kernels.begin + k.begin, kernels.begin + k.end},
                         Range{maps.begin + m.begin, maps.begin + m.end}, ky, at);
                }
    }

    void add_tile(Index b, Range rows, Range columns) const {
        const ConvShape s = g.shape;
        for_each_row([&](Range k, Range m, Index ky, float* at) {
            const Range y = inside(rows, ky, s, g.x.height);
            if (y.size() <= 0) return;
            for (Index kx = 0; kx < g.dw.width; ++kx, at += SUMS * WIDTH) {
                const Range x = inside(columns, kx, s, g.x.width);
                if (x.size() <= 0) continue;
                const Rectangle r{g.dy.at(b, group * g.group_kernels() + k.begin, y.begin, x.begin),
                                  g.x.at(b, group * g.dw.maps + m.begin, y.begin * s.stride + ky - s.pad,
                                         x.begin * s.stride + kx - s.pad),
                                  g.dy.map_stride(),
                                  g.dy.row_stride(),
                                  g.x.map_stride(),
                                  g.x.row_stride() * s.stride,
                                  s.stride * LANES,
                                  y.size(),
                                  x.size()};
                with_constant<SUM_KERNELS>(k.size(), [&](auto kernels) {
                    with_constant<SUM_MAPS>(m.size(),
                                            [&](auto maps) { add_rectangle<kernels, maps>(r, at); });
                });
            }
        });
    }

    void write() const {
        for_each_row([&](Range k, Range m, Index ky, const float* at) {
            for (Index kx = 0; kx < g.dw.width; ++kx, at += SUMS * WIDTH)
                for (Index i = 0; i < k.size(); ++i)
                    for (Index j = 0; j < m.size(); ++j)
                        g.dw.at(group * g.group_kernels() + k.begin + i, m.begin + j, ky, kx) =
                            sum(load_vec(at + (i * m.size() + j) * WIDTH));
        });
    }
};

}  // namespace

template <class T>
void bias_gradient(Grid<const T> dy, const Numbers& db) {
    parallel(dy.maps, [&](Index k) {
        Vec16 total = splat(0);
        for (Index b = 0; b < dy.blocks; ++b) {
            Vec16 part = splat(0);  // a sum of sums rounds less
            for (Index i = 0; i < dy.pixels(); ++i) part = part + load(dy.at(b, k) + i * LANES);
            total = total + part;
        }
        db.data[k] = sum(total);
    });
}

FOR_MAPS(bias_gradient);

void conv_backward_weights(ConstMaps x, ConstMaps dy, Kernels<float> dw, Numbers db, ConvShape s) {
    check_conv_backward_weights("conv_backward_weights", x, dy, dw, db, s);
    const WeightGradient g{x, dy, dw, s};
    const Cut cut(g);
    parallel(s.groups * cut.kernels.count * cut.maps.count, [&](Index i) {
        thread_local Scratch scratch;
        Unit unit{g, i / (cut.kernels.count * cut.maps.count),
                  cut.kernels[i / cut.maps.count % cut.kernels.count], cut.maps[i % cut.maps.count], nullptr};
        unit.sums = scratch.floats(unit.size());
        std::fill(unit.sums, unit.sums + unit.size(), 0.0f);
        for (Index b = 0; b < x.blocks; ++b)
            for (Index column = 0; column < cut.columns.count; ++column)
                for (Index row = 0; row < cut.rows.count; ++row)  // neighbours, which share rows of x
                    unit.add_tile(b, cut.rows[row], cut.columns[column]);
        unit.write();
    });
    bias_gradient(dy, db);
}

void naive::conv_backward_weights(ConstMaps x, ConstMaps dy, Kernels<float> dw, Numbers db, ConvShape s) {
    check_conv_backward_weights("conv_backward_weights", x, dy, dw, db, s);
    std::vector<double> kernel_total(dw.kernels * dw.taps()), bias_total(dw.kernels);
    const ConstKernels w{dw.data, dw.kernels, dw.maps, dw.height, dw.width};
    for_each_output(x, w, dy, [&](const Output& p) {
        for (Index lane = 0; lane < LANES; ++lane) {
            const double slope = dy.at(p.block, p.kernel, p.y, p.x)[lane];
            bias_total[p.kernel] += slope;
            for_each_tap(x, w, s, p, [&](Index c, Index ky, Index kx, const Index in[2]) {
                kernel_total[&dw.at(p.kernel, c % dw.maps, ky, kx) - dw.data] +=
                    slope * x.at(p.block, c, in[0], in[1])[lane];
            });
        }
    });
    std::copy(kernel_total.begin(), kernel_total.end(), dw.data);
    std::copy(bias_total.begin(), bias_total.end(), db.data);
}

}  // namespace alexnet
