// Max pooling (max_pool.cpp) row by row.
#pragma once

#include "pool.hpp"
#include "simd.hpp"

namespace alexnet {

// A row of maxima, of windows over `rows` rows of a map of so many columns, from `x` on.
template <class T>
inline void max_pool_row(const T* x, Index rows, Index width, PoolShape s, Index windows, T* y,
                         std::uint8_t* argmax) {
    for (Index o = 0; o < windows; ++o) {
        const Span columns(o, s, width);
        const T* first = x + columns.begin * LANES;
        Vec16 best = load(first);
        IntVec16 where = splat_int(0);
        for (Index i = 0; i < rows; ++i)
            for (Index j = 0; j < columns.size(); ++j) {
                const Vec16 value = load(first + (i * width + j) * LANES);
                const IntVec16 larger = greater_or_nan(value, best);
                best = select(larger, value, best);
                where = select(larger, splat_int(static_cast<std::int32_t>(i * s.size + j)), where);
            }
        store(y + o * LANES, best);
        store_bytes(argmax + o * LANES, where);
    }
}

// Row iy of the gradient of map (b, c), of so many columns.
template <class T>
inline void max_pool_row_backward(const Grid<const T>& dy, const Grid<const std::uint8_t>& argmax,
                                  PoolShape s, Index b, Index c, Index iy, Index width, T* dx) {
    const Holders rows(iy, s, dy.height);
    for (Index ix = 0; ix < width; ++ix) {
        const Holders columns(ix, s, dy.width);
        Vec16 total = splat(0);
        for (Index oy = rows.begin; oy < rows.end; ++oy)
            for (Index ox = columns.begin; ox < columns.end; ++ox) {
                const Index here = (iy - oy * s.stride) * s.size + ix - ox * s.stride;
                const IntVec16 mine =
                    equal(load_bytes(argmax.at(b, c, oy, ox)), splat_int(static_cast<std::int32_t>(here)));
                total = total + select(mine, load(dy.at(b, c, oy, ox)), splat(0));
            }
        store(dx + ix * LANES, total);
    }
}

}  // namespace alexnet
