// Average pooling (section 3.4) over the windows of pool.hpp:
//   y = the mean over the clipped window's own pixels
// The backward pass gathers, for each input pixel, from the windows that hold it: each dx is written once.
#include <algorithm>
#include <vector>

#include "pool.hpp"
#include "shapes.hpp"
#include "simd.hpp"

namespace alexnet {

template <class T>
void average_pool_forward(Grid<const T> x, Grid<T> y, PoolShape s) {
    check_pool("average_pool_forward", x, y, s);
    for_each_row(y, [&](Index b, Index c, Index oy) {
        const Span rows(oy, s, x.height);
        for (Index ox = 0; ox < y.width; ++ox) {
            const Span columns(ox, s, x.width);
            Vec16 total = splat(0);
            for (Index iy = rows.begin; iy < rows.end; ++iy)
                for (Index ix = columns.begin; ix < columns.end; ++ix)
                    total = total + load(x.at(b, c, iy, ix));
            store(y.at(b, c, oy, ox), total / static_cast<float>(rows.size() * columns.size()));
        }
    });
}

template <class T>
void average_pool_backward(Grid<const T> dy, Grid<T> dx, PoolShape s) {
    check_pool("average_pool_backward", dx, dy, s);
    for_each_row(dx, [&](Index b, Index c, Index iy) {
        const Holders rows(iy, s, dy.height);
        for (Index ix = 0; ix < dx.width; ++ix) {
            const Holders columns(ix, s, dy.width);
            Vec16 total = splat(0);
            for (Index oy = rows.begin; oy < rows.end; ++oy)
                for (Index ox = columns.begin; ox < columns.end; ++ox) {
                    const Index pixels = Span(oy, s, dx.height).size() * Span(ox, s, dx.width).size();
                    total = total + load(dy.at(b, c, oy, ox)) / static_cast<float>(pixels);
                }
            store(dx.at(b, c, iy, ix), total);
        }
    });
}

FOR_MAPS(average_pool_forward);
FOR_MAPS(average_pool_backward);

namespace naive {

void average_pool_forward(ConstMaps x, Maps y, PoolShape s) {
    check_pool("average_pool_forward", x, y, s);
    for_each_place(y, [&](Index b, Index c, Index oy, Index ox) {
        for (Index lane = 0; lane < LANES; ++lane) {
            double total = 0;
            Index pixels = 0;
            for (Index iy = oy * s.stride; iy < oy * s.stride + s.size && iy < x.height; ++iy)
                for (Index ix = ox * s.stride; ix < ox * s.stride + s.size && ix < x.width; ++ix, ++pixels)
                    total += x.at(b, c, iy, ix)[lane];
            y.at(b, c, oy, ox)[lane] = static_cast<float>(total / pixels);
        }
    });
}

void average_pool_backward(ConstMaps dy, Maps dx, PoolShape s) {
    check_pool("average_pool_backward", dx, dy, s);
    std::vector<double> total(dx.size());
    for_each_place(dy, [&](Index b, Index c, Index oy, Index ox) {
        const Span rows(oy, s, dx.height), columns(ox, s, dx.width);
        for (Index iy = rows.begin; iy < rows.end; ++iy)
            for (Index ix = columns.begin; ix < columns.end; ++ix)
                for (Index lane = 0; lane < LANES; ++lane)
                    total[dx.at(b, c, iy, ix) - dx.data + lane] +=
                        double(dy.at(b, c, oy, ox)[lane]) / (rows.size() * columns.size());
    });
    std::copy(total.begin(), total.end(), dx.data);
}

}  // namespace naive

}  // namespace alexnet
