// Average pooling: y = the mean of the window, over the pixels it holds once clipped at the edge.
// x, dx: [maps][height][width][chunks]; y, dy: [maps][out_height][out_width][chunks]; blockIdx.x is the map.
#include "pool.cuh"

__device__ __forceinline__ int clipped(int window, int limit, const PoolShape& s) {
    return min(s.size, limit - window * s.stride);
}

extern "C" __global__ void average_pool_forward(const Chunk* x, Chunk* y, PoolShape s) {
    const int count = s.out_height * s.out_width * s.chunks;
    const Chunk* in = x + (long long)blockIdx.x * s.height * s.width * s.chunks;
    for (int i = flat_index(); i < count; i += flat_step()) {
        const Place out(i, s.out_width, s.chunks);
        const int rows = clipped(out.y, s.height, s), columns = clipped(out.x, s.width, s);
        const Chunk* corner = in + (out.y * s.stride * s.width + out.x * s.stride) * s.chunks + out.chunk;
        Lanes sum = {};
        for (int ky = 0; ky < rows; ++ky) {
            for (int kx = 0; kx < columns; ++kx) {
                const Lanes v = load_lanes(corner + (ky * s.width + kx) * s.chunks);
                each_lane([&](int lane) { sum.at[lane] += v.at[lane]; });
            }
        }
        each_lane([&](int lane) { sum.at[lane] /= rows * columns; });
        store_lanes(y + (long long)blockIdx.x * count + i, sum);
    }
}
KERNEL(average_pool_forward);

extern "C" __global__ void average_pool_backward(const Chunk* dy, Chunk* dx, PoolShape s) {
    const int count = s.height * s.width * s.chunks;
    const long long base = (long long)blockIdx.x * s.out_height * s.out_width * s.chunks;
    for (int i = flat_index(); i < count; i += flat_step()) {
        const Place in(i, s.width, s.chunks);
        const Windows rows(in.y, s.out_height, s), columns(in.x, s.out_width, s);
        Lanes sum = {};
        for (int oy = rows.first; oy <= rows.last; ++oy) {
            for (int ox = columns.first; ox <= columns.last; ++ox) {
                const float pixels = clipped(oy, s.height, s) * clipped(ox, s.width, s);
                const Lanes slope = load_lanes(dy + base + (oy * s.out_width + ox) * s.chunks + in.chunk);
                each_lane([&](int lane) { sum.at[lane] += slope.at[lane] / pixels; });
            }
        }
        store_lanes(dx + (long long)blockIdx.x * count + i, sum);
    }
}
KERNEL(average_pool_backward);
