// Overlapping max pooling (paper, 3.4): y = max over the window; ties go to the first. The backward pass
// gathers, so the sum over overlapping windows has one order. x, dx: [maps][height][width][images]; y, dy,
// argmax: [maps][out_height][out_width][images]; blockIdx.y is the map.
#include "pool.cuh"

/// argmax: ky * size + kx of the maximum within its window.
extern "C" __global__ void max_pool_forward(const Map* x, Map* y, unsigned char* argmax, PoolShape s) {
    const int count = s.out_height * s.out_width * s.images;
    const Map* in = x + (long long)blockIdx.y * s.height * s.width * s.images;
    const long long base = (long long)blockIdx.y * count;
    for (int i = flat_index(); i < count; i += flat_step()) {
        const Place out(i, s.out_width, s.images);
        const int rows = min(s.size, s.height - out.y * s.stride),
                  columns = min(s.size, s.width - out.x * s.stride);
        const Map* corner =
            in + ((long long)out.y * s.stride * s.width + out.x * s.stride) * s.images + out.image;
        float best = to_float(*corner);
        int where = 0;
        for (int ky = 0; ky < rows; ++ky) {
            for (int kx = 0; kx < columns; ++kx) {
                const float value = to_float(corner[(ky * s.width + kx) * s.images]);
                if (value > best || value != value) best = value, where = ky * s.size + kx;
            }
        }
        put(y[base + i], best);
        argmax[base + i] = where;
    }
}
KERNEL(max_pool_forward);

extern "C" __global__ void max_pool_backward(const Map* dy, const unsigned char* argmax, Map* dx,
                                             PoolShape s) {
    const int count = s.height * s.width * s.images;
    const long long base = (long long)blockIdx.y * s.out_height * s.out_width * s.images;
    for (int i = flat_index(); i < count; i += flat_step()) {
        const Place in(i, s.width, s.images);
        const Windows rows(in.y, s.out_height, s), columns(in.x, s.out_width, s);
        float sum = 0;
        for (int oy = rows.first; oy <= rows.last; ++oy) {
            for (int ox = columns.first; ox <= columns.last; ++ox) {
                const long long out = base + (oy * s.out_width + ox) * s.images + in.image;
                const int here = (in.y - oy * s.stride) * s.size + in.x - ox * s.stride;
                if (argmax[out] == here) sum += to_float(dy[out]);
            }
        }
        put(dx[(long long)blockIdx.y * count + i], sum);
    }
}
KERNEL(max_pool_backward);
