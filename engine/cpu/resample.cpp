// A box of an image resampled to a square (section 2), by the cubic of a = -1/2 and to the last bit as Pillow does it:
//   across[y, j, c] = byte(sum over x of w[j, x] image[y, x, c])
//   out[i, j, c]    = byte(sum over y of v[i, y] across[y, j, c])     or first down and then across
//   byte(s)         = s / 2^22, rounded, within 0..255
// image (height, width, channels) and out (size, size, channels), bytes. With scale = (right - left) / size, the weights
//   w[j, x] = cubic((x + 1/2 - left - (j + 1/2) scale) / max(scale, 1)), over their sum, in units of 2^-22, rounded
// are those of the image's pixels, also beyond the box; v likewise. What is not weighed is not read. This file is
// compiled without fused multiply-adds (CMakeLists.txt), which would round the weights otherwise.
#include "resample.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "check.hpp"
#include "simd.hpp"
#include "threads.hpp"

namespace alexnet {

namespace {

using Byte = std::uint8_t;

constexpr int FRACTION = 22;  // bits: a byte by a weight, summed, fits into 32
constexpr std::int32_t HALF = 1 << (FRACTION - 1);
constexpr Index BAND = 64;  // rows that are resampled across at once, in a second-level cache
constexpr Index TOGETHER = 4;

double cubic(double x) {
    constexpr double a = -0.5;
    x = std::fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

// What each place of the output is made of, in one direction: `count[i]` pixels from first[i] on.
struct Taps {
    Index most;  // weights a place has room for
    std::vector<Index> first, count;
    std::vector<std::int32_t> weights;

    Taps(Index side, float from, float to, Index size) {
        const double scale = static_cast<double>(to - from) / static_cast<double>(size);
        const double stretch = std::max(scale, 1.0), reach = 2 * stretch;
        most = 2 * static_cast<Index>(std::ceil(reach)) + 1;
        weights.resize(size * most);
        std::vector<double> exact(most);
        for (Index i = 0; i < size; ++i) {
            const double centre = from + (i + 0.5) * scale;
            const Index begin = std::max<Index>(static_cast<Index>(centre - reach + 0.5), 0);
            const Index end = std::min(static_cast<Index>(centre + reach + 0.5), side);
            double sum = 0;
            for (Index k = begin; k < end; ++k)
                sum += exact[k - begin] = cubic((k - centre + 0.5) * (1 / stretch));
            for (Index k = begin; k < end; ++k) {
                const double weight = exact[k - begin] / sum * (1 << FRACTION);
                weights[i * most + k - begin] =
                    static_cast<std::int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5);
            }
            first.push_back(begin);
            count.push_back(end - begin);
        }
    }

    Index size() const { return static_cast<Index>(first.size()); }
    Index begin() const { return first.front(); }
    Index span() const { return first.back() + count.back() - begin(); }
};

IntVec16 bytes_of(const IntVec16& sums) {
    return each<IntVec16>(
        [](IntVec v) {
            v >>= FRACTION;
            v = v < 0 ? IntVec{} : v;
            return v > 255 ? 255 - IntVec{} : v;
        },
        sums);
}

// to[x] for N runs of LANES bytes from lines that are `step` apart.
template <Index N>
void weigh(const std::int32_t* weights, Index count, const Byte* from, Index step, Byte* to) {
    IntVec16 sums[N];
    for (IntVec16& each : sums) each = splat_int(HALF);
    for (Index k = 0; k < count; ++k, from += step)
#pragma GCC unroll 4
        for (Index n = 0; n < N; ++n)
            sums[n] = each<IntVec16>([w = weights[k]](IntVec sum, IntVec byte) { return sum + byte * w; },
                                     sums[n], load_bytes(from + n * LANES));
    for (Index n = 0; n < N; ++n) store_bytes(to + n * LANES, bytes_of(sums[n]));
}

// to (taps.size(), width) from the lines that are weighed, `step` bytes apart.
void down(const Taps& taps, const Byte* from, Index step, Index width, Byte* to) {
    for (Index i = 0; i < taps.size(); ++i, to += width) {
        const std::int32_t* weights = &taps.weights[i * taps.most];
        const Byte* lines = from + (taps.first[i] - taps.begin()) * step;
        Index x = 0;
        for (; x + TOGETHER * LANES <= width; x += TOGETHER * LANES)
            weigh<TOGETHER>(weights, taps.count[i], lines + x, step, to + x);
        for (; x + LANES <= width; x += LANES) weigh<1>(weights, taps.count[i], lines + x, step, to + x);
        for (; x < width; ++x) {
            std::int32_t sum = HALF;
            for (Index k = 0; k < taps.count[i]; ++k) sum += weights[k] * lines[k * step + x];
            to[x] = static_cast<Byte>(std::clamp(sum >> FRACTION, 0, 255));
        }
    }
}

typedef Byte Bytes __attribute__((vector_size(LANES)));

// Up to LANES lines of as many bytes, rows to columns; constant counts make whole vectors of them.
template <class Count>
void transpose_tile(const Byte* from, Index step, Count rows, Count columns, Byte* to, Index to_step) {
    Bytes v[LANES] = {};
    for (Index i = 0; i < rows; ++i) std::memcpy(&v[i], from + i * step, columns);
    alexnet::transpose(v, std::make_integer_sequence<int, LANES>());
    for (Index i = 0; i < columns; ++i) std::memcpy(to + i * to_step, &v[i], rows);
}

// to (columns, rows), lines `to_step` apart, from (rows, columns), lines `step` apart.
void transpose(const Byte* from, Index step, Index rows, Index columns, Byte* to, Index to_step) {
    constexpr std::integral_constant<Index, LANES> WHOLE;
    for (Index r = 0; r < rows; r += LANES)
        for (Index c = 0; c < columns; c += LANES) {
            const Byte* in = from + r * step + c;
            Byte* out = to + c * to_step + r;
            const Index high = std::min(LANES, rows - r), wide = std::min(LANES, columns - c);
            if (high == LANES && wide == LANES)
                transpose_tile(in, step, WHOLE, WHOLE, out, to_step);
            else
                transpose_tile(in, step, high, wide, out, to_step);
        }
}

Byte* bytes(Scratch& scratch, Index count) {
    return reinterpret_cast<Byte*>(scratch.floats(count / sizeof(float) + 1));
}

// to (rows, taps.size() * channels) from `rows` rows, `step` apart: down the columns of some rows at a time.
void across(const Taps& taps, const Byte* from, Index step, Index rows, Index channels, Byte* to) {
    thread_local Scratch column_room, sum_room;
    const Index width = taps.span() * channels, to_width = taps.size() * channels;
    Byte *columns = bytes(column_room, width * BAND), *sums = bytes(sum_room, to_width * BAND);
    for (Index r = 0; r < rows; r += BAND) {
        const Index high = std::min(BAND, rows - r);
        transpose(from + r * step, step, high, width, columns, high);
        down(taps, columns, channels * high, channels * high, sums);
        transpose(sums, high, to_width, high, to + r * to_width, to_width);
    }
}

void check_resample(const Photo& image, const Box& box, Index size) {
    const char* op = "resample";
    CHECK(image.height >= 1 && image.width >= 1 && image.channels >= 1 && size >= 1, op,
          "nothing is made of ", image.height, " x ", image.width, " pixels of ", image.channels,
          " bytes for a side of ", size);
    CHECK(0 <= box.left && box.left < box.right && box.right <= image.width && 0 <= box.top &&
              box.top < box.bottom && box.bottom <= image.height,
          op, "the box (", box.left, ", ", box.top, ", ", box.right, ", ", box.bottom, ") is not within ",
          image.width, " x ", image.height, " pixels");
}

}  // namespace

void resample(Photo image, Box box, Byte* out, Index size, bool down_first) {
    check_resample(image, box, size);
    thread_local Scratch scratch;
    const Taps columns(image.width, box.left, box.right, size), rows(image.height, box.top, box.bottom, size);
    const Index step = image.width * image.channels, to_step = size * image.channels;
    const Byte* from = image.data + rows.begin() * step + columns.begin() * image.channels;
    if (down_first) {
        const Index width = columns.span() * image.channels;
        Byte* between = bytes(scratch, size * width);
        down(rows, from, step, width, between);
        across(columns, between, width, size, image.channels, out);
    } else {
        Byte* between = bytes(scratch, rows.span() * to_step);
        across(columns, from, step, rows.span(), image.channels, between);
        down(rows, between, to_step, to_step, out);
    }
}

}  // namespace alexnet
