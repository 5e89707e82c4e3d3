// Convolution (paper, 3.5) and its gradients as implicit matrix products: no column matrix is ever written.
//   forward        y[k][p, n]  = b[k] + sum over r = (ky, kx, c) of w[k][r] x[c][p * stride - pad + (ky, kx), n]
//   data gradient  dx[c][q, n] = sum over r = (ky, kx, k) of w[r][c] dy[k][(q + pad - (ky, kx)) / stride, n]
//   weights        dw[k][r]    = sum over j = (p, n) of dy[k][j] x[c][p * stride - pad + (ky, kx), n]
// Columns are (pixel, image), images innermost, so 16 bytes of a column never span two pixels; depth is (tap,
// map), so that what a thread copies at once is one pixel of neighbouring maps. Taps beyond an edge read
// zeros. Weights come packed (conv_pack.cu).
#include "conv_shape.cuh"
#include "tile.cuh"

/// Where the source pixel of a tap lies along one axis; false if there is none.
struct Forward {
    __device__ static __forceinline__ int origin(int target, const ConvShape& s) {
        return target * s.stride - s.pad;
    }
    __device__ static __forceinline__ bool at(int origin, int tap, const ConvShape&, int limit, int& place) {
        place = origin + tap;
        return unsigned(place) < unsigned(limit);
    }
};

struct Backward {
    __device__ static __forceinline__ int origin(int target, const ConvShape& s) { return target + s.pad; }
    __device__ static __forceinline__ bool at(int origin, int tap, const ConvShape& s, int limit,
                                              int& place) {
        const int reach = origin - tap;
        place = s.stride == 1 ? reach : reach / s.stride;
        return reach >= 0 && place * s.stride == reach && place < limit;
    }
};

/// The block's tile of the target's maps of group blockIdx.y. Tiles of the same columns are neighbours in
/// blockIdx.x: what they both read is still near.
template <int rows>
struct Target {
    int tile, first_row, first_column, columns;
    __device__ __forceinline__ explicit Target(const ConvShape& s) {
        const int tiles = (s.target_maps + rows - 1) / rows;
        tile = blockIdx.y * tiles + blockIdx.x % tiles;
        first_row = blockIdx.x % tiles * rows, first_column = blockIdx.x / tiles * kColumns;
        columns = s.target_height * s.target_width * s.images;
    }
};

/// Adds up the tile. A thread copies a run of maps of one tap, at one place in the columns.
template <class Way, int rows>
__device__ __forceinline__ void convolve(Accumulator<rows>& sum, const Target<rows>& target,
                                         const Map* source, const Map* packed, const ConvShape& s) {
    constexpr int kAcross = kColumns / kChunk;
    using Tiles = Stage<rows, WideTile>;
    const int maps = padded(s.source_maps);
    const int steps = (maps * s.size_y * s.size_x + kDepth - 1) / kDepth;
    const long long plane = (long long)s.source_height * s.source_width * s.images;
    const Map* weights = packed + (long long)target.tile * steps * rows * kDepth + threadIdx.x * kChunk;
    const Map* maps_here = source + blockIdx.y * s.source_maps * plane;

    const unsigned part = threadIdx.x % kAcross, run = threadIdx.x / kAcross * kTogether;
    const int column = target.first_column + part * kChunk, pixel = column / s.images;
    const int origin_y = Way::origin(pixel / s.target_width, s);
    const int origin_x = Way::origin(pixel % s.target_width, s);
    maps_here += column - pixel * s.images;
    const unsigned to_a = DeepTile<rows>::place(threadIdx.x / kParts, threadIdx.x % kParts);
    const unsigned to_b = WideTile::place(run, part);
    Digits tap(run, s.size_x, maps);  // its row, its column, the run's first map
    const Digits jump(kDepth, s.size_x, maps);

    pipeline<Tiles>(
        steps,
        [&](Tiles& stage) {
            each_row_copied<rows>(
                [&](int row) { cp_async16(stage.a.at(to_a + row * kDepth), weights + row * kDepth, true); });
            weights += rows * kDepth;
            int y, x;
            const bool in_y = Way::at(origin_y, tap.high, s, s.source_height, y);
            const bool in_x = Way::at(origin_x, tap.middle, s, s.source_width, x);
            const bool inside = column < target.columns && tap.high < s.size_y && in_y && in_x;
            const int real = inside ? s.source_maps - tap.low : 0;
            const Map* from = maps_here + tap.low * plane + (y * s.source_width + x) * s.images;
            for (int i = 0; i < kTogether; ++i, from += plane)
                cp_async16(stage.b.at(to_b ^ WideTile::place(i, 0)), from, i < real);
            tap.add(jump, s.size_x, maps);
        },
        [&](const Tiles& stage) { sum.multiply(stage.a, stage.b); });
}

