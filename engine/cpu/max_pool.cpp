// Max pooling (section 3.4) over the windows of pool.hpp:
//   y = the largest of the window; argmax, like y, = its position ky * size + kx, of equals the first
// The backward pass gathers, for each input pixel, from the windows that hold it: each dx is written once.
#include "max_pool.hpp"

#include <algorithm>
#include <vector>

#include "shapes.hpp"

namespace alexnet {

template <class T>
void max_pool_forward(Grid<const T> x, Grid<T> y, Grid<std::uint8_t> argmax, PoolShape s) {
    check_max_pool("max_pool_forward", x, y, argmax, s);
    for_each_row(y, [&](Index b, Index c, Index oy) {
        const Span rows(oy, s, x.height);
        max_pool_row(x.at(b, c, rows.begin), rows.size(), x.width, s, y.width, y.at(b, c, oy),
                     argmax.at(b, c, oy));
    });
}

template <class T>
void max_pool_backward(Grid<const T> dy, Grid<const std::uint8_t> argmax, Grid<T> dx, PoolShape s) {
    check_max_pool("max_pool_backward", dx, dy, argmax, s);
    for_each_row(dx, [&](Index b, Index c, Index iy) {
        max_pool_row_backward(dy, argmax, s, b, c, iy, dx.width, dx.at(b, c, iy));
    });
}

FOR_MAPS(max_pool_forward);
FOR_MAPS(max_pool_backward);

namespace naive {

void max_pool_forward(ConstMaps x, Maps y, Grid<std::uint8_t> argmax, PoolShape s) {
    check_max_pool("max_pool_forward", x, y, argmax, s);
    for_each_place(y, [&](Index b, Index c, Index oy, Index ox) {
        for (Index lane = 0; lane < LANES; ++lane) {
            float best = x.at(b, c, oy * s.stride, ox * s.stride)[lane];
            Index where = 0;
            for (Index ky = 0; ky < s.size && oy * s.stride + ky < x.height; ++ky)
                for (Index kx = 0; kx < s.size && ox * s.stride + kx < x.width; ++kx) {
                    const float value = x.at(b, c, oy * s.stride + ky, ox * s.stride + kx)[lane];
                    if (value > best || std::isnan(value)) {
                        best = value;
                        where = ky * s.size + kx;
                    }
                }
            y.at(b, c, oy, ox)[lane] = best;
            argmax.at(b, c, oy, ox)[lane] = static_cast<std::uint8_t>(where);
        }
    });
}

void max_pool_backward(ConstMaps dy, Grid<const std::uint8_t> argmax, Maps dx, PoolShape s) {
    check_max_pool("max_pool_backward", dx, dy, argmax, s);
    std::vector<double> total(dx.size());
    for_each_place(dy, [&](Index b, Index c, Index oy, Index ox) {
        for (Index lane = 0; lane < LANES; ++lane) {
            const Index where = argmax.at(b, c, oy, ox)[lane];
            const Index iy = oy * s.stride + where / s.size, ix = ox * s.stride + where % s.size;
            if (iy < dx.height && ix < dx.width)
                total[dx.at(b, c, iy, ix) - dx.data + lane] += dy.at(b, c, oy, ox)[lane];
        }
    });
    std::copy(total.begin(), total.end(), dx.data);
}

}  // namespace naive

}  // namespace alexnet
