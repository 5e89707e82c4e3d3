// The one check of the engine: CHECK(condition, operation, parts of the message...) throws
// std::invalid_argument, which Python sees as ValueError("operation: message"). The parts may be text,
// numbers and arrays (their shape).
#pragma once

#include <sstream>
#include <stdexcept>

#include "maps.hpp"

namespace alexnet {

inline std::ostream& operator<<(std::ostream& out, const MapSizes& x) {
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

}  // namespace alexnet
