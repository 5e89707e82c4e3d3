// Models of the wrappers in ptx.cuh for counting: they do nothing but add up what they would have moved and multiplied.
#pragma once
#include "counting.h"

inline void cp_async16(void*, const void*, bool take) { simt::counts.copied += take ? 16 : 0; }
inline void cp_async_commit() {}
template <int left>
void cp_async_wait() {}

inline void ldmatrix_x4(unsigned (&fragment)[4], const void*) { std::memset(fragment, 0, sizeof fragment); }
inline void ldmatrix_x4_trans(unsigned (&fragment)[4], const void* row) { ldmatrix_x4(fragment, row); }

/// A lane's share of a product of 16 x 8 results.
inline void mma_bf16(float (&)[4], const unsigned (&)[4], const unsigned*) {
    simt::counts.products += 16 * 8 * 16 / 32;
}
inline void mma_tf32(float (&)[4], const unsigned (&)[4], const unsigned*) {
    simt::counts.products += 16 * 8 * 8 / 32;
}
