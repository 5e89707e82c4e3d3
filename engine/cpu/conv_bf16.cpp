// Convolution (conv.cpp) in bf16, with sums in float32: forward and data gradient.
//
// Both are one correlation over phases (conv_bf16.hpp): the data gradient is that of dy with the kernels flipped and
// transposed, and its outputs are the phases of dx. A band of rows is laid into scratch memory with the maps innermost,
// two of them a line of 16 pairs: the taps of a kernel's row are then a run of lines, which steps take 16 at a time.
// Beyond the run a step meets the next pixel's lines with weights of 0: a NaN there spreads so far.
#include "conv_bf16.hpp"

#include "constant.hpp"
#include "shapes.hpp"

namespace alexnet::bf16 {

namespace {

constexpr Index BAND_WORDS = 256 * 1024;  // half of a second-level cache of 2 MB, as AMX comes with

struct Correlation {
    Phases source;
    Index groups, rows, maps;  // of a group: rows of sums, and the phases that they see
    Index kernel_height, kernel_width;
    Index height, width;  // of the outputs

    Index pairs() const { return ceil_divide(maps, 2); }
    Index run() const { return kernel_width * pairs(); }
    Index row_steps() const { return ceil_divide(run(), SIDE); }
    Index steps() const { return kernel_height * row_steps(); }
    Index row_tiles() const { return ceil_divide(rows, SIDE); }
    Index source_columns() const { return width + kernel_width - 1; }
    Index line_words(Index band_rows) const {  // with what the last step reads beyond
        return ((band_rows + kernel_height - 1) * source_columns() * pairs() + SIDE) * SIDE;
    }
};

// The weights as first tiles: for each group, for each 16 rows of sums, for each step.
struct Packed {
    const Correlation& c;
    Word* tiles;

