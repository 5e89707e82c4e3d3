// The weights of a convolution as its products read them (pack.cuh), zeros beyond the rows and the depth.
#include "pack.cuh"

/// packed: groups * tiles * steps * tile_rows * kDepth elements.
extern "C" __global__ void conv_pack(const float* w, Map* packed, PackShape s) {
    const long long count = (long long)s.groups * s.tiles * s.steps * s.tile_rows * kDepth;
    const int maps = padded(s.maps);
    for (long long i = flat_index(); i < count; i += flat_step()) {
        const int line = i / kDepth, stage = line / s.tile_rows, tile = stage / s.steps;
        const int row = tile % s.tiles * s.tile_rows + line % s.tile_rows, group = tile / s.tiles;
        const int r = stage % s.steps * kDepth + i % kDepth, tap = r / maps, map = r % maps;
        const bool real = row < s.rows && tap < s.taps && map < s.maps;
        const int from = group * s.group_stride + row * s.row_stride + map * s.map_stride + tap;
        put(packed[i], real ? w[from] : 0.0f);
    }
}
KERNEL(conv_pack);
