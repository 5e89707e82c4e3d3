// Locally connected layers (local.cpp).
#pragma once

#include "engine.hpp"
#include "one.hpp"

namespace alexnet {

// A bank of kernels for each place, (kernels, rows, columns, maps of a group, height, width).
template <class T>
struct Banks {
    T* data;
    Index kernels, rows, columns, maps, height, width;

    Index places() const { return rows * columns; }
    Index taps() const { return maps * height * width; }
    T* at(Index kernel, Index place) const { return data + (kernel * places() + place) * taps(); }
    operator Banks<const T>() const { return {data, kernels, rows, columns, maps, height, width}; }
};
using ConstBanks = Banks<const float>;

// A number for each kernel and place, (kernels, rows, columns).
template <class T>
struct Planes {
    T* data;
    Index kernels, rows, columns;

    operator Planes<const T>() const { return {data, kernels, rows, columns}; }
};
using ConstPlanes = Planes<const float>;

void local_forward(ConstMaps x, ConstBanks w, ConstPlanes b, Maps y, ConvShape s);
void local_backward_data(ConstMaps dy, ConstBanks w, Maps dx, ConvShape s);
void local_backward_weights(ConstMaps x, ConstMaps dy, Banks<float> dw, Planes<float> db, ConvShape s);

namespace naive {
void local_forward(ConstMaps x, ConstBanks w, ConstPlanes b, Maps y, ConvShape s);
void local_backward_data(ConstMaps dy, ConstBanks w, Maps dx, ConvShape s);
void local_backward_weights(ConstMaps x, ConstMaps dy, Banks<float> dw, Planes<float> db, ConvShape s);
}  // namespace naive

namespace one {
void local_forward(Image<const float> x, ConstBanks w, ConstPlanes b, Image<float> y, ConvShape s);
}  // namespace one

}  // namespace alexnet
