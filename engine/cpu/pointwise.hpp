// What the operations share that go number by number: x, y, dy, dx (B, C, H, W, 16). y may be x, and dx may be dy.
#pragma once

#include "shapes.hpp"
#include "simd.hpp"
#include "threads.hpp"

namespace alexnet {

// Calls body(offset) for each pixel's LANES numbers, in parallel.
template <class Body>
void for_each_pixel(const MapSizes& x, const Body& body) {
    parallel(x.blocks * x.maps, [&](Index map) {
        for (Index i = 0; i < x.map_stride(); i += LANES) body(map * x.map_stride() + i);
    });
}

inline void check_alike(const char* op, const MapSizes& y, const MapSizes& dy, const MapSizes& dx) {
    check_some(op, y);
    CHECK(same_shape(y, dy) && same_shape(y, dx), op, "shapes differ: y ", y, ", dy ", dy, ", dx ", dx);
}

}  // namespace alexnet
