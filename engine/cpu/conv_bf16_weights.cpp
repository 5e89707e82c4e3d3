// Convolution's weight gradient (conv_weights.cpp) in bf16, with sums in float32.
//
// Over phases (conv_bf16.hpp) a tap's gradient is the product of dy with x moved by the tap, its depth the images of two
// neighbouring pixels. A band of rows of both is laid into scratch memory: dy by kernels, x with 16 phases innermost, so
// that a tap only moves where x is read. Each sum is made by one thread, over all images and pixels in one order.
#include "constant.hpp"
#include "conv.hpp"
#include "conv_bf16.hpp"
#include "shapes.hpp"

namespace alexnet::bf16 {

namespace {

constexpr Index BAND_WORDS = 384 * 1024;       // three quarters of a second-level cache of 2 MB
constexpr Index PIXEL_WORDS = TILE_WORDS / 2;  // of 16 images and 16 phases

struct Gradient {
    Phases source;
    ConstMaps dy;
    Kernels<float> dw;
    Index groups;
    Taps taps;

    Index kernels() const { return dw.kernels / groups; }
    Index phases() const { return dw.maps * source.per_map(); }
    Index kernel_tiles() const { return ceil_divide(kernels(), SIDE); }
    Index phase_tiles() const { return ceil_divide(phases(), SIDE); }
    Index places() const { return taps.height * taps.width; }
};

// A unit of work: some tiles of kernels and of phases of one group, over all images and pixels.
struct Unit {
    const Gradient& g;
    Index group;
    Range kernel_tiles, phase_tiles;

    Index pairs() const { return ceil_divide(g.dy.width, 2); }  // of pixels in a row
    Index columns() const { return (2 * pairs() + g.taps.width) / 2 * 2; }
    Index slope_words(Index rows) const { return kernel_tiles.size() * SIDE * rows * pairs() * SIDE; }
    Index input_words(Index rows) const {
        return phase_tiles.size() * (rows + g.taps.height - 1) * columns() * PIXEL_WORDS;
    }
    Index streams() const { return phase_tiles.size() * g.places(); }
    Index tile(Index stream, Index kernel_tile) const { return stream * kernel_tiles.size() + kernel_tile; }

    // For each kernel, for each row, for each pair of pixels.
    void copy_slopes(Index b, Range rows, Word* to) const {
        for (Index k = kernel_tiles.begin * SIDE; k < kernel_tiles.end * SIDE; ++k)
            for (Index y = rows.begin; y < rows.end; ++y) {
                const bool there = k < g.kernels();
                const PhaseRow row{there ? g.dy.at(b, group * g.kernels() + k, y) : nullptr, 0, 1,
                                   g.dy.width};
                for (Index x = 0; x < 2 * pairs(); x += 2, to += SIDE) write_row(to, row[x], row[x + 1]);
            }
    }

    // For each tile of phases, for each row, for each pixel.
    void copy_inputs(Index b, Range rows, Word* to) const {
        for (Index tile = phase_tiles.begin; tile < phase_tiles.end; ++tile)
            for (Index q = rows.begin; q < rows.end + g.taps.height - 1; ++q) {
                PhaseRow row[SIDE];
                for (Index i = 0; i < SIDE; ++i) {
                    const Index phase = tile * SIDE + i;
                    if (phase < g.phases()) row[i] = g.source.row(b, group * g.phases() + phase, q);
                }
                for (Index r = 0; r < columns(); r += 2, to += 2 * PIXEL_WORDS) {
                    Word by_phase[TILE_WORDS];
                    for (Index i = 0; i < SIDE; ++i) write_row(by_phase + i * SIDE, row[i][r], row[i][r + 1]);
                    transpose(by_phase, to);
                }
            }
    }

