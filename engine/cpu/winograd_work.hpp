// What the fast convolutions of all calls have done: by it tests see that more threads do no more.
#pragma once

#include <atomic>

#include "maps.hpp"

namespace alexnet::winograd {

inline std::atomic<Index> tiles_brought{0};  // of a map, to its points
inline std::atomic<Index> products_made{0};  // at a point, of LANES numbers

}  // namespace alexnet::winograd
