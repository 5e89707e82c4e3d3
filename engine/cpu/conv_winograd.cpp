// Convolution by Winograd's method (winograd.hpp), forward and data gradient, which is the correlation of dy with
// the kernels flipped and transposed. Three passes over a chunk of tiles: the maps to their points; at each point
// the product of the kernels' matrix with the maps' one; the products to the outputs.
#include "conv.hpp"
#include "shapes.hpp"
#include "winograd_chunks.hpp"

namespace alexnet::winograd {

namespace {

constexpr Index PART_FLOATS = 256 * 1024;  // of products at all points: they should stay in a cache
constexpr Index MOST_SUMMED = 96;          // maps: a sum of sums rounds less

struct CorrelationAtPoints {
    Phases x;
    Maps y;
    Index groups;
    Tiles tiles_y, tiles_x;
    const float* bias;  // or null
    bool relu;

    Index maps() const { return x.x.maps / groups * x.count(); }  // of a group, as the kernels are
    Index kernels() const { return y.maps / groups; }
    Index kernel_blocks() const { return (kernels() + OUTPUT_KERNELS - 1) / OUTPUT_KERNELS; }
    Index padded_kernels() const { return kernel_blocks() * OUTPUT_KERNELS; }
    Index points() const { return tiles_y.points() * tiles_x.points(); }
    Index matrix() const { return padded_kernels() * maps(); }  // floats of a group's kernels at one point
};

// The kernels at all points: [group][point][block][map][kernel of the block], by weight(kernel, map, y, x).
template <class Weight>
const float* kernels_at_points(const CorrelationAtPoints& c, float* matrices, const Weight& weight) {
    parallel(c.groups * c.kernel_blocks(), [&](Index item) {
        const Index group = item / c.kernel_blocks(), block = item % c.kernel_blocks();
        float* to = matrices + group * c.points() * c.matrix() + block * c.maps() * OUTPUT_KERNELS;
        const Index first = block * OUTPUT_KERNELS,
                    size = std::min<Index>(OUTPUT_KERNELS, c.kernels() - first);
        Square taps = {}, half;
        for (Index map = 0; map < c.maps(); ++map, to += OUTPUT_KERNELS) {
            for (Index y = 0; y < c.tiles_y.taps; ++y)
                for (Index x = 0; x < c.tiles_x.taps; ++x)
                    for (Index k = 0; k < size; ++k)
                        taps[y][x][k] = weight(group * c.kernels() + first + k, map, y, x);
            with_points(c.tiles_x.points(), [&](auto n) {
                for (Index y = 0; y < c.tiles_y.taps; ++y)
                    for (int i = 0; i < LANES; i += WIDTH)
                        evaluate<n>(
                            c.tiles_x.taps, [&](int x) { return load_vec(taps[y][x] + i); },
                            [&](int q, Vec v) { store_vec(half[y][q] + i, v); });
            });
            with_points(c.tiles_y.points(), [&](auto n) {
                float column[n][LANES];
                for (Index qx = 0; qx < c.tiles_x.points(); ++qx) {
                    for (int i = 0; i < LANES; i += WIDTH)
                        evaluate<n>(
                            c.tiles_y.taps, [&](int y) { return load_vec(half[y][qx] + i); },
                            [&](int q, Vec v) { store_vec(column[q] + i, v); });
                    for (Index qy = 0; qy < n; ++qy)
                        std::copy_n(column[qy], OUTPUT_KERNELS,
                                    to + (qy * c.tiles_x.points() + qx) * c.matrix());
                }
            });
        }
    });
    return matrices;
}

// products[kernel][lane] of T tiles: the sum over maps of kernels[map][kernel] * in[map][lane].
template <int T>
void multiply(const float* kernels, const float* in, Index in_step, Index maps, float* products,
              Index products_step, bool first) {
    Vec total[OUTPUT_KERNELS][T][VECS] = {};
    for (Index m = 0; m < maps; ++m, kernels += OUTPUT_KERNELS, in += LANES) {
        Vec value[T][VECS];
#pragma GCC unroll 16
        for (int t = 0; t < T; ++t)
#pragma GCC unroll 16
            for (int i = 0; i < VECS; ++i) value[t][i] = load_vec(in + t * in_step + i * WIDTH);
#pragma GCC unroll 16
        for (int k = 0; k < OUTPUT_KERNELS; ++k)
#pragma GCC unroll 16
            for (int t = 0; t < T; ++t)
#pragma GCC unroll 16
                for (int i = 0; i < VECS; ++i) total[k][t][i] += value[t][i] * kernels[k];
    }
#pragma GCC unroll 16
    for (int k = 0; k < OUTPUT_KERNELS; ++k)
#pragma GCC unroll 16
        for (int t = 0; t < T; ++t)
#pragma GCC unroll 16
            for (int i = 0; i < VECS; ++i) {
                float* to = products + t * products_step + k * LANES + i * WIDTH;
                store_vec(to, first ? total[k][t][i] : load_vec(to) + total[k][t][i]);
            }
}

// One block of kernels at one point: all tiles.
void multiply_tiles(const CorrelationAtPoints& c, const float* kernels, const float* in, float* products,
                    Index step, Index tiles) {
    const Index in_step = c.maps() * LANES;
    for (Index m = 0; m < c.maps(); m += MOST_SUMMED) {
        const Index maps = std::min(MOST_SUMMED, c.maps() - m);
        const float *w = kernels + m * OUTPUT_KERNELS, *from = in + m * LANES;
        Index t = 0;
        for (; t + OUTPUT_PIXELS <= tiles; t += OUTPUT_PIXELS)
            multiply<OUTPUT_PIXELS>(w, from + t * in_step, in_step, maps, products + t * step, step, m == 0);
        for (; t < tiles; ++t)
            multiply<1>(w, from + t * in_step, in_step, maps, products + t * step, step, m == 0);
    }
}

void combine_map(const CorrelationAtPoints& c, const Chunk& chunk, const AtPoints& products, Index kernel,
                 Index y_map) {
    const Vec bias = splat_vec(c.bias ? c.bias[y_map] : 0.0f);
    chunk.for_each_tile([&](Index b, Index ty, Index tx) {
        Square half;  // [output row][point of x]
        const Index rows = chunk.y.size(ty);
        with_points(chunk.y.points(ty), [&](auto n) {
            float* points[n];
            for (Index column = 0; column < chunk.x.points(tx); ++column) {
                products.column(chunk, b, ty, tx, column, kernel, points);
                for (int i = 0; i < LANES; i += WIDTH)
                    combine<n>(
                        rows, [&](int q) { return load_vec(points[q] + i); },
                        [&](int r, Vec v) { store_vec(half[r][column] + i, v); });
            }
        });
        with_points(chunk.x.points(tx), [&](auto n) {
            for (Index r = 0; r < rows; ++r) {
                float* y = c.y.at(b, y_map, chunk.y.begin(ty) + r, chunk.x.begin(tx));
                for (int i = 0; i < LANES; i += WIDTH)
                    combine<n>(
                        chunk.x.size(tx), [&](int q) { return load_vec(half[r][q] + i); },
                        [&](int column, Vec v) {
                            store_vec(y + column * LANES + i, c.relu ? rectified(v + bias) : v + bias);
                        });
            }
        });
    });
}

// All maps and kernels of a group over a chunk, by one thread: what it writes in one pass it reads in the next.
void correlate_chunk(const CorrelationAtPoints& c, const Chunk& chunk, Index group, const float* matrices) {
    thread_local Scratch map_room, product_room;
    const Index map_step = AtPoints::floats(chunk, c.maps());
    const AtPoints maps{map_room.floats(c.points() * map_step), map_step, c.maps() * LANES, LANES};
    const Index block_floats = c.points() * AtPoints::floats(chunk, OUTPUT_KERNELS);
    const Index part = std::clamp<Index>(PART_FLOATS / block_floats, 1, c.kernel_blocks());
    const Index product_step = AtPoints::floats(chunk, part * OUTPUT_KERNELS);
    const AtPoints products{product_room.floats(c.points() * product_step), product_step,
                            part * OUTPUT_KERNELS * LANES, LANES};
    for (Index m = 0; m < c.maps(); ++m)
        transform_maps(chunk, OneMap{c.x, group * c.maps() + m}, maps.from(m * LANES));
    for (Index first = 0; first < c.kernel_blocks(); first += part) {
        const Index blocks = std::min(part, c.kernel_blocks() - first), kernel = first * OUTPUT_KERNELS;
        for (Index q = 0; q < c.points(); ++q)
            for (Index block = 0; block < blocks; ++block)
                multiply_tiles(c, matrices + q * c.matrix() + (first + block) * c.maps() * OUTPUT_KERNELS,
                               maps.at(q, 0, 0), products.at(q, 0, block * OUTPUT_KERNELS),
                               products.slot_step, chunk.tiles_having(q));
        for (Index k = 0; k < std::min(blocks * OUTPUT_KERNELS, c.kernels() - kernel); ++k)
            combine_map(c, chunk, products, k, group * c.kernels() + kernel + k);
    }
    Index having = 0;
    for (Index q = 0; q < c.points(); ++q) having += chunk.tiles_having(q);
    products_made += c.kernel_blocks() * OUTPUT_KERNELS * c.maps() * having;
}

template <class Weight>
void correlate(const CorrelationAtPoints& c, const Weight& weight) {
    thread_local Scratch kernel_room;
    const float* kernels =
        kernels_at_points(c, kernel_room.floats(c.groups * c.points() * c.matrix()), weight);
    const auto all = chunks(c.tiles_y, c.tiles_x, c.y.blocks, threads());
    parallel(c.groups * static_cast<Index>(all.size()), [&](Index i) {
        const Index group = i % c.groups;
        correlate_chunk(c, all[i / c.groups], group, kernels + group * c.points() * c.matrix());
    });
}

}  // namespace

Index conv_products(ConstKernels w, MapSizes y, ConvShape s) {
    check_conv_products(w, y, s);
    check_form("conv_products", w, s);
    const Tiles tiles_y(y.height, s.phase_taps(w.height)), tiles_x(y.width, s.phase_taps(w.width));
    return w.kernels * w.maps * s.stride * s.stride * tiles_y.all_points() * tiles_x.all_points();
}

// Measured in products: what the transforms cost a map and a point, and those of the kernels a block of images.
bool pays(ConstKernels w, MapSizes y, ConvShape s) {
    constexpr double MAP_COST = 25, KERNEL_COST = 4;
    if (!has_form(w, s)) return false;
    const Tiles tiles_y(y.height, s.phase_taps(w.height)), tiles_x(y.width, s.phase_taps(w.width));
    const double maps = w.maps * s.stride * s.stride, kernels = w.kernels / s.groups;
    const double points = tiles_y.all_points() * tiles_x.all_points();
    const double once = tiles_y.points() * tiles_x.points();
    const double products =
        points * (1 + MAP_COST / maps + MAP_COST / kernels) + KERNEL_COST * once / y.blocks;
    return maps * products < w.taps() * y.pixels();
}

void conv_forward(ConstMaps x, ConstKernels w, ConstNumbers b, Maps y, ConvShape s, bool relu) {
    check_conv_forward("conv_forward", x, w, b, y, s);
    check_form("conv_forward", w, s);
    const Tiles tiles_y(y.height, s.phase_taps(w.height)), tiles_x(y.width, s.phase_taps(w.width));
    const Phases phases{x, s.stride, s.pad, s.pad};
    correlate({phases, y, s.groups, tiles_y, tiles_x, b.data, relu},
              [&](Index k, Index map, Index ty, Index tx) {
                  const Index phase = map % phases.count();
                  const Index ky = ty * s.stride + phase / s.stride, kx = tx * s.stride + phase % s.stride;
                  return ky < w.height && kx < w.width ? w.at(k, map / phases.count(), ky, kx) : 0.0f;
              });
}

void conv_backward_data(ConstMaps dy, ConstKernels w, Maps dx, ConvShape s) {
    check_conv("conv_backward_data", dx, w, dy, s);
    check_form("conv_backward_data", w, s);
    CHECK(s.stride == 1, "conv_backward_data", "no fast form at stride ", s.stride);
    const Phases phases{dy, 1, w.height - 1 - s.pad, w.width - 1 - s.pad};
    const Tiles tiles_y(dx.height, w.height), tiles_x(dx.width, w.width);
    const Index kernels = w.kernels / s.groups;
    correlate({phases, dx, s.groups, tiles_y, tiles_x, nullptr, false}, [&](Index map, Index kernel, Index y,
                                                                            Index x) {
        return w.at(map / w.maps * kernels + kernel, map % w.maps, w.height - 1 - y, w.width - 1 - x);
    });
}

}  // namespace alexnet::winograd
