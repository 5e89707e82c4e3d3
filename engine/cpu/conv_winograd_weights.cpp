// The weight gradient by Winograd's method (winograd.hpp): the maps are transformed and dy evaluated at the same
// points, their products summed over tiles and images, and only the sums combined to the taps.
#include <limits>

#include "conv.hpp"
#include "shapes.hpp"
#include "winograd_chunks.hpp"

namespace alexnet::winograd {

namespace {

// The register block: kernels x vectors of maps, whose sums stay in registers.
#if defined(__AVX512F__)
constexpr int POINT_KERNELS = 12, POINT_VECTORS = 2;
#elif defined(__AVX2__)
constexpr int POINT_KERNELS = 6, POINT_VECTORS = 2;
#else
constexpr int POINT_KERNELS = 4, POINT_VECTORS = 2;
#endif
constexpr int POINT_MAPS = POINT_VECTORS * WIDTH;
constexpr int POINT_SUMS = POINT_KERNELS * POINT_MAPS;

constexpr Index FEW = 4;                      // threads for a group that need not work together
constexpr Index THREAD_FLOATS = 1024 * 1024;  // at the points, for each of those that do

struct GradientAtPoints {
    Phases x;
    ConstMaps dy;
    Kernels<float> dw;
    Index groups;
    Tiles tiles_y, tiles_x;

    Index maps() const { return dw.maps * x.count(); }  // of a group, as the kernels are
    Index kernels() const { return dw.kernels / groups; }
    Index map_blocks() const { return (maps() + POINT_MAPS - 1) / POINT_MAPS; }
    Index kernel_blocks() const { return (kernels() + POINT_KERNELS - 1) / POINT_KERNELS; }
    Index points() const { return tiles_y.points() * tiles_x.points(); }
    // Sums of a group at one point, [block of kernels][block of maps][kernel][map]; whole lines of LANES.
    Index sums() const { return (kernel_blocks() * map_blocks() * POINT_SUMS + LANES - 1) / LANES * LANES; }
};

// Adds to sums[kernel][map] the products of a block of kernels and maps, over `images` of all tiles.
void add_at_point(const float* dy, Index dy_step, const float* x, Index x_step, Index images, float* sums) {
    Vec total[POINT_KERNELS][POINT_VECTORS] = {};
    for (Index at = 0; at < images; ++at, ++dy, x += WIDTH) {
        Vec in[POINT_VECTORS];
#pragma GCC unroll 16
        for (int m = 0; m < POINT_VECTORS; ++m) in[m] = load_vec(x + m * x_step);
#pragma GCC unroll 16
        for (int k = 0; k < POINT_KERNELS; ++k)
#pragma GCC unroll 16
            for (int m = 0; m < POINT_VECTORS; ++m) total[k][m] += in[m] * dy[k * dy_step];
    }
#pragma GCC unroll 16
    for (int k = 0; k < POINT_KERNELS; ++k)
#pragma GCC unroll 16
        for (int m = 0; m < POINT_VECTORS; ++m) {
            float* to = sums + k * POINT_MAPS + m * WIDTH;
            store_vec(to, load_vec(to) + total[k][m]);
        }
}

// Some blocks of a group's maps and kernels. Both lie in `room` at the points of a chunk.
struct Part {
    const GradientAtPoints& g;
    Index group;
    Range map_blocks, kernel_blocks;

    Index vectors() const { return map_blocks.size() * POINT_VECTORS; }
    Index items() const { return vectors() + kernel_blocks.size(); }
    Index map_step(const Chunk& chunk) const {
        return AtPoints::floats(chunk, map_blocks.size() * POINT_MAPS);
    }
    Index kernel_step(const Chunk& chunk) const {
        return AtPoints::floats(chunk, kernel_blocks.size() * POINT_KERNELS);
    }
    Index floats(const Chunk& chunk) const { return g.points() * (map_step(chunk) + kernel_step(chunk)); }

