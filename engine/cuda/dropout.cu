// Dropout (paper, 4.2): a unit is zero where its draw is below the rate, else unchanged (test outputs are
// scaled instead). The draw is a function of (seed, step, layer, unit, image), so the backward pass is the
// same call. x, y: [units][images]; y may be x.
#include "common.cuh"
#include "philox.cuh"

/// `below`: the rate times 2^32, rounded up; `step`: in memory, so that a captured graph can go on to the
/// next.
extern "C" __global__ void dropout(const Map* x, Map* y, int units, int images, unsigned long long below,
                                   unsigned seed, const unsigned* step, unsigned layer, unsigned first_unit,
                                   unsigned first_image) {
    const long long count = (long long)units * images;
    for (long long i = flat_index(); i < count; i += flat_step()) {
        const unsigned image = first_image + i % images, unit = first_unit + i / images;
        const Words words = philox({{unit, image / 4, *step, layer}}, seed, 4);
        const unsigned pairs[2] = {image & 1 ? words.at[1] : words.at[0],
                                   image & 1 ? words.at[3] : words.at[2]};
        const unsigned draw = image & 2 ? pairs[1] : pairs[0];
        put(y[i], draw < below ? 0.0f : to_float(x[i]));
    }
}
KERNEL(dropout);

extern "C" __global__ void set_word(unsigned* word, unsigned value) { *word = value; }
KERNEL(set_word);
