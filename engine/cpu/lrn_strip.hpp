// Local response normalisation across maps (lrn.cpp) over some pixels.
#pragma once

#include <algorithm>

#include "engine.hpp"
#include "lrn.hpp"
#include "threads.hpp"
#include "unrounded.hpp"

namespace alexnet {

// Some pixels of all maps of one group of one block; offset(i) leads to those of map i.
struct Strip {
    Index offset_0, map_stride, maps, pixels;
    Index offset(Index map) const { return offset_0 + map * map_stride; }
};

// Sum over the maps j within n/2 of map i of value(j).
template <class Value>
inline Vec16 window_sum(Index i, Index half, Index maps, const Value& value) {
    Vec16 total = splat(0);
    const Index end = std::min(i + half + 1, maps);
    for (Index j = std::max<Index>(i - half, 0); j < end; ++j) total = total + value(j);
    return total;
}

template <class T>
inline Vec16 squares(const T* x, const Strip& t, Index i, Index half, Index pixel) {
    return window_sum(i, half, t.maps, [&](Index j) {
        const Vec16 v = load(x + t.offset(j) + pixel * LANES);
        return v * v;
    });
}

// The responses of map i.
template <class T, class Powers>
void respond(const T* x, const Strip& t, Index i, Response r, const Powers& powers, T* y) {
    for (Index p = 0; p < t.pixels; ++p) {
        const Vec16 scale = splat(r.k) + squares(x, t, i, r.n / 2, p) * r.alpha;
        store(y + p * LANES, load(x + t.offset(i) + p * LANES) * powers.power(scale));
    }
}

// The gradient of all maps, as given(x, gradient), where slopes(i) leads to dy of map i: asked for once, in order.
template <class T, class Powers, class Slopes, class Given>
void respond_backward(const T* x, const Strip& t, Response r, const Powers& powers, const Slopes& slopes,
                      T* dx, const Given& given) {
    thread_local Scratch scratch;
    const Index row = t.pixels * LANES;
    float* ratios = scratch.floats(2 * t.maps * row);
    const auto waiting = [&](Index i) { return unrounded(dx + t.offset(i), ratios + (t.maps + i) * row); };
    for (Index i = 0; i < t.maps; ++i) {
        const T* dy = slopes(i);
        float* direct = waiting(i);
        for (Index p = 0; p < t.pixels; ++p) {
            const Vec16 scale = splat(r.k) + squares(x, t, i, r.n / 2, p) * r.alpha;
            const Vec16 slope = load(dy + p * LANES) * powers.power(scale);
            const Vec16 own = load(x + t.offset(i) + p * LANES);
            store(direct + p * LANES, slope);
            store(ratios + i * row + p * LANES, powers.ratio(slope * own, scale));
        }
    }
    for (Index i = 0; i < t.maps; ++i) {
        const float* direct = waiting(i);
        for (Index p = 0; p < t.pixels; ++p) {
            const Index at = t.offset(i) + p * LANES;
            const Vec16 others =
                window_sum(i, r.n / 2, t.maps, [&](Index j) { return load(ratios + j * row + p * LANES); });
            const Vec16 own = load(x + at);
            store(dx + at, given(own, load(direct + p * LANES) - own * others * (2 * r.alpha * r.beta)));
        }
    }
}

}  // namespace alexnet
