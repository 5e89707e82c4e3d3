// Dropout (section 4.2): y = 0 where the draw falls below `rate`, else x; not scaled (the test's outputs are
// halved instead). The same call makes the backward pass. x, y (B, C, H, W, 16), y may be x; unit u is the
// u-th of C*H*W. The draw of (unit, image) is word image % 4 of the counter (first_unit + unit, image / 4,
// step, layer), with image = first_image + 16 b + lane: the same however the net is spread over processes.
#include <algorithm>
#include <cmath>

#include "engine.hpp"
#include "philox.hpp"
#include "shapes.hpp"
#include "threads.hpp"

namespace alexnet {

namespace {

constexpr int UNITS = 16;  // drawn together

// The draws of UNITS units, from `unit` on, for LANES images, from `image` on.
void draw_block(DropoutDraw d, Index unit, Index image, std::uint32_t (&draws)[UNITS][LANES]) {
    for (Index quad = image / 4; quad * 4 < image + LANES; ++quad) {
        std::uint32_t word[4][UNITS];
        for (int i = 0; i < UNITS; ++i) {
            word[0][i] = static_cast<std::uint32_t>(unit + i);
            word[1][i] = static_cast<std::uint32_t>(quad);
            word[2][i] = d.step;
            word[3][i] = d.layer;
        }
        philox(word, d.seed, static_cast<std::uint32_t>(Purpose::dropout));
        for (Index w = 0; w < 4; ++w)
            if (const Index lane = quad * 4 + w - image; lane >= 0 && lane < LANES)
                for (int i = 0; i < UNITS; ++i) draws[i][lane] = word[w][i];
    }
}

}  // namespace

template <class T>
void dropout(Grid<const T> x, Grid<T> y, double rate, DropoutDraw d) {
    constexpr Index WORDS = Index{1} << 32;
    const Index units = x.maps * x.pixels();
    check_alike("dropout", x, y);
    CHECK(rate >= 0 && rate <= 1, "dropout", "rate ", rate, " is not in 0..1");
    CHECK(d.first_unit >= 0 && d.first_unit + units <= WORDS && d.first_image >= 0 &&
              d.first_image + x.blocks * LANES <= 4 * WORDS,
          "dropout", "first_unit ", d.first_unit, " or first_image ", d.first_image,
          " is out of range for x ", x);
    const auto limit = static_cast<std::uint64_t>(std::ceil(rate * static_cast<double>(WORDS)));
    const auto last = static_cast<std::uint32_t>(limit - 1);  // the largest draw that drops, if any does
    const Index groups = (units + UNITS - 1) / UNITS;
    parallel(x.blocks * groups, [&](Index i) {
        const Index b = i / groups, first = i % groups * UNITS;
        std::uint32_t draws[UNITS][LANES];
        draw_block(d, d.first_unit + first, d.first_image + b * LANES, draws);
        for (Index u = 0; u < std::min<Index>(UNITS, units - first); ++u) {
            const Index at = (b * units + first + u) * LANES;
#pragma omp simd
            for (Index lane = 0; lane < LANES; ++lane)
                y.data[at + lane] = limit != 0 && draws[u][lane] <= last ? T{} : x.data[at + lane];
        }
    });
}

FOR_MAPS(dropout);

}  // namespace alexnet
