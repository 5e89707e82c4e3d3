// Where the numbers of a map are float32 before they are rounded: on the map itself where it is of such.
#pragma once

#include "maps.hpp"

namespace alexnet {

inline float* unrounded(float* map, float*) { return map; }
inline float* unrounded(Bf16*, float* scratch) { return scratch; }

}  // namespace alexnet
