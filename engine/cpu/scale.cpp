// y = factor x: the hidden units' outputs at test, where dropout is off (section 4.2).
#include "pointwise.hpp"

namespace alexnet {

template <class T>
void scale(Grid<const T> x, Grid<T> y, float factor) {
    check_alike("scale", x, y);
    for_each_pixel(x, [&](Index i) { store(y.data + i, load(x.data + i) * factor); });
}

FOR_MAPS(scale);

}  // namespace alexnet
