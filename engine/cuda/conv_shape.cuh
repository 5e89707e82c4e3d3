// The geometry that convolution's three products share.
#pragma once
#include "platform.cuh"

/// A product's geometry for one group: it reads `source` maps and makes `target` maps, whichever way it runs.
struct ConvShape {
    int images, source_maps, source_height, source_width, target_maps, target_height, target_width;
    int size_y, size_x, stride, pad;
};

/// A number in three digits, the last the fastest; it is counted up by jumps, without a division.
struct Digits {
    int high, middle, low;
    __device__ __forceinline__ Digits(int number, int middles, int lows)
        : high(number / lows / middles), middle(number / lows % middles), low(number % lows) {}
    __device__ __forceinline__ void add(const Digits& jump, int middles, int lows) {
        high += jump.high, middle += jump.middle, low += jump.low;
        if (low >= lows) low -= lows, ++middle;
        if (middle >= middles) middle -= middles, ++high;
    }
};
