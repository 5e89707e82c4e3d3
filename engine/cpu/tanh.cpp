// tanh, the unit that the paper compares ReLU with (section 3.1): y = tanh(x);  dx = dy (1 - y) (1 + y).
#include "pointwise.hpp"

namespace alexnet {

template <class T>
void tanh_forward(Grid<const T> x, Grid<T> y) {
    check_alike("tanh_forward", x, y);
    for_each_pixel(x, [&](Index i) { store(y.data + i, tangent(load(x.data + i))); });
}

template <class T>
void tanh_backward(Grid<const T> y, Grid<const T> dy, Grid<T> dx) {
    check_alike("tanh_backward", y, dy, dx);
    for_each_pixel(y, [&](Index i) {
        const Vec16 v = load(y.data + i);
        store(dx.data + i, load(dy.data + i) * (splat(1) - v) * (splat(1) + v));
    });
}

FOR_MAPS(tanh_forward);
FOR_MAPS(tanh_backward);

}  // namespace alexnet
