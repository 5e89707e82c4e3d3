#include "philox.hpp"

#include <algorithm>
#include <cmath>

#include "check.hpp"
#include "threads.hpp"

namespace alexnet {

void philox(const std::uint32_t* counters, std::uint32_t* draws, Index count, std::uint32_t seed,
            std::uint32_t purpose) {
    constexpr int N = 16;
    for (Index first = 0; first < count; first += N) {
        const Index size = std::min<Index>(N, count - first);
        std::uint32_t word[4][N] = {};
        for (Index n = 0; n < size; ++n)
            for (int i = 0; i < 4; ++i) word[i][n] = counters[(first + n) * 4 + i];
        philox(word, seed, purpose);
        for (Index n = 0; n < size; ++n)
            for (int i = 0; i < 4; ++i) draws[(first + n) * 4 + i] = word[i][n];
    }
}

namespace {

void box_muller(std::uint32_t a, std::uint32_t b, float out[2]) {
    constexpr double SCALE = 1.0 / 4294967296.0, TAU = 6.283185307179586476925;
    const double radius = std::sqrt(-2.0 * std::log((a + 1.0) * SCALE));  // of a number in (0, 1]
    const double angle = TAU * (b * SCALE);
    out[0] = static_cast<float>(radius * std::cos(angle));
    out[1] = static_cast<float>(radius * std::sin(angle));
}

}  // namespace

void normals(float* out, Index first, Index count, std::uint32_t layer, std::uint32_t seed,
             std::uint32_t purpose) {
    constexpr Index LARGEST = Index{4} << 32;
    CHECK(first >= 0 && count >= 0 && first <= LARGEST && count <= LARGEST - first, "normals", "first ",
          first, " and count ", count, " leave the range of the counter");
    constexpr Index TASK = 1024;
    const Index block = first / 4, blocks = (first + count + 3) / 4 - block;
    parallel((blocks + TASK - 1) / TASK, [&](Index task) {
        for (Index q = block + task * TASK; q < block + std::min(blocks, (task + 1) * TASK); ++q) {
            std::uint32_t word[4][1] = {{static_cast<std::uint32_t>(q)}, {layer}, {0}, {0}};
            philox(word, seed, purpose);
            float four[4];
            box_muller(word[0][0], word[1][0], four);
            box_muller(word[2][0], word[3][0], four + 2);
            for (Index i = 0; i < 4; ++i)
                if (const Index at = q * 4 + i - first; at >= 0 && at < count) out[at] = four[i];
        }
    });
}

}  // namespace alexnet
