// Where a kernel is compiled: nvcc or NVRTC for a GPU, or any C++17 compiler for the fibers of tests/cuda/simt.
#pragma once

#ifdef __CUDACC__
#define KERNEL(name) static_assert(true)
#define SHARED(type, name) __shared__ __align__(16) type name
#else
#include "simt/simt.h"
#endif
