// The layers with weights on maps in bf16. Convolution and FC layers round the weights where they enter a product, sum in
// float32, and round the maps that they write; locally connected layers compute in float32. Weights and their gradients
// are float32 in memory. The formulas are those of conv.cpp, conv_weights.cpp, fc.cpp and local.cpp.
#pragma once

#include "engine.hpp"
#include "local.hpp"
#include "sgd.hpp"

namespace alexnet::bf16 {

using Maps = Grid<Bf16>;
using ConstMaps = Grid<const Bf16>;

void conv_forward(ConstMaps x, ConstKernels w, ConstNumbers b, Maps y, ConvShape shape, bool relu);
void conv_backward_data(ConstMaps dy, ConstKernels w, Maps dx, ConvShape shape);
void conv_backward_weights(ConstMaps x, ConstMaps dy, Kernels<float> dw, Numbers db, ConvShape shape);
void fc_forward(ConstMaps x, ConstNumbers w, ConstNumbers b, Maps y, bool relu);
void fc_backward_data(ConstMaps dy, ConstNumbers w, Maps dx);
void fc_backward_weights(ConstMaps x, ConstMaps dy, Numbers dw, Numbers db);
void fc_descend(ConstMaps x, ConstMaps dy, Numbers w, Numbers v, Descent d);
void local_forward(ConstMaps x, ConstBanks w, ConstPlanes b, Maps y, ConvShape s);
void local_backward_data(ConstMaps dy, ConstBanks w, Maps dx, ConvShape s);
void local_backward_weights(ConstMaps x, ConstMaps dy, Banks<float> dw, Planes<float> db, ConvShape s);

}  // namespace alexnet::bf16
