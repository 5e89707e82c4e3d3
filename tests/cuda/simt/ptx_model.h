// Host models of the wrappers in ptx.cuh. Fragment layouts follow the PTX ISA's tables (mma.m16n8k16,
// m16n8k8, ldmatrix); an asynchronous copy happens only when it is waited for: its target is NaN until then.
#pragma once
#include "simt.h"

/// Rounds to nearest even; the upper half of a float.
inline unsigned short round_to_bf16(float value) {
    const unsigned bits = __float_as_uint(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return bits >> 16 | 0x40u;
    return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

/// Rounds to 10 bits of fraction, ties away from zero.
inline unsigned round_to_tf32(float value) {
    const unsigned bits = __float_as_uint(value);
    if ((bits & 0x7f800000u) == 0x7f800000u) return bits;
    return (bits + 0x1000u) & 0xffffe000u;
}

#ifdef SIMT_COUNTS
#include "ptx_counted.h"
#else

inline void cp_async16(void* shared, const void* global, bool take) {
    std::memset(shared, 0xff, 16);
    simt::self->copies.push_back({shared, global, take ? 16u : 0u});
}

inline void cp_async_commit() {
    std::size_t grouped = 0;
    for (std::size_t count : simt::self->groups) grouped += count;
    simt::self->groups.push_back(simt::self->copies.size() - grouped);
}

template <int left>
void cp_async_wait() {
    auto& copies = simt::self->copies;
    auto& groups = simt::self->groups;
    while (groups.size() > left) {
        for (std::size_t i = 0; i < groups.front(); ++i) {
            if (copies[i].bytes)
                std::memcpy(copies[i].to, copies[i].from, 16);
            else
                std::memset(copies[i].to, 0, 16);
        }
        copies.erase(copies.begin(), copies.begin() + groups.front());
        groups.erase(groups.begin());
    }
}

namespace simt {

struct Matrices {
    unsigned short row[8];
    unsigned result[4];
    bool transposed;
};

inline void distribute(void** lanes, unsigned) {
    for (unsigned lane = 0; lane < 32; ++lane) {
        auto* mine = static_cast<Matrices*>(lanes[lane]);
        const unsigned row = lane / 4, column = lane % 4 * 2;
        for (unsigned matrix = 0; matrix < 4; ++matrix) {
            auto element = [&](unsigned r, unsigned c) -> unsigned {
                return static_cast<Matrices*>(lanes[8 * matrix + r])->row[c];
            };
            mine->result[matrix] = mine->transposed ? element(column, row) | element(column + 1, row) << 16
                                                    : element(row, column) | element(row, column + 1) << 16;
        }
    }
}

inline void load_matrices(unsigned (&fragment)[4], const void* row, bool transposed, const char* name) {
    Matrices mine;
    std::memcpy(mine.row, row, sizeof mine.row);
    mine.transposed = transposed;
    collective(0xffffffffu, name, &mine, distribute);
    std::memcpy(fragment, mine.result, sizeof fragment);
}

struct Product {
    float* d;
    const unsigned *a, *b;
};

/// D (16 x 8) += A (16 x depth) B (depth x 8), the operands already float.
template <int depth>
void multiply_dense(void** lanes, const float (&a)[16][depth], const float (&b)[depth][8]) {
    float sum[16][8] = {};
    for (int row = 0; row < 16; ++row)
        for (int k = 0; k < depth; ++k)
            for (int column = 0; column < 8; ++column) sum[row][column] += a[row][k] * b[k][column];
    for (unsigned lane = 0; lane < 32; ++lane) {
        float* d = static_cast<Product*>(lanes[lane])->d;
        for (int i = 0; i < 4; ++i) d[i] += sum[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
    }
}

inline float upper(unsigned pair, int half) {
    return __uint_as_float(half ? pair & 0xffff0000u : pair << 16);
}

inline void multiply_bf16(void** lanes, unsigned) {
    float a[16][16], b[16][8];
    for (unsigned lane = 0; lane < 32; ++lane) {
        const auto* mine = static_cast<Product*>(lanes[lane]);
        const unsigned group = lane / 4, pair = lane % 4 * 2;
        for (int half = 0; half < 2; ++half) {
            for (int i = 0; i < 4; ++i)
                a[group + i % 2 * 8][pair + half + i / 2 * 8] = upper(mine->a[i], half);
            for (int i = 0; i < 2; ++i) b[pair + half + i * 8][group] = upper(mine->b[i], half);
        }
    }
    multiply_dense<16>(lanes, a, b);
}

inline void multiply_tf32(void** lanes, unsigned) {
    float a[16][8], b[8][8];
    auto chopped = [](unsigned bits) { return __uint_as_float(bits & 0xffffe000u); };
    for (unsigned lane = 0; lane < 32; ++lane) {
        const auto* mine = static_cast<Product*>(lanes[lane]);
        const unsigned group = lane / 4, place = lane % 4;
        for (int i = 0; i < 4; ++i) a[group + i % 2 * 8][place + i / 2 * 4] = chopped(mine->a[i]);
        for (int i = 0; i < 2; ++i) b[place + i * 4][group] = chopped(mine->b[i]);
    }
    multiply_dense<8>(lanes, a, b);
}

}  // namespace simt

inline void ldmatrix_x4(unsigned (&fragment)[4], const void* row) {
    simt::load_matrices(fragment, row, false, "ldmatrix");
}

inline void ldmatrix_x4_trans(unsigned (&fragment)[4], const void* row) {
    simt::load_matrices(fragment, row, true, "ldmatrix.trans");
}

inline void mma_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned* b) {
    simt::Product mine{d, a, b};
    simt::collective(0xffffffffu, "mma.m16n8k16.bf16", &mine, simt::multiply_bf16);
}

inline void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned* b) {
    simt::Product mine{d, a, b};
    simt::collective(0xffffffffu, "mma.m16n8k8.tf32", &mine, simt::multiply_tf32);
}

#endif
