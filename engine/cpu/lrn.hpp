// What lrn.cpp and lrn_spatial.cpp share: the check of the parameters and the power -beta.
#pragma once

#include "check.hpp"
#include "engine.hpp"
#include "simd.hpp"

namespace alexnet {

inline void check_response(const char* op, const ConstMaps& x, const ConstMaps& y, Response r) {
    CHECK(same_shape(x, y), op, "the output ", y, " is not like x ", x);
    CHECK(r.n >= 1 && r.k > 0 && r.alpha >= 0, op, "needs n >= 1, k > 0 and alpha >= 0, got n ", r.n, ", k ",
          r.k, ", alpha ", r.alpha);
}

// Calls body(power), where power(s) is s^-beta: by square roots for the paper's beta of 0.75, which
// vectorises.
template <class Body>
void with_power(float beta, const Body& body) {
    if (beta == 0.75f) {
        body([](const Lanes& s) {
            const Lanes root = square_root(s);
            return splat(1) / (root * square_root(root));
        });
    } else {
        body([beta](const Lanes& s) {
            float values[LANES];
            store(values, s);
            for (float& v : values) v = std::pow(v, -beta);
            return load(values);
        });
    }
}

}  // namespace alexnet
