// Where the weights of a convolution lie as its products read them: [group][tile][step][row][depth], a stage's share
// of A in one piece, depth = (tap, map).
#pragma once
#include "tile.cuh"

/// How plain weights are read as (group, row, map, tap), and the tiles they are packed to.
struct PackShape {
    int groups, rows, maps, taps, tile_rows, tiles, steps;
    int group_stride, row_stride, map_stride;
};

/// The place of plain weight i.
__device__ __forceinline__ long long packed_place(int i, const PackShape& s) {
    const int group = i / s.group_stride, inside = i % s.group_stride;
    const int row = inside / s.row_stride % s.rows, map = inside / s.map_stride % s.maps;
    const int r = inside % s.taps * padded(s.maps) + map, tile = group * s.tiles + row / s.tile_rows;
    const long long line = ((long long)tile * s.steps + r / kDepth) * s.tile_rows + row % s.tile_rows;
    return line * kDepth + r % kDepth;
}
