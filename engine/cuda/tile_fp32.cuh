// The block's accumulators in plain fp32: rows / 8 x 8 a thread, rows 8 apart, columns in pairs 32 apart.
#pragma once

template <int rows>
class Accumulator {
  public:
    static constexpr int kPairs = 4, kApart = 32;  // of a row, and their distance
    struct Pairs {
        float at[kPairs][2];
    };

    template <class B>
    __device__ __forceinline__ void multiply(const DeepTile<rows>& a, const B& b) {
#pragma unroll 4
        for (int depth = 0; depth < kDepth; ++depth) {
            float left[kHigh], right[8];
            for (int i = 0; i < kHigh; ++i)
                left[i] = *a.at(a.place(first_row(), depth / kChunk) + depth % kChunk + 8 * i * kDepth);
            for (int j = 0; j < 8; ++j) right[j] = load_b(b, depth, column() + j % 2, j / 2 * kApart);
            for (int i = 0; i < kHigh; ++i)
                for (int j = 0; j < 8; ++j) sum_[i][j] += left[i] * right[j];
        }
    }

    /// The first column of this thread's pairs.
    __device__ static __forceinline__ int column() { return threadIdx.x % 16 * 2; }

    /// Calls visit(row, pairs) for each row of which this thread holds pairs.
    template <class Visit>
    __device__ __forceinline__ void each_row(const Visit& visit) const {
#pragma unroll
        for (int i = 0; i < kHigh; ++i) {
            Pairs pairs;
            for (int j = 0; j < 2 * kPairs; ++j) pairs.at[j / 2][j % 2] = sum_[i][j];
            visit(first_row() + 8 * i, pairs);
        }
    }

  private:
    static constexpr int kHigh = rows / 8;

    __device__ static __forceinline__ int first_row() { return threadIdx.x / 16; }
    __device__ static __forceinline__ float load_b(const WideTile& b, int depth, int column, int further) {
        return *b.at(b.place(depth, column / kChunk) + column % kChunk + further);
    }
    template <int columns>
    __device__ static __forceinline__ float load_b(const DeepTile<columns>& b, int depth, int column,
                                                   int further) {
        return *b.at(b.place(column, depth / kChunk) + depth % kChunk + further * kDepth);
    }

    float sum_[kHigh][8] = {};
};
