// What the two kinds of pooling share (section 3.4): windows of size x size pixels, `stride` apart, clipped at the
// right and bottom edge. Windows may overlap (size > stride) or leave gaps (size < stride). x, dx (B, C, H, W, 16);
// y, dy (B, C, Ho, Wo, 16), Ho the floor or the ceiling of (H - size) / stride + 1.
#pragma once

#include <algorithm>

#include "engine.hpp"
#include "threads.hpp"

namespace alexnet {

// The pixels of window o in one direction.
struct Span {
    Index begin, end;
    Span(Index o, PoolShape s, Index side) : begin(o * s.stride), end(std::min(begin + s.size, side)) {}
    Index size() const { return end - begin; }
};

// The windows [begin, end) that hold pixel i in one direction.
struct Holders {
    Index begin, end;
    Holders(Index i, PoolShape s, Index count)
        : begin(i < s.size ? 0 : (i - s.size) / s.stride + 1), end(std::min(i / s.stride + 1, count)) {}
};

template <class Body>  // body(b, c, row of the map), in parallel
void for_each_row(const MapSizes& x, const Body& body) {
    parallel(x.blocks * x.maps, [&](Index i) {
        for (Index y = 0; y < x.height; ++y) body(i / x.maps, i % x.maps, y);
    });
}

namespace naive {

template <class Body>  // body(b, c, y, x)
void for_each_place(const MapSizes& x, const Body& body) {
    for (Index b = 0; b < x.blocks; ++b)
        for (Index c = 0; c < x.maps; ++c)
            for (Index i = 0; i < x.height; ++i)
                for (Index j = 0; j < x.width; ++j) body(b, c, i, j);
}

}  // namespace naive

}  // namespace alexnet
