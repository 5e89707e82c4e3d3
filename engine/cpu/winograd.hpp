// Winograd's minimal filtering: a tile of m outputs under a kernel of r taps by n = m + r - 1 products.
//
// Kernel and outputs are seen as polynomials: the kernel's is evaluated at n points, multiplied there with
// the n transformed inputs, and the m outputs are combined from the products. First along x,
// then along y.
//   y_i = sum over q of p_q^i * (sum over j of p_q^j g_j) * (sum over k of data[q][k] d_k)
// The last point is infinity, whose value is that of the highest power. data[q] holds the coefficients of the
// Lagrange polynomial that is 1 at p_q and 0 at the other finite points; for infinity, of the product of all
// (x - p_q). The same three maps serve the weight gradient: there dy is evaluated, and r taps are combined.
//
// An input that is infinite or not a number spoils all outputs of its tile, where the direct sum spoils only those
// that have it under their kernel. So be it: it should be seen.
//
// All of them run over vectors: get(i) gives the i-th input, put(i, v) takes the i-th output.
#pragma once

#include "constant.hpp"
#include "simd.hpp"

namespace alexnet::winograd {

inline constexpr int MOST_POINTS = 8;
inline constexpr int MOST_TAPS = 5;

using Square = float[MOST_POINTS][MOST_POINTS][LANES];  // a tile, on its way

// In this order the first 5 and the first 7 round least of all sets tried (test_conv.py holds the bounds).
inline constexpr double FINITE_POINTS[MOST_POINTS - 1] = {0, 1, -1, 0.5, -2, 2, -0.5};

template <int N>
struct Points {
    float data[N][N]{};   // [point][input]
    float power[N][N]{};  // [power][point], the finite ones

    constexpr Points() {
        for (int q = 0; q < N; ++q) {
            double polynomial[N + 1] = {1};
            for (int other = 0; other < N - 1; ++other) {
                if (other == q) continue;
                const double root = FINITE_POINTS[other], scale = q < N - 1 ? FINITE_POINTS[q] - root : 1;
                for (int k = N; k >= 0; --k)
                    polynomial[k] = ((k > 0 ? polynomial[k - 1] : 0) - root * polynomial[k]) / scale;
            }
            for (int k = 0; k < N; ++k) data[q][k] = static_cast<float>(polynomial[k]);
        }
        for (int q = 0; q < N - 1; ++q) {
            double power_of = 1;
            for (int i = 0; i < N; ++i, power_of *= FINITE_POINTS[q])
                power[i][q] = static_cast<float>(power_of);
        }
    }
};
template <int N>
inline constexpr Points<N> POINTS{};

// N inputs to N points.
template <int N, class Get, class Put>
inline void transform(const Get& get, const Put& put) {
    Vec in[N];
#pragma GCC unroll 8
    for (int k = 0; k < N; ++k) in[k] = get(k);
#pragma GCC unroll 8
    for (int q = 0; q < N; ++q) {
        Vec total{};
        bool begun = false;
#pragma GCC unroll 8
        for (int k = 0; k < N; ++k) {
            if (POINTS<N>.data[q][k] == 0) continue;
            const Vec term = in[k] * POINTS<N>.data[q][k];
            total = begun ? total + term : term;
            begun = true;
        }
        put(q, total);
    }
}

// `count` coefficients to the polynomial's values at N points.
template <int N, class Get, class Put>
inline void evaluate(Index count, const Get& get, const Put& put) {
    Vec total[N];
#pragma GCC unroll 8
    for (int q = 0; q < N; ++q) total[q] = get(0);
#pragma GCC unroll 8
    for (int i = 1; i < N; ++i) {
        if (i >= count) break;
        const Vec coefficient = get(i);
#pragma GCC unroll 8
        for (int q = 1; q < N - 1; ++q) total[q] += coefficient * POINTS<N>.power[i][q];
        total[N - 1] = coefficient;
    }
#pragma GCC unroll 8
    for (int q = 0; q < N; ++q) put(q, total[q]);
}

// Products at N points to `count` outputs: the transpose of `evaluate`.
template <int N, class Get, class Put>
inline void combine(Index count, const Get& get, const Put& put) {
    Vec in[N];
#pragma GCC unroll 8
    for (int q = 0; q < N; ++q) in[q] = get(q);
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) {
        if (i >= count) break;
        Vec total = i == count - 1 ? in[N - 1] : Vec{};
#pragma GCC unroll 8
        for (int q = 0; q < N - 1; ++q)
            if (POINTS<N>.power[i][q] != 0) total += in[q] * POINTS<N>.power[i][q];
        put(i, total);
    }
}

// f(std::integral_constant<int, points>).
template <class F>
inline void with_points(Index points, const F& f) {
    with_constant<MOST_POINTS>(points, f);
}

}  // namespace alexnet::winograd
