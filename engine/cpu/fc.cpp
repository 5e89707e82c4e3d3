// Fully connected layers: over the features of an image, f = C*H*W of them in that order,
//   y[o] = b[o] + sum over f of w[o,f] x[f]     dx[f] = sum over o of w[o,f] dy[o]
//   dw[o,f] = sum over images of dy[o] x[f]     db[o] = sum over images of dy[o]
// with x, dx any (B, C, H, W, 16), w, dw (out, f), b, db (out), y, dy (B, out, 1, 1, 16).
// All images are laid side by side, (features, 16 B), so that each is one matrix product over the whole
// batch.
#include <cblas.h>

#include <algorithm>
#include <limits>

#include "check.hpp"
#include "engine.hpp"
#include "simd.hpp"
#include "threads.hpp"

namespace alexnet {

namespace {

Index features(const ConstMaps& x) { return x.maps * x.pixels(); }

void check_fc(const char* op, const ConstMaps& x, const ConstNumbers& w, const ConstMaps& y) {
    CHECK(x.blocks == y.blocks && y.height == 1 && y.width == 1, op, "y ", y, " must be (", x.blocks,
          ", out, 1, 1, 16) for x ", x);
    CHECK(w.rows == y.maps && w.columns == features(x), op, "w ", w, " must be (", y.maps, ", ", features(x),
          ") for x ", x, ", y ", y);
    CHECK(w.rows >= 1 && w.columns >= 1 && x.blocks >= 1, op, "empty shape: w ", w, ", x ", x);
    CHECK(std::max({w.rows, w.columns, x.blocks * LANES}) <= std::numeric_limits<int>::max(), op,
          "too large for the matrix product: w ", w, ", x ", x);
}

void check_bias(const char* op, const ConstNumbers& b, const ConstNumbers& w) {
    CHECK(b.columns == w.rows, op, "b ", b, " does not fit w ", w);
}

// Copies between (B, features, 16) and (features, B, 16).
template <bool PACK>
void swap_layout(float* packed, std::conditional_t<PACK, const float*, float*> maps, Index blocks,
                 Index count) {
    parallel(blocks, [&](Index b) {
        for (Index f = 0; f < count; ++f) {
            auto* one = maps + (b * count + f) * LANES;
            float* other = packed + (f * blocks + b) * LANES;
            if constexpr (PACK)
                store(other, load(one));
            else
                store(one, load(other));
        }
    });
}

// x as (features, images): itself where there is one block.
const float* side_by_side(Scratch& scratch, const ConstMaps& x) {
    if (x.blocks == 1) return x.data;
    float* packed = scratch.floats(x.size());
    swap_layout<true>(packed, x.data, x.blocks, features(x));
    return packed;
}

thread_local Scratch first_operand, second_operand;

}  // namespace

void fc_forward(ConstMaps x, ConstNumbers w, ConstNumbers b, Maps y) {
    check_fc("fc_forward", x, w, y);
    check_bias("fc_forward", b, w);
    const int images = static_cast<int>(x.blocks * LANES), out = static_cast<int>(w.rows);
    const int in = static_cast<int>(w.columns);
    float* product = x.blocks == 1 ? y.data : second_operand.floats(y.size());
    for (Index o = 0; o < out; ++o) std::fill_n(product + o * images, images, b.data[o]);
    scipy_cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, out, images, in, 1.0f, w.data, in,
                      side_by_side(first_operand, x), images, 1.0f, product, images);
    if (x.blocks != 1) swap_layout<false>(product, y.data, x.blocks, out);
}

void fc_backward_data(ConstMaps dy, ConstNumbers w, Maps dx) {
    check_fc("fc_backward_data", dx, w, dy);
    const int images = static_cast<int>(dx.blocks * LANES), out = static_cast<int>(w.rows);
    const int in = static_cast<int>(w.columns);
    float* product = dx.blocks == 1 ? dx.data : second_operand.floats(dx.size());
    scipy_cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, in, images, out, 1.0f, w.data, in,
                      side_by_side(first_operand, dy), images, 0.0f, product, images);
    if (dx.blocks != 1) swap_layout<false>(product, dx.data, dx.blocks, in);
}

void fc_backward_weights(ConstMaps x, ConstMaps dy, Numbers dw, Numbers db) {
    const char* op = "fc_backward_weights";
    const ConstNumbers w{dw.data, dw.rows, dw.columns};
    check_fc(op, x, w, dy);
    check_bias(op, {db.data, db.rows, db.columns}, w);
    const int images = static_cast<int>(x.blocks * LANES), out = static_cast<int>(dw.rows);
    const int in = static_cast<int>(dw.columns);
    scipy_cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, out, in, images, 1.0f,
                      side_by_side(second_operand, dy), images, side_by_side(first_operand, x), images, 0.0f,
                      dw.data, in);
    for (Index o = 0; o < out; ++o) {
        Lanes total = splat(0);
        for (Index b = 0; b < dy.blocks; ++b) total = total + load(dy.at(b, o));
        db.data[o] = sum(total);
    }
}

namespace naive {

namespace {

// Feature f of image (b, lane).
template <class T>
T& feature(const Grid<T>& x, Index b, Index f, Index lane) {
    return x.data[(b * x.maps * x.pixels() + f) * LANES + lane];
}

template <class Body>
void for_each_image(const ConstMaps& x, const Body& body) {
    for (Index b = 0; b < x.blocks; ++b)
        for (Index lane = 0; lane < LANES; ++lane) body(b, lane);
}

}  // namespace

void fc_forward(ConstMaps x, ConstNumbers w, ConstNumbers b, Maps y) {
    check_fc("fc_forward", x, w, y);
    check_bias("fc_forward", b, w);
    for_each_image(x, [&](Index block, Index lane) {
        for (Index o = 0; o < w.rows; ++o) {
            double total = b.data[o];
            for (Index f = 0; f < w.columns; ++f)
                total += double(w.data[o * w.columns + f]) * feature(x, block, f, lane);
            feature(y, block, o, lane) = static_cast<float>(total);
        }
    });
}

void fc_backward_data(ConstMaps dy, ConstNumbers w, Maps dx) {
    check_fc("fc_backward_data", dx, w, dy);
    for_each_image(dx, [&](Index block, Index lane) {
        for (Index f = 0; f < w.columns; ++f) {
            double total = 0;
            for (Index o = 0; o < w.rows; ++o)
                total += double(w.data[o * w.columns + f]) * feature(dy, block, o, lane);
            feature(dx, block, f, lane) = static_cast<float>(total);
        }
    });
}

void fc_backward_weights(ConstMaps x, ConstMaps dy, Numbers dw, Numbers db) {
    const ConstNumbers w{dw.data, dw.rows, dw.columns};
    check_fc("fc_backward_weights", x, w, dy);
    check_bias("fc_backward_weights", {db.data, db.rows, db.columns}, w);
    for (Index o = 0; o < dw.rows; ++o) {
        for (Index f = 0; f < dw.columns; ++f) {
            double total = 0;
            for_each_image(x, [&](Index block, Index lane) {
                total += double(feature(dy, block, o, lane)) * feature(x, block, f, lane);
            });
            dw.data[o * dw.columns + f] = static_cast<float>(total);
        }
        double total = 0;
        for_each_image(x, [&](Index block, Index lane) { total += feature(dy, block, o, lane); });
        db.data[o] = static_cast<float>(total);
    }
}

}  // namespace naive

}  // namespace alexnet
