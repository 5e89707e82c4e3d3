// y = factor x: the hidden units' outputs at test, where dropout is off (paper, 4.2). y may be x.
#include "common.cuh"

extern "C" __global__ void scale(const Map* x, Map* y, long long count, float factor) {
    for (long long i = flat_index(); i < count; i += flat_step()) put(y[i], factor * to_float(x[i]));
}
KERNEL(scale);

/// Master weights in the form the matrix products read.
extern "C" __global__ void to_maps(const float* x, Map* y, long long count) {
    for (long long i = flat_index(); i < count; i += flat_step()) put(y[i], x[i]);
}
KERNEL(to_maps);
