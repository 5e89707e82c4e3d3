// What the response normalisations share: the powers of s.
#pragma once

#include <cmath>

#include "simd.hpp"

namespace alexnet {

// The paper's beta, by roots, which vectorise. Beyond MOST, where 1 / s is no longer a normal number, s is as good as
// MOST: the response is nothing. (The root of infinity would be none.)
struct PaperPowers {
    static constexpr float MOST = 1e38f;
    static Vec16 root(const Vec16& s) { return inverse_root(select(less(splat(MOST), s), splat(MOST), s)); }

    Vec16 power(const Vec16& s) const {  // s^-0.75
        const Vec16 r = root(s);
        return r * (r * inverse_root(r));
    }
    Vec16 ratio(const Vec16& a, const Vec16& s) const {  // a / s
        const Vec16 r = root(s);
        return a * r * r;
    }
};

struct AnyPowers {
    float beta;

    Vec16 power(const Vec16& s) const {
        float values[LANES];
        store(values, s);
        for (float& v : values) v = std::pow(v, -beta);
        return load(values);
    }
    Vec16 ratio(const Vec16& a, const Vec16& s) const { return a / s; }
};

// Calls body(powers), where powers.power(s) is s^-beta.
template <class Body>
void with_powers(float beta, const Body& body) {
    if (beta == 0.75f)
        body(PaperPowers{});
    else
        body(AnyPowers{beta});
}

}  // namespace alexnet
