// The engine's operations. Each one's contract (formula, shapes, outputs) stands at the head of its own file.
// Outputs belong to the caller and are wholly overwritten. Shapes that do not fit throw std::invalid_argument.
#pragma once

#include <vector>

#include "maps.hpp"

namespace alexnet {

using ConstKernels = Kernels<const float>;
using Numbers = Matrix<float>;
using ConstNumbers = Matrix<const float>;

struct ConvShape {
    Index stride, pad, groups;

    // Taps in one direction that a kernel has on each phase of a map.
    Index phase_taps(Index kernel) const { return (kernel + stride - 1) / stride; }
};
struct PoolShape {
    Index size, stride;
};
struct Response {  // local response normalisation, section 3.3
    Index n;
    float k, alpha, beta;
};
struct DropoutDraw {
    std::uint32_t seed, step, layer;
    Index first_unit, first_image;
};
struct MeanImage {  // (side, side, 3)
    const float* data;
    Index side;
};
struct Crop {  // one image of a batch
    const std::uint8_t* pixels;
    Index y, x;
    bool reflect;
    const float* shift;
};

// Convolution and FC layers on maps in float32; those in bf16 are in bf16.hpp. relu: y is max(0, y) in the end.
void conv_forward(ConstMaps x, ConstKernels w, ConstNumbers b, Maps y, ConvShape shape, bool relu);
void conv_backward_data(ConstMaps dy, ConstKernels w, Maps dx, ConvShape shape);
void conv_backward_weights(ConstMaps x, ConstMaps dy, Kernels<float> dw, Numbers db, ConvShape shape);
// Products that conv_forward makes for one image of outputs like y; conv_backward_weights makes as many, and
// conv_backward_data so many for outputs like dx at stride 1.
Index conv_products(ConstKernels w, MapSizes y, ConvShape shape);
void fc_forward(ConstMaps x, ConstNumbers w, ConstNumbers b, Maps y, bool relu);
void fc_backward_data(ConstMaps dy, ConstNumbers w, Maps dx);
void fc_backward_weights(ConstMaps x, ConstMaps dy, Numbers dw, Numbers db);

// All others, on maps of either kind: they compute in float32, and round what they write.
template <class T>
void max_pool_forward(Grid<const T> x, Grid<T> y, Grid<std::uint8_t> argmax, PoolShape shape);
template <class T>
void max_pool_backward(Grid<const T> dy, Grid<const std::uint8_t> argmax, Grid<T> dx, PoolShape shape);
template <class T>
void average_pool_forward(Grid<const T> x, Grid<T> y, PoolShape shape);
template <class T>
void average_pool_backward(Grid<const T> dy, Grid<T> dx, PoolShape shape);
template <class T>
void lrn_forward(Grid<const T> x, Grid<T> y, Response r, Index groups);
template <class T>
void lrn_backward(Grid<const T> x, Grid<const T> dy, Grid<T> dx, Response r, Index groups);
template <class T>
void lrn_spatial_forward(Grid<const T> x, Grid<T> y, Response r);
template <class T>
void lrn_spatial_backward(Grid<const T> x, Grid<const T> dy, Grid<T> dx, Response r);
template <class T>
void relu_forward(Grid<const T> x, Grid<T> y);
template <class T>
void relu_backward(Grid<const T> y, Grid<const T> dy, Grid<T> dx);
template <class T>
void tanh_forward(Grid<const T> x, Grid<T> y);
template <class T>
void tanh_backward(Grid<const T> y, Grid<const T> dy, Grid<T> dx);
template <class T>
void dropout(Grid<const T> x, Grid<T> y, double rate, DropoutDraw draw);
template <class T>
void scale(Grid<const T> x, Grid<T> y, float factor);
template <class T>
void softmax_loss(Grid<const T> logits, Matrix<const std::int32_t> labels, Grid<T> probs, Grid<T> dlogits,
                  Matrix<double> losses, Index images, float factor);
template <class T>
void augment(const std::vector<Crop>& images, Index side, MeanImage mean, Grid<T> out, float divide);

// Makes one of them for either kind.
#define FOR_MAPS(operation)                               \
    template decltype(operation<float>) operation<float>; \
    template decltype(operation<Bf16>) operation<Bf16>

void sgd(Numbers w, Numbers v, ConstNumbers g, float rate, float momentum, float decay);

// Convolution by Winograd's method (conv_winograd.cpp, conv_winograd_weights.cpp), for kernels that have such a form.
namespace winograd {

void conv_forward(ConstMaps x, ConstKernels w, ConstNumbers b, Maps y, ConvShape shape, bool relu);
void conv_backward_data(ConstMaps dy, ConstKernels w, Maps dx, ConvShape shape);
void conv_backward_weights(ConstMaps x, ConstMaps dy, Kernels<float> dw, Numbers db, ConvShape shape);
Index conv_products(ConstKernels w, MapSizes y, ConvShape shape);

// Whether there is such a form that takes less time, for outputs like y (dx in the data gradient).
bool pays(ConstKernels w, MapSizes y, ConvShape shape);

}  // namespace winograd

// Convolution by Winograd's method where that pays (conv_fast.cpp).
namespace fast {
void conv_forward(ConstMaps x, ConstKernels w, ConstNumbers b, Maps y, ConvShape shape, bool relu);
void conv_backward_data(ConstMaps dy, ConstKernels w, Maps dx, ConvShape shape);
void conv_backward_weights(ConstMaps x, ConstMaps dy, Kernels<float> dw, Numbers db, ConvShape shape);
Index conv_products(ConstKernels w, MapSizes y, ConvShape shape);
}  // namespace fast

// The same operations as plain loops in double: the readable definition.
namespace naive {
void conv_forward(ConstMaps x, ConstKernels w, ConstNumbers b, Maps y, ConvShape shape, bool relu);
void conv_backward_data(ConstMaps dy, ConstKernels w, Maps dx, ConvShape shape);
void conv_backward_weights(ConstMaps x, ConstMaps dy, Kernels<float> dw, Numbers db, ConvShape shape);
void max_pool_forward(ConstMaps x, Maps y, Grid<std::uint8_t> argmax, PoolShape shape);
void max_pool_backward(ConstMaps dy, Grid<const std::uint8_t> argmax, Maps dx, PoolShape shape);
void average_pool_forward(ConstMaps x, Maps y, PoolShape shape);
void average_pool_backward(ConstMaps dy, Maps dx, PoolShape shape);
void lrn_forward(ConstMaps x, Maps y, Response r, Index groups);
void lrn_backward(ConstMaps x, ConstMaps dy, Maps dx, Response r, Index groups);
void lrn_spatial_forward(ConstMaps x, Maps y, Response r);
void lrn_spatial_backward(ConstMaps x, ConstMaps dy, Maps dx, Response r);
void fc_forward(ConstMaps x, ConstNumbers w, ConstNumbers b, Maps y, bool relu);
void fc_backward_data(ConstMaps dy, ConstNumbers w, Maps dx);
void fc_backward_weights(ConstMaps x, ConstMaps dy, Numbers dw, Numbers db);
}  // namespace naive

}  // namespace alexnet
