// One block's share of a matrix product: `rows` x kColumns, accumulated in fp32 while its operands arrive by
// asynchronous copies, a few stages ahead. A operand tiles hold depth contiguous; B tiles either way round.
// A stage is two times 128 bytes a thread at most: 16 KB for 128 rows, so that three stages need no more
// shared memory than a kernel has without asking.
#pragma once
#include "common.cuh"

constexpr int kThreads = CONV_THREADS;
constexpr int kColumns = CONV_COLUMNS;
constexpr int kStages = CONV_STAGES;
constexpr int kDepth = CONV_DEPTH_BYTES / sizeof(Map);  // depth of one stage
constexpr int kParts = kDepth / kChunk;                 // chunks to a row of a deep tile
constexpr int kTogether = CONV_TOGETHER;                // neighbouring rows of B that a thread copies
constexpr int kAtOnce = kThreads / kParts;              // rows of A that all threads copy at once
constexpr int kLowest = CONV_LOWEST, kLow = CONV_LOW, kMiddle = CONV_MIDDLE,
              kTall = CONV_TALL;  // rows of tiles

static_assert(CONV_DEPTH_BYTES == 64, "a line of banks is two rows of a deep tile");
static_assert(kTogether * kThreads == kDepth * (kColumns / kChunk), "each thread copies one run of B");

/// Maps of one tap in the order of depth, (tap, map): so many that a thread's run of rows has one tap.
__device__ __forceinline__ int padded(int maps) { return (maps + kTogether - 1) / kTogether * kTogether; }

/// Rows of depth, two to a line of the 32 banks. A line's eight chunks are turned by its number, so that the
/// eight rows of a fragment at one depth, and the chunks that eight threads copy, never meet in a bank.
template <int rows>
class DeepTile {
  public:
    /// Where chunk `part` of a row begins. Linear in bits, place(a ^ b, c ^ d) = place(a, c) ^ place(b, d); rows
    /// that are multiples of eight apart are turned alike.
    __device__ static __forceinline__ unsigned place(unsigned row, unsigned part) {
        const unsigned line = row / 2, turn = line % 4 | line % 4 / 2 * 4;
        return (line * 8 | (row % 2 * 4 ^ part ^ turn)) * kChunk;
    }
    __device__ __forceinline__ Map* at(unsigned place) { return at_ + place; }
    __device__ __forceinline__ const Map* at(unsigned place) const { return at_ + place; }

  private:
    Map at_[rows * kDepth];
};

/// Calls copy(row) for the rows of A that this thread copies, counted from its first one.
template <int rows, class Copy>
__device__ __forceinline__ void each_row_copied(const Copy& copy) {
    for (int row = 0; row < rows; row += kAtOnce)
        if (rows % kAtOnce == 0 || threadIdx.x / kParts + row < rows) copy(row);
}

/// Rows of columns, one for each depth; chunks are turned by the depth, so that neither the eight depths of a
/// bf16 fragment nor the four of a tf32 one meet in a bank.
class WideTile {
  public:
    /// Where chunk `part` of a depth's columns begins; linear in bits too. Depths that are multiples of eight
    /// apart (of four in float32) are turned alike, and so are columns eight chunks apart.
    __device__ static __forceinline__ unsigned place(unsigned depth, unsigned part) {
        const unsigned turn = depth * (sizeof(Map) / 2) % 8;
        return depth * kColumns + (part ^ turn) * kChunk;
    }
    __device__ __forceinline__ Map* at(unsigned place) { return at_ + place; }
    __device__ __forceinline__ const Map* at(unsigned place) const { return at_ + place; }

  private:
    Map at_[kDepth * kColumns];
};

template <int rows, class B>
struct alignas(128) Stage {
    DeepTile<rows> a;
    B b;
};

#if PRECISION == FP32
#include "tile_fp32.cuh"
#else
#include "tile_mma.cuh"
#endif

/// Goes through `steps` stages: `load(stage)` starts the copies of the next, `use(stage)` reads them.
template <class Stage, class Load, class Use>
__device__ __forceinline__ void pipeline(int steps, const Load& load, const Use& use) {
    using Ring = Stage[kStages];
    SHARED(Ring, ring);
    for (int step = 0; step < kStages - 1; ++step) {
        if (step < steps) load(ring[step]);
        cp_async_commit();
    }
    int ready = 0, spent = kStages - 1;  // the stage to be used, and the one used before it
    for (int step = 0; step < steps; ++step) {
        cp_async_wait<kStages - 2>();
        __syncthreads();  // this stage has come for all threads, and all have done with the one before
        if (step + kStages - 1 < steps) load(ring[spent]);
        cp_async_commit();
        use(ring[ready]);
        spent = ready;
        ready = ready + 1 < kStages ? ready + 1 : 0;
    }
}
