// What the files of convolution in bf16 share: maps as the phases of a stride.
//
// A kernel that moves by s pixels is one that moves by one pixel over s x s times as many maps, the phases:
//   phase (c, py, px)[q, r] = x[c, q s + py - pad, r s + px - pad],  0 outside of x
// and sees ceil(height / s) x ceil(width / s) taps of each, w[k, c, s ty + py, s tx + px] or 0 beyond. So there is one
// form for every stride, and the few maps of the images are enough to fill tiles.
#pragma once

#include <vector>

#include "bf16.hpp"
#include "bf16_tiles.hpp"
#include "split.hpp"

namespace alexnet::bf16 {

// A row of a phase: row[r] are the 16 numbers of its pixel r.
struct PhaseRow {
    const Bf16* pixels = nullptr;  // of x's row; null: zeros
    Index first = 0, stride = 1, width = 0;

    const Bf16* operator[](Index r) const {
        const Index x = r * stride + first;
        return pixels && x >= 0 && x < width ? pixels + x * LANES : NOTHING<Bf16>;
    }
};

struct Phases {
    ConstMaps x;
    Index stride, pad_rows, pad_columns;

    Index per_map() const { return stride * stride; }
    PhaseRow row(Index b, Index phase, Index q) const {
        const Index y = q * stride + phase / stride % stride - pad_rows;
        if (y < 0 || y >= x.height) return {};
        return {x.at(b, phase / per_map(), y), phase % stride - pad_columns, stride, x.width};
    }
};

// The taps of a kernel on the phases of its maps.
struct Taps {
    struct Tap {
        Index phase, y, x;  // of the phases of one map; the tap's place among those of the phase
    };
    Index height, width;  // of a kernel on a phase
    std::vector<Tap> of;  // for each tap of the kernel itself

    Taps(Index kernel_height, Index kernel_width, Index stride)
        : height(ceil_divide(kernel_height, stride)), width(ceil_divide(kernel_width, stride)) {
        for (Index y = 0; y < kernel_height; ++y)
            for (Index x = 0; x < kernel_width; ++x)
                of.push_back({y % stride * stride + x % stride, y / stride, x / stride});
    }
};

}  // namespace alexnet::bf16
