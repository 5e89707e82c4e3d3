// From a number known when it runs to one known when it is compiled.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "maps.hpp"

namespace alexnet {

template <class F, int... N>
bool try_constants(Index count, const F& f, std::integer_sequence<int, N...>) {
    return ((count == N + 1 && (f(std::integral_constant<int, N + 1>()), true)) || ...);
}

// f(std::integral_constant<int, count>) for a count of 1 to MOST. Another one is the engine's own fault, and would
// leave an output unwritten.
template <int MOST, class F>
void with_constant(Index count, const F& f) {
    if (!try_constants(count, f, std::make_integer_sequence<int, MOST>()))
        throw std::logic_error("the engine has no form for a count of " + std::to_string(count));
}

}  // namespace alexnet
