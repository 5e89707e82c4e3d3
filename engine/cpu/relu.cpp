// ReLU (section 3.1), number by number: y = max(x, 0);  dx = dy where y > 0, else 0.
#include "pointwise.hpp"

namespace alexnet {

template <class T>
void relu_forward(Grid<const T> x, Grid<T> y) {
    check_alike("relu_forward", x, y);
    for_each_pixel(x, [&](Index i) { store(y.data + i, rectified(load(x.data + i))); });
}

template <class T>
void relu_backward(Grid<const T> y, Grid<const T> dy, Grid<T> dx) {
    check_alike("relu_backward", y, dy, dx);
    for_each_pixel(y, [&](Index i) {
        store(dx.data + i, select(less(splat(0), load(y.data + i)), load(dy.data + i), splat(0)));
    });
}

FOR_MAPS(relu_forward);
FOR_MAPS(relu_backward);

}  // namespace alexnet