    AtPoints x(const Chunk& chunk, float* room) const {
        return {room, map_step(chunk), WIDTH * LANES, LANES};
    }
    AtPoints dy(const Chunk& chunk, float* room) const {
        return {room + g.points() * map_step(chunk), kernel_step(chunk), LANES, chunk.tiles() * LANES};
    }

    // One item: a vector of maps, or a block of kernels.
    void bring(const Chunk& chunk, float* room, Index item) const {
        const Index images = chunk.tiles() * LANES;  // and tiles
        if (item < vectors()) {
            const Index first = group * g.maps(), map = item * WIDTH;
            transform_maps(chunk,
                           MapsTogether{g.x, first + map_blocks.begin * POINT_MAPS + map, first + g.maps()},
                           x(chunk, room).from(map * images));
            return;
        }
        const Index first = (item - vectors()) * POINT_KERNELS;
        for (Index k = first; k < first + POINT_KERNELS; ++k) {  // those beyond the last are copies, not read
            const Index kernel = std::min(kernel_blocks.begin * POINT_KERNELS + k, g.kernels() - 1);
            evaluate_maps(chunk, OneMap{{g.dy, 1, 0, 0}, group * g.kernels() + kernel},
                          dy(chunk, room).from(k * images));
        }
    }

    // Adds the products at a point of some of the blocks of kernels with all maps.
    void multiply(const Chunk& chunk, float* room, Index q, Range blocks, float* sums) const {
        const Index images = chunk.tiles() * LANES, having = chunk.tiles_having(q) * LANES;
        const float *from = x(chunk, room).at(q, 0, 0), *slopes = dy(chunk, room).at(q, 0, 0);
        for (Index m = 0; m < map_blocks.size(); ++m)
            for (Index k = blocks.begin; k < blocks.end; ++k) {
                const Index block = (kernel_blocks.begin + k) * g.map_blocks() + map_blocks.begin + m;
                add_at_point(slopes + k * POINT_KERNELS * images, images, from + m * POINT_MAPS * images,
                             WIDTH * images, having, sums + q * g.sums() + block * POINT_SUMS);
            }
        products_made += map_blocks.size() * blocks.size() * POINT_SUMS * having / LANES;
    }

    // All chunks, in batches. A thread by itself takes one, and finds in its cache what it brought; threads together
    // take several, for they wait for each other before the products and after them.
    void add(const std::vector<Chunk>& all, float* sums) const {
        if (all.empty()) return;
        thread_local Scratch scratch;
        const Index step = floats(all[0]), fit = threads() == 1 ? 1 : threads() * THREAD_FLOATS / step;
        const Split batches = split(static_cast<Index>(all.size()), std::max<Index>(fit, 1));
        const Index busy = ceil_divide(4 * threads(), g.points());
        const Split kernels{kernel_blocks.size(), std::min(busy, kernel_blocks.size())};
        float* room = scratch.floats(batches.largest() * step);
        for (Index batch = 0; batch < batches.count; ++batch) {
            const Range here = batches[batch];
            parallel(here.size() * items(), [&](Index task) {
                const Index i = task / items();
                bring(all[here.begin + i], room + i * step, task % items());
            });
            parallel(g.points() * kernels.count, [&](Index task) {
                for (Index i = 0; i < here.size(); ++i)
                    multiply(all[here.begin + i], room + i * step, task / kernels.count,
                             kernels[task % kernels.count], sums);
            });
        }
    }
};

// How a few threads share out a group: each part of the kernels brings its share of the maps to the points again, and
// each part of the maps its share of dy: so many of either that least is brought twice, in a part for each thread.
struct Parts {
    Split maps, kernels;

