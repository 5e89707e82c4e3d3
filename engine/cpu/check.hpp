// The one check of the engine: CHECK(condition, operation, parts of the message...) throws
// std::invalid_argument, which Python sees as ValueError("operation: message"). The parts may be text,
// numbers and arrays (their shape).
#pragma once

#include <sstream>
#include <stdexcept>

#include "maps.hpp"

namespace alexnet {

template <class T>
std::ostream& operator<<(std::ostream& out, const Grid<T>& x) {
    return out << '(' << x.blocks << ", " << x.maps << ", " << x.height << ", " << x.width << ", " << LANES
               << ')';
}

template <class T>
std::ostream& operator<<(std::ostream& out, const Kernels<T>& w) {
    return out << '(' << w.kernels << ", " << w.maps << ", " << w.height << ", " << w.width << ')';
}

template <class T>
std::ostream& operator<<(std::ostream& out, const Matrix<T>& m) {
    return out << '(' << m.rows << ", " << m.columns << ')';
}

template <class... Parts>
[[noreturn]] void fail(const char* operation, const Parts&... parts) {
    std::ostringstream text;
    text << operation << ": ";
    (text << ... << parts);
    throw std::invalid_argument(text.str());
}

#define CHECK(condition, operation, ...)                             \
    do {                                                             \
        if (!(condition)) ::alexnet::fail((operation), __VA_ARGS__); \
    } while (0)

template <class A, class B>
bool same_shape(const Grid<A>& a, const Grid<B>& b) {
    return a.blocks == b.blocks && a.maps == b.maps && a.height == b.height && a.width == b.width;
}

// An output side may be the floor or the ceiling of room / stride + 1, where room = input side - window.
inline bool fits(Index side, Index room, Index stride) {
    const Index floor = room >= 0 ? room / stride : -((-room + stride - 1) / stride);
    const Index ceiling = floor + (room - floor * stride > 0 ? 1 : 0);
    return side >= 1 && (side == floor + 1 || side == ceiling + 1);
}

}  // namespace alexnet
