// The tile registers of AMX: a method an instruction. Where the compiler's target has none they are a model in plain
// C++, equal to the processor's in every bit, so that all that stands on them runs in tests on any machine.
//
// There are 8 tiles of 16 rows of 64 bytes. A row holds 16 numbers float32, or 32 numbers bf16 as 16 pairs.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "maps.hpp"

namespace alexnet::amx {

inline constexpr Index TILE_ROWS = 16, ROW_BYTES = 64;

// Whether this processor has the instructions, and the kernel lets this process use them: asked once, for all threads.
bool permitted();

#if defined(__AMX_BF16__)

inline constexpr const char* TILES = "AMX";

// While it lives, this thread's tiles have their full size.
class Tiles {
  public:
    Tiles() {
        struct alignas(64) {
            std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
            std::uint16_t row_bytes[16] = {};
            std::uint8_t rows[16] = {};
        } sizes;
        for (int t = 0; t < 8; ++t) sizes.row_bytes[t] = ROW_BYTES, sizes.rows[t] = TILE_ROWS;
        asm volatile("ldtilecfg %0" ::"m"(sizes));
    }
    ~Tiles() { asm volatile("tilerelease"); }
    Tiles(const Tiles&) = delete;

    template <int T>
    void zero() {
        asm volatile("tilezero %%tmm%c0" ::"i"(T));
    }
    // Rows stand `stride` bytes apart.
    template <int T>
    void load(const void* from, Index stride) {
        asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(T) : "memory");
    }
    template <int T>
    void store(void* to, Index stride) {
        asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(T) : "memory");
    }
    // C[m][n] += sum over the pairs k of A[m][2 k] B[k][2 n] + A[m][2 k + 1] B[k][2 n + 1], in float32.
    template <int C, int A, int B>
    void dot() {
        asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
    }
};

#else

inline constexpr const char* TILES = "model";

class Tiles {
  public:
    Tiles() = default;
    Tiles(const Tiles&) = delete;

    template <int T>
    void zero() {
        std::memset(tile_[T], 0, sizeof tile_[T]);
    }
    template <int T>
    void load(const void* from, Index stride) {
        for (Index r = 0; r < TILE_ROWS; ++r)
            std::memcpy(tile_[T][r], static_cast<const char*>(from) + r * stride, ROW_BYTES);
    }
    template <int T>
    void store(void* to, Index stride) {
        for (Index r = 0; r < TILE_ROWS; ++r)
            std::memcpy(static_cast<char*>(to) + r * stride, tile_[T][r], ROW_BYTES);
    }
    // The manual's: the even and the odd products have sums of their own, which then are added to C; denormals count as
    // zero where they go in and where they come out.
    template <int C, int A, int B>
    __attribute__((noinline)) void dot() {  // long, and called from many places
        float even_b[16][16], odd_b[16][16];
        for (int k = 0; k < 16; ++k)
            for (int n = 0; n < 16; ++n)
                even_b[k][n] = number(tile_[B][k][n] << 16), odd_b[k][n] = number(tile_[B][k][n] & HIGH);
        for (int m = 0; m < TILE_ROWS; ++m) {
            float even[16] = {}, odd[16] = {};
            for (int k = 0; k < 16; ++k) {
                const float even_a = number(tile_[A][m][k] << 16), odd_a = number(tile_[A][m][k] & HIGH);
                for (int n = 0; n < 16; ++n) {
                    even[n] = flushed(fused(even_a, even_b[k][n], even[n]));
                    odd[n] = flushed(fused(odd_a, odd_b[k][n], odd[n]));
                }
            }
            for (int n = 0; n < 16; ++n) {
                const float sum = flushed(number(tile_[C][m][n]) + flushed(even[n] + odd[n]));
                std::memcpy(&tile_[C][m][n], &sum, sizeof sum);
            }
        }
    }

  private:
    static constexpr std::uint32_t HIGH = 0xffff0000;

    // a b + c, rounded once. A product of two bf16 is exact in double, and so is its sum with a float32 as far as
    // float32's rounding can tell.
    static float fused(float a, float b, float c) {
#if defined(__FMA__)
        return std::fma(a, b, c);
#else
        return static_cast<float>(static_cast<double>(a) * b + c);
#endif
    }
    static float flushed(float v) {
        return std::fabs(v) < std::numeric_limits<float>::min() ? std::copysign(0.0f, v) : v;
    }
    static float number(std::uint32_t bits) {
        float v;
        std::memcpy(&v, &bits, sizeof v);
        return flushed(v);
    }

    alignas(64) std::uint32_t tile_[8][TILE_ROWS][16] = {};  // as ldtilecfg leaves them
};

#endif

}  // namespace alexnet::amx
