// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): four random words from
// a counter of four words and a key of two, here (seed, purpose). Randomness is a function, not a state.
#pragma once

#include <cstdint>

#include "maps.hpp"

namespace alexnet {

enum class Purpose : std::uint32_t { weights = 1, order = 2, augment = 3, dropout = 4 };

// N counters at once, word by word, in place: word[i][n] is word i of counter n. Vectorises over n.
template <int N>
inline void philox(std::uint32_t (&word)[4][N], std::uint32_t seed, std::uint32_t purpose) {
    for (int round = 0; round < 10; ++round) {
#pragma omp simd
        for (int n = 0; n < N; ++n) {
            const std::uint64_t even = std::uint64_t{0xD2511F53} * word[0][n];
            const std::uint64_t odd = std::uint64_t{0xCD9E8D57} * word[2][n];
            word[0][n] = static_cast<std::uint32_t>(odd >> 32) ^ word[1][n] ^ seed;
            word[1][n] = static_cast<std::uint32_t>(odd);
            word[2][n] = static_cast<std::uint32_t>(even >> 32) ^ word[3][n] ^ purpose;
            word[3][n] = static_cast<std::uint32_t>(even);
        }
        seed += 0x9E3779B9;
        purpose += 0xBB67AE85;
    }
}

// counters and draws (count, 4).
void philox(const std::uint32_t* counters, std::uint32_t* draws, Index count, std::uint32_t seed,
            std::uint32_t purpose);

// Standard normal numbers first .. first + count of a layer: number i is number i % 4 of the block with
// counter (i / 4, layer, 0, 0), by Box-Muller in double on its words (0, 1) and (2, 3).
void normals(float* out, Index first, Index count, std::uint32_t layer, std::uint32_t seed,
             std::uint32_t purpose);

}  // namespace alexnet
