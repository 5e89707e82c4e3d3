// The block's accumulators in plain fp32: 8 x 8 a thread, rows 8 apart, columns in pairs 32 apart.
#pragma once

class Accumulator {
  public:
    template <class B>
    __device__ __forceinline__ void multiply(const DeepTile<kRows>& a, const B& b) {
        const int row = threadIdx.x / 16, column = threadIdx.x % 16 * 2;
#pragma unroll 4
        for (int depth = 0; depth < kDepth; ++depth) {
            float left[8], right[8];
            for (int i = 0; i < 8; ++i) left[i] = to_float(a.at[row + 8 * i][depth]);
            for (int j = 0; j < 8; ++j) right[j] = to_float(b.element(depth, column + j / 2 * 32 + j % 2));
            for (int i = 0; i < 8; ++i)
                for (int j = 0; j < 8; ++j) sum_[i][j] += left[i] * right[j];
        }
    }

    /// Calls visit(row, column, first, second) for each pair of columns this thread holds.
    template <class Visit>
    __device__ __forceinline__ void each(const Visit& visit) const {
        const int row = threadIdx.x / 16, column = threadIdx.x % 16 * 2;
#pragma unroll
        for (int i = 0; i < 8; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j)
                visit(row + 8 * i, column + 32 * j, sum_[i][2 * j], sum_[i][2 * j + 1]);
    }

  private:
    float sum_[8][8] = {};
};
