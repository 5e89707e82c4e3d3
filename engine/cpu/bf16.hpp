// Convolution and FC layers with numbers rounded to bf16 where they enter a product, and sums in float32. What is in
// memory stays float32: maps, weights, gradients. The formulas are those of conv.cpp, conv_weights.cpp and fc.cpp.
#pragma once

#include "engine.hpp"
#include "sgd.hpp"

namespace alexnet::bf16 {

void conv_forward(ConstMaps x, ConstKernels w, ConstNumbers b, Maps y, ConvShape shape, bool relu);
void conv_backward_data(ConstMaps dy, ConstKernels w, Maps dx, ConvShape shape);
void conv_backward_weights(ConstMaps x, ConstMaps dy, Kernels<float> dw, Numbers db, ConvShape shape);
void fc_forward(ConstMaps x, ConstNumbers w, ConstNumbers b, Maps y, bool relu);
void fc_backward_data(ConstMaps dy, ConstNumbers w, Maps dx);
void fc_backward_weights(ConstMaps x, ConstMaps dy, Numbers dw, Numbers db);
void fc_descend(ConstMaps x, ConstMaps dy, Numbers w, Numbers v, Descent d);

}  // namespace alexnet::bf16
