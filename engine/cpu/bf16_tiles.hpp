// What the products in bf16 share: numbers rounded to bf16 and laid into tiles, and a block of sums.
//
// bf16 are the upper 16 bits of float32, rounded to the nearest, ties to even. Two of them are a Word, the first one low;
// a tile of them is TILE_WORDS Words in a row: 16 rows of 16. For sums over a depth d of products a[m][d] b[d][n] the first
// tile holds a as it is, 16 m by 32 d, the second one b by pairs: row i has b[2 i][n], b[2 i + 1][n] for 16 n.
#pragma once

#include <algorithm>

#include "amx.hpp"
#include "simd.hpp"
#include "threads.hpp"

namespace alexnet::bf16 {

inline constexpr Index SIDE = amx::TILE_ROWS;  // of a tile: rows, Words in a row, sums in a row
inline constexpr Index DEPTH = 2 * SIDE;       // of the products that one step adds to a sum
inline constexpr Index TILE_WORDS = SIDE * SIDE;
static_assert(LANES == SIDE, "the images of a block are a row of sums");

template <class T>
alignas(64) inline constexpr T NOTHING[LANES] = {};  // where there is no pixel, no map, no weight

inline WordVec pairs(const Vec& first, const Vec& second) {
    return rounded<WordVec>(first) >> 16 | (rounded<WordVec>(second) & 0xffff0000u);
}
inline WordVec pairs(const float* first, const float* second) {
    return pairs(load_vec(first), load_vec(second));
}
inline WordVec pairs(const Bf16* first, const Bf16* second) {
    return load_words(first) | load_words(second) << 16;
}

// to[n] = first[n], second[n]: a row of a second tile.
template <class T>
inline void write_pairs(Word* to, const T* first, const T* second) {
#pragma GCC unroll 4
    for (Index i = 0; i < LANES; i += WIDTH) {
        const WordVec words = pairs(first + i, second + i);
        std::memcpy(to + i, &words, sizeof words);
    }
}

// The 16 numbers of `first`, then those of `second`: a row of a first tile.
template <int... I>
void write_row(Word* to, const float* first, const float* second, std::integer_sequence<int, I...>) {
    const auto part = [&](Index i) { return load_vec(i < LANES ? first + i : second + (i - LANES)); };
#pragma GCC unroll 4
    for (Index i = 0; i < SIDE; i += WIDTH) {
        const Vec a = part(2 * i), b = part(2 * i + WIDTH);
        const WordVec words =
            pairs(__builtin_shufflevector(a, b, (2 * I)...), __builtin_shufflevector(a, b, (2 * I + 1)...));
        std::memcpy(to + i, &words, sizeof words);
    }
}
inline void write_row(Word* to, const float* first, const float* second) {
    write_row(to, first, second, std::make_integer_sequence<int, WIDTH>());
}
inline void write_row(Word* to, const Bf16* first, const Bf16* second) {
    std::memcpy(to, first, LANES * sizeof(Bf16));
    std::memcpy(to + SIDE / 2, second, LANES * sizeof(Bf16));
}

// The same for numbers from[0, count) and zeros beyond, 32 to each tile; the tiles stand `next` Words apart.
inline void write_rows(Word* to, Index next, const float* from, Index count) {
    for (; count >= DEPTH; count -= DEPTH, from += DEPTH, to += next) write_row(to, from, from + LANES);
    if (count > 0) {
        float last[DEPTH] = {};
        std::copy(from, from + count, last);
        write_row(to, last, last + LANES);
    }
}

// to = from with rows and columns changed over, of 16 x 16 Words or numbers.
inline void transpose(const void* from, void* to) {
    for (Index i = 0; i < SIDE; i += WIDTH)
        for (Index j = 0; j < SIDE; j += WIDTH) {
            Vec v[WIDTH];
            for (Index r = 0; r < WIDTH; ++r)
                v[r] = load_vec(static_cast<const float*>(from) + (i + r) * SIDE + j);
            alexnet::transpose(v);
            for (Index r = 0; r < WIDTH; ++r) store_vec(static_cast<float*>(to) + (j + r) * SIDE + i, v[r]);
        }
}

// M x N tiles of sums in the tile registers, at most 2 x 2, and how their operands lie in memory.
template <int M, int N>
struct Block {
    amx::Tiles& tiles;
    Index a_next, b_next;  // Words from a first tile of an operand to the second one
    Index a_row = SIDE;    // Words from a row of a tile to the next

    void zero() const {
        tiles.zero<0>();
        if constexpr (N == 2) tiles.zero<1>();
        if constexpr (M == 2) tiles.zero<2>();
        if constexpr (M == 2 && N == 2) tiles.zero<3>();
    }

    // Tiles of sums stand `down` and `right` numbers apart, their rows `row`.
    void load(const float* from, Index down, Index right, Index row = SIDE) const {
        tiles.load<0>(from, 4 * row);
        if constexpr (N == 2) tiles.load<1>(from + right, 4 * row);
        if constexpr (M == 2) tiles.load<2>(from + down, 4 * row);
        if constexpr (M == 2 && N == 2) tiles.load<3>(from + down + right, 4 * row);
    }
    void store(float* to, Index down, Index right, Index row = SIDE) const {
        tiles.store<0>(to, 4 * row);
        if constexpr (N == 2) tiles.store<1>(to + right, 4 * row);
        if constexpr (M == 2) tiles.store<2>(to + down, 4 * row);
        if constexpr (M == 2 && N == 2) tiles.store<3>(to + down + right, 4 * row);
    }

    // Adds the products of a step's depth.
    void add(const Word* a, const Word* b) const {
        tiles.load<6>(b, 4 * SIDE);
        tiles.load<4>(a, 4 * a_row);
        tiles.dot<0, 4, 6>();
        if constexpr (N == 2) {
            tiles.load<7>(b + b_next, 4 * SIDE);
            tiles.dot<1, 4, 7>();
        }
        if constexpr (M == 2) {
            tiles.load<5>(a + a_next, 4 * a_row);
            tiles.dot<2, 5, 6>();
        }
        if constexpr (M == 2 && N == 2) tiles.dot<3, 5, 7>();
    }
};

}  // namespace alexnet::bf16
