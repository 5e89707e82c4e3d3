// Photographs made square: see resample.cpp.
#pragma once

#include <cstdint>

#include "maps.hpp"

namespace alexnet {

// Rows of pixels of `channels` bytes.
struct Photo {
    const std::uint8_t* data;
    Index height, width, channels;
};

// In pixels from the upper left corner, in float32 as Pillow has it.
struct Box {
    float left, top, right, bottom;
};

void resample(Photo image, Box box, std::uint8_t* out, Index size, bool down_first);

}  // namespace alexnet
