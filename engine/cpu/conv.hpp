// What the files of convolution share: the register block, the bias gradient, and the naive forms' loops.
#pragma once

#include "engine.hpp"

namespace alexnet {

// The register block of the outputs, direct ones and those of tiles at a point: kernels x pixels x LANES
// accumulators, as many as the target's registers hold.
#if defined(__AVX512F__)
inline constexpr int OUTPUT_KERNELS = 12, OUTPUT_PIXELS = 2;
#elif defined(__AVX2__)
inline constexpr int OUTPUT_KERNELS = 6, OUTPUT_PIXELS = 1;
#else
inline constexpr int OUTPUT_KERNELS = 2, OUTPUT_PIXELS = 1;
#endif

// db[k] = sum over b,oy,ox of dy[b,k,oy,ox]
template <class T>
void bias_gradient(Grid<const T> dy, const Numbers& db);

namespace naive {

struct Output {
    Index block, kernel, y, x;
};

template <class Body>
void for_each_output(const ConstMaps& x, const ConstKernels& w, const ConstMaps& y, const Body& body) {
    for (Index b = 0; b < x.blocks; ++b)
        for (Index k = 0; k < w.kernels; ++k)
            for (Index oy = 0; oy < y.height; ++oy)
                for (Index ox = 0; ox < y.width; ++ox) body(Output{b, k, oy, ox});
}

// The taps of one output that fall inside x: body(map of x, ky, kx, {row of x, column of x}).
template <class Body>
void for_each_tap(const ConstMaps& x, const ConstKernels& w, ConvShape s, const Output& p, const Body& body) {
    const Index first_map = p.kernel / (w.kernels / s.groups) * w.maps;
    for (Index c = first_map; c < first_map + w.maps; ++c)
        for (Index ky = 0; ky < w.height; ++ky)
            for (Index kx = 0; kx < w.width; ++kx) {
                const Index in[2] = {p.y * s.stride + ky - s.pad, p.x * s.stride + kx - s.pad};
                if (in[0] >= 0 && in[0] < x.height && in[1] >= 0 && in[1] < x.width) body(c, ky, kx, in);
            }
}

}  // namespace naive

}  // namespace alexnet
