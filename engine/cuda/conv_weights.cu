// The gradient of convolution's weights and biases (conv.cu). The sum over (pixel, image) is long and the
// result small, so it is split over blocks; the parts are added in order. A row of a partial sum holds depth
// = (tap, map), padded maps included, and then the bias.
#include "conv_shape.cuh"
#include "tile.cuh"

/// partial: [splits][groups * kernels][depth + kTogether] float32; grid (tiles of depth, tiles of kernels,
/// groups * splits). A thread copies a run of maps of one tap; the blocks of the first tile of depth also
/// sum the rows of dy, each row in one thread.
template <int rows>
__device__ __forceinline__ void backward_weights(const Map* source, const Map* gradients, float* partial,
                                                 const ConvShape& s, int groups) {
    using Tiles = Stage<rows, DeepTile<kColumns>>;
    const int maps = padded(s.source_maps), depth = maps * s.size_y * s.size_x;
    const int columns = s.target_height * s.target_width * s.images;
    const int all = (columns + kDepth - 1) / kDepth, splits = gridDim.z / groups, split = blockIdx.z / groups;
    const int begin = (long long)all * split / splits, end = (long long)all * (split + 1) / splits;
    const long long plane = (long long)s.source_height * s.source_width * s.images;
    const int group = blockIdx.z % groups, first_kernel = blockIdx.y * rows;
    source += group * s.source_maps * plane, gradients += (long long)group * s.target_maps * columns;

    const unsigned part = threadIdx.x % kParts, row = threadIdx.x / kParts, run = row * kTogether;
    const Digits tap(blockIdx.x * kColumns + run, s.size_x, maps);
    const int reach_y = tap.high - s.pad, reach_x = tap.middle - s.pad;
    const int real = tap.high < s.size_y ? s.source_maps - tap.low : 0,
              kernels = s.target_maps - first_kernel;
    const int first = begin * kDepth + part * kChunk;
    source += tap.low * plane, gradients += (long long)(first_kernel + row) * columns + first;
    const unsigned to_a = DeepTile<rows>::place(row, part), to_b = DeepTile<kColumns>::place(run, part);
    Digits place(first, s.target_width, s.images);  // y, x, image
    const Digits jump(kDepth, s.target_width, s.images);

    Accumulator<rows> sum;
    float bias = 0;
    pipeline<Tiles>(
        end - begin,
        [&](Tiles& stage) {
            const bool inside = place.high < s.target_height;
            each_row_copied<rows>([&](int i) {
                const Map* from = gradients + (long long)i * columns;
                cp_async16(stage.a.at(to_a + i * kDepth), from, inside && int(row) + i < kernels);
            });
            gradients += kDepth;
            const int y = place.high * s.stride + reach_y, x = place.middle * s.stride + reach_x;
            const bool there =
                inside && unsigned(y) < unsigned(s.source_height) && unsigned(x) < unsigned(s.source_width);
            const Map* from = source + (y * s.source_width + x) * s.images + place.low;
            for (int i = 0; i < kTogether; ++i, from += plane)
                cp_async16(stage.b.at(to_b ^ DeepTile<kColumns>::place(i, 0)), from, there && i < real);
            place.add(jump, s.target_width, s.images);
        },
        [&](const Tiles& stage) {
            sum.multiply(stage.a, stage.b);
            if (blockIdx.x || threadIdx.x >= rows) return;
            for (int at = 0; at < kParts; ++at) {
                const Map* chunk = stage.a.at(stage.a.place(threadIdx.x, at));
                const Lanes lanes = load_lanes(reinterpret_cast<const Chunk*>(chunk));
                each_lane([&](int lane) { bias += lanes.at[lane]; });
            }
        });

    const int width = depth + kTogether;
    float* out = partial + (((long long)split * groups + group) * s.target_maps + first_kernel) * width;
    const int r = blockIdx.x * kColumns + sum.column();
    sum.each_row([&](int line, const typename Accumulator<rows>::Pairs& pairs) {
        if (line >= kernels) return;
#pragma unroll
        for (int j = 0; j < sum.kPairs; ++j)
            if (const int at = r + j * sum.kApart; at < depth)
                put_pair(out + (long long)line * width + at, pairs.at[j][0], pairs.at[j][1]);
    });
    if (blockIdx.x == 0 && threadIdx.x < min(rows, kernels))
        out[(long long)threadIdx.x * width + depth] = bias;
}

extern "C" __global__ void __launch_bounds__(kThreads, CONV_LOWEST_BLOCKS)
    conv_backward_weights_lowest(const Map* __restrict__ x, const Map* __restrict__ dy,
                                 float* __restrict__ partial, ConvShape s, int groups) {
    backward_weights<kLowest>(x, dy, partial, s, groups);
}
KERNEL(conv_backward_weights_lowest);

extern "C" __global__ void __launch_bounds__(kThreads, CONV_LOW_BLOCKS)
    conv_backward_weights_low(const Map* __restrict__ x, const Map* __restrict__ dy,
                              float* __restrict__ partial, ConvShape s, int groups) {
    backward_weights<kLow>(x, dy, partial, s, groups);
}
KERNEL(conv_backward_weights_low);

extern "C" __global__ void __launch_bounds__(kThreads, CONV_MIDDLE_BLOCKS)
    conv_backward_weights_middle(const Map* __restrict__ x, const Map* __restrict__ dy,
                                 float* __restrict__ partial, ConvShape s, int groups) {
    backward_weights<kMiddle>(x, dy, partial, s, groups);
}
KERNEL(conv_backward_weights_middle);

extern "C" __global__ void __launch_bounds__(kThreads, CONV_TALL_BLOCKS)
    conv_backward_weights_tall(const Map* __restrict__ x, const Map* __restrict__ dy,
                               float* __restrict__ partial, ConvShape s, int groups) {
    backward_weights<kTall>(x, dy, partial, s, groups);
}
KERNEL(conv_backward_weights_tall);

struct alignas(kTogether * sizeof(float)) Run {
    float at[kTogether];
};

/// Adds the parts in their order: dw [kernels][maps][taps], db [kernels]. A thread takes a run of maps.
extern "C" __global__ void conv_add_splits(const float* __restrict__ partial, float* __restrict__ dw,
                                           float* __restrict__ db, int kernels, int maps, int taps,
                                           int splits) {
    const int together = padded(maps), runs = (together * taps) / kTogether + 1;
    const long long size = (long long)kernels * runs * kTogether;
    for (long long i = flat_index(); i < (long long)kernels * runs; i += flat_step()) {
        float sum[kTogether] = {};
        for (int split = 0; split < splits; ++split) {
            const auto part = *reinterpret_cast<const Run*>(partial + split * size + i * kTogether);
            for (int at = 0; at < kTogether; ++at) sum[at] += part.at[at];
        }
        const int kernel = i / runs, r = i % runs * kTogether, tap = r / together, map = r % together;
        if (tap == taps) {
            db[kernel] = sum[0];
            continue;
        }
        float* out = dw + ((long long)kernel * maps + map) * taps + tap;
        for (int at = 0; at < min(kTogether, maps - map); ++at) out[(long long)at * taps] = sum[at];
    }
}
KERNEL(conv_add_splits);
