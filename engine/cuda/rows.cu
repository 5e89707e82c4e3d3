// Rows of chunks, one a kernel or unit: the bias of a fully connected layer, and the gradient of biases where
// no kernel of the weights' has summed it up.
#include "common.cuh"

/// y[row] += b[row], then ReLU if asked; y: [rows][chunks], `count` chunks in all.
extern "C" __global__ void add_bias(Chunk* y, const float* b, int chunks, long long count, int relu) {
    for (long long i = flat_index(); i < count; i += flat_step()) {
        const float bias = b[i / chunks];
        Lanes v = load_lanes(y + i);
        each_lane([&](int lane) {
            v.at[lane] += bias;
            if (relu && v.at[lane] < 0) v.at[lane] = 0;
        });
        store_lanes(y + i, v);
    }
}
KERNEL(add_bias);

/// db[row] = the sum of dy[row]; dy: [rows][chunks]. A warp sums a row.
extern "C" __global__ void sum_rows(const Chunk* dy, float* db, int rows, int chunks) {
    const int lane = threadIdx.x % 32;
    for (int row = flat_index() / 32; row < rows; row += flat_step() / 32) {
        float sum = 0;
        for (int i = lane; i < chunks; i += 32) {
            const Lanes v = load_lanes(dy + (long long)row * chunks + i);
            each_lane([&](int at) { sum += v.at[at]; });
        }
        for (int distance = 16; distance; distance /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, distance);
        if (lane == 0) db[row] = sum;
    }
}
KERNEL(sum_rows);
