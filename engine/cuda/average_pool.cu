// Average pooling: y = the mean of the window, over the pixels it holds once clipped at the edge.
// x, dx: [maps][height][width][images]; y, dy: [maps][out_height][out_width][images]; blockIdx.y is the map.
#include "pool.cuh"

__device__ __forceinline__ int clipped(int window, int limit, const PoolShape& s) {
    return min(s.size, limit - window * s.stride);
}

extern "C" __global__ void average_pool_forward(const Map* x, Map* y, PoolShape s) {
    const int count = s.out_height * s.out_width * s.images;
    const Map* in = x + (long long)blockIdx.y * s.height * s.width * s.images;
    for (int i = flat_index(); i < count; i += flat_step()) {
        const Place out(i, s.out_width, s.images);
        const int rows = clipped(out.y, s.height, s), columns = clipped(out.x, s.width, s);
        const Map* corner =
            in + ((long long)out.y * s.stride * s.width + out.x * s.stride) * s.images + out.image;
        float sum = 0;
        for (int ky = 0; ky < rows; ++ky)
            for (int kx = 0; kx < columns; ++kx) sum += to_float(corner[(ky * s.width + kx) * s.images]);
        put(y[(long long)blockIdx.y * count + i], sum / (rows * columns));
    }
}
KERNEL(average_pool_forward);

extern "C" __global__ void average_pool_backward(const Map* dy, Map* dx, PoolShape s) {
    const int count = s.height * s.width * s.images;
    const long long base = (long long)blockIdx.y * s.out_height * s.out_width * s.images;
    for (int i = flat_index(); i < count; i += flat_step()) {
        const Place in(i, s.width, s.images);
        const Windows rows(in.y, s.out_height, s), columns(in.x, s.out_width, s);
        float sum = 0;
        for (int oy = rows.first; oy <= rows.last; ++oy)
            for (int ox = columns.first; ox <= columns.last; ++ox)
                sum += to_float(dy[base + (oy * s.out_width + ox) * s.images + in.image]) /
                       (clipped(oy, s.height, s) * clipped(ox, s.width, s));
        put(dx[(long long)blockIdx.y * count + i], sum);
    }
}
KERNEL(average_pool_backward);
