// Convolution (section 3.5), grouped and strided:
//   y[b,k,oy,ox] = bias[k]
//                + sum over c,ky,kx of w[k,c,ky,kx] * x[b,c, oy*stride + ky - pad, ox*stride + kx - pad]
// with x (B, C, H, W, 16), w (K, C/groups, kh, kw), bias (K), y (B, K, Ho, Wo, 16); taps beyond the edge read
// 0. Ho is the floor or the ceiling of (H + 2 pad - kh) / stride + 1: the ceiling is the authors' 224 -> 55.
// conv_backward_data writes dx, conv_backward_weights (conv_weights.cpp) dw and db.
//
// Forward and data gradient are one correlation: the data gradient is that of dy, spread by the stride, with
// the kernels flipped and transposed. A tile of a part of the input maps is copied, with its zeros, into
// scratch memory; a register block of kernels x 16 images then runs over the tile's pixels.
#include "conv.hpp"

#include <algorithm>
#include <vector>

#include "constant.hpp"
#include "shapes.hpp"
#include "simd.hpp"
#include "split.hpp"
#include "threads.hpp"

namespace alexnet {

namespace {

constexpr Index TILE_FLOATS = 48 * 1024;  // of the input: less than half of a second-level cache of 512 kB
constexpr Index PART_TAPS = 256;          // enough taps to hide the accumulators' load and store

struct Correlation {
    ConstMaps x;
    Maps y;
    Index groups, kernel_height, kernel_width;
    Index stride;          // of the output's pixels over the (spread, padded) input
    Index spread;          // input pixels stand this far apart, zeros between them
    Index above, left;     // zeros before the input; negative where its first pixels are not read
    const float* weights;  // packed: for each block of kernels, for each tap, the block's weights
    const float* bias;     // or null
    bool relu;

    Index kernels() const { return y.maps / groups; }
    Index maps() const { return x.maps / groups; }
    Index taps() const { return maps() * kernel_height * kernel_width; }
};

Split kernel_blocks(Index kernels) { return split(kernels, OUTPUT_KERNELS); }

// How the maps are cut into parts, and the outputs' pixels into tiles.
struct Tiling {
    Split maps, rows, columns;

