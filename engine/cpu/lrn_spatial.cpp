// Local response normalisation within a map (the authors' code after the second LRN layer):
//   y[p] = x[p] * s[p]^-beta,   s[p] = k + alpha * sum of x^2 over the n x n window of the same map around p
//   dx[p] = dy[p] * s[p]^-beta - 2 alpha beta x[p] * sum over the window of dy x s^(-beta - 1)
// with x, y, dy, dx (B, C, H, W, 16); the window reaches n/2 pixels each way and is clipped at the edges.
#include <algorithm>

#include "engine.hpp"
#include "lrn.hpp"
#include "shapes.hpp"
#include "threads.hpp"
#include "unrounded.hpp"

namespace alexnet {

namespace {

void check_backward(const MapSizes& x, const MapSizes& dy, const MapSizes& dx, Response r) {
    check_response("lrn_spatial_backward", x, dx, r);
    CHECK(same_shape(x, dy), "lrn_spatial_backward", "dy ", dy, " is not like x ", x);
}

// Window sums of one row: first down the columns (value(row, column) gives the terms), then along the row.
// body(column, sum). `columns` is scratch for width * LANES floats.
template <class Value, class Body>
void window_sums(const MapSizes& x, Index row, Index half, float* columns, const Value& value,
                 const Body& body) {
    const Index top = std::max<Index>(row - half, 0), bottom = std::min(row + half + 1, x.height);
    for (Index i = 0; i < x.width; ++i) {
        Vec16 total = splat(0);
        for (Index j = top; j < bottom; ++j) total = total + value(j, i);
        store(columns + i * LANES, total);
    }
    for (Index i = 0; i < x.width; ++i) {
        Vec16 total = splat(0);
        const Index end = std::min(i + half + 1, x.width);
        for (Index j = std::max<Index>(i - half, 0); j < end; ++j) total = total + load(columns + j * LANES);
        body(i, total);
    }
}

// Calls body(b, c) for all maps, in parallel.
template <class Body>
void for_each_map(const MapSizes& x, const Body& body) {
    parallel(x.blocks * x.maps, [&](Index i) { body(i / x.maps, i % x.maps); });
}

// Calls body(row, column, s) for the pixels of one map.
template <class T, class Body>
void for_each_scale(const Grid<const T>& x, Index b, Index c, Response r, float* columns, const Body& body) {
    for (Index row = 0; row < x.height; ++row)
        window_sums(
            x, row, r.n / 2, columns,
            [&](Index j, Index i) {
                const Vec16 v = load(x.at(b, c, j, i));
                return v * v;
            },
            [&](Index i, const Vec16& squares) { body(row, i, splat(r.k) + squares * r.alpha); });
}

}  // namespace

template <class T>
void lrn_spatial_forward(Grid<const T> x, Grid<T> y, Response r) {
    check_response("lrn_spatial_forward", x, y, r);
    with_powers(r.beta, [&](auto powers) {
        for_each_map(x, [&](Index b, Index c) {
            thread_local Scratch scratch;
            float* columns = scratch.floats(x.row_stride());
            for_each_scale(x, b, c, r, columns, [&](Index row, Index i, const Vec16& scale) {
                store(y.at(b, c, row, i), load(x.at(b, c, row, i)) * powers.power(scale));
            });
        });
    });
}

template <class T>
void lrn_spatial_backward(Grid<const T> x, Grid<const T> dy, Grid<T> dx, Response r) {
    check_backward(x, dy, dx, r);
    with_powers(r.beta, [&](auto powers) {
        for_each_map(x, [&](Index b, Index c) {
            thread_local Scratch scratch;
            float* columns = scratch.floats(x.row_stride() + 2 * x.map_stride());
            float* ratios = columns + x.row_stride();
            float* direct = unrounded(dx.at(b, c), ratios + x.map_stride());
            for_each_scale(x, b, c, r, columns, [&](Index row, Index i, const Vec16& scale) {
                const Index at = (row * x.width + i) * LANES;
                const Vec16 slope = load(dy.at(b, c, row, i)) * powers.power(scale);
                store(direct + at, slope);
                store(ratios + at, powers.ratio(slope * load(x.at(b, c, row, i)), scale));
            });
            for (Index row = 0; row < x.height; ++row)
                window_sums(
                    x, row, r.n / 2, columns,
                    [&](Index j, Index i) { return load(ratios + (j * x.width + i) * LANES); },
                    [&](Index i, const Vec16& others) {
                        store(dx.at(b, c, row, i),
                              load(direct + (row * x.width + i) * LANES) -
                                  load(x.at(b, c, row, i)) * others * (2 * r.alpha * r.beta));
                    });
        });
    });
}

FOR_MAPS(lrn_spatial_forward);
FOR_MAPS(lrn_spatial_backward);

namespace naive {

namespace {

template <class Value>
double window_sum(const ConstMaps& x, Index row, Index column, Index half, const Value& value) {
    double total = 0;
    for (Index j = std::max<Index>(row - half, 0); j <= std::min(row + half, x.height - 1); ++j)
        for (Index i = std::max<Index>(column - half, 0); i <= std::min(column + half, x.width - 1); ++i)
            total += value(j, i);
    return total;
}

// Calls body(b, c, row, column, lane) for every number of x.
template <class Body>
void for_each_number(const ConstMaps& x, const Body& body) {
    for (Index i = 0; i < x.size(); ++i) {
        const Index pixel = i / LANES, map = pixel / x.pixels();
        body(map / x.maps, map % x.maps, pixel % x.pixels() / x.width, pixel % x.width, i % LANES);
    }
}

}  // namespace

void lrn_spatial_forward(ConstMaps x, Maps y, Response r) {
    check_response("lrn_spatial_forward", x, y, r);
    for_each_number(x, [&](Index b, Index c, Index row, Index column, Index lane) {
        const double squares = window_sum(x, row, column, r.n / 2, [&](Index j, Index i) {
            return double(x.at(b, c, j, i)[lane]) * x.at(b, c, j, i)[lane];
        });
        y.at(b, c, row, column)[lane] =
            float(x.at(b, c, row, column)[lane] * std::pow(r.k + r.alpha * squares, -double(r.beta)));
    });
}

void lrn_spatial_backward(ConstMaps x, ConstMaps dy, Maps dx, Response r) {
    check_backward(x, dy, dx, r);
    for_each_number(x, [&](Index b, Index c, Index row, Index column, Index lane) {
        const auto scale = [&](Index j, Index i) {
            return r.k + r.alpha * window_sum(x, j, i, r.n / 2, [&](Index jj, Index ii) {
                             return double(x.at(b, c, jj, ii)[lane]) * x.at(b, c, jj, ii)[lane];
                         });
        };
        const double others = window_sum(x, row, column, r.n / 2, [&](Index j, Index i) {
            return double(dy.at(b, c, j, i)[lane]) * x.at(b, c, j, i)[lane] *
                   std::pow(scale(j, i), -double(r.beta) - 1);
        });
        dx.at(b, c, row, column)[lane] =
            float(dy.at(b, c, row, column)[lane] * std::pow(scale(row, column), -double(r.beta)) -
                  2.0 * r.alpha * r.beta * x.at(b, c, row, column)[lane] * others);
    });
}

}  // namespace naive

}  // namespace alexnet
