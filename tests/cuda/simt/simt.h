// CUDA C++ on the CPU: what a .cu file needs so that g++ compiles it and a block runs as fibers, one per
// thread. A block's fibers share one OS thread and take turns only where CUDA threads wait for each other.
#pragma once
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)

namespace simt {

struct Index {
    unsigned x, y, z;
};

struct Copy {
    void* to;
    const void* from;
    unsigned bytes;  // 0: the 16 bytes become zero
};

/// What kernel code may know of the thread that runs it.
struct Thread {
    Index thread_index, block_index, block_dim, grid_dim;
    unsigned lane;
    std::vector<Copy> copies;         // issued and not yet waited for, oldest first
    std::vector<std::size_t> groups;  // how many copies each committed group holds
};

extern __thread Thread* self;

void barrier(int line);

/// Waits until every lane of `mask` has come with the same `name`; the last runs `combine` over all they brought.
using Combine = void (*)(void** lanes, unsigned mask);
void collective(unsigned mask, const char* name, void* mine, Combine combine);

/// The block's memory number `slot`: `bytes` filled with NaN by the first thread that asks.
void* shared_memory(int slot, std::size_t bytes);

using Packed = void (*)(void** arguments);

struct Kernel {
    Packed call;
    std::vector<unsigned> sizes;  // of each argument
};
bool add_kernel(const char* name, Kernel kernel);

template <class... A, std::size_t... I>
void unpack(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<A*>(arguments[I])...);
}

template <auto kernel>
struct Call;
template <class... A, void (*kernel)(A...)>
struct Call<kernel> {
    static void packed(void** arguments) { unpack(kernel, arguments, std::index_sequence_for<A...>()); }
    static Kernel described() { return {packed, {sizeof(A)...}}; }
};

template <class T>
struct Exchange {
    T value, result;
    unsigned source;
};

/// Every lane's result becomes the value its `source` lane brought.
template <class T>
T shuffle(unsigned mask, const char* name, T value, unsigned source) {
    Exchange<T> mine{value, value, source};
    collective(mask, name, &mine, [](void** lanes, unsigned members) {
        for (unsigned lane = 0; lane < 32; ++lane) {
            if (!(members >> lane & 1)) continue;
            auto* one = static_cast<Exchange<T>*>(lanes[lane]);
            if (one->source < 32 && members >> one->source & 1)
                one->result = static_cast<Exchange<T>*>(lanes[one->source])->value;
        }
    });
    return mine.result;
}

}  // namespace simt

#define threadIdx (simt::self->thread_index)
#define blockIdx (simt::self->block_index)
#define blockDim (simt::self->block_dim)
#define gridDim (simt::self->grid_dim)

/// Registers a kernel by name; nothing on a GPU.
#define KERNEL(name) static const bool name##_added = simt::add_kernel(#name, simt::Call<&name>::described())

/// Declares a block's shared memory: `type` may be an array type.
#define SHARED(type, name) type& name = *static_cast<type*>(simt::shared_memory(__COUNTER__, sizeof(type)))

#define __syncthreads() simt::barrier(__LINE__)

inline void __syncwarp(unsigned mask = 0xffffffffu) {
    simt::collective(mask, "__syncwarp", nullptr, nullptr);
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int distance) {
    return simt::shuffle(mask, "__shfl_xor_sync", value, simt::self->lane ^ distance);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int source) {
    return simt::shuffle(mask, "__shfl_sync", value, source);
}

template <class T>
T atomicAdd(T* to, T value) {
    T seen, next;
    __atomic_load(to, &seen, __ATOMIC_RELAXED);
    do next = seen + value;
    while (!__atomic_compare_exchange(to, &seen, &next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return seen;
}

inline unsigned __float_as_uint(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, 4);
    return bits;
}

inline float __uint_as_float(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}

inline float rsqrtf(float value) { return float(1 / std::sqrt(double(value))); }

inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned long long)a * b >> 32; }

using std::exp;
using std::log;
using std::max;
using std::min;
