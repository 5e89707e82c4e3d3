// Augmentation (section 4.1): from whole uint8 images to a batch of input maps, in one pass:
//   out[b, c, y, x, lane] = ((pixel - mean) + shift[c]) / divide
// with pixel and mean at row crop.y + y and column crop.x + x of image 16 b + lane, or counted from the
// crop's right edge where it is reflected. Images and mean (side, side, 3), RGB; out (B, 3, crop, crop, 16);
// lanes and blocks beyond the last image are zero. A smaller mean (crop, crop, 3) is every crop's, at row y and
// column x of what comes out.
#include <algorithm>
#include <type_traits>

#include "check.hpp"
#include "engine.hpp"
#include "simd.hpp"
#include "threads.hpp"
#include "unrounded.hpp"

namespace alexnet {

namespace {

constexpr Index CHANNELS = 3;

void check_augment(const std::vector<Crop>& images, Index side, const MeanImage& mean, const MapSizes& out,
                   float divide) {
    const char* op = "augment";
    const Index count = static_cast<Index>(images.size());
    CHECK(out.maps == CHANNELS && out.height == out.width && out.height >= 1 && out.height <= side, op,
          "out ", out, " must be (blocks, 3, crop, crop, 16) with crop <= ", side);
    CHECK(count >= 1 && count <= out.blocks * LANES, op, count, " images do not fit out ", out);
    CHECK(mean.side == side || mean.side == out.height, op, "mean (", mean.side, ", ", mean.side,
          ", 3) is neither like the images of ", side, " nor like the crops of ", out.height);
    CHECK(divide != 0, op, "divide is zero");
    for (const Crop& c : images)
        CHECK(c.y >= 0 && c.x >= 0 && c.y + out.height <= side && c.x + out.width <= side, op,
              "the crop at (", c.y, ", ", c.x, ") of ", out.width, " pixels leaves the image of ", side);
}

// One row of one image and channel, into every LANES-th number of `to`.
void copy_row(const Crop& image, const MeanImage& mean, Index side, Index y, Index channel, Index columns,
              float* to) {
    const Index last = image.x + columns - 1;
    const Index first = ((image.y + y) * side + (image.reflect ? last : image.x)) * CHANNELS + channel;
    const Index step = image.reflect ? -CHANNELS : CHANNELS;
    const bool whole = mean.side == side;
    const std::uint8_t* pixel = image.pixels + first;
    const float* average = mean.data + (whole ? first : y * columns * CHANNELS + channel);
    const Index average_step = whole ? step : CHANNELS;
    const float shift = image.shift[channel];
    for (Index x = 0; x < columns; ++x) to[x * LANES] = (pixel[x * step] - average[x * average_step]) + shift;
}

}  // namespace

template <class T>
void augment(const std::vector<Crop>& images, Index side, MeanImage mean, Grid<T> out, float divide) {
    check_augment(images, side, mean, out, divide);
    parallel(out.blocks * out.height, [&](Index i) {
        const Index b = i / out.height, y = i % out.height;
        thread_local Scratch scratch;
        for (Index channel = 0; channel < CHANNELS; ++channel) {
            float* row = unrounded(out.at(b, channel, y), scratch.floats(out.row_stride()));
            for (Index lane = 0; lane < LANES; ++lane) {
                const Index n = b * LANES + lane;
                if (n < static_cast<Index>(images.size()))
                    copy_row(images[n], mean, side, y, channel, out.width, row + lane);
                else
                    for (Index x = 0; x < out.width; ++x) row[x * LANES + lane] = 0;
            }
            if (std::is_same_v<T, float> && divide == 1) continue;  // they are where they belong
            for (Index x = 0; x < out.width; ++x)
                store(out.at(b, channel, y, x), load(row + x * LANES) / divide);
        }
    });
}

FOR_MAPS(augment);

}  // namespace alexnet