    // Adds a band's products to the sums, tiles of kernels x phases.
    void add_band(amx::Tiles& tiles, Index rows, const Word* slopes, const Word* inputs, float* sums) const {
        const Index slope_row = pairs() * SIDE, kernel_words = rows * slope_row;
        const Index input_row = columns() * PIXEL_WORDS;
        const auto input = [&](Index stream) {
            const Index tap = stream % g.places();
            const Index row = stream / g.places() * (rows + g.taps.height - 1) + tap / g.taps.width;
            return inputs + row * input_row + tap % g.taps.width * PIXEL_WORDS;
        };
        const auto block = [&](auto m, auto n, Index kernel_tile, Index stream) {
            const Word *a = slopes + kernel_tile * SIDE * kernel_words, *b = input(stream);
            const Block<m, n> block{tiles, SIDE * kernel_words, input(stream + n - 1) - b, kernel_words};
            float* total = sums + tile(stream, kernel_tile) * TILE_WORDS;
            block.load(total, TILE_WORDS, kernel_tiles.size() * TILE_WORDS);
            for (Index y = 0; y < rows; ++y)
                for (Index x = 0; x < pairs(); ++x)
                    block.add(a + y * slope_row + x * SIDE, b + y * input_row + x * 2 * PIXEL_WORDS);
            block.store(total, TILE_WORDS, kernel_tiles.size() * TILE_WORDS);
        };
        for (Index stream = 0; stream < streams(); stream += 2)
            for (Index kernel_tile = 0; kernel_tile < kernel_tiles.size(); kernel_tile += 2)
                with_constant<2>(std::min<Index>(2, kernel_tiles.size() - kernel_tile), [&](auto m) {
                    with_constant<2>(std::min<Index>(2, streams() - stream),
                                     [&](auto n) { block(m, n, kernel_tile, stream); });
                });
    }

    void write(const float* sums) const {
        const Index last = std::min(g.kernels(), kernel_tiles.end * SIDE);
        for (Index k = kernel_tiles.begin * SIDE; k < last; ++k) {
            float* to = &g.dw.at(group * g.kernels() + k, 0, 0, 0);
            for (Index map = 0; map < g.dw.maps; ++map)
                for (const auto& tap : g.taps.of) {
                    const Index phase = map * g.source.per_map() + tap.phase, phase_tile = phase / SIDE;
                    float* gradient = to++;
                    if (phase_tile < phase_tiles.begin || phase_tile >= phase_tiles.end) continue;
                    const Index stream =
                        (phase_tile - phase_tiles.begin) * g.places() + tap.y * g.taps.width + tap.x;
                    *gradient = sums[tile(stream, k / SIDE - kernel_tiles.begin) * TILE_WORDS +
                                     k % SIDE * SIDE + phase % SIDE];
                }
        }
    }

    void run() const {
        thread_local Scratch scratch_sums, scratch_slopes, scratch_inputs;
        const Index count = streams() * kernel_tiles.size() * TILE_WORDS;
        float* sums = scratch_sums.floats(count);
        std::fill_n(sums, count, 0.0f);
        Index height = g.dy.height;
        while (height > 1 && slope_words(height) + input_words(height) > BAND_WORDS)
            height = ceil_divide(height, 2);
        const Split bands = split(g.dy.height, height);
        Word* slopes = scratch_slopes.numbers<Word>(slope_words(bands.largest()));
        Word* inputs = scratch_inputs.numbers<Word>(input_words(bands.largest()));
        amx::Tiles tiles;
        for (Index b = 0; b < g.dy.blocks; ++b)
            for (Index band = 0; band < bands.count; ++band) {
                copy_slopes(b, bands[band], slopes);
                copy_inputs(b, bands[band], inputs);
                add_band(tiles, bands[band].size(), slopes, inputs, sums);
            }
        write(sums);
    }
};

}  // namespace

void conv_backward_weights(ConstMaps x, ConstMaps dy, Kernels<float> dw, Numbers db, ConvShape s) {
    check_conv_backward_weights("conv_backward_weights", x, dy, dw, db, s);
    const Gradient g{{x, s.stride, s.pad, s.pad}, dy, dw, s.groups, Taps(dw.height, dw.width, s.stride)};
    // As many units as keep all threads busy: first of phases, for dy is laid out at less cost than x.
    const Index busy = ceil_divide(threads(), s.groups);
    const Split phases{g.phase_tiles(), std::min(busy, g.phase_tiles())};
    const Split kernels{g.kernel_tiles(), std::min(ceil_divide(busy, phases.count), g.kernel_tiles())};
    parallel(s.groups * kernels.count * phases.count, [&](Index i) {
        const Index unit = i / s.groups;
        Unit{g, i % s.groups, kernels[unit / phases.count], phases[unit % phases.count]}.run();
    });
    bias_gradient(dy, db);
}

}  // namespace alexnet::bf16
