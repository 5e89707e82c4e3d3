// The tiles of Winograd's method (winograd.hpp): how outputs are cut into them, and how maps come to their points.
#pragma once

#include <algorithm>
#include <vector>

#include "check.hpp"
#include "engine.hpp"
#include "split.hpp"
#include "threads.hpp"
#include "winograd.hpp"
#include "winograd_work.hpp"

namespace alexnet::winograd {

inline constexpr Index CHUNK_TILES = 7;

inline bool has_form(const ConstKernels& w, ConvShape s) {
    const Index height = s.phase_taps(w.height), width = s.phase_taps(w.width);
    return std::min(height, width) >= 2 && std::max(height, width) <= MOST_TAPS;
}
inline void check_form(const char* op, const ConstKernels& w, ConvShape s) {
    CHECK(has_form(w, s), op, "no fast form for w ", w, " at stride ", s.stride);
}

// One direction of the outputs cut into nearly equal tiles, the larger ones first. Points are numbered as
// those of the largest tile: a smaller one lacks the last finite point.
struct Tiles {
    Index taps, count, small, larger;  // `larger` tiles have one output more than `small`

    Tiles(Index side, Index kernel)
        : taps(kernel),
          count((side + MOST_POINTS - kernel) / (MOST_POINTS - kernel + 1)),
          small(side / count),
          larger(side % count) {}

    Index begin(Index t) const { return t * small + std::min(t, larger); }
    Index size(Index t) const { return small + (t < larger); }
    Index points(Index t) const { return size(t) + taps - 1; }
    Index points() const { return points(0); }
    Index all_points() const { return count * (small + taps - 1) + larger; }
    // The number among all points of point q of tile t, and the number of tiles that have point q.
    Index point(Index t, Index q) const { return q == points(t) - 1 ? points() - 1 : q; }
    Index having(Index q) const { return larger > 0 && q == points() - 2 ? larger : count; }
};

// All tiles of some rows of tiles of some blocks of images: what goes through the three passes at once.
struct Chunk {
    Tiles y, x;
    Index block, blocks, row, rows;

    Index points() const { return y.points() * x.points(); }
    Index rows_having(Index qy) const { return std::clamp<Index>(y.having(qy) - row, 0, rows); }
    Index tiles() const { return blocks * rows * x.count; }
    // The tiles that have a point stand one after the other.
    Index tiles_having(Index q) const {
        return blocks * rows_having(q / x.points()) * x.having(q % x.points());
    }
    Index slot(Index b, Index ty, Index tx, Index qy, Index qx) const {
        return ((b - block) * rows_having(qy) + ty - row) * x.having(qx) + tx;
    }

    template <class Body>
    void for_each_tile(const Body& body) const {
        for (Index b = block; b < block + blocks; ++b)
            for (Index ty = row; ty < row + rows; ++ty)
                for (Index tx = 0; tx < x.count; ++tx) body(b, ty, tx);
    }
};

// Cuts the work into chunks of some rows of tiles: enough to use a transformed kernel several times and to
// make long sums, but no more, for the points of all maps should stay in a cache; and enough chunks to share.
// The first is the largest.
inline std::vector<Chunk> chunks(Tiles y, Tiles x, Index all_blocks, Index workers) {
    const Index all_tiles = y.count * x.count * all_blocks;
    const Index tiles = std::clamp<Index>(all_tiles / workers, 1, CHUNK_TILES);
    const Index rows = std::min((tiles + x.count - 1) / x.count, y.count);
    const Index blocks = std::clamp<Index>(tiles / (y.count * x.count), 1, all_blocks);
    std::vector<Chunk> all;
    for (Index b = 0; b < all_blocks; b += blocks)
        for (Index r = 0; r < y.count; r += rows)
            all.push_back({y, x, b, std::min(blocks, all_blocks - b), r, std::min(rows, y.count - r)});
    return all;
}

// A chunk's maps at all points.
struct AtPoints {
    float* data;
    Index point_step, slot_step, map_step;

    AtPoints from(Index offset) const { return {data + offset, point_step, slot_step, map_step}; }

    float* at(Index q, Index slot, Index map) const {
        return data + q * point_step + slot * slot_step + map * map_step;
    }
    // Where the points of one column of a tile's points stand.
    void column(const Chunk& c, Index b, Index ty, Index tx, Index column, Index map, float** points) const {
        const Index qx = c.x.point(tx, column);
        for (Index q = 0; q < c.y.points(ty); ++q) {
            const Index qy = c.y.point(ty, q);
            points[q] = at(qy * c.x.points() + qx, c.slot(b, ty, tx, qy, qx), map);
        }
    }
    // Floats from one point to the next: not a multiple of a page, where all points would share cache lines.
    static Index floats(const Chunk& c, Index maps) { return c.tiles() * maps * LANES + LANES; }
};

// The maps that a kernel of stride 1 sees in place of a strided one: the stride^2 phases of each map.
struct Phases {
    ConstMaps x;
    Index stride, pad_y, pad_x;

