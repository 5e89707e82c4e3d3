// Overlapping max pooling (paper, 3.4): y = max over the window; ties go to the first. The backward pass
// gathers, so the sum over overlapping windows has one order. x, dx: [maps][height][width][chunks]; y, dy,
// argmax: [maps][out_height][out_width][chunks]; blockIdx.x is the map.
#include "pool.cuh"

/// ky * size + kx of each lane's maximum within its window.
struct alignas(kChunk) Places {
    unsigned char at[kChunk];
};

extern "C" __global__ void max_pool_forward(const Chunk* x, Chunk* y, Places* argmax, PoolShape s) {
    const int count = s.out_height * s.out_width * s.chunks;
    const Chunk* in = x + (long long)blockIdx.x * s.height * s.width * s.chunks;
    const long long base = (long long)blockIdx.x * count;
    for (int i = flat_index(); i < count; i += flat_step()) {
        const Place out(i, s.out_width, s.chunks);
        const int rows = min(s.size, s.height - out.y * s.stride);
        const int columns = min(s.size, s.width - out.x * s.stride);
        const Chunk* corner = in + (out.y * s.stride * s.width + out.x * s.stride) * s.chunks + out.chunk;
        Lanes best = load_lanes(corner);
        Places where = {};
        for (int ky = 0; ky < rows; ++ky) {
            for (int kx = 0; kx < columns; ++kx) {
                const Lanes v = load_lanes(corner + (ky * s.width + kx) * s.chunks);
                each_lane([&](int lane) {
                    if (!(v.at[lane] > best.at[lane] || v.at[lane] != v.at[lane])) return;  // a NaN wins
                    best.at[lane] = v.at[lane], where.at[lane] = ky * s.size + kx;
                });
            }
        }
        store_lanes(y + base + i, best);
        argmax[base + i] = where;
    }
}
KERNEL(max_pool_forward);

extern "C" __global__ void max_pool_backward(const Chunk* dy, const Places* argmax, Chunk* dx, PoolShape s) {
    const int count = s.height * s.width * s.chunks;
    const long long base = (long long)blockIdx.x * s.out_height * s.out_width * s.chunks;
    for (int i = flat_index(); i < count; i += flat_step()) {
        const Place in(i, s.width, s.chunks);
        const Windows rows(in.y, s.out_height, s), columns(in.x, s.out_width, s);
        Lanes sum = {};
        for (int oy = rows.first; oy <= rows.last; ++oy) {
            for (int ox = columns.first; ox <= columns.last; ++ox) {
                const long long out = base + (oy * s.out_width + ox) * s.chunks + in.chunk;
                const int here = (in.y - oy * s.stride) * s.size + in.x - ox * s.stride;
                const Places where = argmax[out];
                const Lanes slope = load_lanes(dy + out);
                each_lane([&](int lane) { sum.at[lane] += where.at[lane] == here ? slope.at[lane] : 0.0f; });
            }
        }
        store_lanes(dx + (long long)blockIdx.x * count + i, sum);
    }
}
KERNEL(max_pool_backward);
