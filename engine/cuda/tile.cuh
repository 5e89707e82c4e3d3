// One block's share of a matrix product: 64 rows x 128 columns, accumulated in fp32 while its operands arrive
// by asynchronous copies, a few stages ahead. A operand tiles hold depth contiguous; B tiles either.
#pragma once
#include "common.cuh"

constexpr int kThreads = CONV_THREADS;
constexpr int kBlocks = CONV_BLOCKS;
constexpr int kRows = CONV_ROWS;
constexpr int kColumns = CONV_COLUMNS;
constexpr int kStages = CONV_STAGES;
constexpr int kDepth = CONV_DEPTH_BYTES / sizeof(Map);  // depth of one stage
constexpr int kDeep = kDepth + kChunk;  // padded rows: no two lanes of a fragment meet in a bank
constexpr int kWide = kColumns + 8;
constexpr int kParts = kDepth / kChunk;  // copies to a row of a deep tile

template <int rows>
struct DeepTile {
    Map at[rows][kDeep];
    __device__ __forceinline__ const Map& element(int depth, int column) const { return at[column][depth]; }
    /// The fragments of columns column..+7 and column+8..+15, for depths depth..+15.
    __device__ __forceinline__ void load(unsigned (&fragment)[4], int depth, int column, int lane) const {
        ldmatrix_x4(fragment, &at[column + lane / 16 * 8 + lane % 8][depth + lane / 8 % 2 * 8]);
    }
};

struct WideTile {
    Map at[kDepth][kWide];
    __device__ __forceinline__ const Map& element(int depth, int column) const { return at[depth][column]; }
    __device__ __forceinline__ void load(unsigned (&fragment)[4], int depth, int column, int lane) const {
        ldmatrix_x4_trans(fragment, &at[depth + lane % 16][column + lane / 16 * 8]);
    }
};

template <class B>
struct Stage {
    DeepTile<kRows> a;
    B b;
};

#if PRECISION == FP32
#include "tile_fp32.cuh"
#else
#include "tile_mma.cuh"
#endif

/// Accumulates `steps` stages; `load(step, stage)` starts the copies of one.
template <class B, class Load>
__device__ __forceinline__ void accumulate(Accumulator& sum, int steps, const Load& load) {
    using Pipeline = Stage<B>[kStages];
    SHARED(Pipeline, stages);
    for (int step = 0; step < kStages - 1; ++step) {
        if (step < steps) load(step, stages[step]);
        cp_async_commit();
    }
    for (int step = 0; step < steps; ++step) {
        cp_async_wait<kStages - 2>();
        __syncthreads();  // this stage has come for all threads, and all have done with the one before
        const int next = step + kStages - 1;
        if (next < steps) load(next, stages[next % kStages]);
        cp_async_commit();
        sum.multiply(stages[step % kStages].a, stages[step % kStages].b);
    }
}