    Packed(const Correlation& c, Scratch& scratch) : c(c) {
        const Index count = c.groups * c.row_tiles() * c.steps() * TILE_WORDS;
        tiles = scratch.numbers<Word>(count);
        std::fill_n(tiles, count, 0);
    }
    const Word* at(Index group, Index row_tile) const {
        return tiles + (group * c.row_tiles() + row_tile) * c.steps() * TILE_WORDS;
    }
    Bf16& weight(Index group, Index row, Index map, Index y, Index x) const {
        const Index line = x * c.pairs() + map / 2, step = y * c.row_steps() + line / SIDE;
        Word* word = tiles + (group * c.row_tiles() + row / SIDE) * c.steps() * TILE_WORDS +
                     step * TILE_WORDS + row % SIDE * SIDE + line % SIDE;
        return reinterpret_cast<Bf16*>(word)[map % 2];
    }
};

void copy_lines(const Correlation& c, Index b, Index group, Range rows, Word* lines) {
    const Index columns = c.source_columns(), pairs = c.pairs(), first = group * c.maps;
    for (Index q = rows.begin; q < rows.end + c.kernel_height - 1; ++q, lines += columns * pairs * SIDE)
        for (Index j = 0; j < pairs; ++j) {
            const PhaseRow low = c.source.row(b, first + 2 * j, q);
            const PhaseRow high = 2 * j + 1 < c.maps ? c.source.row(b, first + 2 * j + 1, q) : PhaseRow{};
            for (Index r = 0; r < columns; ++r) write_pairs(lines + (r * pairs + j) * SIDE, low[r], high[r]);
        }
    std::fill_n(lines, SIDE * SIDE, 0);
}

// write(row, y, x, sums) for every row of sums and every pixel of a band.
template <class Write>
void correlate_band(const Correlation& c, const Packed& packed, Index b, Index group, Range rows,
                    const Write& write) {
    thread_local Scratch scratch;
    Word* lines = scratch.numbers<Word>(c.line_words(rows.size()));
    copy_lines(c, b, group, rows, lines);
    amx::Tiles tiles;
    alignas(64) float sums[4 * TILE_WORDS];
    const Index pixels = rows.size() * c.width, tile_words = c.steps() * TILE_WORDS;
    const Index pixel_words = c.pairs() * SIDE, row_words = c.source_columns() * pixel_words;
    const auto line = [&](Index p) { return lines + p / c.width * row_words + p % c.width * pixel_words; };

    const auto block = [&](auto m, auto n, Index row_tile, Index p) {
        const Word *a = packed.at(group, row_tile), *first = line(p);
        const Block<m, n> block{tiles, tile_words, line(p + n - 1) - first};
        block.zero();
        for (Index ky = 0; ky < c.kernel_height; ++ky)
            for (Index s = 0; s < c.row_steps(); ++s, a += TILE_WORDS)
                block.add(a, first + ky * row_words + s * TILE_WORDS);
        block.store(sums, 2 * TILE_WORDS, TILE_WORDS);
        for (Index i = 0; i < m * SIDE; ++i) {
            const Index row = row_tile * SIDE + i;
            if (row >= c.rows) break;
            for (Index j = 0; j < n; ++j)
                write(row, rows.begin + (p + j) / c.width, (p + j) % c.width,
                      sums + (i / SIDE * 2 + j) * TILE_WORDS + i % SIDE * SIDE);
        }
    };
    for (Index row_tile = 0; row_tile < c.row_tiles(); row_tile += 2)
        for (Index p = 0; p < pixels; p += 2)
            with_constant<2>(std::min<Index>(2, c.row_tiles() - row_tile), [&](auto m) {
                with_constant<2>(std::min<Index>(2, pixels - p), [&](auto n) { block(m, n, row_tile, p); });
            });
}

// write(block, group, row, y, x, sums) for every output; each has its sum whole, so no cut changes a bit.
template <class Write>
void correlate(const Correlation& c, const Packed& packed, const Write& write) {
    const Index blocks = c.source.x.blocks;
    Index height = c.height;
    while (height > 1 && c.line_words(height) > BAND_WORDS) height = ceil_divide(height, 2);
    const Split bands = split(c.height, height);
    parallel(blocks * c.groups * bands.count, [&](Index i) {
        const Index b = i / bands.count / c.groups, group = i / bands.count % c.groups;
        correlate_band(
            c, packed, b, group, bands[i % bands.count],
            [&](Index row, Index y, Index x, const float* sums) { write(b, group, row, y, x, sums); });
    });
}

thread_local Scratch packed_weights;

}  // namespace

void conv_forward(ConstMaps x, ConstKernels w, ConstNumbers b, Maps y, ConvShape s, bool relu) {
    check_conv_forward("conv_forward", x, w, b, y, s);
    const Index kernels = w.kernels / s.groups;
    const Phases phases{x, s.stride, s.pad, s.pad};
    const Taps taps(w.height, w.width, s.stride);
    const Correlation c{phases,      s.groups,   kernels,  w.maps * phases.per_map(),
                        taps.height, taps.width, y.height, y.width};
    const Packed packed(c, packed_weights);
    parallel(w.kernels, [&](Index kernel) {
        const float* from = w.data + kernel * w.taps();
        for (Index map = 0; map < w.maps; ++map)
            for (const auto& tap : taps.of)
                put(packed.weight(kernel / kernels, kernel % kernels, map * phases.per_map() + tap.phase,
                                  tap.y, tap.x),
                    *from++);
    });
    correlate(c, packed, [&](Index block, Index group, Index row, Index oy, Index ox, const float* sums) {
        const Index kernel = group * kernels + row;
        const Vec16 total = load(sums) + splat(b.data[kernel]);
        store(y.at(block, kernel, oy, ox), relu ? rectified(total) : total);
    });
}

void conv_backward_data(ConstMaps dy, ConstKernels w, Maps dx, ConvShape s) {
    check_conv("conv_backward_data", dx, w, dy, s);
    const Index kernels = w.kernels / s.groups, per_map = s.stride * s.stride;
    const Taps taps(w.height, w.width, s.stride);
    // The phases' pixels that lie in dx: from the one of its first pixel to the one of its last.
    const Index first = s.pad / s.stride;
    const auto extent = [&](Index side) { return (side - 1 + s.pad) / s.stride - first + 1; };
    const Phases slopes{dy, 1, taps.height - 1 - first, taps.width - 1 - first};
    const Correlation c{slopes,      s.groups,   w.maps * per_map,  kernels,
                        taps.height, taps.width, extent(dx.height), extent(dx.width)};
    const Packed packed(c, packed_weights);
    parallel(s.groups * w.maps, [&](Index i) {
        const Index group = i / w.maps, map = i % w.maps;
        for (Index kernel = 0; kernel < kernels; ++kernel) {
            const float* from = &w.at(group * kernels + kernel, map, 0, 0);
            for (const auto& tap : taps.of)
                put(packed.weight(group, map * per_map + tap.phase, kernel, taps.height - 1 - tap.y,
                                  taps.width - 1 - tap.x),
                    *from++);
        }
    });
    correlate(c, packed, [&](Index block, Index group, Index row, Index q, Index r, const float* sums) {
        const Index map = group * w.maps + row / per_map;
        const Index y = (first + q) * s.stride + row / s.stride % s.stride - s.pad;
        const Index x = (first + r) * s.stride + row % s.stride - s.pad;
        if (y >= 0 && y < dx.height && x >= 0 && x < dx.width) store(dx.at(block, map, y, x), load(sums));
    });
}

}  // namespace alexnet::bf16
