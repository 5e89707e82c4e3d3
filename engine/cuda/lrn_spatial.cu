// Response normalisation within a map (the authors' code, after LRN2): as lrn.cu, but the sum of squares runs
// over the n x n pixels around each pixel of the same map, clipped at the edges. x, y, dy, dx:
// [maps][height][width][images]; blockIdx.y is the map.
#include "common.cuh"

struct SpatialShape {
    int images, height, width, n;
    float k, alpha, beta;
};

/// A pixel's window: rows top..bottom, columns left..right.
struct Window {
    int top, bottom, left, right;
    __device__ __forceinline__ Window(int y, int x, const SpatialShape& s)
        : top(max(y - s.n / 2, 0)),
          bottom(min(y + s.n / 2, s.height - 1)),
          left(max(x - s.n / 2, 0)),
          right(min(x + s.n / 2, s.width - 1)) {}
};

__device__ __forceinline__ float spatial_scale(const Map* map, int y, int x, int image,
                                               const SpatialShape& s) {
    const Window window(y, x, s);
    float sum = 0;
    for (int v = window.top; v <= window.bottom; ++v) {
        for (int u = window.left; u <= window.right; ++u) {
            const float value = to_float(map[(v * s.width + u) * s.images + image]);
            sum += value * value;
        }
    }
    return s.k + s.alpha * sum;
}

extern "C" __global__ void lrn_spatial_forward(const Map* x, Map* y, SpatialShape s) {
    const int count = s.height * s.width * s.images;
    const Map* map = x + (long long)blockIdx.y * count;
    for (int i = flat_index(); i < count; i += flat_step()) {
        const int pixel = i / s.images;
        const float scale = spatial_scale(map, pixel / s.width, pixel % s.width, i % s.images, s);
        put(y[(long long)blockIdx.y * count + i], to_float(map[i]) * powf(scale, -s.beta));
    }
}
KERNEL(lrn_spatial_forward);

/// scales: [maps][height][width][images] float32, the first pass's s for the second.
extern "C" __global__ void lrn_spatial_scales(const Map* x, float* scales, SpatialShape s) {
    const int count = s.height * s.width * s.images;
    const Map* map = x + (long long)blockIdx.y * count;
    for (int i = flat_index(); i < count; i += flat_step()) {
        const int pixel = i / s.images;
        const float scale = spatial_scale(map, pixel / s.width, pixel % s.width, i % s.images, s);
        scales[(long long)blockIdx.y * count + i] = scale;
    }
}
KERNEL(lrn_spatial_scales);

extern "C" __global__ void lrn_spatial_backward(const Map* x, const Map* dy, const float* scales, Map* dx,
                                                SpatialShape s) {
    const int count = s.height * s.width * s.images;
    const long long base = (long long)blockIdx.y * count;
    for (int i = flat_index(); i < count; i += flat_step()) {
        const int pixel = i / s.images, image = i % s.images;
        const Window window(pixel / s.width, pixel % s.width, s);
        float sum = 0;
        for (int v = window.top; v <= window.bottom; ++v) {
            for (int u = window.left; u <= window.right; ++u) {
                const long long there = base + (v * s.width + u) * s.images + image;
                sum += to_float(dy[there]) * to_float(x[there]) * powf(scales[there], -s.beta - 1);
            }
        }
        const long long here = base + i;
        const float own = to_float(dy[here]) * powf(scales[here], -s.beta);
        put(dx[here], own - 2 * s.alpha * s.beta * to_float(x[here]) * sum);
    }
}
KERNEL(lrn_spatial_backward);
