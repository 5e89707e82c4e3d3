// Pooling (section 3.4) over size x size windows, `stride` pixels apart, clipped at the right and bottom
// edge:
//   max:     y = the largest of the window; argmax = its position ky * size + kx, of equals the first
//   average: y = the mean over the clipped window's own pixels
// with x, dx (B, C, H, W, 16), y, dy (B, C, Ho, Wo, 16), argmax like y; Ho the floor or the ceiling of
// (H - size) / stride + 1. Windows may overlap (size > stride) or leave gaps (size < stride).
// The backward passes gather, for each input pixel, from the windows that hold it: each dx is written once.
#include <algorithm>
#include <vector>

#include "engine.hpp"
#include "shapes.hpp"
#include "simd.hpp"
#include "threads.hpp"

namespace alexnet {

namespace {

// The pixels of window o in one direction.
struct Span {
    Index begin, end;
    Span(Index o, PoolShape s, Index side) : begin(o * s.stride), end(std::min(begin + s.size, side)) {}
    Index size() const { return end - begin; }
};

// The windows [begin, end) that hold pixel i in one direction.
struct Windows {
    Index begin, end;
    Windows(Index i, PoolShape s, Index count)
        : begin(i < s.size ? 0 : (i - s.size) / s.stride + 1), end(std::min(i / s.stride + 1, count)) {}
};

template <class Body>  // body(b, c, row of the map), in parallel
void for_each_row(const ConstMaps& x, const Body& body) {
    parallel(x.blocks * x.maps, [&](Index i) {
        for (Index y = 0; y < x.height; ++y) body(i / x.maps, i % x.maps, y);
    });
}

template <class Body>  // body(b, c, y, x)
void for_each_pixel(const ConstMaps& x, const Body& body) {
    for (Index b = 0; b < x.blocks; ++b)
        for (Index c = 0; c < x.maps; ++c)
            for (Index i = 0; i < x.height; ++i)
                for (Index j = 0; j < x.width; ++j) body(b, c, i, j);
}

}  // namespace

void max_pool_forward(ConstMaps x, Maps y, Grid<std::uint8_t> argmax, PoolShape s) {
    check_max_pool("max_pool_forward", x, y, argmax, s);
    for_each_row(y, [&](Index b, Index c, Index oy) {
        const Span rows(oy, s, x.height);
        for (Index ox = 0; ox < y.width; ++ox) {
            const Span columns(ox, s, x.width);
            Lanes best = load(x.at(b, c, rows.begin, columns.begin));
            IntLanes where = splat_int(0);
            for (Index i = 0; i < rows.size(); ++i)
                for (Index j = 0; j < columns.size(); ++j) {
                    const Lanes value = load(x.at(b, c, rows.begin + i, columns.begin + j));
                    const IntLanes larger = greater_or_nan(value, best);
                    best = select(larger, value, best);
                    where = select(larger, splat_int(static_cast<std::int32_t>(i * s.size + j)), where);
                }
            store(y.at(b, c, oy, ox), best);
            store_bytes(argmax.at(b, c, oy, ox), where);
        }
    });
}

void max_pool_backward(ConstMaps dy, Grid<const std::uint8_t> argmax, Maps dx, PoolShape s) {
    check_max_pool("max_pool_backward", dx, dy, argmax, s);
    for_each_row(dx, [&](Index b, Index c, Index iy) {
        const Windows rows(iy, s, dy.height);
        for (Index ix = 0; ix < dx.width; ++ix) {
            const Windows columns(ix, s, dy.width);
            Lanes total = splat(0);
            for (Index oy = rows.begin; oy < rows.end; ++oy)
                for (Index ox = columns.begin; ox < columns.end; ++ox) {
                    const Index here = (iy - oy * s.stride) * s.size + ix - ox * s.stride;
                    const IntLanes mine = equal(load_bytes(argmax.at(b, c, oy, ox)),
                                                splat_int(static_cast<std::int32_t>(here)));
                    total = total + select(mine, load(dy.at(b, c, oy, ox)), splat(0));
                }
            store(dx.at(b, c, iy, ix), total);
        }
    });
}

void average_pool_forward(ConstMaps x, Maps y, PoolShape s) {
    check_pool("average_pool_forward", x, y, s);
    for_each_row(y, [&](Index b, Index c, Index oy) {
        const Span rows(oy, s, x.height);
        for (Index ox = 0; ox < y.width; ++ox) {
            const Span columns(ox, s, x.width);
            Lanes total = splat(0);
            for (Index iy = rows.begin; iy < rows.end; ++iy)
                for (Index ix = columns.begin; ix < columns.end; ++ix)
                    total = total + load(x.at(b, c, iy, ix));
            store(y.at(b, c, oy, ox), total / static_cast<float>(rows.size() * columns.size()));
        }
    });
}

void average_pool_backward(ConstMaps dy, Maps dx, PoolShape s) {
    check_pool("average_pool_backward", dx, dy, s);
    for_each_row(dx, [&](Index b, Index c, Index iy) {
        const Windows rows(iy, s, dy.height);
        for (Index ix = 0; ix < dx.width; ++ix) {
            const Windows columns(ix, s, dy.width);
            Lanes total = splat(0);
            for (Index oy = rows.begin; oy < rows.end; ++oy)
                for (Index ox = columns.begin; ox < columns.end; ++ox) {
                    const Index pixels = Span(oy, s, dx.height).size() * Span(ox, s, dx.width).size();
                    total = total + load(dy.at(b, c, oy, ox)) / static_cast<float>(pixels);
                }
            store(dx.at(b, c, iy, ix), total);
        }
    });
}

namespace naive {

void max_pool_forward(ConstMaps x, Maps y, Grid<std::uint8_t> argmax, PoolShape s) {
    check_max_pool("max_pool_forward", x, y, argmax, s);
    for_each_pixel(y, [&](Index b, Index c, Index oy, Index ox) {
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
    for_each_pixel(dy, [&](Index b, Index c, Index oy, Index ox) {
        for (Index lane = 0; lane < LANES; ++lane) {
            const Index where = argmax.at(b, c, oy, ox)[lane];
            const Index iy = oy * s.stride + where / s.size, ix = ox * s.stride + where % s.size;
            if (iy < dx.height && ix < dx.width)
                total[dx.at(b, c, iy, ix) - dx.data + lane] += dy.at(b, c, oy, ox)[lane];
        }
    });
    std::copy(total.begin(), total.end(), dx.data);
}

void average_pool_forward(ConstMaps x, Maps y, PoolShape s) {
    check_pool("average_pool_forward", x, y, s);
    for_each_pixel(y, [&](Index b, Index c, Index oy, Index ox) {
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
    for_each_pixel(dy, [&](Index b, Index c, Index oy, Index ox) {
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
