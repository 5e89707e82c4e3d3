// What the mean (section 2) and the colour axes (section 4.1) are made of, in integers and so exactly:
//   totals[i, c]   += sum over n of images[n, i, c]
//   products[a, b] += sum over n and i of images[n, i, a] images[n, i, b]
// images (n, pixels, 3), bytes; totals (pixels, 3) and products (3, 3) of 64 bits.
#include "sums.hpp"

#include <algorithm>
#include <array>

#include "check.hpp"

namespace alexnet {

namespace {

constexpr Index STRIP = 1024;    // pixels of all images at a time, whose totals stay in a first-level cache
constexpr Index MOST = 1 << 24;  // images, whose bytes add up in 32 bits, as the products of a strip do

using Channel = std::array<std::int16_t, STRIP>;

// Of 16-bit factors, which is how a processor multiplies and adds most at once.
std::int32_t dot(const Channel& a, const Channel& b, Index pixels) {
    std::int32_t sum = 0;
    for (Index i = 0; i < pixels; ++i) sum += std::int32_t{a[i]} * b[i];
    return sum;
}

void add_strip(const std::uint8_t* image, Index pixels, std::uint32_t* totals, std::uint64_t* products) {
    std::array<Channel, 3> channels;
    for (Index i = 0; i < 3 * pixels; ++i) totals[i] += image[i];
    for (Index i = 0; i < pixels; ++i)
        for (int c = 0; c < 3; ++c) channels[c][i] = image[3 * i + c];
    for (int a = 0; a < 3; ++a)
        for (int b = 0; b <= a; ++b) products[3 * a + b] += dot(channels[a], channels[b], pixels);
}

}  // namespace

void add_sums(const std::uint8_t* images, Index n, Index pixels, std::uint64_t* totals,
              std::uint64_t* products) {
    CHECK(n <= MOST, "add_sums", "no more than ", MOST, " images at once, got ", n);
    std::array<std::uint64_t, 9> lower{};
    for (Index start = 0; start < pixels; start += STRIP) {
        const Index strip = std::min(STRIP, pixels - start);
        std::array<std::uint32_t, 3 * STRIP> sums{};
        for (Index k = 0; k < n; ++k)
            add_strip(images + 3 * (k * pixels + start), strip, sums.data(), lower.data());
        for (Index i = 0; i < 3 * strip; ++i) totals[3 * start + i] += sums[i];
    }
    for (int a = 0; a < 3; ++a)
        for (int b = 0; b < 3; ++b) products[3 * a + b] += lower[3 * std::max(a, b) + std::min(a, b)];
}

}  // namespace alexnet
