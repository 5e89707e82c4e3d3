// The windows of pooling: `size` wide, `stride` apart, clipped at the far edge (overlapping where stride <
// size).
#pragma once
#include "common.cuh"

struct PoolShape {
    int images, height, width, out_height, out_width, size, stride;
};

/// Element i of one map: its pixel and image.
struct Place {
    int y, x, image;
    __device__ __forceinline__ Place(int i, int width, int images)
        : y(i / images / width), x(i / images % width), image(i % images) {}
};

/// The windows, along one axis, that hold `place`: first..last.
struct Windows {
    int first, last;
    __device__ __forceinline__ Windows(int place, int out, const PoolShape& s)
        : first(place < s.size ? 0 : (place - s.size) / s.stride + 1), last(min(place / s.stride, out - 1)) {}
};
