// Response normalisation within a map (the authors' code, after LRN2): as lrn.cu, but the sum of squares runs
// over the n x n pixels around each pixel of the same map, clipped at the edges. x, y, dy, dx:
// [maps][height][width][chunks of images]; blockIdx.x is the map; a thread takes a chunk.
#include "common.cuh"

struct SpatialShape {
    int chunks, height, width, n;
    float k, alpha, beta;
};

/// A chunk's values in float32, whatever a map holds.
struct alignas(16) Wide {
    float at[kChunk];
};

/// Calls body(place) for each pixel of the window around pixel i / chunks of one map; places are chunks.
template <class Body>
__device__ __forceinline__ void each_in_window(int i, const SpatialShape& s, const Body& body) {
    const int pixel = i / s.chunks, chunk = i % s.chunks;
    const int y = pixel / s.width, x = pixel % s.width, reach = s.n / 2;
    const int bottom = min(y + reach, s.height - 1), right = min(x + reach, s.width - 1);
    for (int v = max(y - reach, 0); v <= bottom; ++v)
        for (int u = max(x - reach, 0); u <= right; ++u) body((v * s.width + u) * s.chunks + chunk);
}

__device__ __forceinline__ Wide spatial_scale(const Chunk* map, int i, const SpatialShape& s) {
    Wide scale{};
    each_in_window(i, s, [&](int place) {
        const Lanes v = load_lanes(map + place);
        each_lane([&](int lane) { scale.at[lane] += v.at[lane] * v.at[lane]; });
    });
    each_lane([&](int lane) { scale.at[lane] = s.k + s.alpha * scale.at[lane]; });
    return scale;
}

extern "C" __global__ void lrn_spatial_forward(const Chunk* x, Chunk* y, SpatialShape s) {
    const int count = s.height * s.width * s.chunks;
    const long long base = (long long)blockIdx.x * count;
    for (int i = flat_index(); i < count; i += flat_step()) {
        const Wide scale = spatial_scale(x + base, i, s);
        Lanes v = load_lanes(x + base + i);
        each_lane([&](int lane) { v.at[lane] *= Inverse(scale.at[lane], s.beta).power; });
        store_lanes(y + base + i, v);
    }
}
KERNEL(lrn_spatial_forward);

/// scales: [maps][height][width][chunks of images] float32, the first pass's s for the second.
extern "C" __global__ void lrn_spatial_scales(const Chunk* x, Wide* scales, SpatialShape s) {
    const int count = s.height * s.width * s.chunks;
    const long long base = (long long)blockIdx.x * count;
    for (int i = flat_index(); i < count; i += flat_step()) scales[base + i] = spatial_scale(x + base, i, s);
}
KERNEL(lrn_spatial_scales);

extern "C" __global__ void lrn_spatial_backward(const Chunk* x, const Chunk* dy, const Wide* scales,
                                                Chunk* dx, SpatialShape s) {
    const int count = s.height * s.width * s.chunks;
    const long long base = (long long)blockIdx.x * count;
    for (int i = flat_index(); i < count; i += flat_step()) {
        Lanes sum{};
        each_in_window(i, s, [&](int place) {
            const Lanes value = load_lanes(x + base + place), slope = load_lanes(dy + base + place);
            const Wide scale = scales[base + place];
            each_lane([&](int lane) {
                const Inverse inverse(scale.at[lane], s.beta);
                sum.at[lane] += slope.at[lane] * value.at[lane] * inverse.power * inverse.whole;
            });
        });
        const Lanes value = load_lanes(x + base + i), slope = load_lanes(dy + base + i);
        const Wide scale = scales[base + i];
        each_lane([&](int lane) {
            const float own = slope.at[lane] * Inverse(scale.at[lane], s.beta).power;
            sum.at[lane] = own - 2 * s.alpha * s.beta * value.at[lane] * sum.at[lane];
        });
        store_lanes(dx + base + i, sum);
    }
}
KERNEL(lrn_spatial_backward);
