// The windows of pooling: `size` wide, `stride` apart, clipped at the far edge.
#pragma once
#include "common.cuh"

struct PoolShape {
    int chunks, height, width, out_height, out_width, size, stride;  // chunks: of a pixel's images
};

/// Chunk i of one map: its pixel, and its number there.
struct Place {
    int y, x, chunk;
    __device__ __forceinline__ Place(int i, int width, int chunks)
        : y(i / chunks / width), x(i / chunks % width), chunk(i % chunks) {}
};

/// The windows, along one axis, that hold `place`: first..last.
struct Windows {
    int first, last;
    __device__ __forceinline__ Windows(int place, int out, const PoolShape& s)
        : first(place < s.size ? 0 : (place - s.size) / s.stride + 1), last(min(place / s.stride, out - 1)) {}
};
