// Local response normalisation across maps (paper, 3.3):
//   y_i = x_i / s_i^beta,   s_i = k + alpha * sum of x_j^2 over the n maps around i, inside i's group of maps
//   dx_i = dy_i / s_i^beta - 2 alpha beta x_i * sum of dy_j x_j / s_j^(beta + 1) over the maps j whose window
//          holds i; with relu, which has made x, its backward pass too: 0 where x_i is not above 0
// x, y, dy, dx: [maps][plane] chunks, plane = height * width * chunks of images. A window that reaches as far as the
// paper's is walked: a thread takes the maps of a group at one chunk in their order (blockIdx.x is the group), and holds
// the window in registers. Other windows are read anew for each map (blockIdx.x is the map).
#include "common.cuh"

struct LrnShape {
    int plane, group, n, relu;  // group: maps in one group
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
        each_lane([&](int lane) { v.at[lane] *= Inverse(scale.at[lane], s.beta).power; });
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
                const Inverse inverse(scale.at[lane], s.beta);
                const float direct = slope.at[lane] * inverse.power;
                sum.at[lane] += direct * v.at[lane] * inverse.whole;
                if (j == map) own.at[lane] = direct;
            });
        }
        const long long here = (long long)map * s.plane + i;
        const Lanes v = load_lanes(x + here);
        each_lane([&](int lane) {
            own.at[lane] -= 2 * s.alpha * s.beta * v.at[lane] * sum.at[lane];
            if (s.relu && !(v.at[lane] > 0)) own.at[lane] = 0;
        });
        store_lanes(dx + here, own);
    }
}
KERNEL(lrn_backward);

constexpr int kReach = LRN_REACH, kWindow = 2 * kReach + 1, kAhead = LRN_AHEAD;

/// The maps of a group at one chunk of the plane in their order, zeros after the last; loaded kAhead before their use.
class Walk {
  public:
    __device__ __forceinline__ Walk(const Chunk* first, const LrnShape& s)
        : at_(first), plane_(s.plane), left_(s.group) {
#pragma unroll
        for (int i = 0; i < kAhead; ++i) coming_[i] = fetch();
    }
    __device__ __forceinline__ Chunk next() {
        const Chunk now = coming_[0];
#pragma unroll
        for (int i = 1; i < kAhead; ++i) coming_[i - 1] = coming_[i];
        coming_[kAhead - 1] = fetch();
        return now;
    }

  private:
    __device__ __forceinline__ Chunk fetch() {
        Chunk chunk = {};
        if (left_-- > 0) chunk = *at_, at_ += plane_;
        return chunk;
    }

    const Chunk* at_;
    int plane_, left_;
    Chunk coming_[kAhead];
};

/// The last `length` values that came, the newest last; zeros before the first.
template <class T, int length>
struct Recent {
    T at[length] = {};
    __device__ __forceinline__ void push(const T& value) {
#pragma unroll
        for (int i = 1; i < length; ++i) at[i - 1] = at[i];
        at[length - 1] = value;
    }
};

/// s of the map in the middle of a window.
__device__ __forceinline__ Lanes lrn_scale(const Recent<Chunk, kWindow>& x, const LrnShape& s) {
    Lanes sum = {};
#pragma unroll
    for (int i = 0; i < kWindow; ++i) {
        const Lanes v = lanes_of(x.at[i]);
        each_lane([&](int lane) { sum.at[lane] += v.at[lane] * v.at[lane]; });
    }
    each_lane([&](int lane) { sum.at[lane] = s.k + s.alpha * sum.at[lane]; });
    return sum;
}

extern "C" __global__ void lrn_forward_walk(const Chunk* __restrict__ x, Chunk* __restrict__ y, LrnShape s) {
    const long long group = (long long)blockIdx.x * s.group * s.plane;
    for (int i = flat_index(); i < s.plane; i += flat_step()) {
        Walk maps(x + group + i, s);
        Recent<Chunk, kWindow> window;  // of the maps around `map`
        for (int map = 0; map < kReach; ++map) window.push(maps.next());
        Chunk* to = y + group + i;
        for (int map = 0; map < s.group; ++map, to += s.plane) {
            window.push(maps.next());
            const Lanes scale = lrn_scale(window, s);
            Lanes v = lanes_of(window.at[kReach]);
            each_lane([&](int lane) { v.at[lane] *= Inverse(scale.at[lane], s.beta).power; });
            store_lanes(to, v);
        }
    }
}
KERNEL(lrn_forward_walk);

extern "C" __global__ void __launch_bounds__(LRN_THREADS, LRN_BLOCKS)
    lrn_backward_walk(const Chunk* __restrict__ x, const Chunk* __restrict__ dy, Chunk* __restrict__ dx,
                      LrnShape s) {
    const long long group = (long long)blockIdx.x * s.group * s.plane;
    for (int i = flat_index(); i < s.plane; i += flat_step()) {
        Walk maps(x + group + i, s), slopes(dy + group + i, s);
        Recent<Chunk, kWindow> window;  // of the maps around the one whose slope comes
        Recent<Lanes, kWindow> terms;   // of the sum, of the maps around `map`, kReach before that one
        Recent<Lanes, kReach + 1> directs;
        for (int map = 0; map < kReach; ++map) window.push(maps.next());
        Chunk* to = dx + group + i;
        for (int map = -kReach; map < s.group; ++map) {
            window.push(maps.next());
            const Lanes scale = lrn_scale(window, s), v = lanes_of(window.at[kReach]);
            Lanes direct = lanes_of(slopes.next()), term;
            each_lane([&](int lane) {
                const Inverse inverse(scale.at[lane], s.beta);
                direct.at[lane] *= inverse.power;
                term.at[lane] = direct.at[lane] * v.at[lane] * inverse.whole;
            });
            directs.push(direct), terms.push(term);
            if (map < 0) continue;
            Lanes own = directs.at[0];
            const Lanes here = lanes_of(window.at[0]);
            each_lane([&](int lane) {
                float sum = 0;
                for (int j = 0; j < kWindow; ++j) sum += terms.at[j].at[lane];
                own.at[lane] -= 2 * s.alpha * s.beta * here.at[lane] * sum;
                if (s.relu && !(here.at[lane] > 0)) own.at[lane] = 0;
            });
            store_lanes(to, own);
            to += s.plane;
        }
    }
}
KERNEL(lrn_backward_walk);
