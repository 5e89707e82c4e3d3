// Work cut into nearly equal parts.
#pragma once

#include "maps.hpp"

namespace alexnet {

inline Index ceil_divide(Index total, Index part) { return (total + part - 1) / part; }

struct Range {
    Index begin, end;
    Index size() const { return end - begin; }
};

// [0, total) in `count` ranges.
struct Split {
    Index total, count;
    Range operator[](Index i) const { return {i * total / count, (i + 1) * total / count}; }
    Index largest() const { return ceil_divide(total, count); }
};
inline Split split(Index total, Index largest) { return {total, ceil_divide(total, largest)}; }

}  // namespace alexnet
