// Views of the caller's arrays. "Maps" are (blocks, maps, height, width, LANES): image n is block n / LANES,
// lane n % LANES, so that every operation vectorises over images with no remainder and no shuffles.
#pragma once

#include <cstdint>

namespace alexnet {

using Index = std::int64_t;
inline constexpr Index LANES = 16;

// A number bf16: the upper half of a float32's bits. Maps are of one or of the other.
using Bf16 = std::uint16_t;

struct MapSizes {
    Index blocks, maps, height, width;

    Index pixels() const { return height * width; }
    Index map_stride() const { return pixels() * LANES; }
    Index row_stride() const { return width * LANES; }
    Index size() const { return blocks * maps * map_stride(); }
};

template <class T>
struct Grid : MapSizes {
    T* data;

    Grid(T* data, Index blocks, Index maps, Index height, Index width)
        : MapSizes{blocks, maps, height, width}, data(data) {}
    T* at(Index b, Index c, Index y = 0, Index x = 0) const {
        return data + (((b * maps + c) * height + y) * width + x) * LANES;
    }
    operator Grid<const T>() const { return {data, blocks, maps, height, width}; }
};

using Maps = Grid<float>;
using ConstMaps = Grid<const float>;

// Convolution weights, (kernels, maps of a group, height, width).
template <class T>
struct Kernels {
    T* data;
    Index kernels, maps, height, width;

    Index taps() const { return maps * height * width; }
    operator Kernels<const T>() const { return {data, kernels, maps, height, width}; }
    T& at(Index k, Index c, Index y, Index x) const {
        return data[((k * maps + c) * height + y) * width + x];
    }
};

// A row-major matrix, or any flat run of numbers with rows = 1.
template <class T>
struct Matrix {
    T* data;
    Index rows, columns;
};

}  // namespace alexnet
