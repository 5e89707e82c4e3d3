// Rows of [rows][columns], one a kernel or unit: the bias of a fully connected layer, every bias's gradient.
#include "common.cuh"

/// y[row][column] += b[row], then ReLU if asked; blockIdx.x is the row.
extern "C" __global__ void add_bias(Map* y, const float* b, int columns, int relu) {
    Map* row = y + (long long)blockIdx.x * columns;
    const float bias = b[blockIdx.x];
    for (int i = flat_index(); i < columns; i += flat_step()) {
        const float value = to_float(row[i]) + bias;
        put(row[i], relu && value < 0 ? 0.0f : value);
    }
}
KERNEL(add_bias);

/// db[row] = the sum of dy[row][...]; a block of ROW_THREADS a row.
extern "C" __global__ void sum_rows(const Map* dy, float* db, int columns) {
    const Map* row = dy + (long long)blockIdx.x * columns;
    float sum = 0;
    for (int i = threadIdx.x; i < columns; i += ROW_THREADS) sum += to_float(row[i]);
    sum = block_sum<ROW_THREADS>(sum);
    if (threadIdx.x == 0) db[blockIdx.x] = sum;
}
KERNEL(sum_rows);
