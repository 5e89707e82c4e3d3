// The block's accumulators on the tensor cores: four warps, 2 x 2, each 32 rows x 64 columns in 16 x 8
// fragments. Element (row, column) of a fragment: lane / 4 (+ 8) and lane % 4 * 2 (+ 1), as in the PTX ISA.
#pragma once

class Accumulator {
  public:
    template <class B>
    __device__ __forceinline__ void multiply(const DeepTile<kRows>& a, const B& b) {
        constexpr int kStep = PRECISION == BF16 ? 16 : 8;
#pragma unroll
        for (int depth = 0; depth < kDepth; depth += kStep) {
            unsigned left[2][4];
            for (int i = 0; i < 2; ++i) load_a(left[i], a, depth, first_row() + 16 * i);
#pragma unroll
            for (int j = 0; j < 8; j += 2) {
                unsigned right[4];
                load_b(right, b, depth, first_column() + 8 * j);
                for (int i = 0; i < 2; ++i) {
                    product(sum_[i][j], left[i], right);
                    product(sum_[i][j + 1], left[i], right + 2);
                }
            }
        }
    }

    /// Calls visit(row, column, first, second) for each pair of columns this thread holds.
    template <class Visit>
    __device__ __forceinline__ void each(const Visit& visit) const {
        const int row = first_row() + lane() / 4, column = first_column() + lane() % 4 * 2;
#pragma unroll
        for (int i = 0; i < 2; ++i)
#pragma unroll
            for (int j = 0; j < 8; ++j)
                for (int half = 0; half < 2; ++half)
                    visit(row + 16 * i + 8 * half, column + 8 * j, sum_[i][j][2 * half],
                          sum_[i][j][2 * half + 1]);
    }

  private:
    __device__ static __forceinline__ int lane() { return threadIdx.x % 32; }
    __device__ static __forceinline__ int first_row() { return threadIdx.x / 64 * 32; }
    __device__ static __forceinline__ int first_column() { return threadIdx.x / 32 % 2 * 64; }

#if PRECISION == BF16
    __device__ static __forceinline__ void load_a(unsigned (&out)[4], const DeepTile<kRows>& a, int depth,
                                                  int row) {
        ldmatrix_x4(out, &a.at[row + lane() % 16][depth + lane() / 16 * 8]);
    }
    template <class B>
    __device__ static __forceinline__ void load_b(unsigned (&out)[4], const B& b, int depth, int column) {
        b.load(out, depth, column, lane());
    }
    __device__ static __forceinline__ void product(float (&d)[4], const unsigned (&a)[4], const unsigned* b) {
        mma_bf16(d, a, b);
    }
#else
    __device__ static __forceinline__ void load_a(unsigned (&out)[4], const DeepTile<kRows>& a, int depth,
                                                  int row) {
        for (int i = 0; i < 4; ++i)
            out[i] = round_to_tf32(a.at[row + lane() / 4 + i % 2 * 8][depth + lane() % 4 + i / 2 * 4]);
    }
    template <class B>
    __device__ static __forceinline__ void load_b(unsigned (&out)[4], const B& b, int depth, int column) {
        for (int i = 0; i < 4; ++i)
            out[i] =
                round_to_tf32(b.element(depth + lane() % 4 + i % 2 * 4, column + lane() / 4 + i / 2 * 8));
    }
    __device__ static __forceinline__ void product(float (&d)[4], const unsigned (&a)[4], const unsigned* b) {
        mma_tf32(d, a, b);
    }
#endif

    float sum_[2][8][4] = {};
};
