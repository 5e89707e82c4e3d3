// Convolution by Winograd's method where that takes less time, else with all products.
#include "shapes.hpp"

namespace alexnet::fast {

void conv_forward(ConstMaps x, ConstKernels w, ConstNumbers b, Maps y, ConvShape s, bool relu) {
    check_conv_forward("conv_forward", x, w, b, y, s);
    const bool pays = winograd::pays(w, y, s);
    (pays ? winograd::conv_forward : alexnet::conv_forward)(x, w, b, y, s, relu);
}

void conv_backward_data(ConstMaps dy, ConstKernels w, Maps dx, ConvShape s) {
    check_conv("conv_backward_data", dx, w, dy, s);
    const bool pays = s.stride == 1 && winograd::pays(w, dx, s);
    (pays ? winograd::conv_backward_data : alexnet::conv_backward_data)(dy, w, dx, s);
}

void conv_backward_weights(ConstMaps x, ConstMaps dy, Kernels<float> dw, Numbers db, ConvShape s) {
    check_conv_backward_weights("conv_backward_weights", x, dy, dw, db, s);
    const bool pays = winograd::pays(dw, dy, s);
    (pays ? winograd::conv_backward_weights : alexnet::conv_backward_weights)(x, dy, dw, db, s);
}

Index conv_products(ConstKernels w, MapSizes y, ConvShape s) {
    check_conv_products(w, y, s);
    return (winograd::pays(w, y, s) ? winograd::conv_products : alexnet::conv_products)(w, y, s);
}

}  // namespace alexnet::fast
