// Local response normalisation across maps (section 3.3):
//   y[i] = x[i] * s[i]^-beta,   s[i] = k + alpha * sum over j of x[j]^2,   |j - i| <= n/2, j inside i's group
//   dx[i] = dy[i] * s[i]^-beta - 2 alpha beta x[i] * sum over j of dy[j] x[j] s[j]^(-beta - 1)
// at each pixel of x, y, dy, dx (B, C, H, W, 16); `groups` columns of C / groups maps do not see each other.
// The backward pass computes s again: reading x twice is cheaper than keeping s.
#include <algorithm>

#include "lrn_strip.hpp"
#include "shapes.hpp"

namespace alexnet {

namespace {

constexpr Index STRIP_PIXELS = 64;  // 4 kB a map: long runs, and the window's maps in a first-level cache
constexpr Index STRIP_RATIOS = 32 * 1024;  // floats of a group: they stay in a second-level cache

template <class Body>
void for_each_strip(const MapSizes& x, Index groups, Index longest, const Body& body) {
    const Index strips = (x.pixels() + longest - 1) / longest, maps = x.maps / groups;
    parallel(x.blocks * groups * strips, [&](Index i) {
        const Index first = i % strips * longest;
        body(Strip{i / strips * maps * x.map_stride() + first * LANES, x.map_stride(), maps,
                   std::min(longest, x.pixels() - first)});
    });
}

}  // namespace

template <class T>
void lrn_forward(Grid<const T> x, Grid<T> y, Response r, Index groups) {
    check_lrn("lrn_forward", x, y, r, groups);
    with_powers(r.beta, [&](auto powers) {
        for_each_strip(x, groups, STRIP_PIXELS, [&](const Strip& t) {
            for (Index i = 0; i < t.maps; ++i) respond(x.data, t, i, r, powers, y.data + t.offset(i));
        });
    });
}

template <class T>
void lrn_backward(Grid<const T> x, Grid<const T> dy, Grid<T> dx, Response r, Index groups) {
    check_lrn("lrn_backward", x, dx, r, groups);
    CHECK(same_shape(x, dy), "lrn_backward", "dy ", dy, " is not like x ", x);
    const Index longest = std::clamp<Index>(STRIP_RATIOS / (x.maps / groups * LANES), 1, STRIP_PIXELS);
    with_powers(r.beta, [&](auto powers) {
        for_each_strip(x, groups, longest, [&](const Strip& t) {
            const auto slopes = [&](Index i) { return dy.data + t.offset(i); };
            respond_backward(x.data, t, r, powers, slopes, dx.data,
                             [](const Vec16&, const Vec16& v) { return v; });
        });
    });
}

FOR_MAPS(lrn_forward);
FOR_MAPS(lrn_backward);

namespace naive {

namespace {

template <class Value>
double window_sum(Index i, Index half, Index maps, const Value& value) {
    double total = 0;
    for (Index j = std::max<Index>(i - half, 0); j <= std::min(i + half, maps - 1); ++j) total += value(j);
    return total;
}

// Calls body(first number of the group at this pixel and image) for all of them.
template <class Body>
void for_each_column(const ConstMaps& x, Index groups, const Body& body) {
    const Index maps = x.maps / groups;
    for (Index i = 0; i < x.blocks * groups; ++i)
        for (Index j = 0; j < x.map_stride(); ++j) body(i * maps * x.map_stride() + j);
}

}  // namespace

void lrn_forward(ConstMaps x, Maps y, Response r, Index groups) {
    check_lrn("lrn_forward", x, y, r, groups);
    const Index maps = x.maps / groups, step = x.map_stride();
    for_each_column(x, groups, [&](Index first) {
        const float* a = x.data + first;
        for (Index i = 0; i < maps; ++i) {
            const double squares =
                window_sum(i, r.n / 2, maps, [&](Index j) { return double(a[j * step]) * a[j * step]; });
            y.data[first + i * step] =
                float(a[i * step] * std::pow(r.k + r.alpha * squares, -double(r.beta)));
        }
    });
}

void lrn_backward(ConstMaps x, ConstMaps dy, Maps dx, Response r, Index groups) {
    check_lrn("lrn_backward", x, dx, r, groups);
    CHECK(same_shape(x, dy), "lrn_backward", "dy ", dy, " is not like x ", x);
    const Index maps = x.maps / groups, step = x.map_stride();
    for_each_column(x, groups, [&](Index first) {
        const float *a = x.data + first, *slope = dy.data + first;
        const auto scale = [&](Index i) {
            return r.k + r.alpha * window_sum(i, r.n / 2, maps,
                                              [&](Index j) { return double(a[j * step]) * a[j * step]; });
        };
        for (Index i = 0; i < maps; ++i) {
            const double others = window_sum(i, r.n / 2, maps, [&](Index j) {
                return double(slope[j * step]) * a[j * step] * std::pow(scale(j), -double(r.beta) - 1);
            });
            dx.data[first + i * step] = float(slope[i * step] * std::pow(scale(i), -double(r.beta)) -
                                              2.0 * r.alpha * r.beta * a[i * step] * others);
        }
    });
}

}  // namespace naive

}  // namespace alexnet
