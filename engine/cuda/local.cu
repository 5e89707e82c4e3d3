// Locally connected layers (the authors' CIFAR-10 nets): convolution with kernels and biases of each place's own.
//   forward        y[k][p]     = b[k][p] + sum over r = (c, ky, kx) of w[k][p][r] x[c][p * stride - pad + (ky, kx)]
//   data gradient  dx[c][q]    = sum over k, (ky, kx) of w[k][p][c, ky, kx] dy[k][p], p = (q + pad - (ky, kx)) / stride
//   weights        dw[k][p][r] = sum over images of dy[k][p] x[c][p * stride - pad + (ky, kx)]
// x, dx [maps][height][width][chunks of images], y, dy [kernels][height][width][chunks], w, dw [kernels][height of y]
// [width of y][maps of a group][size_y][size_x] and b [kernels][height of y][width of y] float32; taps beyond an edge
// read zeros. A thread takes LOCAL_ROWS kernels or maps at once: what it loads of a map serves them all.
#include "common.cuh"
#include "conv_shape.cuh"

/// The block's rows, of all that a group has: blockIdx.x counts them by LOCAL_ROWS, group after group.
struct Rows {
    int group, first, count;

    __device__ __forceinline__ explicit Rows(int of_group) {
        const int blocks = (of_group + LOCAL_ROWS - 1) / LOCAL_ROWS;
        group = blockIdx.x / blocks;
        first = group * of_group + blockIdx.x % blocks * LOCAL_ROWS;
        count = min(LOCAL_ROWS, (group + 1) * of_group - first);
    }

    /// body(r, row) for r from 0 to LOCAL_ROWS - 1; beyond the last row it is the last again.
    template <class Body>
    __device__ __forceinline__ void each(const Body& body) const {
#pragma unroll
        for (int r = 0; r < LOCAL_ROWS; ++r) body(r, (long long)(first + min(r, count - 1)));
    }
};

/// The sizes that all three share.
struct Bank {
    int chunks, places, window, taps;
    long long plane;  // of x, in chunks

    __device__ __forceinline__ explicit Bank(const ConvShape& s)
        : chunks(s.images / kChunk),
          places(s.target_height * s.target_width),
          window(s.size_y * s.size_x),
          taps(s.source_maps * window),
          plane((long long)s.source_height * s.source_width * chunks) {}
};

extern "C" __global__ void local_forward(const Chunk* x, const float* w, const float* b, Chunk* y,
                                         ConvShape s) {
    const Rows kernels(s.target_maps);
    const Bank bank(s);
    const Chunk* maps = x + kernels.group * s.source_maps * bank.plane;
    for (int i = flat_index(); i < bank.places * bank.chunks; i += flat_step()) {
        const int place = i / bank.chunks, chunk = i % bank.chunks;
        const int top = place / s.target_width * s.stride - s.pad;
        const int left = place % s.target_width * s.stride - s.pad;
        const float* weights[LOCAL_ROWS];
        Lanes sum[LOCAL_ROWS];
        kernels.each([&](int r, long long kernel) {
            const long long here = kernel * bank.places + place;
            weights[r] = w + here * bank.taps;
            each_lane([&](int lane) { sum[r].at[lane] = b[here]; });
        });
        for (int ky = max(0, -top); ky < min(s.size_y, s.source_height - top); ++ky)
            for (int kx = max(0, -left); kx < min(s.size_x, s.source_width - left); ++kx) {
                const Chunk* from = maps + ((top + ky) * s.source_width + left + kx) * bank.chunks + chunk;
                for (int c = 0; c < s.source_maps; ++c) {
                    const Lanes v = load_lanes(from + c * bank.plane);
                    const int tap = c * bank.window + ky * s.size_x + kx;
                    kernels.each([&](int r, long long) {
                        const float weight = weights[r][tap];
                        each_lane([&](int lane) { sum[r].at[lane] += weight * v.at[lane]; });
                    });
                }
            }
        kernels.each([&](int r, long long kernel) {
            if (r < kernels.count)
                store_lanes(y + (kernel * bank.places + place) * bank.chunks + chunk, sum[r]);
        });
    }
}
KERNEL(local_forward);

extern "C" __global__ void local_backward_data(const Chunk* dy, const float* w, Chunk* dx, ConvShape s) {
    const Rows maps(s.source_maps);
    const Bank bank(s);
    for (int i = flat_index(); i < bank.plane; i += flat_step()) {
        const int pixel = i / bank.chunks, chunk = i % bank.chunks;
        Lanes sum[LOCAL_ROWS] = {};
        for (int tap = 0; tap < bank.window; ++tap) {
            const int reach_y = pixel / s.source_width + s.pad - tap / s.size_x;
            const int reach_x = pixel % s.source_width + s.pad - tap % s.size_x;
            const int row = reach_y / s.stride, column = reach_x / s.stride;
            if (reach_y < 0 || reach_x < 0 || row * s.stride != reach_y || column * s.stride != reach_x)
                continue;
            if (row >= s.target_height || column >= s.target_width) continue;
            const int place = row * s.target_width + column;
            for (int k = 0; k < s.target_maps; ++k) {
                const long long here = (long long)(maps.group * s.target_maps + k) * bank.places + place;
                const Lanes slope = load_lanes(dy + here * bank.chunks + chunk);
                const float* weights = w + here * bank.taps + tap;
                maps.each([&](int r, long long map) {
                    const float weight = weights[(map - maps.group * s.source_maps) * bank.window];
                    each_lane([&](int lane) { sum[r].at[lane] += weight * slope.at[lane]; });
                });
            }
        }
        maps.each([&](int r, long long map) {
            if (r < maps.count) store_lanes(dx + map * bank.plane + i, sum[r]);
        });
    }
}
KERNEL(local_backward_data);

extern "C" __global__ void local_backward_weights(const Chunk* x, const Chunk* dy, float* dw, ConvShape s) {
    const Rows kernels(s.target_maps);
    const Bank bank(s);
    const Chunk* maps = x + kernels.group * s.source_maps * bank.plane;
    for (int i = flat_index(); i < bank.places * bank.taps; i += flat_step()) {
        const int place = i / bank.taps, tap = i % bank.taps;
        const int row = place / s.target_width * s.stride - s.pad + tap % bank.window / s.size_x;
        const int column = place % s.target_width * s.stride - s.pad + tap % s.size_x;
        float sum[LOCAL_ROWS] = {};
        if (unsigned(row) < unsigned(s.source_height) && unsigned(column) < unsigned(s.source_width)) {
            const Chunk* from =
                maps + tap / bank.window * bank.plane + (row * s.source_width + column) * bank.chunks;
            for (int chunk = 0; chunk < bank.chunks; ++chunk) {
                const Lanes v = load_lanes(from + chunk);
                kernels.each([&](int r, long long kernel) {
                    const Lanes slope = load_lanes(dy + (kernel * bank.places + place) * bank.chunks + chunk);
                    each_lane([&](int lane) { sum[r] += slope.at[lane] * v.at[lane]; });
                });
            }
        }
        kernels.each([&](int r, long long kernel) {
            if (r < kernels.count) dw[kernel * bank.places * bank.taps + i] = sum[r];
        });
    }
}
KERNEL(local_backward_weights);