    explicit Tiling(const Correlation& c) {
        const Index window = c.kernel_height * c.kernel_width;
        maps = split(c.maps(), std::max<Index>(1, PART_TAPS / window));
        const Index room = std::max<Index>(1, TILE_FLOATS / LANES / maps.largest());  // pixels of the input
        const auto most_pixels = [&](Index across, Index kernel) {  // of the output, in one direction
            return std::max<Index>(1, (room / across - kernel) / c.stride + 1);
        };
        columns = split(c.y.width, std::min(c.y.width, most_pixels(c.kernel_height, c.kernel_width)));
        const Index across = (c.y.width / columns.count) * c.stride + c.kernel_width;
        rows = split(c.y.height, std::min(c.y.height, most_pixels(across, c.kernel_height)));
    }
};

// Copies rows x columns pixels from (top, left) of the spread and padded map into `to`.
void copy_map(const Correlation& c, const float* map, Index top, Index left, Index rows, Index columns,
              float* to) {
    const Index first = left - c.left;  // the leftmost column, counted from the input's own first
    for (Index r = 0; r < rows; ++r, to += columns * LANES) {
        const Index y = top + r - c.above;
        if (y < 0 || y % c.spread != 0 || y / c.spread >= c.x.height) {
            std::fill(to, to + columns * LANES, 0.0f);
            continue;
        }
        const float* from = map + (y / c.spread) * c.x.row_stride();
        if (c.spread == 1) {
            const Index begin = std::clamp<Index>(-first, 0, columns);
            const Index end = std::clamp<Index>(c.x.width - first, begin, columns);
            std::fill(to, to + begin * LANES, 0.0f);
            std::copy(from + (first + begin) * LANES, from + (first + end) * LANES, to + begin * LANES);
            std::fill(to + end * LANES, to + columns * LANES, 0.0f);
            continue;
        }
        for (Index i = 0; i < columns; ++i) {
            const Index x = first + i;
            const bool inside = x >= 0 && x % c.spread == 0 && x / c.spread < c.x.width;
            store(to + i * LANES, inside ? load(from + x / c.spread * LANES) : splat(0));
        }
    }
}

// A run over a tile's pixels for one block of kernels. Pointers lead to the first element of either.
struct Sweep {
    const float* x;               // the tile's copy
    Index x_row, x_pixel;         // steps in floats from one output pixel to the next
    const std::int32_t* offsets;  // of each tap from the pixel's first, in floats
    Index taps;
    const float* weights;
    float* y;
    Index y_row, y_map;
    Index rows, columns;
    const float* bias;  // null: zero
    bool first;         // start from the bias, else add to y
    bool relu;          // of what is stored
};

template <int K, int P>
void dot_taps(const Sweep& s, const float* x, float* y) {
    Vec total[K][P][VECS];
#pragma GCC unroll 16
    for (int k = 0; k < K; ++k)
#pragma GCC unroll 16
        for (int p = 0; p < P; ++p)
#pragma GCC unroll 16
            for (int i = 0; i < VECS; ++i)
                total[k][p][i] = s.first ? splat_vec(s.bias ? s.bias[k] : 0.0f)
                                         : load_vec(y + k * s.y_map + p * LANES + i * WIDTH);
    const float* w = s.weights;
    for (Index t = 0; t < s.taps; ++t, w += K) {
        const float* from = x + s.offsets[t];
        Vec in[P][VECS];
#pragma GCC unroll 16
        for (int p = 0; p < P; ++p)
#pragma GCC unroll 16
            for (int i = 0; i < VECS; ++i) in[p][i] = load_vec(from + p * s.x_pixel + i * WIDTH);
#pragma GCC unroll 16
        for (int k = 0; k < K; ++k)
#pragma GCC unroll 16
            for (int p = 0; p < P; ++p)
#pragma GCC unroll 16
                for (int i = 0; i < VECS; ++i) total[k][p][i] += in[p][i] * w[k];
    }
#pragma GCC unroll 16
    for (int k = 0; k < K; ++k)
#pragma GCC unroll 16
        for (int p = 0; p < P; ++p)
#pragma GCC unroll 16
            for (int i = 0; i < VECS; ++i)
                store_vec(y + k * s.y_map + p * LANES + i * WIDTH,
                          s.relu ? rectified(total[k][p][i]) : total[k][p][i]);
}

template <int K>
void sweep_pixels(const Sweep& s) {
    for (Index r = 0; r < s.rows; ++r) {
        const float* x = s.x + r * s.x_row;
        float* y = s.y + r * s.y_row;
        Index c = 0;
        for (; c + OUTPUT_PIXELS <= s.columns; c += OUTPUT_PIXELS)
            dot_taps<K, OUTPUT_PIXELS>(s, x + c * s.x_pixel, y + c * LANES);
        for (; c < s.columns; ++c) dot_taps<K, 1>(s, x + c * s.x_pixel, y + c * LANES);
    }
}

std::vector<std::int32_t> tap_offsets(Index maps, Index height, Index width, Index tile_rows,
                                      Index tile_columns) {
    std::vector<std::int32_t> offsets;
    offsets.reserve(maps * height * width);
    for (Index m = 0; m < maps; ++m)
        for (Index y = 0; y < height; ++y)
            for (Index x = 0; x < width; ++x)
                offsets.push_back(
                    static_cast<std::int32_t>(((m * tile_rows + y) * tile_columns + x) * LANES));
    return offsets;
}

void correlate_tile(const Correlation& c, const Tiling& tiling, Index b, Index group, Range rows,
                    Range columns) {
    thread_local Scratch scratch;
    const Index in_rows = (rows.size() - 1) * c.stride + c.kernel_height;
    const Index in_columns = (columns.size() - 1) * c.stride + c.kernel_width;
    const Index map_floats = in_rows * in_columns * LANES, window = c.kernel_height * c.kernel_width;
    float* tile = scratch.floats(tiling.maps.largest() * map_floats);
    const auto offsets =
        tap_offsets(tiling.maps.largest(), c.kernel_height, c.kernel_width, in_rows, in_columns);
    const Split blocks = kernel_blocks(c.kernels());

    Sweep s{tile,
            c.stride * in_columns * LANES,
            c.stride * LANES,
            offsets.data(),
            0,
            nullptr,
            nullptr,
            c.y.row_stride(),
            c.y.map_stride(),
            rows.size(),
            columns.size(),
            nullptr,
            false,
            false};
    for (Index part = 0; part < tiling.maps.count; ++part) {
        const Range maps = tiling.maps[part];
        for (Index m = 0; m < maps.size(); ++m)
            copy_map(c, c.x.at(b, group * c.maps() + maps.begin + m), rows.begin * c.stride,
                     columns.begin * c.stride, in_rows, in_columns, tile + m * map_floats);
        s.taps = maps.size() * window;
        s.first = part == 0;
        s.relu = c.relu && part == tiling.maps.count - 1;
        for (Index block = 0; block < blocks.count; ++block) {
            const Index kernel = group * c.kernels() + blocks[block].begin, kernels = blocks[block].size();
            s.weights = c.weights + kernel * c.taps() + maps.begin * window * kernels;
            s.y = c.y.at(b, kernel, rows.begin, columns.begin);
            s.bias = c.bias ? c.bias + kernel : nullptr;
            with_constant<OUTPUT_KERNELS>(kernels, [&](auto k) { sweep_pixels<k>(s); });
        }
    }
}

void correlate(const Correlation& c) {
    const Tiling tiling(c);
    const Index rows = tiling.rows.count, columns = tiling.columns.count;
    parallel(c.x.blocks * c.groups * rows * columns, [&](Index i) {
        const Index outer = i / (columns * rows);
        correlate_tile(c, tiling, outer / c.groups, outer % c.groups, tiling.rows[i / columns % rows],
                       tiling.columns[i % columns]);
    });
}

// Packs weight(kernel, tap) of all groups into blocks of kernels.
template <class Weight>
const float* pack(Scratch& scratch, Index groups, Index kernels, Index taps, const Weight& weight) {
    float* packed = scratch.floats(groups * kernels * taps);
    const Split blocks = kernel_blocks(kernels);
    parallel(groups * blocks.count, [&](Index i) {
        const Range block = blocks[i % blocks.count];
        const Index kernel = i / blocks.count * kernels + block.begin;
        float* to = packed + kernel * taps;
        for (Index t = 0; t < taps; ++t)
            for (Index k = 0; k < block.size(); ++k) *to++ = weight(kernel + k, t);
    });
    return packed;
}

thread_local Scratch packed_weights;

}  // namespace

Index conv_products(ConstKernels w, MapSizes y, ConvShape s) {
    check_conv_products(w, y, s);
    return w.kernels * w.taps() * y.pixels();
}

void conv_forward(ConstMaps x, ConstKernels w, ConstNumbers b, Maps y, ConvShape s, bool relu) {
    check_conv_forward("conv_forward", x, w, b, y, s);
    const Index taps = w.taps();
    const float* packed = pack(packed_weights, s.groups, w.kernels / s.groups, taps,
                               [&](Index k, Index t) { return w.data[k * taps + t]; });
    correlate({x, y, s.groups, w.height, w.width, s.stride, 1, s.pad, s.pad, packed, b.data, relu});
}

void conv_backward_data(ConstMaps dy, ConstKernels w, Maps dx, ConvShape s) {
    check_conv("conv_backward_data", dx, w, dy, s);
    const Index window = w.height * w.width, kernels = w.kernels / s.groups;
    const float* packed = pack(packed_weights, s.groups, w.maps, kernels * window, [&](Index map, Index tap) {
        const Index group = map / w.maps, kernel = group * kernels + tap / window;
        return w.data[(kernel * w.maps + map % w.maps) * window + window - 1 - tap % window];
    });
    correlate({dy, dx, s.groups, w.height, w.width, 1, s.stride, w.height - 1 - s.pad, w.width - 1 - s.pad,
               packed, nullptr, false});
}

namespace naive {

void conv_forward(ConstMaps x, ConstKernels w, ConstNumbers b, Maps y, ConvShape s, bool relu) {
    check_conv_forward("conv_forward", x, w, b, y, s);
    for_each_output(x, w, y, [&](const Output& p) {
        for (Index lane = 0; lane < LANES; ++lane) {
            double total = b.data[p.kernel];
            for_each_tap(x, w, s, p, [&](Index c, Index ky, Index kx, const Index in[2]) {
                total += double(w.at(p.kernel, c % w.maps, ky, kx)) * x.at(p.block, c, in[0], in[1])[lane];
            });
            y.at(p.block, p.kernel, p.y, p.x)[lane] = relu && total < 0 ? 0.0f : float(total);
        }
    });
}

void conv_backward_data(ConstMaps dy, ConstKernels w, Maps dx, ConvShape s) {
    check_conv("conv_backward_data", dx, w, dy, s);
    std::vector<double> total(dx.size());
    for_each_output(dx, w, dy, [&](const Output& p) {
        for_each_tap(dx, w, s, p, [&](Index c, Index ky, Index kx, const Index in[2]) {
            for (Index lane = 0; lane < LANES; ++lane)
                total[dx.at(p.block, c, in[0], in[1]) - dx.data + lane] +=
                    double(w.at(p.kernel, c % w.maps, ky, kx)) * dy.at(p.block, p.kernel, p.y, p.x)[lane];
        });
    });
    std::copy(total.begin(), total.end(), dx.data);
}

}  // namespace naive

}  // namespace alexnet