/// Writes what exists of the block's tile into `out`, all target maps: finish(sum), after finish.row(map).
template <int rows, class Finish>
__device__ __forceinline__ void store(const Accumulator<rows>& sum, const Target<rows>& target,
                                      const ConvShape& s, Map* out, Finish finish) {
    const int column = target.first_column + sum.column();
    sum.each_row([&](int row, const typename Accumulator<rows>::Pairs& pairs) {
        if (target.first_row + row >= s.target_maps) return;
        const int map = blockIdx.y * s.target_maps + target.first_row + row;
        Map* to = out + (long long)map * target.columns + column;
        finish.row(map);
#pragma unroll
        for (int j = 0; j < sum.kPairs; ++j)
            if (column + j * sum.kApart < target.columns)
                put_pair(to + j * sum.kApart, finish(pairs.at[j][0]), finish(pairs.at[j][1]));
    });
}

struct AsItIs {
    __device__ __forceinline__ void row(int) {}
    __device__ __forceinline__ float operator()(float sum) const { return sum; }
};

/// With the map's bias; no less than `least`, but a NaN stays one.
struct Biased {
    const float* biases;
    float least, bias;
    __device__ __forceinline__ void row(int map) { bias = biases[map]; }
    __device__ __forceinline__ float operator()(float sum) const {
        return sum + bias < least ? least : sum + bias;
    }
};

template <int rows>
__device__ __forceinline__ void forward(const Map* x, const Map* packed, const float* b, Map* y,
                                        const ConvShape& s, int relu) {
    const Target<rows> target(s);
    Accumulator<rows> sum;
    convolve<Forward>(sum, target, x, packed, s);
    const float minus_infinity = __uint_as_float(0xff800000u);
    store(sum, target, s, y, Biased{b, relu ? 0.0f : minus_infinity, 0.0f});
}

template <int rows>
__device__ __forceinline__ void backward_data(const Map* dy, const Map* packed, Map* dx, const ConvShape& s) {
    const Target<rows> target(s);
    Accumulator<rows> sum;
    convolve<Backward>(sum, target, dy, packed, s);
    store(sum, target, s, dx, AsItIs{});
}

extern "C" __global__ void __launch_bounds__(kThreads, CONV_LOWEST_BLOCKS)
    conv_forward_lowest(const Map* __restrict__ x, const Map* __restrict__ packed,
                        const float* __restrict__ b, Map* __restrict__ y, ConvShape s, int relu) {
    forward<kLowest>(x, packed, b, y, s, relu);
}
KERNEL(conv_forward_lowest);

extern "C" __global__ void __launch_bounds__(kThreads, CONV_LOW_BLOCKS)
    conv_forward_low(const Map* __restrict__ x, const Map* __restrict__ packed, const float* __restrict__ b,
                     Map* __restrict__ y, ConvShape s, int relu) {
    forward<kLow>(x, packed, b, y, s, relu);
}
KERNEL(conv_forward_low);

extern "C" __global__ void __launch_bounds__(kThreads, CONV_MIDDLE_BLOCKS)
    conv_forward_middle(const Map* __restrict__ x, const Map* __restrict__ packed,
                        const float* __restrict__ b, Map* __restrict__ y, ConvShape s, int relu) {
    forward<kMiddle>(x, packed, b, y, s, relu);
}
KERNEL(conv_forward_middle);

extern "C" __global__ void __launch_bounds__(kThreads, CONV_TALL_BLOCKS)
    conv_forward_tall(const Map* __restrict__ x, const Map* __restrict__ packed, const float* __restrict__ b,
                      Map* __restrict__ y, ConvShape s, int relu) {
    forward<kTall>(x, packed, b, y, s, relu);
}
KERNEL(conv_forward_tall);

extern "C" __global__ void __launch_bounds__(kThreads, CONV_LOWEST_BLOCKS)
    conv_backward_data_lowest(const Map* __restrict__ dy, const Map* __restrict__ packed,
                              Map* __restrict__ dx, ConvShape s) {
    backward_data<kLowest>(dy, packed, dx, s);
}
KERNEL(conv_backward_data_lowest);

extern "C" __global__ void __launch_bounds__(kThreads, CONV_LOW_BLOCKS)
    conv_backward_data_low(const Map* __restrict__ dy, const Map* __restrict__ packed, Map* __restrict__ dx,
                           ConvShape s) {
    backward_data<kLow>(dy, packed, dx, s);
}
KERNEL(conv_backward_data_low);

extern "C" __global__ void __launch_bounds__(kThreads, CONV_MIDDLE_BLOCKS)
    conv_backward_data_middle(const Map* __restrict__ dy, const Map* __restrict__ packed,
                              Map* __restrict__ dx, ConvShape s) {
    backward_data<kMiddle>(dy, packed, dx, s);
}
KERNEL(conv_backward_data_middle);

extern "C" __global__ void __launch_bounds__(kThreads, CONV_TALL_BLOCKS)
    conv_backward_data_tall(const Map* __restrict__ dy, const Map* __restrict__ packed, Map* __restrict__ dx,
                            ConvShape s) {
    backward_data<kTall>(dy, packed, dx, s);
}
KERNEL(conv_backward_data_tall);
