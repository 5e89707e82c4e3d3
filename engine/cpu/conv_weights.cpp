// Convolution's weight gradient:
//   dw[k,c,ky,kx] = sum over b,oy,ox of dy[b,k,oy,ox] * x[b,c, oy*stride + ky - pad, ox*stride + kx - pad]
//   db[k]         = sum over b,oy,ox of dy[b,k,oy,ox]
// with x (B, C, H, W, 16), dy (B, K, Ho, Wo, 16), dw (K, C/groups, kh, kw), db (K).
//
// For one tap (ky, kx) the pixels whose input lies inside x are a rectangle, the same for all maps: so a
// register block of kernels x maps runs over that rectangle, with no padding. Each sum is made by one thread,
// over tiles of pixels in a fixed order that does not depend on the number of threads.
#include <algorithm>
#include <utility>
#include <vector>

#include "conv.hpp"
#include "conv_fast.hpp"
#include "simd.hpp"
#include "threads.hpp"

namespace alexnet {

namespace {

// The register block: kernels x maps vector sums. The maps' numbers stay in registers, the kernels' pass by.
#if defined(__AVX512F__)
constexpr int BLOCK_KERNELS = 6, BLOCK_MAPS = 4;
#elif defined(__AVX2__)
constexpr int BLOCK_KERNELS = 4, BLOCK_MAPS = 3;
#else
constexpr int BLOCK_KERNELS = 3, BLOCK_MAPS = 3;
#endif
constexpr int BLOCK_SUMS = BLOCK_KERNELS * BLOCK_MAPS;

constexpr Index FIRST_CACHE = 6 * 1024;     // floats: three quarters of a first-level cache of 32 kB
constexpr Index SECOND_CACHE = 120 * 1024;  // floats: nearly a second-level cache of 512 kB
constexpr Index UNIT_MAPS = 36;             // whole blocks for all of the block sizes above

struct Range {
    Index begin, end;
    Index size() const { return end - begin; }
};
Range piece(Index total, Index count, Index i) { return {i * total / count, (i + 1) * total / count}; }
Index pieces(Index total, Index largest) { return (total + largest - 1) / largest; }

struct Gradient {
    ConstMaps x, dy;
    Kernels<float> dw;
    ConvShape shape;
    Index window() const { return dw.height * dw.width; }
    Index group_kernels() const { return dw.kernels / shape.groups; }
};

// How the pixels are cut into tiles, and the kernels and maps into units of work.
struct Plan {
    Index rows, columns;            // tiles
    Index kernel_units, map_units;  // of a group
};

Plan plan(const Gradient& g) {
    const Index stride = g.shape.stride;
    Plan p;
    p.map_units = pieces(g.dw.maps, UNIT_MAPS);
    const Index maps = pieces(g.dw.maps, p.map_units);
    const auto input = [&](Index rows, Index columns) {  // floats of x under a tile
        return maps * LANES * ((rows - 1) * stride + g.dw.height) * ((columns - 1) * stride + g.dw.width);
    };
    Index columns = g.dy.width, rows = 1;
    while (columns > 1 && input(1, columns) > SECOND_CACHE) columns = pieces(columns, 2);
    const Index row = LANES * columns * (BLOCK_KERNELS + BLOCK_MAPS);
    while (rows < g.dy.height && input(rows + 1, columns) <= SECOND_CACHE && (rows + 1) * row <= FIRST_CACHE)
        ++rows;
    p.columns = pieces(g.dy.width, columns);
    p.rows = pieces(g.dy.height, rows);

    const Index sums =
        SECOND_CACHE / 2 / (maps * g.window() * WIDTH);  // kernels whose sums stay in the cache
    const Index blocks = pieces(g.group_kernels(), BLOCK_KERNELS);
    const Index busy =
        pieces(2 * threads(), g.shape.groups * p.map_units);  // units that keep all threads busy
    p.kernel_units =
        std::min(blocks, std::max(busy, pieces(g.group_kernels(), std::max<Index>(sums, BLOCK_KERNELS))));
    return p;
}

struct Rectangle {
    const float *dy, *x;
    Index dy_map, dy_row, x_map, x_row, x_pixel;  // steps in floats
    Index rows, columns;
};

// Not inlined: its loop needs all of the registers.
template <int K, int M>
__attribute__((noinline)) void add_products(const Rectangle& r, float* sums) {
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
            for (int i = 0; i < PARTS; ++i) {
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

template <int... I>
void add_products(Index kernels, Index maps, const Rectangle& r, float* sums,
                  std::integer_sequence<int, I...>) {
    static_cast<void>(((kernels == I / BLOCK_MAPS + 1 && maps == I % BLOCK_MAPS + 1 &&
                        (add_products<I / BLOCK_MAPS + 1, I % BLOCK_MAPS + 1>(r, sums), true)) ||
                       ...));
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
    const Gradient& g;
    Index group;
    Range kernels, maps;
    float* sums;

    Index kernel_blocks() const { return pieces(kernels.size(), BLOCK_KERNELS); }
    Index map_blocks() const { return pieces(maps.size(), BLOCK_MAPS); }
    Index size() const { return kernel_blocks() * map_blocks() * g.window() * BLOCK_SUMS * WIDTH; }

    // body(kernels, maps, ky, the sums of that row's first tap), ranges within the group. Kernels change
    // fastest: a row of x is long where the stride is, and stays in the first-level cache meanwhile.
    template <class Body>
    void for_each_row(const Body& body) const {
        float* at = sums;
        for (Index j = 0; j < map_blocks(); ++j)
            for (Index ky = 0; ky < g.dw.height; ++ky)
                for (Index i = 0; i < kernel_blocks(); ++i, at += g.dw.width * BLOCK_SUMS * WIDTH) {
                    const Range k = piece(kernels.size(), kernel_blocks(), i);
                    const Range m = piece(maps.size(), map_blocks(), j);
                    body(Range{kernels.begin + k.begin, kernels.begin + k.end},
                         Range{maps.begin + m.begin, maps.begin + m.end}, ky, at);
                }
    }

    void add_tile(Index b, Range rows, Range columns) const {
        const auto sequence = std::make_integer_sequence<int, BLOCK_SUMS>();
        const ConvShape s = g.shape;
        for_each_row([&](Range k, Range m, Index ky, float* at) {
            const Range y = inside(rows, ky, s, g.x.height);
            if (y.size() <= 0) return;
            for (Index kx = 0; kx < g.dw.width; ++kx, at += BLOCK_SUMS * WIDTH) {
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
                add_products(k.size(), m.size(), r, at, sequence);
            }
        });
    }

    void write() const {
        for_each_row([&](Range k, Range m, Index ky, const float* at) {
            for (Index kx = 0; kx < g.dw.width; ++kx, at += BLOCK_SUMS * WIDTH)
                for (Index i = 0; i < k.size(); ++i)
                    for (Index j = 0; j < m.size(); ++j)
                        g.dw.at(group * g.group_kernels() + k.begin + i, m.begin + j, ky, kx) =
                            sum(load_vec(at + (i * m.size() + j) * WIDTH));
        });
    }
};

}  // namespace

void bias_gradient(const ConstMaps& dy, const Numbers& db) {
    parallel(dy.maps, [&](Index k) {
        Lanes total = splat(0);
        for (Index b = 0; b < dy.blocks; ++b) {
            Lanes part = splat(0);  // a sum of sums rounds less
            for (Index i = 0; i < dy.pixels(); ++i) part = part + load(dy.at(b, k) + i * LANES);
            total = total + part;
        }
        db.data[k] = sum(total);
    });
}

void check_gradient(const ConstMaps& x, const ConstMaps& dy, const ConstKernels& dw, const Numbers& db,
                    ConvShape s) {
    check_conv("conv_backward_weights", x, dw, dy, s);
    CHECK(db.columns == dw.kernels, "conv_backward_weights", "db ", db, " does not fit dw ", dw);
}

void conv_backward_weights(ConstMaps x, ConstMaps dy, Kernels<float> dw, Numbers db, ConvShape s) {
    check_gradient(x, dy, dw, db, s);
    if (s.fast && fast::pays(dw, dy, s)) return fast::conv_backward_weights(x, dy, dw, db, s);
    const Gradient g{x, dy, dw, s};
    const Plan p = plan(g);
    parallel(s.groups * p.kernel_units * p.map_units, [&](Index i) {
        thread_local Scratch scratch;
        Unit unit{g, i / (p.kernel_units * p.map_units),
                  piece(g.group_kernels(), p.kernel_units, i / p.map_units % p.kernel_units),
                  piece(dw.maps, p.map_units, i % p.map_units), nullptr};
        unit.sums = scratch.floats(unit.size());
        std::fill(unit.sums, unit.sums + unit.size(), 0.0f);
        for (Index b = 0; b < x.blocks; ++b)
            for (Index column = 0; column < p.columns; ++column)
                for (Index row = 0; row < p.rows; ++row)  // the next tile shares rows of x with the last
                    unit.add_tile(b, piece(dy.height, p.rows, row), piece(dy.width, p.columns, column));
        unit.write();
    });
    bias_gradient(dy, db);
}

void naive::conv_backward_weights(ConstMaps x, ConstMaps dy, Kernels<float> dw, Numbers db, ConvShape s) {
    check_gradient(x, dy, dw, db, s);
    std::vector<double> kernel_total(dw.kernels * dw.taps()), bias_total(dw.kernels);
    const ConstKernels w{dw.data, dw.kernels, dw.maps, dw.height, dw.width};
    for_each_output(x, w, dy, [&](const Place& p) {
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
