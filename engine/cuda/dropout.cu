// Dropout (paper, 4.2): a unit is zero where its draw is below the rate, else unchanged (test outputs are
// scaled instead). The draw is a function of (seed, step, layer, unit, image), so the backward pass is the
// same call. x, y: [units][chunks of images]; y may be x.
#include "common.cuh"
#include "philox.cuh"

/// `below`: the rate times 2^32, rounded up; `number`: the step, in memory, so that a captured graph can go
/// on to the next.
extern "C" __global__ void dropout(const Chunk* x, Chunk* y, int units, int chunks, unsigned long long below,
                                   unsigned seed, const double* number, unsigned layer, unsigned first_unit,
                                   unsigned long long first_image) {
    const long long count = (long long)units * chunks;
    const unsigned step = *number;
    for (long long i = flat_index(); i < count; i += flat_step()) {
        const unsigned unit = first_unit + i / chunks;
        const unsigned long long first = first_image + i % chunks * kChunk;
        Lanes v = load_lanes(x + i);
        Words words;  // of four images
        each_lane([&](int lane) {
            const unsigned long long image = first + lane;
            if (lane == 0 || image % 4 == 0)
                words = philox({{unit, unsigned(image / 4), step, layer}}, seed, 4);
            const unsigned even = image & 2 ? words.at[2] : words.at[0];
            const unsigned odd = image & 2 ? words.at[3] : words.at[1];
            if ((image & 1 ? odd : even) < below) v.at[lane] = 0;
        });
        store_lanes(y + i, v);
    }
}
KERNEL(dropout);
