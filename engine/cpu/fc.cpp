// Fully connected layers: over the features of an image, f = C*H*W of them in that order,
//   y[o] = b[o] + sum over f of w[o,f] x[f]     dx[f] = sum over o of w[o,f] dy[o]
//   dw[o,f] = sum over images of dy[o] x[f]     db[o] = sum over images of dy[o]
// with x, dx any (B, C, H, W, 16), w, dw (out, f), b, db (out), y, dy (B, out, 1, 1, 16).
// All images are laid side by side, (features, 16 B), so that each is one matrix product over the whole
// batch, cut into slices of rows that the threads share: BLAS's own threads would wait in a loop for their
// next task, on the cores that the other operations need.
#include <cblas.h>

#include <algorithm>

#include "fused.hpp"
#include "shapes.hpp"
#include "simd.hpp"
#include "split.hpp"
#include "threads.hpp"

namespace alexnet {

namespace {

// Rows of a slice: so many that packing the right operand once a slice costs little. BLAS may sum the last few rows of a
// product, and all of a small one, in an order of their own: slices are cut at whole units, and none is small.
constexpr Index MOST_ROWS = 512, LEAST_ROWS = 128, UNIT_ROWS = 64;
constexpr Index LEAST_PRODUCTS = 1 << 22;

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

// body(first row, how many) for slices of `count` rows, for all threads; a row makes so many products.
template <class Body>
void for_each_slice(Index count, Index products, const Body& body) {
    const Index least = std::clamp(LEAST_PRODUCTS / std::max<Index>(products, 1), LEAST_ROWS, MOST_ROWS);
    const Index rows = std::clamp(ceil_divide(count, threads()), least, MOST_ROWS);
    const Split slices = split(ceil_divide(count, UNIT_ROWS), ceil_divide(rows, UNIT_ROWS));
    parallel(slices.count, [&](Index i) {
        const Index first = slices[i].begin * UNIT_ROWS, end = std::min(slices[i].end * UNIT_ROWS, count);
        body(first, static_cast<int>(end - first));
    });
}

// body(first row, how many, gradient(to)) for slices of dw, where gradient(to) writes one.
template <class Body>
void for_each_gradient(const ConstMaps& x, const ConstMaps& dy, const Body& body) {
    const int images = static_cast<int>(x.blocks * LANES), in = static_cast<int>(features(x));
    const float *slopes = side_by_side(second_operand, dy), *inputs = side_by_side(first_operand, x);
    for_each_slice(dy.maps, Index{in} * images, [&](Index first, int rows) {
        body(first, rows, [&](float* to) {
            scipy_cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, in, images, 1.0f,
                              slopes + first * images, images, inputs, images, 0.0f, to, in);
        });
    });
}

}  // namespace

void fc_forward(ConstMaps x, ConstNumbers w, ConstNumbers b, Maps y, bool relu) {
    check_fc("fc_forward", x, w, y);
    check_bias("fc_forward", b, w);
    const int images = static_cast<int>(x.blocks * LANES), in = static_cast<int>(w.columns);
    float* product = x.blocks == 1 ? y.data : second_operand.floats(y.size());
    const float* inputs = side_by_side(first_operand, x);
    for_each_slice(w.rows, Index{in} * images, [&](Index first, int rows) {
        float* to = product + first * images;
        for (Index o = 0; o < rows; ++o) std::fill_n(to + o * images, images, b.data[first + o]);
        scipy_cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, images, in, 1.0f,
                          w.data + first * in, in, inputs, images, 1.0f, to, images);
        if (relu)
            for (Index i = 0; i < rows * images; ++i) to[i] = to[i] < 0 ? 0 : to[i];
    });
    if (x.blocks != 1) swap_layout<false>(product, y.data, x.blocks, w.rows);
}

void fc_backward_data(ConstMaps dy, ConstNumbers w, Maps dx) {
    check_fc("fc_backward_data", dx, w, dy);
    const int images = static_cast<int>(dx.blocks * LANES), out = static_cast<int>(w.rows);
    const int in = static_cast<int>(w.columns);
    float* product = dx.blocks == 1 ? dx.data : second_operand.floats(dx.size());
    const float* slopes = side_by_side(first_operand, dy);
    for_each_slice(w.columns, Index{out} * images, [&](Index first, int rows) {
        scipy_cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, rows, images, out, 1.0f, w.data + first,
                          in, slopes, images, 0.0f, product + first * images, images);
    });
    if (dx.blocks != 1) swap_layout<false>(product, dx.data, dx.blocks, in);
}

void fc_backward_weights(ConstMaps x, ConstMaps dy, Numbers dw, Numbers db) {
    const char* op = "fc_backward_weights";
    const ConstNumbers w{dw.data, dw.rows, dw.columns};
    check_fc(op, x, w, dy);
    check_bias(op, {db.data, db.rows, db.columns}, w);
    for_each_gradient(
        x, dy, [&](Index first, int, const auto& gradient) { gradient(dw.data + first * dw.columns); });
    fc_backward_bias(dy, db);
}

template <class T>
void fc_backward_bias(Grid<const T> dy, Numbers db) {
    check_some("fc_backward_bias", dy);
    CHECK(dy.height == 1 && dy.width == 1 && db.columns == dy.maps, "fc_backward_bias", "db ", db,
          " does not fit dy ", dy);
    for (Index o = 0; o < dy.maps; ++o) {
        Vec16 total = splat(0);
        for (Index b = 0; b < dy.blocks; ++b) total = total + load(dy.at(b, o));
        db.data[o] = sum(total);
    }
}

FOR_MAPS(fc_backward_bias);

void fc_descend(ConstMaps x, ConstMaps dy, Numbers w, Numbers v, Descent d) {
    check_fc("fc_descend", x, {w.data, w.rows, w.columns}, dy);
    CHECK(v.rows == w.rows && v.columns == w.columns, "fc_descend", "v ", v, " is not like w ", w);
    for_each_gradient(x, dy, [&](Index first, int rows, const auto& gradient) {
        thread_local Scratch scratch;
        const Index at = first * w.columns, count = rows * w.columns;
        float* g = scratch.floats(count);
        gradient(g);
        descend(w.data + at, v.data + at, g, count, d);
    });
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

void fc_forward(ConstMaps x, ConstNumbers w, ConstNumbers b, Maps y, bool relu) {
    check_fc("fc_forward", x, w, y);
    check_bias("fc_forward", b, w);
    for_each_image(x, [&](Index block, Index lane) {
        for (Index o = 0; o < w.rows; ++o) {
            double total = b.data[o];
            for (Index f = 0; f < w.columns; ++f)
                total += double(w.data[o * w.columns + f]) * feature(x, block, f, lane);
            feature(y, block, o, lane) = relu && total < 0 ? 0.0f : static_cast<float>(total);
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
