// Fully connected layers (fc.cpp) in bf16, with sums in float32. Weights stay float32 in memory: each is rounded where a
// product reads it, a part at a time that then stays in the cache.
#include <algorithm>

#include "bf16.hpp"
#include "bf16_tiles.hpp"
#include "constant.hpp"
#include "fused.hpp"
#include "shapes.hpp"
#include "split.hpp"

namespace alexnet::bf16 {

namespace {

// A part of either operand is 512 kB at most, for 128 images.
constexpr Index SLICE_ROWS = 512, PART_FEATURES = 2048;
constexpr Index SLICE_FEATURES = 256, PART_ROWS = 1024;  // of the data gradient
constexpr Index RUN = 1024;                              // columns of a weight gradient, written together

thread_local Scratch first_operand, second_operand;

Range part(Index i, Index size, Index total) { return {i * size, std::min(total, (i + 1) * size)}; }

// body(tile down, how many, tile right, how many) for blocks of 2 x 2 tiles, or what is left; the numbers are constants.
template <class Body>
void for_each_block(Index down, Index right, const Body& body) {
    for (Index i = 0; i < down; i += 2)
        for (Index j = 0; j < right; j += 2)
            with_constant<2>(std::min<Index>(2, down - i), [&](auto m) {
                with_constant<2>(std::min<Index>(2, right - j), [&](auto n) { body(i, m, j, n); });
            });
}

// x as second tiles, depth its features: for each step, for each block of images.
const Word* features_as_depth(Scratch& scratch, const ConstMaps& x) {
    const Index count = features(x), steps = ceil_divide(count, DEPTH);
    Word* to = scratch.numbers<Word>(steps * x.blocks * TILE_WORDS);
    parallel(x.blocks, [&](Index b) {
        const auto feature = [&](Index f) { return f < count ? x.at(b, 0) + f * LANES : NOTHING<Bf16>; };
        for (Index f = 0; f < steps * DEPTH; f += 2)
            write_pairs(to + (f / DEPTH * x.blocks + b) * TILE_WORDS + f % DEPTH / 2 * SIDE, feature(f),
                        feature(f + 1));
    });
    return to;
}

// dy as first tiles, a row an image, depth its units: for each block of images, for each step.
const Word* units_as_depth(Scratch& scratch, const ConstMaps& dy) {
    const Index steps = ceil_divide(dy.maps, DEPTH);
    Word* to = scratch.numbers<Word>(dy.blocks * steps * TILE_WORDS);
    parallel(dy.blocks * steps, [&](Index i) {
        const auto unit = [&](Index o) { return o < dy.maps ? dy.at(i / steps, o) : NOTHING<Bf16>; };
        Word by_unit[TILE_WORDS];
        for (Index r = 0; r < SIDE; ++r) {
            const Index o = i % steps * DEPTH + 2 * r;
            write_pairs(by_unit + r * SIDE, unit(o), unit(o + 1));
        }
        transpose(by_unit, to + i * TILE_WORDS);
    });
    return to;
}

// Maps as tiles of 16 features or units, depth the images, 32 a step: for each tile, for each step. A first tile has
// them as rows, a second one as columns.
template <bool FIRST>
const Word* images_as_depth(Scratch& scratch, const ConstMaps& x) {
    const Index count = features(x), steps = ceil_divide(x.blocks, 2), tiles = ceil_divide(count, SIDE);
    Word* to = scratch.numbers<Word>(tiles * steps * TILE_WORDS);
    parallel(tiles * steps, [&](Index i) {
        const Index tile = i / steps, b = i % steps * 2;
        const auto row = [&](Index block, Index f) {
            return f < count && block < x.blocks ? x.at(block, 0) + f * LANES : NOTHING<Bf16>;
        };
        Word by_feature[TILE_WORDS];
        Word* rows = FIRST ? to + i * TILE_WORDS : by_feature;
        for (Index r = 0; r < SIDE; ++r)
            write_row(rows + r * SIDE, row(b, tile * SIDE + r), row(b + 1, tile * SIDE + r));
        if (!FIRST) transpose(by_feature, to + i * TILE_WORDS);
    });
    return to;
}

// Rows of w as first tiles, depth the columns: for each 16 rows, for each of `steps`.
void columns_as_depth(const ConstNumbers& w, Range rows, Range columns, Index steps, Word* to) {
    for (Index r = 0; r < rows.size(); ++r)
        write_rows(to + r / SIDE * steps * TILE_WORDS + r % SIDE * SIDE, TILE_WORDS,
                   w.data + (rows.begin + r) * w.columns + columns.begin, columns.size());
}

// Rows of w as second tiles, depth the rows: for each 16 columns, for each of `steps`.
void rows_as_depth(const ConstNumbers& w, Range rows, Range columns, Index steps, Word* to) {
    for (Index o = 0; o < steps * DEPTH; o += 2)
        for (Index f = columns.begin; f < columns.end; f += SIDE) {
            float room[2][LANES] = {};
            const auto row = [&](Index i) -> const float* {
                if (rows.begin + o + i >= rows.end) return NOTHING<float>;
                const float* from = w.data + (rows.begin + o + i) * w.columns + f;
                if (f + SIDE <= columns.end) return from;
                std::copy(from, from + columns.end - f, room[i]);
                return room[i];
            };
            write_pairs(
                to + ((f - columns.begin) / SIDE * steps + o / DEPTH) * TILE_WORDS + o % DEPTH / 2 * SIDE,
                row(0), row(1));
        }
}

// write(row, first column, how many, numbers) for runs of dw's rows.
template <class Write>
void for_each_run(const ConstMaps& x, const ConstMaps& dy, const Write& write) {
    constexpr Index PITCH = RUN + SIDE;  // else all rows of a tile would share the same few places of a cache
    const Word *slopes = images_as_depth<true>(first_operand, dy),
               *inputs = images_as_depth<false>(second_operand, x);
    const Index in = features(x), steps = ceil_divide(x.blocks, 2);
    parallel(ceil_divide(dy.maps, SLICE_ROWS), [&](Index slice) {
        thread_local Scratch scratch;
        float* sums = scratch.floats(DEPTH * PITCH);
        const Range rows = part(slice, SLICE_ROWS, dy.maps);
        amx::Tiles tiles;
        for (Index i = 0; i < ceil_divide(in, RUN); ++i)
            for (Index row = rows.begin; row < rows.end; row += DEPTH) {
                const Range run = part(i, RUN, in);
                const Index height = std::min(DEPTH, rows.end - row);
                for_each_block(ceil_divide(height, SIDE), ceil_divide(run.size(), SIDE),
                               [&](Index, auto m, Index tile, auto n) {
                                   const Word* a = slopes + row / SIDE * steps * TILE_WORDS;
                                   const Word* b = inputs + (run.begin / SIDE + tile) * steps * TILE_WORDS;
                                   const Block<m, n> block{tiles, steps * TILE_WORDS, steps * TILE_WORDS};
                                   block.zero();
                                   for (Index s = 0; s < steps; ++s)
                                       block.add(a + s * TILE_WORDS, b + s * TILE_WORDS);
                                   block.store(sums + tile * SIDE, SIDE * PITCH, SIDE, PITCH);
                               });
                for (Index r = 0; r < height; ++r) write(row + r, run.begin, run.size(), sums + r * PITCH);
            }
    });
}

}  // namespace

void fc_forward(ConstMaps x, ConstNumbers w, ConstNumbers b, Maps y, bool relu) {
    check_fc("fc_forward", x, w, y);
    check_bias("fc_forward", b, w);
    const Word* inputs = features_as_depth(first_operand, x);
    parallel(ceil_divide(w.rows, SLICE_ROWS), [&](Index slice) {
        thread_local Scratch scratch, scratch_sums;
        const Range rows = part(slice, SLICE_ROWS, w.rows);
        const Index row_tiles = ceil_divide(rows.size(), SIDE);
        float* sums = scratch_sums.floats(row_tiles * x.blocks * TILE_WORDS);
        Word* weights = scratch.numbers<Word>(2 * PART_FEATURES / DEPTH * TILE_WORDS);
        std::fill_n(weights, 2 * PART_FEATURES / DEPTH * TILE_WORDS, 0);
        amx::Tiles tiles;
        for (Index i = 0; i < ceil_divide(w.columns, PART_FEATURES); ++i) {
            const Range columns = part(i, PART_FEATURES, w.columns);
            const Index steps = ceil_divide(columns.size(), DEPTH);
            const Word* from = inputs + columns.begin / DEPTH * x.blocks * TILE_WORDS;
            for (Index row_tile = 0; row_tile < row_tiles; row_tile += 2) {
                const Index first = rows.begin + row_tile * SIDE;
                columns_as_depth(w, {first, std::min(rows.end, first + DEPTH)}, columns, steps, weights);
                for_each_block(std::min<Index>(2, row_tiles - row_tile), x.blocks,
                               [&](Index, auto m, Index image_block, auto n) {
                                   float* total = sums + (row_tile * x.blocks + image_block) * TILE_WORDS;
                                   const Block<m, n> block{tiles, steps * TILE_WORDS, TILE_WORDS};
                                   if (i == 0)
                                       block.zero();
                                   else
                                       block.load(total, x.blocks * TILE_WORDS, TILE_WORDS);
                                   for (Index s = 0; s < steps; ++s)
                                       block.add(weights + s * TILE_WORDS,
                                                 from + (s * x.blocks + image_block) * TILE_WORDS);
                                   block.store(total, x.blocks * TILE_WORDS, TILE_WORDS);
                               });
            }
        }
        for (Index r = 0; r < rows.size(); ++r)
            for (Index image_block = 0; image_block < x.blocks; ++image_block) {
                const float* total =
                    sums + (r / SIDE * x.blocks + image_block) * TILE_WORDS + r % SIDE * SIDE;
                const Vec16 sum = load(total) + splat(b.data[rows.begin + r]);
                store(y.at(image_block, rows.begin + r), relu ? rectified(sum) : sum);
            }
    });
}

void fc_backward_data(ConstMaps dy, ConstNumbers w, Maps dx) {
    check_fc("fc_backward_data", dx, w, dy);
    const Word* slopes = units_as_depth(first_operand, dy);
    const Index slope_steps = ceil_divide(w.rows, DEPTH);
    parallel(ceil_divide(w.columns, SLICE_FEATURES), [&](Index slice) {
        thread_local Scratch scratch, scratch_sums;
        const Range columns = part(slice, SLICE_FEATURES, w.columns);
        const Index column_tiles = ceil_divide(columns.size(), SIDE);
        float* sums = scratch_sums.floats(dx.blocks * column_tiles * TILE_WORDS);
        Word* weights = scratch.numbers<Word>(column_tiles * PART_ROWS / DEPTH * TILE_WORDS);
        amx::Tiles tiles;
        for (Index i = 0; i < ceil_divide(w.rows, PART_ROWS); ++i) {
            const Range rows = part(i, PART_ROWS, w.rows);
            const Index steps = ceil_divide(rows.size(), DEPTH);
            rows_as_depth(w, rows, columns, steps, weights);
            for_each_block(dx.blocks, column_tiles, [&](Index image_block, auto m, Index tile, auto n) {
                float* total = sums + (image_block * column_tiles + tile) * TILE_WORDS;
                const Word* a = slopes + (image_block * slope_steps + rows.begin / DEPTH) * TILE_WORDS;
                const Block<m, n> block{tiles, slope_steps * TILE_WORDS, steps * TILE_WORDS};
                if (i == 0)
                    block.zero();
                else
                    block.load(total, column_tiles * TILE_WORDS, TILE_WORDS);
                for (Index s = 0; s < steps; ++s)
                    block.add(a + s * TILE_WORDS, weights + (tile * steps + s) * TILE_WORDS);
                block.store(total, column_tiles * TILE_WORDS, TILE_WORDS);
            });
        }
        float by_feature[TILE_WORDS];
        for (Index i = 0; i < dx.blocks * column_tiles; ++i) {
            transpose(sums + i * TILE_WORDS, by_feature);
            const Index first = columns.begin + i % column_tiles * SIDE;
            for (Index f = first; f < std::min(columns.end, first + SIDE); ++f)
                store(dx.at(i / column_tiles, 0) + f * LANES, load(by_feature + (f - first) * SIDE));
        }
    });
}

void fc_backward_weights(ConstMaps x, ConstMaps dy, Numbers dw, Numbers db) {
    const char* op = "fc_backward_weights";
    const ConstNumbers w{dw.data, dw.rows, dw.columns};
    check_fc(op, x, w, dy);
    check_bias(op, {db.data, db.rows, db.columns}, w);
    for_each_run(x, dy, [&](Index row, Index column, Index count, const float* gradient) {
        std::copy(gradient, gradient + count, dw.data + row * dw.columns + column);
    });
    fc_backward_bias(dy, db);
}

void fc_descend(ConstMaps x, ConstMaps dy, Numbers w, Numbers v, Descent d) {
    check_fc("fc_descend", x, {w.data, w.rows, w.columns}, dy);
    CHECK(v.rows == w.rows && v.columns == w.columns, "fc_descend", "v ", v, " is not like w ", w);
    for_each_run(x, dy, [&](Index row, Index column, Index count, const float* gradient) {
        const Index at = row * w.columns + column;
        descend(w.data + at, v.data + at, gradient, count, d);
    });
}

}  // namespace alexnet::bf16
