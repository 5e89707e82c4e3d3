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

// Some blocks of a group's maps and kernels, over a chunk, by one thread.
void add_chunk(const GradientAtPoints& g, const Chunk& chunk, Index group, Range map_blocks,
               Range kernel_blocks, float* sums) {
    thread_local Scratch map_room, kernel_room;
    const Index maps = map_blocks.size() * POINT_MAPS, kernels = kernel_blocks.size() * POINT_KERNELS;
    const Index images = chunk.tiles() * LANES;  // and tiles
    const Index map_step = AtPoints::floats(chunk, maps), kernel_step = AtPoints::floats(chunk, kernels);
    const AtPoints x{map_room.floats(g.points() * map_step), map_step, WIDTH * LANES, LANES};
    const AtPoints dy{kernel_room.floats(g.points() * kernel_step), kernel_step, LANES, images};
    const Index first_map = group * g.maps() + map_blocks.begin * POINT_MAPS;
    const Index first_kernel = group * g.kernels();
    for (Index m = 0; m < maps; m += WIDTH)
        transform_maps(chunk, MapsTogether{g.x, first_map + m, (group + 1) * g.maps()}, x.from(m * images));
    for (Index k = 0; k < kernels; ++k) {  // the last block is filled up with copies; their sums are not read
        const Index kernel = std::min(kernel_blocks.begin * POINT_KERNELS + k, g.kernels() - 1);
        evaluate_maps(chunk, OneMap{{g.dy, 1, 0, 0}, first_kernel + kernel}, dy.from(k * images));
    }
    for (Index q = 0; q < g.points(); ++q)
        for (Index m = 0; m < map_blocks.size(); ++m)
            for (Index k = 0; k < kernel_blocks.size(); ++k) {
                const Index block = (kernel_blocks.begin + k) * g.map_blocks() + map_blocks.begin + m;
                add_at_point(dy.at(q, 0, k * POINT_KERNELS), images, x.at(q, 0, 0) + m * POINT_MAPS * images,
                             WIDTH * images, chunk.tiles_having(q) * LANES,
                             sums + q * g.sums() + block * POINT_SUMS);
            }
}

// How a group is shared out: each part of the kernels brings its share of the maps to the points again, and each part
// of the maps its share of dy: so many of either that least is brought twice, in a part for each thread.
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
    const Parts parts(g, ceil_divide(threads(), g.groups));
    parallel(g.groups * parts.count(), [&](Index i) {
        const Index group = i / parts.count(), part = i % parts.count();
        for (const Chunk& chunk : all)
            add_chunk(g, chunk, group, parts.maps[part % parts.maps.count],
                      parts.kernels[part / parts.maps.count], sums + group * g.points() * g.sums());
    });
    const Index lines = g.sums() / LANES;
    parallel(g.groups * lines,
             [&](Index i) { write_taps(g, i / lines, sums + i / lines * g.points() * g.sums(), i % lines); });
}

}  // namespace alexnet::winograd
