// All of the engine's SIMD, as GCC/Clang vector extensions: the same sources compile for any machine.
// Vec is one register of the target; Vec16 is LANES numbers in as many registers as they need (a single wide vector
// type would be lowered badly where it exceeds the target's registers).
#pragma once

#include <cmath>
#include <cstring>
#include <utility>

#include "maps.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace alexnet {

#if defined(__AVX512F__)
inline constexpr const char* ISA = "avx512";
inline constexpr int WIDTH = 16;
#elif defined(__AVX2__)
inline constexpr const char* ISA = "avx2";
inline constexpr int WIDTH = 8;
#else
inline constexpr const char* ISA = "base";
inline constexpr int WIDTH = 4;
#endif

inline constexpr int VECS = LANES / WIDTH;

typedef float Vec __attribute__((vector_size(WIDTH * 4)));
typedef std::int32_t IntVec __attribute__((vector_size(WIDTH * 4)));
using Word = std::uint32_t;
typedef Word WordVec __attribute__((vector_size(WIDTH * 4)));
typedef Bf16 HalfVec __attribute__((vector_size(WIDTH * 2)));

inline Vec load_vec(const float* p) {
    Vec v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
inline void store_vec(float* p, Vec v) { std::memcpy(p, &v, sizeof v); }

// The number with its upper half rounded to the nearest bf16, ties to even; what the lower half holds then means nothing.
// A NaN stays one.
template <class Bits, class Number>
Bits rounded(const Number& v) {
    Bits bits;
    std::memcpy(&bits, &v, sizeof bits);
    return v != v ? bits | 0x400000u : bits + 0x7fffu + (bits >> 16 & 1u);
}

// Maps in bf16: as numbers float32, which they are exactly, and rounded where they are written.
inline WordVec load_words(const Bf16* p) {
    HalfVec v;
    std::memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, WordVec);
}
inline Vec load_vec(const Bf16* p) { return reinterpret_cast<Vec>(load_words(p) << 16); }
inline void store_vec(Bf16* p, Vec v) {
    const HalfVec half = __builtin_convertvector(rounded<WordVec>(v) >> 16, HalfVec);
    std::memcpy(p, &half, sizeof half);
}

// One of them.
inline float to_float(float v) { return v; }
inline float to_float(Bf16 v) {
    const Word bits = Word{v} << 16;
    float number;
    std::memcpy(&number, &bits, sizeof number);
    return number;
}
inline void put(float& to, float v) { to = v; }
inline void put(Bf16& to, float v) { to = static_cast<Bf16>(rounded<Word>(v) >> 16); }

inline Vec splat_vec(float value) { return value - Vec{}; }

inline float sum(Vec v) {
    float total = 0;
    for (int i = 0; i < WIDTH; ++i) total += v[i];
    return total;
}

// As many vectors as each has values, rows to columns: each round interleaves the first half with the second.
template <class Row, int... I>
inline void transpose(Row* v, std::integer_sequence<int, I...>) {
    constexpr int SIDE = sizeof...(I);
#pragma GCC unroll 4
    for (int round = 1; round < SIDE; round *= 2) {
        Row next[SIDE];
#pragma GCC unroll 8
        for (int i = 0; i < SIDE / 2; ++i) {
            const Row a = v[i], b = v[i + SIDE / 2];
            next[2 * i] = __builtin_shufflevector(a, b, (I / 2 + I % 2 * SIDE)...);
            next[2 * i + 1] = __builtin_shufflevector(a, b, (SIDE / 2 + I / 2 + I % 2 * SIDE)...);
        }
#pragma GCC unroll 16
        for (int i = 0; i < SIDE; ++i) v[i] = next[i];
    }
}
inline void transpose(Vec v[WIDTH]) { transpose(v, std::make_integer_sequence<int, WIDTH>()); }

// 1 / sqrt(v) of finite numbers above 0, within 4e-7: the processor's guess and a step of Newton's method, a third of the
// time of a root and a division.
inline Vec inverse_root(Vec v) {
#if defined(__AVX512F__)
    const Vec guess = _mm512_rsqrt14_ps(v);
#elif defined(__AVX2__)
    const Vec guess = _mm256_rsqrt_ps(v);
#elif defined(__SSE2__)
    const Vec guess = _mm_rsqrt_ps(v);
#else
    Vec guess;
    for (int i = 0; i < WIDTH; ++i) guess[i] = 1 / std::sqrt(v[i]);
#endif
    return guess * (1.5f - 0.5f * v * guess * guess);
}

inline Vec rectified(Vec v) { return v < 0 ? Vec{} : v; }  // a NaN stays one

