// The gradient of convolution's weights, and the packing of weights for the other two products (conv.cu).
// The sum over (pixel, image) is long and the result small: it is split over blocks, the parts added in order.
#include "conv_shape.cuh"
#include "tile.cuh"

/// partial: [splits][groups * kernels][depth]; grid (tiles of depth, tiles of kernels, groups * splits).
extern "C" __global__ void __launch_bounds__(kThreads, kBlocks)
    conv_backward_weights(const Map* x, const Map* dy, float* partial, ConvShape s, int groups) {
    constexpr int kTapCopies = kColumns * kParts / kThreads;
    const int taps = s.size_y * s.size_x, depth = s.source_maps * taps;
    const int columns = s.target_height * s.target_width * s.images;
    const int all = (columns + kDepth - 1) / kDepth, splits = gridDim.z / groups, split = blockIdx.z / groups;
    const int begin = (long long)all * split / splits, end = (long long)all * (split + 1) / splits;
    const long long plane = (long long)s.source_height * s.source_width * s.images;
    const int group = blockIdx.z % groups;
    const Map* maps = x + group * s.source_maps * plane;
    const Map* gradients = dy + (long long)group * s.target_maps * columns;

    const int row = threadIdx.x / kParts, at = threadIdx.x % kParts * kChunk;
    int map[kTapCopies], tap_y[kTapCopies], tap_x[kTapCopies];
    for (int i = 0; i < kTapCopies; ++i) {
        const int r = blockIdx.x * kColumns + row + i * (kThreads / kParts), tap = r % taps;
        map[i] = r < depth ? r / taps : -1;
        tap_y[i] = tap / s.size_x, tap_x[i] = tap % s.size_x;
    }

    Accumulator sum;
    accumulate<DeepTile<kColumns>>(sum, end - begin, [&](int step, Stage<DeepTile<kColumns>>& stage) {
        const int column = (begin + step) * kDepth + at, pixel = column / s.images,
                  image = column - pixel * s.images;
        const bool inside = column < columns;
        for (int i = 0; i < kRows * kParts / kThreads; ++i) {
            const int line = row + i * (kThreads / kParts), kernel = blockIdx.y * kRows + line;
            const bool take = inside && kernel < s.target_maps;
            cp_async16(&stage.a.at[line][at], gradients + (take ? (long long)kernel * columns + column : 0),
                       take);
        }
        const int from_y = pixel / s.target_width * s.stride - s.pad;
        const int from_x = pixel % s.target_width * s.stride - s.pad;
        for (int i = 0; i < kTapCopies; ++i) {
            const int y = from_y + tap_y[i], place_x = from_x + tap_x[i];
            const bool take = inside && map[i] >= 0 && unsigned(y) < unsigned(s.source_height) &&
                              unsigned(place_x) < unsigned(s.source_width);
            const long long from =
                map[i] * plane + (long long)(y * s.source_width + place_x) * s.images + image;
            cp_async16(&stage.b.at[row + i * (kThreads / kParts)][at], take ? maps + from : maps, take);
        }
    });

    float* out = partial + ((long long)split * groups + group) * s.target_maps * depth;
    sum.each([&](int line, int r, float first, float second) {
        line += blockIdx.y * kRows, r += blockIdx.x * kColumns;
        if (line >= s.target_maps) return;
        if (r < depth) out[(long long)line * depth + r] = first;
        if (r + 1 < depth) out[(long long)line * depth + r + 1] = second;
    });
}
KERNEL(conv_backward_weights);

/// dw[i] = the sum of `splits` partial sums, in their order.
extern "C" __global__ void conv_add_splits(const float* partial, float* dw, long long count, int splits) {
    for (long long i = flat_index(); i < count; i += flat_step()) {
        float sum = 0;
        for (int split = 0; split < splits; ++split) sum += partial[split * count + i];
        dw[i] = sum;
    }
}
KERNEL(conv_add_splits);

/// How plain weights are read as [group][row][depth = (outer, tap)], and the padded sizes they are packed to.
struct PackShape {
    int groups, rows, outers, taps, padded_rows, padded_depth;
    int group_stride, row_stride, outer_stride;
};

/// packed: [groups][padded_rows][padded_depth], zeros beyond rows and depth.
extern "C" __global__ void conv_pack(const float* w, Map* packed, PackShape s) {
    const long long count = (long long)s.groups * s.padded_rows * s.padded_depth;
    for (long long i = flat_index(); i < count; i += flat_step()) {
        const int r = i % s.padded_depth, outer = r / s.taps;
        const int row = i / s.padded_depth % s.padded_rows, group = i / s.padded_depth / s.padded_rows;
        const bool real = row < s.rows && outer < s.outers;
        const int from = group * s.group_stride + row * s.row_stride + outer * s.outer_stride + r % s.taps;
        put(packed[i], real ? w[from] : 0.0f);
    }
}
KERNEL(conv_pack);
