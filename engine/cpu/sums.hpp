// Sums over photographs: see sums.cpp.
#pragma once

#include <cstdint>

#include "maps.hpp"

namespace alexnet {

void add_sums(const std::uint8_t* images, Index n, Index pixels, std::uint64_t* totals,
              std::uint64_t* products);

}  // namespace alexnet