// tanh(v) = -e / (2 + e) for e = exp(-2 |v|) - 1. With -2 |v| = n log 2 + r and p = exp(r) - 1 by its series,
// e = 2^n p + (2^n - 1): small results keep their relative accuracy, and no branch is needed.
inline Vec tangent(Vec v) {
    constexpr float ROUND = 12582912;  // 1.5 * 2^23: added, it rounds; the low bits are the whole number
    constexpr float LOG_2_HIGH = 0.693359375f, LOG_2_LOW = -2.12194440e-4f;
    const Vec size = v < 0 ? -v : v;
    const Vec y = -2 * (size > 10 ? splat_vec(10) : size);  // tanh(10) rounds to 1; a NaN stays one
    const Vec rounded = y * 1.44269504f + ROUND, n = rounded - ROUND;
    const Vec r = y - n * LOG_2_HIGH - n * LOG_2_LOW;
    Vec p = splat_vec(1.0f / 5040);
    for (const float term : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f}) p = p * r + term;
    const Vec power = reinterpret_cast<Vec>((reinterpret_cast<IntVec>(rounded) << 23) + 0x3f800000);  // 2^n
    const Vec e = power * (p * r) + (power - 1);
    const Vec t = (0 - e) / (2 + e);  // 0 - e: tanh(0) is 0, not -0
    return v < 0 ? -t : t;
}

struct Vec16 {
    Vec vec[VECS];
};
struct IntVec16 {  // also the masks: 0 or -1 in every lane
    IntVec vec[VECS];
};

// Applies f to its arguments, one register at a time.
template <class Result = Vec16, class F, class... Args>
inline Result each(const F& f, const Args&... args) {
    Result r;
#pragma GCC unroll 4
    for (int i = 0; i < VECS; ++i) r.vec[i] = f(args.vec[i]...);
    return r;
}

template <class T>
inline Vec16 load(const T* p) {
    Vec16 r;
#pragma GCC unroll 4
    for (int i = 0; i < VECS; ++i) r.vec[i] = load_vec(p + i * WIDTH);
    return r;
}
template <class T>
inline void store(T* p, const Vec16& v) {
#pragma GCC unroll 4
    for (int i = 0; i < VECS; ++i) store_vec(p + i * WIDTH, v.vec[i]);
}
inline Vec16 splat(float value) {
    Vec16 r;
    for (Vec& v : r.vec) v = splat_vec(value);
    return r;
}
inline IntVec16 splat_int(std::int32_t value) {
    IntVec16 r;
    for (IntVec& v : r.vec) v = value - IntVec{};
    return r;
}

inline Vec16 operator+(const Vec16& a, const Vec16& b) {
    return each([](Vec x, Vec y) { return x + y; }, a, b);
}
inline Vec16 operator-(const Vec16& a, const Vec16& b) {
    return each([](Vec x, Vec y) { return x - y; }, a, b);
}
inline Vec16 operator*(const Vec16& a, const Vec16& b) {
    return each([](Vec x, Vec y) { return x * y; }, a, b);
}
inline Vec16 operator/(const Vec16& a, const Vec16& b) {
    return each([](Vec x, Vec y) { return x / y; }, a, b);
}
inline Vec16 operator*(const Vec16& a, float b) {
    return each([b](Vec x) { return x * b; }, a);
}
inline Vec16 operator/(const Vec16& a, float b) {
    return each([b](Vec x) { return x / b; }, a);
}
inline Vec16 inverse_root(const Vec16& a) {
    return each([](Vec x) { return inverse_root(x); }, a);
}
inline Vec16 rectified(const Vec16& a) {
    return each([](Vec x) { return rectified(x); }, a);
}
inline Vec16 tangent(const Vec16& a) {
    return each([](Vec x) { return tangent(x); }, a);
}

inline float sum(const Vec16& a) {
    Vec total = a.vec[0];
    for (int i = 1; i < VECS; ++i) total += a.vec[i];
    return sum(total);
}

inline Vec16 select(const IntVec16& mask, const Vec16& yes, const Vec16& no) {
    return each([](IntVec m, Vec a, Vec b) { return m ? a : b; }, mask, yes, no);
}
inline IntVec16 select(const IntVec16& mask, const IntVec16& yes, const IntVec16& no) {
    return each<IntVec16>([](IntVec m, IntVec a, IntVec b) { return m ? a : b; }, mask, yes, no);
}
inline IntVec16 less(const Vec16& a, const Vec16& b) {
    return each<IntVec16>([](Vec x, Vec y) { return x < y; }, a, b);
}
// True also where a is not a number, so that a NaN is seen downstream and not swallowed by a maximum.
inline IntVec16 greater_or_nan(const Vec16& a, const Vec16& b) {
    return each<IntVec16>([](Vec x, Vec y) { return (x > y) | (x != x); }, a, b);
}
inline IntVec16 equal(const IntVec16& a, const IntVec16& b) {
    return each<IntVec16>([](IntVec x, IntVec y) { return x == y; }, a, b);
}

inline IntVec16 load_bytes(const std::uint8_t* p) {
    IntVec16 r;
#if defined(__AVX512F__)
    r.vec[0] =
        reinterpret_cast<IntVec>(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#elif defined(__AVX2__)
    for (int i = 0; i < VECS; ++i)
        r.vec[i] = reinterpret_cast<IntVec>(
            _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + i * WIDTH))));
#else
    std::int32_t wide[LANES];
#pragma omp simd
    for (int i = 0; i < LANES; ++i) wide[i] = p[i];
    std::memcpy(&r, wide, sizeof r);
#endif
    return r;
}
inline void store_bytes(std::uint8_t* p, const IntVec16& v) {
    std::int32_t wide[LANES];
    std::memcpy(wide, &v, sizeof v);
#pragma omp simd
    for (int i = 0; i < LANES; ++i) p[i] = static_cast<std::uint8_t>(wide[i]);
}

}  // namespace alexnet
