// ReLU (section 3.1), number by number: y = max(x, 0);  dx = dy where y > 0, else 0.
#include "pointwise.hpp"

namespace alexnet {

void relu_forward(ConstMaps x, Maps y) {
    check_alike("relu_forward", x, y);
    for_each_pixel(x, [&](Index i) { store(y.data + i, rectified(load(x.data + i))); });
}

void relu_backward(ConstMaps y, ConstMaps dy, Maps dx) {
    check_alike("relu_backward", y, dy, dx);
    for_each_pixel(y, [&](Index i) {
        store(dx.data + i, select(less(splat(0), load(y.data + i)), load(dy.data + i), splat(0)));
    });
}

}  // namespace alexnet
