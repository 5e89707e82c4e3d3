// Augmentation (paper, 4.1) in one pass from bytes to maps: the mean of each pixel subtracted, the image's
// colour shift added, a crop taken and reflected. The tile turns the layout: read along pixels, written along
// images.
//   out[c][y][x][i] = ((pixel - mean) + shift[i][c]) / divide
// at row offset_y + y and column offset_x + x, or offset_x + crop - 1 - x where it is reflected.
// images: [images][size][size][3] bytes; mean: [size][size][3], or [crop][crop][3] of every crop, at row y and
// column x; offsets: [images][2]; out: [3][crop][crop][columns].
#include "common.cuh"

constexpr int kTile = AUGMENT_TILE, kTileRows = AUGMENT_ROWS;

/// grid (tiles of columns, tiles of x, crop); block (kTile, kTileRows). Columns beyond `images` are zero.
extern "C" __global__ void augment(const unsigned char* bytes, const float* mean, Map* out,
                                   const int* offsets, const unsigned char* reflect, const float* shift,
                                   int images, int columns, int size, int mean_size, int crop, float divide) {
    using Tile = float[kTile][3 * kTile + 1];
    SHARED(Tile, tile);
    const int first_image = blockIdx.x * kTile, first_x = blockIdx.y * kTile, y = blockIdx.z;
    for (int row = threadIdx.y; row < kTile; row += kTileRows) {
        const int image = first_image + row;
        for (int i = threadIdx.x; i < 3 * kTile; i += kTile) {
            const int x = first_x + i / 3, c = i % 3;
            float value = 0;
            if (image < images && x < crop) {
                const int from_x = offsets[2 * image + 1] + (reflect[image] ? crop - 1 - x : x);
                const int from = ((offsets[2 * image] + y) * size + from_x) * 3 + c;
                const float pixel = bytes[(long long)image * size * size * 3 + from];
                const float average = mean[mean_size == size ? from : (y * crop + x) * 3 + c];
                value = ((pixel - average) + shift[3 * image + c]) / divide;
            }
            tile[row][i] = value;
        }
    }
    __syncthreads();
    const int image = first_image + threadIdx.x;
    if (image >= columns) return;
    for (int i = threadIdx.y; i < 3 * kTile; i += kTileRows) {
        const int x = first_x + i / 3, c = i % 3;
        if (x < crop)
            put(out[((long long)(c * crop + y) * crop + x) * columns + image], tile[threadIdx.x][i]);
    }
}
KERNEL(augment);
