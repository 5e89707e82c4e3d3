// Test-time operations on one image in the plain form (one.cpp).
#pragma once

#include <vector>

#include "engine.hpp"

namespace alexnet {

template <class T>
struct Image {
    T* data;
    Index maps, height, width;

    Index pixels() const { return height * width; }
    Index size() const { return maps * pixels(); }
};

namespace one {

void conv_forward(Image<const float> x, ConstKernels w, ConstNumbers b, Image<float> y, ConvShape s,
                  bool relu);
void max_pool_forward(Image<const float> x, Image<float> y, Image<std::uint8_t> argmax, PoolShape s);
void average_pool_forward(Image<const float> x, Image<float> y, PoolShape s);
void lrn_forward(Image<const float> x, Image<float> y, Response r, Index groups);
void lrn_spatial_forward(Image<const float> x, Image<float> y, Response r);
void fc_forward(Image<const float> x, ConstNumbers w, ConstNumbers b, Image<float> y, bool relu);
void relu_forward(Image<const float> x, Image<float> y);
void tanh_forward(Image<const float> x, Image<float> y);
void scale(Image<const float> x, Image<float> y, float factor);
void softmax_loss(Image<const float> logits, Matrix<const std::int32_t> labels, Image<float> probs,
                  Image<float> dlogits, Matrix<double> losses, Index images, float factor);
void augment(const std::vector<Crop>& images, Index side, MeanImage mean, Image<float> out, float divide);

}  // namespace one
}  // namespace alexnet
