// Convolution by minimal filtering (minimal.hpp), behind conv.cpp and conv_weights.cpp where it pays. Kernels
// must have 2 to 5 taps in each direction, at stride 1 over the phases of the maps; the data gradient needs
// stride 1.
#pragma once

#include "conv.hpp"

namespace alexnet::fast {

// Whether it takes less time than all the products, for outputs like `y` (dx in the data gradient).
bool pays(const ConstKernels& w, const ConstMaps& y, ConvShape s);

// Those that are left, for one image.
Index products(const ConstKernels& w, const ConstMaps& y, ConvShape s);

// Throws where kernels have no such form.
void check_form(const char* op, const ConstKernels& w, ConvShape s);

}  // namespace alexnet::fast
