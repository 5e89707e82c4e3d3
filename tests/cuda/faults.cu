// Kernels that are right with fault = 0 and have one planted fault with fault = 1. Each must be caught.
#include "common.cuh"

/// y[i] = x[i] + x[i + 1] in a block's turn; fault: no barrier between write and read.
extern "C" __global__ void barrier_removed(const float* x, float* y, int fault) {
    using Tile = float[64];
    SHARED(Tile, tile);
    const int t = threadIdx.x;
    tile[t] = x[t];
    if (!fault) __syncthreads();
    y[t] = tile[t] + tile[(t + 1) % 64];
}
KERNEL(barrier_removed);

/// y = x reversed; fault: one element beyond the end.
extern "C" __global__ void index_off_by_one(const float* x, float* y, int fault) {
    y[63 - threadIdx.x + fault] = x[threadIdx.x];
}
KERNEL(index_off_by_one);

/// y = x through shared memory; fault: one element beyond its end.
extern "C" __global__ void shared_off_by_one(const float* x, float* y, int fault) {
    using Tile = float[64];
    SHARED(Tile, tile);
    tile[threadIdx.x + fault] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = tile[threadIdx.x + fault];
}
KERNEL(shared_off_by_one);

/// y[i] = x[i] + 0; fault: nobody has written the zero.
extern "C" __global__ void uninitialised_shared(const float* x, float* y, int fault) {
    using Zero = float[1];
    SHARED(Zero, zero);
    if (threadIdx.x == 0 && !fault) zero[0] = 0;
    __syncthreads();
    y[threadIdx.x] = x[threadIdx.x] + zero[0];
}
KERNEL(uninitialised_shared);

/// y[0] += every x, over blocks; fault: no atomic.
extern "C" __global__ void race_between_blocks(const float* x, float* y, int fault) {
    if (threadIdx.x != 0) return;
    if (fault)
        y[0] += x[blockIdx.x];
    else
        atomicAdd(&y[0], x[blockIdx.x]);
}
KERNEL(race_between_blocks);

/// y = x by asynchronous copies; fault: they are not waited for.
extern "C" __global__ void wait_missing(const float* x, float* y, int fault) {
    using Tile = float[64];
    SHARED(Tile, tile);
    if (threadIdx.x < 16) cp_async16(&tile[4 * threadIdx.x], x + 4 * threadIdx.x, true);
    cp_async_commit();
    if (!fault) cp_async_wait<0>();
    __syncthreads();
    y[threadIdx.x] = tile[threadIdx.x];
}
KERNEL(wait_missing);

/// y[i] = x[i] + x of the lane beside; fault: half of the lanes have returned.
extern "C" __global__ void lanes_returned(const float* x, float* y, int fault) {
    if (fault && threadIdx.x % 32 >= 16) return;
    const float mine = x[threadIdx.x];
    y[threadIdx.x] = mine + __shfl_xor_sync(0xffffffffu, mine, 1);
}
KERNEL(lanes_returned);

/// y = x; fault: the two halves of the block wait at different barriers.
extern "C" __global__ void barriers_differ(const float* x, float* y, int fault) {
    if (fault && threadIdx.x < 32) {
        __syncthreads();
    } else {
        __syncthreads();
    }
    y[threadIdx.x] = x[threadIdx.x];
}
KERNEL(barriers_differ);

/// y[i] = x of the next lane, through shared memory in one warp; fault: no __syncwarp.
extern "C" __global__ void syncwarp_missing(const float* x, float* y, int fault) {
    using Tile = float[64];
    SHARED(Tile, tile);
    tile[threadIdx.x] = x[threadIdx.x];
    if (!fault) __syncwarp();
    y[threadIdx.x] = tile[threadIdx.x ^ 1];
}
KERNEL(syncwarp_missing);
