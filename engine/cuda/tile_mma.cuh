// The block's accumulators on the tensor cores: four warps, 2 x 2, each rows / 2 x 64 columns in 16 x 8
// fragments; where half of the rows are no whole fragments, 1 x 4, each all rows x 32 columns. Element (row,
// column) of a fragment: lane / 4 (+ 8) and lane % 4 * 2 (+ 1), as the PTX ISA lays them out. A row of an 8 x 8
// matrix that ldmatrix loads is 16 bytes: eight bf16, or four tf32 as they are.
#pragma once

template <int rows>
class Accumulator {
  public:
    static constexpr int kWarpsDown = rows % 32 ? 1 : 2, kWarpsAcross = kThreads / 32 / kWarpsDown;
    static constexpr int kApart = 8, kPairs = kColumns / kWarpsAcross / kApart;  // of a row: distance, number
    struct Pairs {
        float at[kPairs][2];
    };

    template <class B>
    __device__ __forceinline__ void multiply(const DeepTile<rows>& a, const B& b) {
        constexpr int kStep = 2 * kChunk;
#pragma unroll
        for (int depth = 0; depth < kDepth; depth += kStep) {
            unsigned left[kHigh][4];
            for (int i = 0; i < kHigh; ++i) load_a(left[i], a, depth, first_row() + 16 * i);
#pragma unroll
            for (int j = 0; j < kPairs; j += 2) {
                unsigned right[4];
                load_b(right, b, depth, kApart * j);
                for (int i = 0; i < kHigh; ++i) {
                    product(sum_[i][j], left[i], right);
                    product(sum_[i][j + 1], left[i], right + 2);
                }
            }
        }
    }

    /// The first column of this thread's pairs.
    __device__ static __forceinline__ int column() { return first_column() + lane() % 4 * 2; }

    /// Calls visit(row, pairs) for each row of which this thread holds pairs.
    template <class Visit>
    __device__ __forceinline__ void each_row(const Visit& visit) const {
#pragma unroll
        for (int i = 0; i < 2 * kHigh; ++i) {
            Pairs pairs;
            for (int j = 0; j < 2 * kPairs; ++j)
                pairs.at[j / 2][j % 2] = sum_[i / 2][j / 2][i % 2 * 2 + j % 2];
            visit(first_row() + lane() / 4 + 8 * i, pairs);
        }
    }

  private:
    static constexpr int kHigh = rows / kWarpsDown / 16;
    static_assert(rows % (16 * kWarpsDown) == 0 && kPairs % 2 == 0, "fragments are whole");

    __device__ static __forceinline__ unsigned lane() { return threadIdx.x % 32; }
    __device__ static __forceinline__ unsigned warp() { return threadIdx.x / 32; }
    __device__ static __forceinline__ int first_row() { return warp() / kWarpsAcross * (16 * kHigh); }
    __device__ static __forceinline__ int first_column() { return warp() % kWarpsAcross * (kPairs * kApart); }

    /// Rows row..+15 at depths depth..+kStep - 1.
    __device__ static __forceinline__ void load_a(unsigned (&out)[4], const DeepTile<rows>& a, int depth,
                                                  int row) {
        ldmatrix_x4(out, a.at(a.place(lane() % 16, depth / kChunk ^ lane() / 16) + row * kDepth));
        round(out);
    }
    /// Columns column..+7 and column+8..+15 of this warp's at the same depths; each takes two of the four.
    template <int columns>
    __device__ static __forceinline__ void load_b(unsigned (&out)[4], const DeepTile<columns>& b, int depth,
                                                  int column) {
        ldmatrix_x4(out, b.at(b.place(lane() / 16 * 8 + lane() % 8, depth / kChunk ^ lane() / 8 % 2) +
                              (first_column() + column) * kDepth));
        round(out);
    }

#if PRECISION == BF16
    __device__ static __forceinline__ void load_b(unsigned (&out)[4], const WideTile& b, int depth,
                                                  int column) {
        const unsigned part = (first_column() + column) / kChunk;
        ldmatrix_x4_trans(out, b.at(b.place(lane() % 16, part ^ lane() / 16) + depth * kColumns));
    }
    __device__ static __forceinline__ void round(unsigned (&)[4]) {}
    __device__ static __forceinline__ void product(float (&d)[4], const unsigned (&a)[4], const unsigned* b) {
        mma_bf16(d, a, b);
    }
#else
    __device__ static __forceinline__ void load_b(unsigned (&out)[4], const WideTile& b, int depth,
                                                  int column) {
        const unsigned first = b.place(lane() % 4, lane() / 16) + lane() / 4 % 4;
        for (int i = 0; i < 4; ++i) {
            const unsigned place = first ^ b.place(0, column / kChunk + i / 2 * 2);
            out[i] = __float_as_uint(*b.at(place + first_column() + (depth + i % 2 * 4) * kColumns));
        }
        round(out);
    }
    __device__ static __forceinline__ void round(unsigned (&bits)[4]) {
        for (int i = 0; i < 4; ++i) bits[i] = round_to_tf32(__uint_as_float(bits[i]));
    }
    __device__ static __forceinline__ void product(float (&d)[4], const unsigned (&a)[4], const unsigned* b) {
        mma_tf32(d, a, b);
    }
#endif

    float sum_[kHigh][kPairs][4] = {};
};