    Parts(const GradientAtPoints& g, Index share) : maps{g.map_blocks(), 1}, kernels{g.kernel_blocks(), 1} {
        const Index wanted = std::min(share, g.map_blocks() * g.kernel_blocks());
        Index least = std::numeric_limits<Index>::max();
        for (Index of_maps = 1; of_maps <= std::min(share, g.map_blocks()); ++of_maps) {
            const Index of_kernels = std::min(ceil_divide(share, of_maps), g.kernel_blocks());
            const Index brought = of_kernels * g.maps() + of_maps * g.kernels();
            if (of_maps * of_kernels < wanted || brought >= least) continue;
            least = brought;
            maps.count = of_maps;
            kernels.count = of_kernels;
        }
    }
    Index count() const { return maps.count * kernels.count; }
};

// Combines LANES neighbouring sums at all points to their taps.
void write_taps(const GradientAtPoints& g, Index group, const float* sums, Index line) {
    Square half, taps;
    with_points(g.tiles_y.points(), [&](auto n) {
        for (Index qx = 0; qx < g.tiles_x.points(); ++qx)
            for (int i = 0; i < LANES; i += WIDTH)
                combine<n>(
                    g.tiles_y.taps,
                    [&](int q) {
                        const Index point = q * g.tiles_x.points() + qx;
                        return load_vec(sums + point * g.sums() + line * LANES + i);
                    },
                    [&](int y, Vec v) { store_vec(half[y][qx] + i, v); });
    });
    with_points(g.tiles_x.points(), [&](auto n) {
        for (Index y = 0; y < g.tiles_y.taps; ++y)
            for (int i = 0; i < LANES; i += WIDTH)
                combine<n>(
                    g.tiles_x.taps, [&](int q) { return load_vec(half[y][q] + i); },
                    [&](int x, Vec v) { store_vec(taps[y][x] + i, v); });
    });
    for (Index lane = 0; lane < LANES; ++lane) {
        const Index sum = line * LANES + lane, block = sum / POINT_SUMS, place = sum % POINT_SUMS;
        const Index kernel = block / g.map_blocks() * POINT_KERNELS + place / POINT_MAPS;
        const Index map = block % g.map_blocks() * POINT_MAPS + place % POINT_MAPS;
        if (kernel >= g.kernels() || map >= g.maps()) continue;
        const Index stride = g.x.stride, phase = map % g.x.count();
        for (Index y = 0; y < g.tiles_y.taps; ++y)
            for (Index x = 0; x < g.tiles_x.taps; ++x) {
                const Index ky = y * stride + phase / stride, kx = x * stride + phase % stride;
                if (ky < g.dw.height && kx < g.dw.width)
                    g.dw.at(group * g.kernels() + kernel, map / g.x.count(), ky, kx) = taps[y][x][lane];
            }
    }
}

}  // namespace

void conv_backward_weights(ConstMaps x, ConstMaps dy, Kernels<float> dw, Numbers db, ConvShape s) {
    check_conv_backward_weights("conv_backward_weights", x, dy, dw, db, s);
    check_form("conv_backward_weights", dw, s);
    bias_gradient(dy, db);
    const GradientAtPoints g{{x, s.stride, s.pad, s.pad},
                             dy,
                             dw,
                             s.groups,
                             Tiles(dy.height, s.phase_taps(dw.height)),
                             Tiles(dy.width, s.phase_taps(dw.width))};
    thread_local Scratch sum_room;
    float* sums = sum_room.floats(g.groups * g.points() * g.sums());
    std::fill(sums, sums + g.groups * g.points() * g.sums(), 0.0f);
    const auto all = chunks(g.tiles_y, g.tiles_x, x.blocks, 1);
    const auto sums_of = [&](Index group) { return sums + group * g.points() * g.sums(); };
    const Index share = ceil_divide(threads(), g.groups);
    if (share <= FEW) {
        const Parts parts(g, share);
        parallel(g.groups * parts.count(), [&](Index i) {
            const Call alone(1);
            const Index group = i / parts.count(), part = i % parts.count();
            Part{g, group, parts.maps[part % parts.maps.count], parts.kernels[part / parts.maps.count]}.add(
                all, sums_of(group));
        });
    } else {
        for (Index group = 0; group < g.groups; ++group)
            Part{g, group, {0, g.map_blocks()}, {0, g.kernel_blocks()}}.add(all, sums_of(group));
    }
    const Index lines = g.sums() / LANES;
    parallel(g.groups * lines,
             [&](Index i) { write_taps(g, i / lines, sums + i / lines * g.points() * g.sums(), i % lines); });
}

}  // namespace alexnet::winograd
