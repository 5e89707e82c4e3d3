// Philox 4x32-10: random numbers as a function of what they are for; the same words as the CPU engine draws.
#pragma once
#include "platform.cuh"

struct Words {
    unsigned at[4];
};

__device__ __forceinline__ Words philox(Words counter, unsigned seed, unsigned purpose) {
    for (int round = 0; round < 10; ++round) {
        const unsigned high0 = __umulhi(0xd2511f53u, counter.at[0]), low0 = 0xd2511f53u * counter.at[0];
        const unsigned high1 = __umulhi(0xcd9e8d57u, counter.at[2]), low1 = 0xcd9e8d57u * counter.at[2];
        counter = {{high1 ^ counter.at[1] ^ seed, low1, high0 ^ counter.at[3] ^ purpose, low0}};
        seed += 0x9e3779b9u, purpose += 0xbb67ae85u;
    }
    return counter;
}
