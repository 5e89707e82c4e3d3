// Convolution (paper, 3.5) and its gradients as implicit matrix products: no column matrix is ever written.
//   forward        y[k][p, n]  = b[k] + sum over r = (c, ky, kx) of w[k][r] x[c][p * stride - pad + (ky, kx), n]
//   data gradient  dx[c][q, n] = sum over r = (k, ky, kx) of w[k][c, ky, kx] dy[k][(q + pad - (ky, kx)) / stride, n]
//   weights        dw[k][r]    = sum over j = (p, n) of dy[k][j] x[c][p * stride - pad + (ky, kx), n]
// Columns are (pixel, image), images innermost, so 16 bytes of a column never span two pixels. Taps beyond an
// edge read zeros. Weights come packed: rows and depth padded with zeros to whole tiles.
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

/// The target's tile at (blockIdx.y, blockIdx.x) of group blockIdx.z.
template <class Way>
__device__ __forceinline__ void convolve(Accumulator& sum, const Map* source, const Map* packed,
                                         const ConvShape& s) {
    constexpr int kColumnCopies = kColumns / kChunk * kDepth / kThreads;
    constexpr int kRowThreads = kThreads / kDepth;
    const int taps = s.size_y * s.size_x, depth = s.source_maps * taps;
    const int steps = (depth + kDepth - 1) / kDepth, padded = steps * kDepth;
    const int columns = s.target_height * s.target_width * s.images;
    const long long plane = (long long)s.source_height * s.source_width * s.images;
    const Divider by_taps(taps), by_width(s.size_x);

    const Map* weights = packed + ((long long)blockIdx.z * gridDim.y + blockIdx.y) * kRows * padded;
    const Map* maps = source + blockIdx.z * s.source_maps * plane;
    const int row = threadIdx.x / kRowThreads, part = threadIdx.x % kRowThreads;
    int origin_y[kColumnCopies], origin_x[kColumnCopies], image[kColumnCopies];
    bool inside[kColumnCopies];
    for (int i = 0; i < kColumnCopies; ++i) {
        const int column = blockIdx.x * kColumns + (part + i * kRowThreads) * kChunk,
                  pixel = column / s.images;
        inside[i] = column < columns;
        image[i] = column - pixel * s.images;
        origin_y[i] = Way::origin(pixel / s.target_width, s);
        origin_x[i] = Way::origin(pixel % s.target_width, s);
    }

    accumulate<WideTile>(sum, steps, [&](int step, Stage<WideTile>& stage) {
        for (int copy = threadIdx.x; copy < kRows * kParts; copy += kThreads) {
            const int at = copy % kParts * kChunk;
            cp_async16(&stage.a.at[copy / kParts][at], weights + copy / kParts * padded + step * kDepth + at,
                       true);
        }
        const int r = step * kDepth + row, map = by_taps.of(r), tap = r - map * taps;
        const int tap_y = by_width.of(tap), tap_x = tap - tap_y * s.size_x;
        for (int i = 0; i < kColumnCopies; ++i) {
            int y, x;
            const bool in_y = Way::at(origin_y[i], tap_y, s, s.source_height, y);
            const bool in_x = Way::at(origin_x[i], tap_x, s, s.source_width, x);
            const bool take = inside[i] && r < depth && in_y && in_x;
            const long long from = map * plane + (long long)(y * s.source_width + x) * s.images + image[i];
            cp_async16(&stage.b.at[row][(part + i * kRowThreads) * kChunk], take ? maps + from : maps, take);
        }
    });
}

/// Calls write(map, index, first, second) for each pair of columns of the block's tile that exists; `index`
/// is the first one's in all target maps.
template <class Write>
__device__ __forceinline__ void store(const Accumulator& sum, const ConvShape& s, const Write& write) {
    const int columns = s.target_height * s.target_width * s.images;
    sum.each([&](int row, int column, float first, float second) {
        row += blockIdx.y * kRows, column += blockIdx.x * kColumns;
        if (row >= s.target_maps || column >= columns) return;
        const int map = blockIdx.z * s.target_maps + row;
        write(map, (long long)map * columns + column, first, second);
    });
}

extern "C" __global__ void __launch_bounds__(kThreads, kBlocks)
    conv_forward(const Map* x, const Map* packed, const float* b, Map* y, ConvShape s, int relu) {
    Accumulator sum;
    convolve<Forward>(sum, x, packed, s);
    store(sum, s, [&](int map, long long index, float first, float second) {
        first += b[map], second += b[map];
        put_pair(y + index, relu && first < 0 ? 0.0f : first, relu && second < 0 ? 0.0f : second);
    });
}
KERNEL(conv_forward);

extern "C" __global__ void __launch_bounds__(kThreads, kBlocks)
    conv_backward_data(const Map* dy, const Map* packed, Map* dx, ConvShape s) {
    Accumulator sum;
    convolve<Backward>(sum, dy, packed, s);
    store(sum, s,
          [&](int, long long index, float first, float second) { put_pair(dx + index, first, second); });
}
KERNEL(conv_backward_data);
