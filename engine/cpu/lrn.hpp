// What the response normalisations share: the power -beta.
#pragma once

#include <cmath>

#include "simd.hpp"

namespace alexnet {

// Calls body(power), where power(s) is s^-beta: by square roots for the paper's 0.75, which vectorise.
template <class Body>
void with_power(float beta, const Body& body) {
    if (beta == 0.75f) {
        body([](const Vec16& s) {
            const Vec16 root = square_root(s);
            return splat(1) / (root * square_root(root));
        });
    } else {
        body([beta](const Vec16& s) {
            float values[LANES];
            store(values, s);
            for (float& v : values) v = std::pow(v, -beta);
            return load(values);
        });
    }
}

}  // namespace alexnet
