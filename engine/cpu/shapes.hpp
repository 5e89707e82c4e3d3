// The checks of shapes that an operation shares with its naive form and with the one for a single image.
#pragma once

#include <algorithm>
#include <limits>

#include "check.hpp"
#include "engine.hpp"

namespace alexnet {

inline void check_alike(const char* op, const ConstMaps& x, const ConstMaps& y) {
    CHECK(same_shape(x, y), op, "y ", y, " is not like x ", x);
}

inline void check_pool(const char* op, const ConstMaps& x, const ConstMaps& y, PoolShape s) {
    CHECK(s.size >= 1 && s.stride >= 1, op, "size ", s.size, " or stride ", s.stride, " is out of range");
    CHECK(x.blocks == y.blocks && x.maps == y.maps, op, "batch or maps differ: x ", x, ", y ", y);
    CHECK(x.height >= 1 && x.width >= 1 && fits(y.height, x.height - s.size, s.stride) &&
              fits(y.width, x.width - s.size, s.stride),
          op, "y's sides do not follow from x ", x, ", size ", s.size, ", stride ", s.stride, ": y ", y);
    CHECK((y.height - 1) * s.stride < x.height && (y.width - 1) * s.stride < x.width, op,
          "the last window lies outside x ", x, ", size ", s.size, ", stride ", s.stride, ": y ", y);
}

inline void check_max_pool(const char* op, const ConstMaps& x, const ConstMaps& y,
                           const Grid<const std::uint8_t>& argmax, PoolShape s) {
    check_pool(op, x, y, s);
    CHECK(s.size <= 16, op, "size ", s.size, " is over 16: its positions do not fit a byte");
    CHECK(same_shape(argmax, y), op, "argmax ", argmax, " is not like y ", y);
}

inline void check_response(const char* op, const ConstMaps& x, const ConstMaps& y, Response r) {
    CHECK(same_shape(x, y), op, "the output ", y, " is not like x ", x);
    CHECK(r.n >= 1 && r.k > 0 && r.alpha >= 0, op, "needs n >= 1, k > 0 and alpha >= 0, got n ", r.n, ", k ",
          r.k, ", alpha ", r.alpha);
}

inline void check_lrn(const char* op, const ConstMaps& x, const ConstMaps& y, Response r, Index groups) {
    check_response(op, x, y, r);
    CHECK(groups >= 1 && x.maps % groups == 0, op, "x ", x, " does not divide into ", groups, " groups");
}

inline Index features(const ConstMaps& x) { return x.maps * x.pixels(); }

inline void check_fc(const char* op, const ConstMaps& x, const ConstNumbers& w, const ConstMaps& y) {
    CHECK(x.blocks == y.blocks && y.height == 1 && y.width == 1, op, "y ", y, " must be (", x.blocks,
          ", out, 1, 1, 16) for x ", x);
    CHECK(w.rows == y.maps && w.columns == features(x), op, "w ", w, " must be (", y.maps, ", ", features(x),
          ") for x ", x, ", y ", y);
    CHECK(w.rows >= 1 && w.columns >= 1 && x.blocks >= 1, op, "empty shape: w ", w, ", x ", x);
    CHECK(std::max({w.rows, w.columns, x.blocks * LANES}) <= std::numeric_limits<int>::max(), op,
          "too large for the matrix product: w ", w, ", x ", x);
}

inline void check_bias(const char* op, const ConstNumbers& b, const ConstNumbers& w) {
    CHECK(b.columns == w.rows, op, "b ", b, " does not fit w ", w);
}

}  // namespace alexnet
