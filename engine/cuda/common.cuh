// What every operation shares: the element of a map and its conversions, flat loops over a grid, small
// divisions. Maps are [C][H][W][N], the image innermost; N is the minibatch rounded up to a multiple of 8.
#pragma once
#include "platform.cuh"
#include "ptx.cuh"

#define FP32 0
#define TF32 1
#define BF16 2
#ifndef PRECISION
#define PRECISION FP32
#endif

struct Bf16 {
    unsigned short bits;
};

__device__ __forceinline__ float to_float(float value) { return value; }
__device__ __forceinline__ float to_float(Bf16 value) { return __uint_as_float(unsigned(value.bits) << 16); }
__device__ __forceinline__ void put(float& to, float value) { to = value; }
__device__ __forceinline__ void put(Bf16& to, float value) { to.bits = round_to_bf16(value); }

#if PRECISION == BF16
using Map = Bf16;
#else
using Map = float;
#endif

constexpr int kChunk = 16 / sizeof(Map);

/// 16 bytes of a map: neighbouring images of one pixel, what one thread reads and writes at once.
struct alignas(16) Chunk {
    Map at[kChunk];
};

/// A chunk's values.
struct Lanes {
    float at[kChunk];
};

__device__ __forceinline__ Lanes lanes_of(Chunk chunk) {
    Lanes lanes;
#pragma unroll
    for (int lane = 0; lane < kChunk; ++lane) lanes.at[lane] = to_float(chunk.at[lane]);
    return lanes;
}

__device__ __forceinline__ Lanes load_lanes(const Chunk* from) { return lanes_of(*from); }

__device__ __forceinline__ void store_lanes(Chunk* to, const Lanes& lanes) {
    Chunk chunk;
#pragma unroll
    for (int lane = 0; lane < kChunk; ++lane) put(chunk.at[lane], lanes.at[lane]);
    *to = chunk;
}

/// Two neighbouring elements at once; `to` is the first of an even place.
template <class T>
__device__ __forceinline__ void put_pair(T* to, float first, float second) {
    struct alignas(2 * sizeof(T)) Pair {
        T at[2];
    } pair;
    put(pair.at[0], first);
    put(pair.at[1], second);
    *reinterpret_cast<Pair*>(to) = pair;
}

/// Calls body(lane) for each lane of a chunk.
template <class Body>
__device__ __forceinline__ void each_lane(const Body& body) {
#pragma unroll
    for (int lane = 0; lane < kChunk; ++lane) body(lane);
}

/// base ^ -exponent and 1 / base, for a base above 0; the paper's exponent 0.75 (3.3) by two roots, which take far
/// fewer instructions than powf. What is infinite is taken for the greatest number: its root times it is one too.
struct Inverse {
    float power, whole;
    __device__ __forceinline__ Inverse(float base, float exponent) {
        const float greatest = __uint_as_float(0x7f7fffffu), most = base > greatest ? greatest : base;
        const float root = rsqrtf(most);
        power = exponent == 0.75f ? root * rsqrtf(most * root) : powf(most, -exponent);
        whole = root * root;
    }
};

/// This thread's first flat index, and the step to its next. blockIdx.x is free to be a row: a grid's second
/// side is short.
__device__ __forceinline__ long long flat_index() { return (long long)blockIdx.y * blockDim.x + threadIdx.x; }
__device__ __forceinline__ long long flat_step() { return (long long)gridDim.y * blockDim.x; }
