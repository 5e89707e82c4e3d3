// The checks of shapes that several files share; any other stands with its operation.
#pragma once

#include <algorithm>
#include <limits>

#include "check.hpp"
#include "engine.hpp"

namespace alexnet {

inline bool same_shape(const MapSizes& a, const MapSizes& b) {
    return a.blocks == b.blocks && a.maps == b.maps && a.height == b.height && a.width == b.width;
}

// An output side may be the floor or the ceiling of room / stride + 1, where room = input side - window.
inline bool fits(Index side, Index room, Index stride) {
    const Index floor = room >= 0 ? room / stride : -((-room + stride - 1) / stride);
    const Index ceiling = floor + (room - floor * stride > 0 ? 1 : 0);
    return side >= 1 && (side == floor + 1 || side == ceiling + 1);
}

inline void check_some(const char* op, const MapSizes& x) { CHECK(x.size() > 0, op, "x ", x, " is empty"); }

inline void check_alike(const char* op, const MapSizes& x, const MapSizes& y) {
    check_some(op, x);
    CHECK(same_shape(x, y), op, "y ", y, " is not like x ", x);
}

// Kernels by themselves; y has as many maps as kernels, or as the kernels see.
inline void check_kernels(const char* op, const ConstKernels& w, ConvShape s) {
    CHECK(s.stride >= 1 && s.pad >= 0 && s.groups >= 1, op, "stride ", s.stride, ", pad ", s.pad,
          " or groups ", s.groups, " is out of range");
    CHECK(w.maps >= 1 && w.height >= 1 && w.width >= 1 && w.kernels >= s.groups && w.kernels % s.groups == 0,
          op, "w ", w, " does not divide into ", s.groups, " groups of kernels with taps");
}

inline void check_conv(const char* op, const MapSizes& x, const ConstKernels& w, const MapSizes& y,
                       ConvShape s) {
    check_kernels(op, w, s);
    check_some(op, x);
    CHECK(x.maps == w.maps * s.groups, op, "x ", x, " does not fit w ", w, ", groups ", s.groups);
    CHECK(x.blocks == y.blocks && y.maps == w.kernels, op, "batch or maps do not fit: x ", x, ", w ", w,
          ", y ", y);
    CHECK(fits(y.height, x.height + 2 * s.pad - w.height, s.stride) &&
              fits(y.width, x.width + 2 * s.pad - w.width, s.stride),
          op, "y's sides do not follow from x ", x, ", w ", w, ", stride ", s.stride, ", pad ", s.pad, ": y ",
          y);
}

inline void check_conv_products(const ConstKernels& w, const MapSizes& y, ConvShape s) {
    check_kernels("conv_products", w, s);
    CHECK((y.maps == w.kernels || y.maps == w.maps * s.groups) && y.blocks >= 1 && y.height >= 1 &&
              y.width >= 1,
          "conv_products", "y ", y, " is no output of w ", w, ", groups ", s.groups);
}

inline void check_conv_forward(const char* op, const MapSizes& x, const ConstKernels& w,
                               const ConstNumbers& b, const MapSizes& y, ConvShape s) {
    check_conv(op, x, w, y, s);
    CHECK(b.columns == w.kernels, op, "b ", b, " does not fit w ", w);
}

inline void check_conv_backward_weights(const char* op, const MapSizes& x, const MapSizes& dy,
                                        const ConstKernels& dw, const Numbers& db, ConvShape s) {
    check_conv(op, x, dw, dy, s);
    CHECK(db.columns == dw.kernels, op, "db ", db, " does not fit dw ", dw);
}

inline void check_pool(const char* op, const MapSizes& x, const MapSizes& y, PoolShape s) {
    CHECK(s.size >= 1 && s.stride >= 1, op, "size ", s.size, " or stride ", s.stride, " is out of range");
    check_some(op, x);
    CHECK(x.blocks == y.blocks && x.maps == y.maps, op, "batch or maps differ: x ", x, ", y ", y);
    CHECK(fits(y.height, x.height - s.size, s.stride) && fits(y.width, x.width - s.size, s.stride), op,
          "y's sides do not follow from x ", x, ", size ", s.size, ", stride ", s.stride, ": y ", y);
    CHECK((y.height - 1) * s.stride < x.height && (y.width - 1) * s.stride < x.width, op,
          "the last window lies outside x ", x, ", size ", s.size, ", stride ", s.stride, ": y ", y);
}

inline void check_max_pool(const char* op, const MapSizes& x, const MapSizes& y, const MapSizes& argmax,
                           PoolShape s) {
    check_pool(op, x, y, s);
    CHECK(s.size <= 16, op, "size ", s.size, " is over 16: its positions do not fit a byte");
    CHECK(same_shape(argmax, y), op, "argmax ", argmax, " is not like y ", y);
}

inline void check_response(const char* op, const MapSizes& x, const MapSizes& y, Response r) {
    check_some(op, x);
    CHECK(same_shape(x, y), op, "the output ", y, " is not like x ", x);
    CHECK(r.n >= 1 && r.k > 0 && r.alpha >= 0, op, "needs n >= 1, k > 0 and alpha >= 0, got n ", r.n, ", k ",
          r.k, ", alpha ", r.alpha);
}

inline void check_lrn(const char* op, const MapSizes& x, const MapSizes& y, Response r, Index groups) {
    check_response(op, x, y, r);
    CHECK(groups >= 1 && x.maps % groups == 0, op, "x ", x, " does not divide into ", groups, " groups");
}

inline Index features(const MapSizes& x) { return x.maps * x.pixels(); }

inline void check_fc(const char* op, const MapSizes& x, const ConstNumbers& w, const MapSizes& y) {
    check_some(op, x);
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
