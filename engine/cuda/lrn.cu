// Local response normalisation across maps (paper, 3.3):
//   y_i = x_i / s_i^beta,   s_i = k + alpha * sum of x_j^2 over the n maps around i, inside i's group of maps
//   dx_i = dy_i / s_i^beta - 2 alpha beta x_i * sum over the maps j whose window holds i of dy_j x_j /
//   s_j^(beta + 1)
// x, y, dy, dx: [maps][plane], plane = height * width * images; blockIdx.y is the map.
#include "common.cuh"

struct LrnShape {
    int plane, group, n;  // group: maps in one group
    float k, alpha, beta;
};

/// The maps around `map` that one window holds: first..last, inside its group.
struct Band {
    int first, last;
    __device__ __forceinline__ Band(int map, int before, int after, int group) {
        const int begin = map / group * group;
        first = max(map - before, begin), last = min(map + after, begin + group - 1);
    }
};

/// s of one map at pixel and image i.
__device__ __forceinline__ float lrn_scale(const Map* x, int map, int i, const LrnShape& s) {
    const Band band(map, s.n / 2, s.n / 2, s.group);
    float sum = 0;
    for (int j = band.first; j <= band.last; ++j) {
        const float value = to_float(x[(long long)j * s.plane + i]);
        sum += value * value;
    }
    return s.k + s.alpha * sum;
}

extern "C" __global__ void lrn_forward(const Map* x, Map* y, LrnShape s) {
    const int map = blockIdx.y;
    for (int i = flat_index(); i < s.plane; i += flat_step()) {
        const long long here = (long long)map * s.plane + i;
        put(y[here], to_float(x[here]) * powf(lrn_scale(x, map, i, s), -s.beta));
    }
}
KERNEL(lrn_forward);

extern "C" __global__ void lrn_backward(const Map* x, const Map* dy, Map* dx, LrnShape s) {
    const int map = blockIdx.y;
    const Band band(map, s.n / 2, s.n / 2, s.group);
    for (int i = flat_index(); i < s.plane; i += flat_step()) {
        float sum = 0, own = 0;
        for (int j = band.first; j <= band.last; ++j) {
            const long long there = (long long)j * s.plane + i;
            const float scale = lrn_scale(x, j, i, s), power = powf(scale, -s.beta);
            sum += to_float(dy[there]) * to_float(x[there]) * power / scale;
            if (j == map) own = to_float(dy[there]) * power;
        }
        const long long here = (long long)map * s.plane + i;
        put(dx[here], own - 2 * s.alpha * s.beta * to_float(x[here]) * sum);
    }
}
KERNEL(lrn_backward);