    Index count() const { return stride * stride; }

    // Copies the first pixels of one row of a phase, zeros beyond the edge.
    void copy_row(Index b, Index map, Index y, Index columns, float* to) const {
        const Index phase = map % count();
        const Index iy = y * stride + phase / stride - pad_y, shift = phase % stride - pad_x;
        const bool inside = iy >= 0 && iy < x.height;
        const float* from = inside ? x.at(b, map / count(), iy) : nullptr;
        for (Index k = 0; k < columns; ++k, to += LANES) {
            const Index ix = k * stride + shift;
            store(to, inside && ix >= 0 && ix < x.width ? load(from + ix * LANES) : splat(0));
        }
    }
};

// The source of one map's pixels, or of WIDTH maps' with their numbers exchanged: those of one image stand
// together, which makes WIDTH pseudo-maps of LANES numbers a pixel. Maps beyond `end` are zero.
struct OneMap {
    static constexpr int MAPS = 1;
    Phases from;
    Index map;

    void copy_row(Index b, Index y, Index columns, float* to, Index) const {
        from.copy_row(b, map, y, columns, to);
    }
};
struct MapsTogether {
    static constexpr int MAPS = WIDTH;
    Phases from;
    Index first, end;

    void copy_row(Index b, Index y, Index columns, float* to, Index map_step) const {
        thread_local Scratch scratch;
        float* rows = scratch.floats(WIDTH * columns * LANES);
        for (Index m = 0; m < WIDTH; ++m) {
            float* row = rows + m * columns * LANES;
            if (first + m < end)
                from.copy_row(b, first + m, y, columns, row);
            else
                std::fill(row, row + columns * LANES, 0.0f);
        }
        for (Index column = 0; column < columns; ++column)
            for (Index lane = 0; lane < LANES; lane += WIDTH) {
                Vec v[WIDTH];
                for (Index m = 0; m < WIDTH; ++m)
                    v[m] = load_vec(rows + (m * columns + column) * LANES + lane);
                transpose(v);
                for (Index i = 0; i < WIDTH; ++i) {
                    const Index at = (lane + i) * WIDTH;
                    store_vec(to + at / LANES * map_step + column * LANES + at % LANES, v[i]);
                }
            }
    }
};

// Writes a source's maps at all points of a chunk. A tile reads side(direction, tile) pixels in each
// direction, and filter(n, how many, get, put) takes them to n points.
template <class Source, class Side, class Filter>
void write_points(const Chunk& c, const Source& from, const AtPoints& to, const Side& side,
                  const Filter& filter) {
    thread_local Scratch scratch;
    tiles_brought += c.tiles() * Source::MAPS;
    const Index width = c.x.begin(c.x.count - 1) + side(c.x, c.x.count - 1);
    const Index map_step = MOST_POINTS * width * LANES;
    float* pixels = scratch.floats(Source::MAPS * map_step);  // of a row of tiles
    c.for_each_tile([&](Index b, Index ty, Index tx) {
        const Index rows = side(c.y, ty), columns = side(c.x, tx);
        if (tx == 0)
            for (Index r = 0; r < rows; ++r)
                from.copy_row(b, c.y.begin(ty) + r, width, pixels + r * width * LANES, map_step);
        for (Index map = 0; map < Source::MAPS; ++map) {
            Square half;  // [row][point of x]
            with_points(c.x.points(tx), [&](auto n) {
                for (Index r = 0; r < rows; ++r) {
                    const float* in = pixels + map * map_step + (r * width + c.x.begin(tx)) * LANES;
                    for (int i = 0; i < LANES; i += WIDTH)
                        filter(
                            n, columns, [&](int k) { return load_vec(in + k * LANES + i); },
                            [&](int q, Vec v) { store_vec(half[r][q] + i, v); });
                }
            });
            with_points(c.y.points(ty), [&](auto n) {
                float* points[n];
                for (Index column = 0; column < c.x.points(tx); ++column) {
                    to.column(c, b, ty, tx, column, map, points);
                    for (int i = 0; i < LANES; i += WIDTH)
                        filter(
                            n, rows, [&](int k) { return load_vec(half[k][column] + i); },
                            [&](int q, Vec v) { store_vec(points[q] + i, v); });
                }
            });
        }
    });
}

// The inputs of the convolution.
template <class Source>
void transform_maps(const Chunk& c, const Source& from, const AtPoints& to) {
    write_points(
        c, from, to, [](const Tiles& t, Index i) { return t.points(i); },
        [](auto n, Index, const auto& get, const auto& put) { transform<n>(get, put); });
}

// The gradient of its outputs.
template <class Source>
void evaluate_maps(const Chunk& c, const Source& from, const AtPoints& to) {
    write_points(
        c, from, to, [](const Tiles& t, Index i) { return t.size(i); },
        [](auto n, Index count, const auto& get, const auto& put) { evaluate<n>(count, get, put); });
}

}  // namespace alexnet::winograd
