// Response normalisation and the max pooling of its responses in one pass (lrn.cpp, max_pool.cpp), map by map over some
// rows: the responses of one map are all that there ever is of them. On the way back, also ReLU below.
#include "fused.hpp"
#include "lrn_strip.hpp"
#include "max_pool.hpp"
#include "shapes.hpp"
#include "split.hpp"

namespace alexnet {

namespace {

constexpr Index BAND_PIXELS = 512;  // 32 kB a map: of all maps in a window, in a second-level cache

// Rows [begin, end) of the maps of one group of one block.
Strip strip_of(const MapSizes& x, Index block_and_group, Index maps, Range rows) {
    return {block_and_group * maps * x.map_stride() + rows.begin * x.row_stride(), x.map_stride(), maps,
            rows.size() * x.width};
}

void check_lrn_max_pool(const char* op, const MapSizes& x, const MapSizes& y, const MapSizes& argmax,
                        Response r, Index groups, PoolShape s) {
    check_lrn(op, x, x, r, groups);
    check_max_pool(op, x, y, argmax, s);
}

}  // namespace

template <class T>
void lrn_max_pool_forward(Grid<const T> x, Grid<T> y, Grid<std::uint8_t> argmax, Response r, Index groups,
                          PoolShape s) {
    check_lrn_max_pool("lrn_max_pool_forward", x, y, argmax, r, groups, s);
    const Index maps = x.maps / groups,
                most = std::max<Index>((BAND_PIXELS / x.width - s.size) / s.stride + 1, 1);
    const Split bands = split(y.height, most);
    with_powers(r.beta, [&](auto powers) {
        parallel(x.blocks * groups * bands.count, [&](Index task) {
            thread_local Scratch scratch;
            const Range band = bands[task % bands.count];
            const Index part = task / bands.count, first = band.begin * s.stride;
            const Strip t = strip_of(x, part, maps, {first, Span(band.end - 1, s, x.height).end});
            T* responses = scratch.numbers<T>(t.pixels * LANES);
            for (Index i = 0; i < maps; ++i) {
                respond(x.data, t, i, r, powers, responses);
                for (Index oy = band.begin; oy < band.end; ++oy) {
                    const Span rows(oy, s, x.height);
                    const Index b = part / groups, c = part % groups * maps + i;
                    max_pool_row(responses + (rows.begin - first) * x.row_stride(), rows.size(), x.width, s,
                                 y.width, y.at(b, c, oy), argmax.at(b, c, oy));
                }
            }
        });
    });
}

template <class T>
void lrn_max_pool_backward(Grid<const T> x, Grid<const T> dy, Grid<const std::uint8_t> argmax, Grid<T> dx,
                           Response r, Index groups, PoolShape s, bool relu) {
    check_lrn_max_pool("lrn_max_pool_backward", x, dy, argmax, r, groups, s);
    CHECK(same_shape(x, dx), "lrn_max_pool_backward", "dx ", dx, " is not like x ", x);
    const Index maps = x.maps / groups;
    with_powers(r.beta, [&](auto powers) {
        parallel(x.blocks * groups * x.height, [&](Index task) {
            thread_local Scratch scratch;
            const Index part = task / x.height, row = task % x.height;
            T* responses = scratch.numbers<T>(x.row_stride());  // their gradient
            const auto slopes = [&](Index i) {
                const Index b = part / groups, c = part % groups * maps + i;
                max_pool_row_backward(dy, argmax, s, b, c, row, x.width, responses);
                return responses;
            };
            respond_backward(x.data, strip_of(x, part, maps, {row, row + 1}), r, powers, slopes, dx.data,
                             [relu](const Vec16& own, const Vec16& v) {
                                 return relu ? select(less(splat(0), own), v, splat(0)) : v;
                             });
        });
    });
}

FOR_MAPS(lrn_max_pool_forward);
FOR_MAPS(lrn_max_pool_backward);

}  // namespace alexnet
