// Local response normalisation across maps (paper, 3.3):
//   y_i = x_i / s_i^beta,   s_i = k + alpha * sum of x_j^2 over the n maps around i, inside i's group of maps
//   dx_i = dy_i / s_i^beta - 2 alpha beta x_i * sum of dy_j x_j / s_j^(beta + 1) over the maps j whose window
//          holds i
// x, y, dy, dx: [maps][plane] chunks, plane = height * width * chunks of images; blockIdx.x is the map.
#include "common.cuh"

struct LrnShape {
    int plane, group, n;  // group: maps in one group
    float k, alpha, beta;
};

/// The maps around `map` that one window holds: first..last, inside its group.
struct Band {
    int first, last;
    __device__ __forceinline__ Band(int map, const LrnShape& s) {
        const int begin = map / s.group * s.group;
        first = max(map - s.n / 2, begin), last = min(map + s.n / 2, begin + s.group - 1);
    }
};

/// s of one map at chunk i.
__device__ __forceinline__ Lanes lrn_scale(const Chunk* x, int map, int i, const LrnShape& s) {
    const Band band(map, s);
    Lanes sum = {};
    for (int j = band.first; j <= band.last; ++j) {
        const Lanes v = load_lanes(x + (long long)j * s.plane + i);
        each_lane([&](int lane) { sum.at[lane] += v.at[lane] * v.at[lane]; });
    }
    each_lane([&](int lane) { sum.at[lane] = s.k + s.alpha * sum.at[lane]; });
    return sum;
}

extern "C" __global__ void lrn_forward(const Chunk* x, Chunk* y, LrnShape s) {
    const int map = blockIdx.x;
    for (int i = flat_index(); i < s.plane; i += flat_step()) {
        const long long here = (long long)map * s.plane + i;
        const Lanes scale = lrn_scale(x, map, i, s);
        Lanes v = load_lanes(x + here);
        each_lane([&](int lane) { v.at[lane] *= inverse_power(scale.at[lane], s.beta); });
        store_lanes(y + here, v);
    }
}
KERNEL(lrn_forward);

extern "C" __global__ void lrn_backward(const Chunk* x, const Chunk* dy, Chunk* dx, LrnShape s) {
    const int map = blockIdx.x;
    const Band band(map, s);
    for (int i = flat_index(); i < s.plane; i += flat_step()) {
        Lanes sum = {}, own = {};
        for (int j = band.first; j <= band.last; ++j) {
            const long long there = (long long)j * s.plane + i;
            const Lanes scale = lrn_scale(x, j, i, s), v = load_lanes(x + there),
                        slope = load_lanes(dy + there);
            each_lane([&](int lane) {
                const float direct = slope.at[lane] * inverse_power(scale.at[lane], s.beta);
                sum.at[lane] += direct * v.at[lane] / scale.at[lane];
                if (j == map) own.at[lane] = direct;
            });
        }
        const long long here = (long long)map * s.plane + i;
        const Lanes v = load_lanes(x + here);
        each_lane([&](int lane) { own.at[lane] -= 2 * s.alpha * s.beta * v.at[lane] * sum.at[lane]; });
        store_lanes(dx + here, own);
    }
}
KERNEL(lrn_backward);
